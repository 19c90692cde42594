/** `release diff`: what is not the same in two releases, and what a box would download between them. */
import type { Command, CommandContext } from "../cli/command.ts";
import { EXIT } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { type Change, differenceOf, type ReleaseDifference, type Side } from "../release/difference.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { resolveRelease } from "../release/resolve.ts";
import { describeReleaseRef, type ResolvedRelease } from "../release/resolved.ts";
import { namedRelease, RELEASE_ARGUMENT } from "./named-release.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "diff"],
    summary: "Compare two releases and what a box would download between them",
    description:
      "Names every image, chart, value and field that is not the same, and the parts that a box with the first release " +
      "lacks for the second one. Layers that two images share are counted in both, so a download is at most as large as it says.",
    flags: REGISTRY_FLAGS,
    positionals: [
      { name: "from", summary: RELEASE_ARGUMENT },
      { name: "to", summary: RELEASE_ARGUMENT },
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
];

async function resolveNamed(context: CommandContext, text: string): Promise<ResolvedRelease> {
  const { ref, reference } = namedRelease(context, text);
  const { client, access, repository } = await openRegistryOf(context, reference);
  context.out.progress(`Asking ${client.registry} for ${describeReleaseRef(ref)}`);
  return resolveRelease(context.deps, client, ref, {
    base: access.place.base,
    repository,
    running: context.build.version,
    signal: context.signal,
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
