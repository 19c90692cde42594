/** `console banner` and `console watch`: the screen of the box, once or until it is stopped. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { parsePort, tlsPort } from "../cli/listen-flags.ts";
import type { Settings } from "../cli/settings.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { type StatePaths, statePaths } from "../core/paths.ts";
import { openLocalSources } from "../status/local-sources.ts";
import type { ApplianceStatus } from "../status/model.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { type BannerFacts, type BannerShape, bannerLines, VGA } from "./banner.ts";
import { consoleCharset, gatherBannerFacts, withStatus } from "./console-facts.ts";
import { writeBannerFiles } from "./console-files.ts";
import { createUpdateNews } from "./console-news.ts";
import { markLoginShown } from "./credential-show.ts";
import { networkCommands } from "./netplan-command.ts";

/** Milliseconds between looks. */
const LOOK_MS = 2_000;
/** Milliseconds after which the same frame is drawn again: the kernel writes over consoles. */
const REDRAW_MS = 60_000;
/** To the upper left corner, and clear from there on. */
const CLEAR = "\u001b[H\u001b[J";

const FLAGS: readonly Flag[] = [
  { name: "token", type: "boolean", summary: "Show the setup token too: for the screen at the box alone" },
  { name: "write", type: "boolean", summary: "Write it for login prompts too, to /run/issue.d and /run/motd.d" },
  {
    name: "charset",
    type: "string",
    value: "<name>",
    choices: ["auto", "utf8", "ascii"],
    fallback: "auto",
    summary: "What the console can show",
  },
  { name: "rows", type: "string", value: "<number>", fallback: String(VGA.rows), summary: "Lines of the console" },
];

/** No flag of `banner`: what is printed anywhere never holds it. */
const LOGIN: Flag = {
  name: "login",
  type: "boolean",
  summary: "Show the first login too: for the unit on the first screen alone",
};

export const commands: readonly Command[] = [
  {
    path: ["console", "banner"],
    bearsBadSettings: true,
    summary: "Print what a person in front of the box needs now",
    description:
      "Addresses and the setup token of a box that nobody has claimed, with a code that a phone reads; how far the start or the " +
      "installation is; afterwards the one sentence of the status.",
    flags: FLAGS,
    examples: [
      { command: "alga-appliance console banner", about: "Without the token" },
      { command: "alga-appliance console banner --token --charset ascii", about: "At the box, as root" },
    ],
    run: banner,
  },
  {
    path: ["console", "watch"],
    bearsBadSettings: true,
    summary: "Draw the banner again whenever something changes, until stopped",
    description: "What the unit alga-appliance-console runs on the first screen of the box.",
    flags: [...FLAGS, LOGIN],
    examples: [{ command: "alga-appliance console watch --token", about: "As the unit does" }],
    run: watch,
  },
  ...networkCommands,
];

async function banner(context: CommandContext): Promise<ExitCode> {
  const look = await openLook(context);
  try {
    const { facts, lines } = await look.now();
    context.out.result(withoutToken(facts), () => lines.join("\n"));
    return EXIT.done;
  } finally {
    look.stop();
  }
}

async function watch(context: CommandContext): Promise<ExitCode> {
  const { clock } = context.deps;
  const look = await openLook(context, { login: context.flags.login === true });
  let drawn = "";
  let drawnMs = 0;
  try {
    while (!context.signal.aborted) {
      const { facts, lines } = await look.now();
      const frame = lines.join("\n");
      if (frame !== drawn || clock.monotonic() - drawnMs >= REDRAW_MS) {
        context.out.event(withoutToken(facts), () => `${CLEAR}${frame}`);
        [drawn, drawnMs] = [frame, clock.monotonic()];
        if (facts.login) await markLoginShown(context.deps, look.paths);
      }
      await clock.sleep(LOOK_MS, context.signal);
    }
  } catch (thrown) {
    if (!context.signal.aborted) throw thrown;
  } finally {
    look.stop();
  }
  return EXIT.done;
}

/** Output that a script keeps has no secret, whatever was asked for. */
function withoutToken(facts: BannerFacts): object {
  const { token: _token, login: _login, ...shown } = facts;
  return shown;
}

interface Look {
  readonly paths: StatePaths;
  now(): Promise<{ readonly facts: BannerFacts; readonly lines: readonly string[] }>;
  stop(): void;
}

/** Looks with what is kept between two looks: the fold of the status, from when there is one to fold. */
async function openLook(context: CommandContext, screen?: { readonly login: boolean }): Promise<Look> {
  const { deps, settings, flags, signal } = context;
  const root = settings.get("root") ?? "/";
  const shape = await shapeOf(context);
  // What is printed may be read by anything; the screen is a terminal.
  const reverses = screen !== undefined;
  const given = {
    paths: statePaths(root),
    name: settings.get("name") ?? (await deps.machine.hostName()),
    version: context.build.version,
    ...portsOf(settings),
    showToken: flags.token === true,
    showLogin: screen?.login === true,
    signal,
  };
  let engine: StatusEngine | undefined;
  const updates = createUpdateNews(deps, given.paths);
  const statusNow = async (): Promise<ApplianceStatus> => {
    if (engine !== undefined) return engine.current();
    engine = createStatusEngine(deps, await openLocalSources(context));
    return engine.observe(signal);
  };
  return {
    paths: given.paths,
    now: async () => {
      const seen = await gatherBannerFacts(deps, given);
      const status = seen.answers && seen.claimed ? await statusNow() : undefined;
      const facts = status === undefined ? seen : withStatus(seen, status, await updates.now(status));
      if (flags.write === true) await writeBannerFiles(deps, facts, { root, columns: VGA.columns });
      return { facts, lines: bannerLines(facts, { ...shape, reverses }) };
    },
    stop: () => engine?.stop(),
  };
}

function portsOf(settings: Settings): { readonly port: number; readonly securePort: number | undefined } {
  const port = parsePort(settings.get("listen.port") ?? "8080");
  return { port, securePort: tlsPort(settings.get("listen.tlsPort"), port) };
}

async function shapeOf({ deps, flags, out }: CommandContext): Promise<BannerShape> {
  const { charset } = flags;
  const rows = typeof flags.rows === "string" && /^\d{1,3}$/.test(flags.rows) ? Number(flags.rows) : VGA.rows;
  const known = charset === "utf8" || charset === "ascii" ? charset : await consoleCharset(deps);
  return { columns: Math.max(40, out.columns), rows: Math.max(5, rows), charset: known };
}
