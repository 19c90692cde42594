/** `release trust`: signed metadata that says which release a channel may mean, from its first root on. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText, flagTexts } from "../cli/flag-values.ts";
import { parseDuration } from "../core/duration.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { beginTrust, currentRoot, rotateRoot } from "../trust/ceremony.ts";
import { KEY_FLAGS, readKeyText } from "../trust/key-flags.ts";
import { readPublicKey } from "../trust/keys.ts";
import { refreshDates } from "../trust/publisher.ts";
import { LIFETIMES, type PublicKeyPart, type RoleKeys, signRoot } from "../trust/root.ts";
import { channelsOf } from "../trust/targets.ts";
import type { TrustState } from "../trust/tuf.ts";
import { publisherOf, ROOT_FLAG, readRootFile } from "./trust-context.ts";
import { finishRoot, OUT_FLAG, UNFINISHED_FLAG, writeUnfinished } from "./unfinished-root.ts";

const ROLE_FLAGS: readonly Flag[] = [
  {
    name: "root-key",
    type: "string",
    multiple: true,
    value: "<pem file>",
    summary: "A key of root; several make a threshold",
  },
  { name: "threshold", type: "string", value: "<number>", summary: "Root keys that a new root needs", fallback: "1" },
  {
    name: "targets-key",
    type: "string",
    multiple: true,
    value: "<pem file>",
    summary: "A key that says which releases there are and what channels mean",
  },
  {
    name: "online-key",
    type: "string",
    multiple: true,
    value: "<pem file>",
    summary: "A key that a pipeline may hold, of snapshot and timestamp",
  },
];
const VALID: Flag = {
  name: "valid",
  type: "string",
  value: "<duration>",
  summary: "How long the timestamp is good, such as 720h",
  fallback: "30 days",
};

export const commands: readonly Command[] = [
  {
    path: ["release", "trust", "init"],
    summary: "Begin signed metadata for the channels of a registry",
    description:
      "Writes root (which keys stand for what), empty targets, snapshot and timestamp beside the releases, and root into a file " +
      "that goes to the boxes as /etc/alga-appliance/root.json. Public keys name who stands for a role; the private ones that are " +
      "given with --key sign: as many of root as the threshold wants, one of targets, one of the online keys. Where the keys of " +
      "root lie on several machines, --unfinished begins a root that release trust sign and release trust finish take on.",
    flags: [...ROLE_FLAGS, ...KEY_FLAGS, OUT_FLAG, UNFINISHED_FLAG, VALID, ...REGISTRY_FLAGS],
    examples: [
      {
        command:
          "alga-appliance release trust init --root-key a.pub --root-key b.pub --threshold 2 --targets-key t.pub " +
          "--online-key o.pub --key a.key --key b.key --key t.key --key o.key",
        about: "Two people hold root",
      },
    ],
    run: async (context) => {
      const { deps, options } = await publisherOf(context);
      const roles = await rolesOf(context);
      if (context.flags.unfinished !== undefined) {
        return await writeUnfinished(context, signRoot(deps, roles, { ...options, version: 1 }));
      }
      const root = await beginTrust(deps, roles, { ...options, ...lifetimesOf(context) });
      return await finishRoot(context, root, "begun");
    },
  },
  {
    path: ["release", "trust", "rotate"],
    summary: "Make the next root: other keys, another threshold, or a later date",
    description:
      "The new root is signed by the keys of the old one and by its own, so boxes follow by themselves, one root after the other. " +
      "A key that is not named any more is worth nothing from then on. Needs the private keys of both thresholds, and one for " +
      "targets and the online role of the new root.",
    flags: [...ROLE_FLAGS, ...KEY_FLAGS, ROOT_FLAG, OUT_FLAG, UNFINISHED_FLAG, VALID, ...REGISTRY_FLAGS],
    examples: [
      {
        command:
          "alga-appliance release trust rotate --root root.json --root-key a.pub --root-key c.pub --threshold 2 --targets-key t.pub " +
          "--online-key o.pub --key a.key --key b.key --key c.key --key t.key --key o.key",
        about: "c takes the place of b",
      },
    ],
    run: async (context) => {
      const { deps, options } = await publisherOf(context);
      const anchor = await readRootFile(context);
      const roles = await rolesOf(context);
      if (context.flags.unfinished !== undefined) {
        const before = await currentRoot(deps, { ...options, anchor });
        const version = before.signed.version + 1;
        return await writeUnfinished(context, signRoot(deps, roles, { ...options, version, before }), before);
      }
      const root = await rotateRoot(deps, roles, { ...options, ...lifetimesOf(context), anchor });
      return await finishRoot(context, root, "rotated");
    },
  },
  {
    path: ["release", "trust", "refresh"],
    summary: "Sign snapshot and timestamp anew before they expire",
    description:
      "A timestamp is good for 30 days, so that nobody can show a box an old channel for longer. A pipeline runs this every week " +
      "with the online key. Nothing that a box installs changes by it.",
    flags: [...KEY_FLAGS, ROOT_FLAG, VALID, ...REGISTRY_FLAGS],
    examples: [
      {
        command: "alga-appliance release trust refresh --root root.json --key env://ONLINE_KEY",
        about: "Every week, in a pipeline",
      },
    ],
    run: async (context) => {
      const { deps, options } = await publisherOf(context);
      const anchor = await readRootFile(context);
      const shown = stateOf(await refreshDates(deps, { ...options, ...lifetimesOf(context), anchor }));
      context.out.result(shown, () => stateText(shown));
      return EXIT.done;
    },
  },
];

/** Keys by role, from their public files. */
async function rolesOf(context: CommandContext): Promise<RoleKeys> {
  const threshold = Number(flagText(context.flags, "threshold") ?? "1");
  const [root, targets, online] = [
    await keysOf(context, "root-key"),
    await keysOf(context, "targets-key"),
    await keysOf(context, "online-key"),
  ];
  if (Number.isSafeInteger(threshold) && threshold > 0 && threshold <= root.length) {
    return { root, rootThreshold: threshold, targets, online };
  }
  throw new ApplianceError(
    "cli/usage",
    `Cannot use threshold ${threshold}: a number from 1 to ${root.length}, the keys of root, is wanted`,
  );
}

