/** `release publish`: a layout goes to a registry. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { isTag } from "../oci/reference.ts";
import { registryWire } from "../release/registry-access.ts";
import { type OpenedRegistry, openRegistryOf, REGISTRY_FLAGS, refOfTag } from "../release/registry-flags.ts";
import { type Promoted, promote } from "./promote.ts";
import { onlyRelease, type Published, publish } from "./publish.ts";
import { progressLines, reportText, tagLines } from "./push-text.ts";
import { authorOf, PUSH_IDLE_MS, registryWrites, VERIFY_FLAG, verifyOf } from "./registry-writes.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "publish"],
    summary: "Send a built release to a registry",
    description:
      "Sends what the registry lacks (four blobs at a time, large ones in chunks that go on after a break), mounts what another " +
      "repository of it has, reads everything back, and only then sets the tags; the version of the release last, when all " +
      "that it refers to is there. A version that names something else already is refused. Interrupted at any point, the " +
      "next run goes on. Channels stay where they are unless --channel is given.",
    flags: [
      { name: "channel", type: "string", value: "<name>", summary: "Promote the release to this channel afterwards" },
      { name: "by", type: "string", value: "<name>", summary: "Who does it, for the channel's history" },
      { name: "move-tags", type: "boolean", summary: "Move also tags that name something else already" },
      { name: "dry-run", type: "boolean", summary: "Say what would be sent and tagged, and write nothing" },
      VERIFY_FLAG,
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
  const { deps, env, args, out, signal, build } = context;
  const channel = channelOf(context);
  const opened = await openRegistryOf(context);
  const layout = await openLayoutAt(deps, typedPath(args[0] ?? "", env));
  try {
    const wire = registryWire(deps, opened.access, { idleTimeoutMs: PUSH_IDLE_MS });
    const dryRun = context.flags["dry-run"] === true;
    const published = await publish({ log: deps.log, client: opened.client, wire: wire.deps }, layout, {
      ...wire.options,
      base: opened.access.place.base,
      running: build.version,
      taken: context.flags["move-tags"] === true ? "move" : "refuse",
      verify: verifyOf(context),
      onProgress: progressLines(context),
      dryRun,
      signal,
    });
    const promoted =
      channel === undefined || dryRun ? undefined : await promoteTo(context, opened, { channel, published });
    out.result({ ...published, channel: promoted ?? null }, () => publishText(published, promoted));
    return EXIT.done;
  } finally {
    await layout.close();
  }
}

function channelOf({ flags }: CommandContext): string | undefined {
  const channel = flagText(flags, "channel");
  if (channel === undefined || (isTag(channel) && "channel" in refOfTag(channel))) return channel;
  throw new ApplianceError(
    "cli/usage",
    `Cannot publish to "${channel.slice(0, 200)}": a channel like nightly is wanted with --channel`,
  );
}

async function promoteTo(
  context: CommandContext,
  opened: OpenedRegistry,
  to: { readonly channel: string; readonly published: Published },
): Promise<Promoted> {
  const { deps, signal, build } = context;
  const { client, access, repository } = opened;
  return promote(
    { ...deps, client, ...registryWrites(context, access) },
    {
      ref: { digest: onlyRelease(to.published.releases).digest },
      channel: to.channel,
      by: authorOf(context),
      allowDowngrade: false,
      dryRun: false,
    },
    { base: access.place.base, repository, running: build.version, signal },
  );
}

function publishText(published: Published, promoted: Promoted | undefined): string {
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
