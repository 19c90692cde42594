/** `console network`: the network settings of the box, seen and changed; a change comes back by itself unless it is confirmed. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText, flagTexts } from "../cli/flag-values.ts";
import { humanDuration, parseDuration } from "../core/duration.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { gatherNetworkFacts, type NetworkFacts } from "./agent-facts.ts";
import { assertRootOnBox } from "./host-run.ts";
import {
  confirmNetwork,
  isNetworkText,
  type NetplanScope,
  pendingNetworkChange,
  timeLeft,
  tryNetwork,
  undoNetwork,
} from "./netplan-change.ts";
import { readNetplanFiles } from "./netplan-files.ts";
import { checkNetworkSettings, INTERFACE, type NetworkSettings, netplanText } from "./netplan-settings.ts";

/** Milliseconds to confirm: enough to log in at the new address; not so long that a box stays lost. */
const WITHIN_MS = { least: 10_000, most: 900_000 } as const;
const LOOK_MS = 500;
/** Within the last look nobody begins to confirm. */
const LAST_MS = LOOK_MS;

const SET_FLAGS: readonly Flag[] = [
  {
    name: "interface",
    type: "string",
    value: "<name>",
    summary: "Which one; by default that of the default route, or the only one",
  },
  {
    name: "address",
    type: "string",
    value: "<address/prefix>",
    multiple: true,
    summary: "Address of the box with its prefix",
  },
  { name: "gateway", type: "string", value: "<address>", multiple: true, summary: "Router of that network" },
  { name: "dns", type: "string", value: "<address>", multiple: true, summary: "Name server" },
  { name: "dhcp", type: "boolean", summary: "Let the network give addresses, router and name servers" },
  {
    name: "within",
    type: "string",
    value: "<duration>",
    fallback: "2m",
    summary: "Time to confirm it; then it is undone",
  },
  { name: "dry-run", type: "boolean", summary: "Check it, print the netplan file, and change nothing" },
];

export const networkCommands: readonly Command[] = [
  {
    path: ["console", "network", "set"],
    summary: "Change addresses, router and name servers by netplan, for a time, until confirmed",
    description:
      "Writes /etc/netplan/90-alga-appliance.yaml and applies it. Who still reaches the box confirms it: here by typing yes, or from a new " +
      "login by console network confirm. Unless somebody does, everything is as before, also when this process or the box dies meanwhile.",
    flags: SET_FLAGS,
    examples: [
      {
        command: "alga-appliance console network set --address 192.0.2.10/24 --gateway 192.0.2.1 --dns 192.0.2.53",
        about: "Fixed addresses",
      },
      { command: "alga-appliance console network set --dhcp", about: "Whatever the network gives" },
    ],
    run: setNetwork,
  },
  {
    path: ["console", "network", "confirm"],
    summary: "Keep a change of the network that waits",
    flags: [],
    examples: [{ command: "alga-appliance console network confirm", about: "From a login at the new address" }],
    run: async (context) => {
      await assertRootOnBox(context, "confirm the network");
      await confirmNetwork(scopeOf(context));
      context.out.result({ state: "confirmed" }, () => "The network stays as it is now");
      return EXIT.done;
    },
  },
  {
    path: ["console", "network", "undo"],
    summary: "Take back a change of the network that nobody has confirmed",
    flags: [],
    examples: [
      { command: "alga-appliance console network undo", about: "Now, without waiting for the time to be over" },
    ],
    run: async (context) => {
      await assertRootOnBox(context, "take a change of the network back");
      const name = await undoNetwork(scopeOf(context));
      const text = name === undefined ? "No change of the network waits" : `${name} has its former settings again`;
      context.out.result({ state: name === undefined ? "nothing" : "undone", interface: name ?? null }, () => text);
      return EXIT.done;
    },
  },
  {
    path: ["console", "network"],
    summary: "Show addresses, routes and name servers of the box",
    flags: [],
    examples: [{ command: "alga-appliance console network", about: "And whether a change waits to be confirmed" }],
    run: showNetwork,
  },
];

async function showNetwork(context: CommandContext): Promise<ExitCode> {
  const scope = scopeOf(context);
  const [facts, pending] = await Promise.all([
    gatherNetworkFacts(context.deps, context.signal),
    pendingNetworkChange(scope),
  ]);
  const waits = pending === undefined ? null : { interface: pending.interface, leftMs: await timeLeft(scope, pending) };
  context.out.result({ ...facts, waits }, () =>
    [
      ...facts.addresses.map((one) => `address     ${one.address}/${one.prefix} (${one.interface})`),
      ...facts.routes.map(
        (one) => `route       ${one.to}${one.via === null ? "" : ` via ${one.via}`} (${one.interface})`,
      ),
      ...facts.nameServers.map((one) => `name server ${one}`),
      ...(waits === null
        ? []
        : [`A change of ${waits.interface} waits ${humanDuration(waits.leftMs)} to be confirmed`]),
    ].join("\n"),
  );
  return EXIT.done;
}

