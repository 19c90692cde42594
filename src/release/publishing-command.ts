/** The verbs of a publisher: `release diff`, `release promote`. */
import type { Command, CommandContext } from "../cli/command.ts";
import { isDigest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { pushStore } from "../oci/push.ts";
import { isTag, parseReference, type Reference } from "../oci/reference.ts";
import type { RegistryStore } from "../oci/store.ts";
import { type Change, differenceOf, type ReleaseDifference, type Side } from "./publishing/difference.ts";
import { type Promoted, type Promotion, promote } from "./publishing/promote.ts";
import { registryWire } from "./registry-access.ts";
import { openRegistryOf, REGISTRY_FLAGS, refOfTag, releaseRefOf } from "./registry-flags.ts";
import { resolveRelease } from "./resolve.ts";
import { describeReleaseRef, type ReleaseRef, type ResolvedRelease } from "./resolved.ts";

const RELEASE = "Channel, version, digest, or a whole reference: oci://host/repository:tag";

export const publishingCommands: readonly Command[] = [
  {
    path: ["release", "diff"],
    summary: "Compare two releases and what a box would download between them",
    description:
      "Names every image, chart, value and field that is not the same, and the parts that a box with the first release " +
      "lacks for the second one. Layers that two images share are counted in both, so a download is at most as large as it says.",
    flags: REGISTRY_FLAGS,
    positionals: [
      { name: "from", summary: RELEASE },
      { name: "to", summary: RELEASE },
    ],
    examples: [
      { command: "alga-appliance release diff stable nightly", about: "What a promotion would bring" },
      {
        command: "alga-appliance release diff 1.0.3 oci://harbor.example.com/alga/alga-appliance-release:1.0.4 -o json",
        about: "Across registries, for scripts",
      },
    ],
    run: async (context) => {
      const [from = "", to = ""] = context.args;
      const difference = differenceOf(await resolveNamed(context, from), await resolveNamed(context, to));
      context.out.result(difference, () => differenceText(difference));
      return EXIT.done;
    },
  },
  {
    path: ["release", "promote"],
    summary: "Move a channel to a release that is complete",
    description:
      "Asks the registry for everything the release refers to before anything is written, and refuses when a part is missing " +
      "or is not what the release pins. The move is recorded, without a signature, in the channel's history beside the " +
      "releases; then the channel is read, written and read again. Registries have no compare-and-set: of two promotions at " +
      "the same instant the last one stays, and the other one is told if it can still see it. Safe to call again.",
    flags: [
      { name: "from", type: "string", value: "<channel>", summary: "The release that this channel points at" },
      { name: "version", type: "string", value: "<version>", summary: "Exactly this version" },
      { name: "to", type: "string", value: "<channel>", summary: "Channel to move" },
      { name: "allow-downgrade", type: "boolean", summary: "Move also to an older release" },
      { name: "by", type: "string", value: "<name>", summary: "Who does it, for the history (default the user name)" },
      { name: "dry-run", type: "boolean", summary: "Check everything and write nothing" },
      ...REGISTRY_FLAGS,
    ],
    examples: [
      { command: "alga-appliance release promote --from nightly --to stable", about: "What nightly is now" },
      {
        command: "alga-appliance release promote --version 1.0.3 --to stable --dry-run",
        about: "Whether it could be done",
      },
    ],
    run: async (context) => {
      const wanted = wantedPromotion(context);
      const { client, access, repository } = await openRegistryOf(context);
      const wire = registryWire(context.deps, access);
      const push = async (store: RegistryStore): Promise<void> => {
        await pushStore(store, wire.deps, { ...wire.options, signal: context.signal });
      };
      const options = { base: access.place.base, repository, running: context.build.version, signal: context.signal };
      const promoted = await promote({ ...context.deps, client, push }, wanted, options);
      context.out.result(promoted, () => promotionText(promoted));
      return EXIT.done;
    },
  },
];

function wantedPromotion({ flags, env, settings }: CommandContext): Promotion {
  const text = (name: string): string | undefined => {
    const value = flags[name];
    return typeof value === "string" ? value : undefined;
  };
  const [from, version, to] = [text("from"), text("version"), text("to")];
  const ref = from !== undefined ? { channel: from } : version !== undefined ? { version } : undefined;
  if (to === undefined || ref === undefined || (from !== undefined && version !== undefined)) {
    throw new ApplianceError("cli/usage", "Cannot promote: --to and one of --from and --version are wanted");
  }
  if (!isTag(to) || !("channel" in refOfTag(to))) {
    throw new ApplianceError("cli/usage", `Cannot promote to "${to.slice(0, 200)}": a channel like stable is wanted`);
  }
  return {
    ref,
    channel: to,
    by: text("by") ?? settings.get("registry.username") ?? env.USER ?? "unknown",
    allowDowngrade: flags["allow-downgrade"] === true,
    dryRun: flags["dry-run"] === true,
  };
}

function promotionText({ channel, from, to, outcome }: Promoted): string {
  const was = from === null ? "did not exist" : `was ${from.version}`;
  const is = { moved: "is now", already: "is already", "would-move": "would become" }[outcome];
  return `channel ${channel} ${was}, ${is} ${to.version}\n${to.digest}`;
}

async function resolveNamed(context: CommandContext, text: string): Promise<ResolvedRelease> {
  const reference = text.includes("/") ? parseReference(text) : undefined;
  const ref = reference === undefined ? refOfText(text) : refOfReference(context, reference, text);
  const { client, access, repository } = await openRegistryOf(context, reference);
  context.out.progress(`Asking ${client.registry} for ${describeReleaseRef(ref)}`);
  return resolveRelease(context.deps, client, ref, {
    base: access.place.base,
    repository,
    running: context.build.version,
    signal: context.signal,
  });
}

function refOfText(text: string): ReleaseRef {
  if (isDigest(text)) return { digest: text };
  if (/^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/.test(text)) return refOfTag(text);
  throw unusable(text, "it is no channel, version or digest");
}

function refOfReference(context: CommandContext, reference: Reference, text: string): ReleaseRef {
  if (reference.tag === undefined && reference.digest === undefined)
    throw unusable(text, "it has no tag and no digest");
  return releaseRefOf(context, reference);
}

function unusable(text: string, is: string): ApplianceError {
  return new ApplianceError("cli/usage", `Cannot compare release "${text.slice(0, 200)}": ${is}, one is wanted`, {
    hint: "alga-appliance release list shows what there is",
  });
}

function differenceText(difference: ReleaseDifference): string {
  const { from, to, changes, downloads, downloadBytes, unknown } = difference;
  const width = Math.max(0, ...changes.map((change) => change.name.length));
  return [
    `from ${from.version}  ${from.digest}`,
    `to   ${to.version}  ${to.digest}`,
    "",
    ...(changes.length === 0 ? ["nothing that is installed is another"] : changes.map((one) => line(one, width))),
    "",
    `to download: at most ${humanBytes(downloadBytes)} in ${downloads.length} parts`,
    ...downloads.map((one) => `  ${one.name}  ${humanBytes(one.sizeBytes)}`),
    ...unknown.map((one) => `  ${one.name}  size unknown: ${one.problem}`),
  ].join("\n");
}

function line({ name, from, to }: Change, width: number): string {
  return `${visible(name).padEnd(width)}  ${sideText(from)} -> ${sideText(to)}`;
}

/** A digest in a side is shortened; the document of `-o json` has all of it. */
function sideText(side: Side): string {
  if (side === null) return "(none)";
  return visible(
    String(side)
      .replace(/\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b/, "$1")
      .slice(0, 120),
  );
}

/** Names and values come from a registry: what would move the cursor of a terminal is written out. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
