/** `release check`: looks at every byte of a bundle before anybody uses it. */
import type { Command, CommandContext } from "../cli/command.ts";
import type { Digest } from "../core/digest.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import type { Layout } from "../oci/layout.ts";
import { readCatalog } from "../oci/layout-catalog.ts";
import type { Descriptor } from "../oci/model.ts";
import { TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { type SignedBy, signedLines, verifyReleases } from "./bundle-trust.ts";
import { type Completeness, completenessOf, otherImagesLine } from "./completeness.ts";
import { BUNDLES, bundlePlaces, openBundles } from "./named-bundles.ts";
import { percentLines } from "./percent.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "check"],
    summary: "Check every byte of a bundle, and that its releases are complete",
    description:
      "Reads a tar file, a layout folder, or several as one, and compares every blob with its digest. A file that is cut off is " +
      "refused with the byte at which it ends and what it ends in. Without an argument it checks the box's own store. With keys, " +
      "given or of this box, a release that none of them signed is refused.",
    flags: [TRUSTED_KEY_FLAG],
    positionals: [BUNDLES],
    examples: [
      { command: "alga-appliance release check media.tar", about: "After copying it to a stick" },
      {
        command: "alga-appliance release check update.tar media.tar",
        about: "What was bundled with --since, and what it builds on",
      },
    ],
    run: check,
  },
];

async function check(context: CommandContext): Promise<ExitCode> {
  const { deps, out } = context;
  const layout = await openBundles(deps, bundlePlaces(context));
  try {
    const catalog = await readCatalog(layout);
    const found = await completenessOf(layout, catalog);
    const all = [...catalog.repositories.values()].flatMap((one) => [...one.manifests.values(), ...one.blobs.values()]);
    const checked = await checkContents(context, layout, all);
    const signed = await verifyReleases(context, { layout, catalog, releases: found.releases });
    const shown = { ...summaryOf(found), ...checked, signed, place: layout.place };
    out.result(shown, () => text(layout.place, { found, checked, signed }));
    if (found.lacking.length === 0) return EXIT.done;
    out.notice("A bundle made with --since is checked together with what it builds on: name both");
    return EXIT.failed;
  } finally {
    await layout.close();
  }
}

interface Checked {
  readonly blobs: number;
  readonly bytes: number;
}

/** @throws {ApplianceError} oci/digest-mismatch, oci/size-mismatch and what reading throws, at the first one. */
async function checkContents(
  context: CommandContext,
  layout: Layout,
  contents: readonly Descriptor[],
): Promise<Checked> {
  const there = new Map<Digest, Descriptor>();
  for (const one of contents) if ((await layout.size(one.digest)) === one.size) there.set(one.digest, one);
  const total = [...there.values()].reduce((sum, one) => sum + one.size, 0);
  const tell = percentLines(context, "Checked");
  let bytes = 0;
  for (const one of there.values()) {
    for await (const chunk of layout.stream(one, { signal: context.signal })) {
      bytes += chunk.length;
      tell(bytes, total);
    }
  }
  return { blobs: there.size, bytes };
}

function summaryOf({ releases, bundles, lacking, leftOut }: Completeness): Readonly<Record<string, unknown>> {
  return {
    releases,
    platforms: [...new Set(bundles.flatMap((bundle) => bundle.platforms))],
    lacking,
    leftOutBytes: leftOut.reduce((sum, one) => sum + one.descriptor.size, 0),
    leftOut: leftOut.length,
  };
}

function text(
  place: string,
  seen: { readonly found: Completeness; readonly checked: Checked; readonly signed: readonly SignedBy[] },
): string {
  const { checked, signed } = seen;
  const { releases, lacking, leftOut } = seen.found;
  return [
    `${place}: ${checked.blobs} parts, ${humanBytes(checked.bytes)}, every digest is right`,
    ...releases.map((one) => `release ${one.version}  ${one.digest}  (${one.tags.join(", ") || "no tag"})`),
    ...releases.flatMap((one) => otherImagesLine(one)),
    ...signedLines(signed),
    ...(leftOut.length === 0 ? [] : [`left out on purpose: ${leftOut.length} parts`]),
    ...lacking.map((one) => `not there: ${one.what}  ${one.repository} ${one.reference}`),
  ].join("\n");
}