async function setNetwork(context: CommandContext): Promise<ExitCode> {
  const { deps, flags, signal, out } = context;
  if (flags["dry-run"] !== true) await assertRootOnBox(context, "change the network");
  const settings = settingsOf(flags);
  const withinMs = withinOf(flags.within);
  const facts = await gatherNetworkFacts(deps, signal);
  const name = interfaceOf(flagText(flags, "interface"), facts);
  checkNetworkSettings(
    settings,
    facts.addresses.filter((one) => one.interface !== name),
  );
  const scope = scopeOf(context);
  const target = { root: scope.paths.root, name, interfaces: facts.interfaces };
  const { definition, edits, kept } = await readNetplanFiles(deps.files, target);
  const text = netplanText(definition, settings, kept);
  if (flags["dry-run"] === true) {
    const changed = edits.map(({ path }) => path);
    const told = changed.map((path) => `# Its addresses are taken out of ${path}\n`).join("");
    out.result({ interface: name, settings, netplan: text, changed }, () => `${told}${text}`);
    return EXIT.done;
  }
  await tryNetwork(scope, { interface: name, text, edits, withinMs });
  out.notice(
    `${name} has its new settings. Without a confirmation it has the former ones again in ${humanDuration(withinMs)}:`,
  );
  out.notice("type yes here, or log in at the new address and type: alga-appliance console network confirm");
  const state = await settle(context, scope, text);
  out.result({ interface: name, state }, () =>
    state === "confirmed"
      ? "The network stays as it is now"
      : `Nobody confirmed it: ${name} has its former settings again`,
  );
  return state === "confirmed" ? EXIT.done : EXIT.failed;
}

/** Waits until somebody says yes here, another process has decided, or the time is over. What ends the waiting undoes the change. */
async function settle(context: CommandContext, scope: NetplanScope, text: string): Promise<"confirmed" | "undone"> {
  let isYes = false;
  let isNo = false;
  const answer = context.askLine?.("Keep it?").then(
    (typed) => {
      isYes = /^y(?:es)?$/i.test(typed.trim());
      isNo = !isYes;
    },
    // The terminal went away with the old address: a new login confirms.
    () => {},
  );
  void answer;
  try {
    for (;;) {
      const pending = await pendingNetworkChange(scope);
      // Gone by another process: who undoes puts our file back or away before it removes the record.
      if (pending === undefined) return (await isNetworkText(scope, text)) ? "confirmed" : "undone";
      // A yes that comes too late is none: what was promised to come back comes back.
      if (isNo || (await timeLeft(scope, pending)) < LAST_MS) {
        await undoNetwork(scope);
        return "undone";
      }
      if (isYes) {
        await confirmNetwork(scope);
        return "confirmed";
      }
      await context.deps.clock.sleep(LOOK_MS, context.signal);
    }
  } catch (thrown) {
    if (context.signal.aborted) await undoNetwork({ ...scope, signal: new AbortController().signal });
    throw thrown;
  }
}

function scopeOf({ deps, settings, signal }: CommandContext): NetplanScope {
  return { deps, signal, paths: statePaths(settings.get("root") ?? "/") };
}

function settingsOf(flags: CommandContext["flags"]): NetworkSettings {
  const words = (name: string): readonly string[] =>
    flagTexts(flags, name)
      .flatMap((text) => text.split(",").map((one) => one.trim()))
      .filter((one) => one !== "");
  const [addresses, gateways, dns] = [words("address"), words("gateway"), words("dns")];
  const isStatic = addresses.length + gateways.length + dns.length > 0;
  if (flags.dhcp === true && !isStatic) return { mode: "dhcp" };
  if (flags.dhcp !== true && isStatic) return { mode: "static", addresses, gateways, dns };
  throw new ApplianceError(
    "cli/usage",
    "Cannot set the network: --dhcp, or --address with its rest, is wanted, one of them",
    {
      hint: "alga-appliance console network set --help",
    },
  );
}

function withinOf(flag: unknown): number {
  const ms = parseDuration(typeof flag === "string" ? flag : "2m");
  if (ms >= WITHIN_MS.least && ms <= WITHIN_MS.most) return ms;
  const [least, most] = [humanDuration(WITHIN_MS.least), humanDuration(WITHIN_MS.most)];
  throw new ApplianceError("cli/usage", `Cannot wait "${String(flag)}": from ${least} to ${most} is wanted`);
}

/** The interface that is meant. What was typed is one of the box, so that no other word gets into a file. */
function interfaceOf(typed: string | undefined, { interfaces, devices, routes }: NetworkFacts): string {
  const route = routes.find(({ to }) => to === "default")?.interface;
  const name = typed ?? route ?? (devices.length === 1 ? devices[0] : undefined);
  if (name !== undefined && INTERFACE.test(name) && interfaces.includes(name)) return name;
  const offered = devices.length > 0 ? devices : interfaces.filter((one) => one !== "lo");
  const wanted = offered.length === 0 ? "the box tells of none" : `one of ${offered.join(", ")} is wanted`;
  throw new ApplianceError("host/network-invalid", `Cannot use interface "${(name ?? "").slice(0, 20)}": ${wanted}`, {
    hint: "Name it with --interface",
  });
}