async function keysOf(context: CommandContext, flag: string): Promise<readonly PublicKeyPart[]> {
  const places = flagTexts(context.flags, flag);
  if (places.length === 0)
    throw new ApplianceError("cli/usage", `Cannot tell who stands for a role: --${flag} is wanted`);
  const keys: PublicKeyPart[] = [];
  for (const place of places) keys.push(readPublicKey(await readKeyText(context, place)));
  return keys;
}

function lifetimesOf({ flags }: CommandContext): { readonly lifetimes?: { readonly timestamp: number } } {
  const text = flagText(flags, "valid");
  return text === undefined ? {} : { lifetimes: { timestamp: parseDuration(text) || LIFETIMES.timestamp } };
}

function stateOf({ root, targets, snapshot, timestamp }: TrustState) {
  const of = ({ signed }: { readonly signed: { readonly version: number; readonly expires: string } }) => ({
    version: signed.version,
    expires: signed.expires,
  });
  return {
    root: of(root),
    targets: of(targets),
    snapshot: of(snapshot),
    timestamp: of(timestamp),
    channels: channelsOf(targets.signed),
  };
}

function stateText(state: ReturnType<typeof stateOf>): string {
  const roles = (["root", "targets", "snapshot", "timestamp"] as const).map(
    (role) => `${role.padEnd(9)} ${state[role].version}, good until ${state[role].expires}`,
  );
  const channels = Object.entries(state.channels).map(
    ([name, { version, digest }]) => `channel ${name} is ${version} ${digest}`,
  );
  return [...roles, ...channels].join("\n");
}
