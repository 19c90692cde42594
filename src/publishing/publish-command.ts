/** `release publish`: a layout goes to a registry. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import type { Layout } from "../oci/layout.ts";
import { readCatalog } from "../oci/layout-catalog.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { KEY_FLAGS, TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { readBundleDocuments } from "./bundle-document.ts";
import { OTHER_CA_FLAG } from "./other-registries.ts";
import type { Promoted } from "./promote.ts";
import { onlyRelease, type Published } from "./publish.ts";
import { assertChannelName, promoteTo, publishingKeys, publishTo } from "./publish-run.ts";
import { BY_FLAG, DRY_RUN_FLAG, MOVE_TAGS_FLAG, VERIFY_FLAG } from "./publishing-flags.ts";
import { promotionText, reportText, tagLines } from "./push-text.ts";
import { ROOT_FLAG_OF_CHANNELS } from "./trust-context.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "publish"],
    summary: "Send a built release to a registry",
    description:
      "Sends what the registry lacks (four blobs at a time, each going on where a break has left it), mounts what another " +
      "repository of it has, reads everything back, and only then sets the tags; the version of the release last, when all " +
      "that it refers to is there. With --key the release is signed before its version is set. A version that names something else already is refused, " +
      "and so is, before anything is sent, a release of which neither side has all. Interrupted at any point, the " +
      "next run goes on. Channels stay where they are unless --channel is given.",
    flags: [
      { name: "channel", type: "string", value: "<name>", summary: "Promote the release to this channel afterwards" },
      BY_FLAG,
      MOVE_TAGS_FLAG,
      DRY_RUN_FLAG,
      VERIFY_FLAG,
      ...KEY_FLAGS,
      ROOT_FLAG_OF_CHANNELS,
      TRUSTED_KEY_FLAG,
      OTHER_CA_FLAG,
      ...REGISTRY_FLAGS,
    ],
    positionals: [{ name: "layout", summary: "OCI layout: the folder that release build wrote, or a tar of one" }],
    examples: [
      {
        command: "alga-appliance release publish dist/release --registry ghcr.io --repository nine-minds",
        about: "Everything that the registry lacks, then the version",
      },
      {
        command: "alga-appliance release publish dist/release --dry-run -o json",
        about: "What it would do, for scripts",
      },
      {
        command: "alga-appliance release publish media.tar --registry harbor.example.com --repository alga",
        about: "A bundle of all platforms, or one whose rest is there",
      },
      {
        command: "alga-appliance release publish dist/release --channel nightly",
        about: "And promote it to nightly when all of it is there",
      },
    ],
    run: publishLayout,
  },
];

async function publishLayout(context: CommandContext): Promise<ExitCode> {
  const { deps, env, args, out, flags } = context;
  const channel = flagText(flags, "channel");
  if (channel !== undefined) assertChannelName(channel);
  const keys = await publishingKeys(context);
  const opened = await openRegistryOf(context);
  const layout = await openLayoutAt(deps, typedPath(args[0] ?? "", env));
  try {
    const { published, after } = await publishTo(context, opened, { source: layout, keys }).catch(
      async (thrown: unknown) => {
        throw await bundleRefusal(layout, thrown);
      },
    );
    const promoted =
      channel === undefined
        ? undefined
        : await promoteTo(context, after, { channel, ref: { digest: onlyRelease(published.releases).digest }, keys });
    out.result({ ...published, channel: promoted ?? null }, () => publishText(published, promoted));
    return EXIT.done;
  } finally {
    await layout.close();
  }
}

/** A bundle that leaves something out can be published only where the rest is; that is told in the words of bundles. */
async function bundleRefusal(layout: Layout, thrown: unknown): Promise<unknown> {
  if (!isApplianceError(thrown, "oci/not-found", "release/incomplete")) return thrown;
  const [bundle] = await readBundleDocuments(layout, await readCatalog(layout));
  if (bundle === undefined || bundle.leftOut.length === 0) return thrown;
  const bytes = bundle.leftOut.reduce((sum, { size }) => sum + size, 0);
  const made = bundle.platforms.includes("all") ? "" : `made for ${bundle.platforms.join(", ")}, `;
  const parts = bundle.leftOut.length === 1 ? "1 part" : `${bundle.leftOut.length} parts`;
  return new ApplianceError(
    "release/incomplete",
    `Cannot publish bundle "${layout.place}": ${made}it leaves out ${parts} (${humanBytes(bytes)}) that the registry does not have either`,
    {
      cause: thrown,
      hint: "Make it with release bundle --platform all and without --since; release serve and release load take it as it is",
      details: thrown.details,
    },
  );
}

/** What a push did, and where the channel is now; or what both would do. */
export function publishText(published: Published, promoted: Promoted | undefined): string {
  const isDryRun = published.outcome === "would-publish";
  const versions = published.releases.map(({ version }) => version);
  const what = versions.length === 0 ? "the layout, which holds no release," : `release ${versions.join(", ")}`;
  const is = { published: "is published", already: "was published already", "would-publish": "would be published" };
  return [
    `${what} ${is[published.outcome]}`,
    ...reportText(published.content, isDryRun),
    ...tagLines(published.tags),
    ...(promoted === undefined ? [] : [promotionText(promoted)]),
  ].join("\n");
}
