/** `release publish`: a layout goes to a registry. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { KEY_FLAGS, TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { OTHER_CA_FLAG } from "./other-registries.ts";
import type { Promoted } from "./promote.ts";
import { onlyRelease, type Published } from "./publish.ts";
import { assertChannelName, promoteTo, publishingKeys, publishTo } from "./publish-run.ts";
import { reportText, tagLines } from "./push-text.ts";
import { VERIFY_FLAG } from "./registry-writes.ts";
import { ROOT_FLAG_OF_CHANNELS } from "./trust-context.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "publish"],
    summary: "Send a built release to a registry",
    description:
      "Sends what the registry lacks (four blobs at a time, each going on where a break has left it), mounts what another " +
      "repository of it has, reads everything back, and only then sets the tags; the version of the release last, when all " +
      "that it refers to is there. With --key the release is signed before its version is set. A version that names something else already is refused. Interrupted at any point, the " +
      "next run goes on. Channels stay where they are unless --channel is given.",
    flags: [
      { name: "channel", type: "string", value: "<name>", summary: "Promote the release to this channel afterwards" },
      { name: "by", type: "string", value: "<name>", summary: "Who does it, for the channel's history" },
      { name: "move-tags", type: "boolean", summary: "Move also tags that name something else already" },
      { name: "dry-run", type: "boolean", summary: "Say what would be sent and tagged, and write nothing" },
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
    const published = await publishTo(context, opened, { source: layout, keys });
    const isPromoted = channel !== undefined && published.outcome !== "would-publish";
    const promoted = isPromoted
      ? await promoteTo(context, opened, { channel, ref: { digest: onlyRelease(published.releases).digest }, keys })
      : undefined;
    out.result({ ...published, channel: promoted ?? null }, () => publishText(published, promoted));
    return EXIT.done;
  } finally {
    await layout.close();
  }
}

/** What a push did, and where the channel is now. */
export function publishText(published: Published, promoted: Promoted | undefined): string {
  const isDryRun = published.outcome === "would-publish";
  const names = published.releases.map(({ version }) => version).join(", ");
  const is = { published: "is published", already: "was published already", "would-publish": "would be published" };
  return [
    `release ${names === "" ? "(none in the layout)" : names} ${is[published.outcome]}`,
    ...reportText(published.content, isDryRun),
    ...tagLines(published.tags),
    ...(promoted === undefined ? [] : [`channel ${promoted.channel} is now ${promoted.to.version}`]),
  ].join("\n");
}
