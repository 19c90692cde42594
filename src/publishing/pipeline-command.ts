/** `release pipeline`: lock, build, publish and promote in one step of a pipeline, by the parameters that pipelines have. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { storeContent } from "../oci/content.ts";
import { parseReference } from "../oci/reference.ts";
import { placeText } from "../release/location.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { type OpenedRegistry, openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { KEY_FLAGS, TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { buildRelease } from "./build.ts";
import { inputOf, sealWith } from "./build-command.ts";
import { IMAGE_FLAGS } from "./image-flags.ts";
import { type LockReport, lockSource } from "./lock.ts";
import { askedPlace, openers } from "./lock-command.ts";
import { OTHER_CA_FLAG } from "./other-registries.ts";
import type { Promoted } from "./promote.ts";
import type { Published } from "./publish.ts";
import { publishText } from "./publish-command.ts";
import { assertChannelName, type PublishingKeys, promoteTo, publishingKeys, publishTo } from "./publish-run.ts";
import {
  ALLOW_DOWNGRADE_FLAG,
  BY_FLAG,
  DRY_RUN_FLAG,
  isDryRun,
  MOVE_TAGS_FLAG,
  VERIFY_FLAG,
} from "./publishing-flags.ts";
import { promotionText } from "./push-text.ts";
import { shadowFiles } from "./shadow-files.ts";
import { readSource } from "./source.ts";
import { instantOfSeconds, sourceDate } from "./source-date.ts";
import { ROOT_FLAG_OF_CHANNELS } from "./trust-context.ts";
import { reviewText } from "./unlisted-images.ts";

/** Parameters of a pipeline are texts, so these are not switches. */
const yesOrNo = (name: string, summary: string): Flag => ({
  name,
  type: "string",
  value: "<true|false>",
  choices: ["true", "false"],
  summary,
  fallback: "false",
});

const PARAMETERS: readonly Flag[] = [
  yesOrNo("publish-appliance-release", "Lock, build and publish the release of the tree"),
  yesOrNo("promote-release", "Promote the release to the channel"),
  {
    name: "appliance-release-channel",
    type: "string",
    value: "<name>",
    summary: "Channel to promote to",
    fallback: "nightly",
  },
  {
    name: "appliance-release-version",
    type: "string",
    value: "<version>",
    summary: "Version that release.yaml must have, or that is promoted without publishing",
  },
  {
    name: "appliance-release-source-ref",
    type: "string",
    value: "<git ref>",
    summary: "Where the tree comes from, for the history and the annotations",
  },
];

export const commands: readonly Command[] = [
  {
    path: ["release", "pipeline"],
    summary: "Lock, build, publish and promote a release by the parameters of a pipeline",
    description:
      "One step for Argo and the like: with --publish-appliance-release true the tree is locked, built in memory and published; with " +
      "--promote-release true the channel is then moved to it, or, without publishing, to --appliance-release-version. " +
      "Safe to run again: what is there is not sent again. With --dry-run all of it is tried, the lock and the build in memory, " +
      "and what would be sent, moved or refused is said. Neither of the two: nothing is done.",
    flags: [
      ...PARAMETERS,
      BY_FLAG,
      { name: "source-url", type: "string", value: "<url>", summary: "Where the sources are, for annotations" },
      { name: "builder", type: "string", value: "<uri>", summary: "Who builds, for the provenance" },
      ALLOW_DOWNGRADE_FLAG,
      MOVE_TAGS_FLAG,
      DRY_RUN_FLAG,
      VERIFY_FLAG,
      ...KEY_FLAGS,
      ROOT_FLAG_OF_CHANNELS,
      TRUSTED_KEY_FLAG,
      ...IMAGE_FLAGS,
      OTHER_CA_FLAG,
      ...REGISTRY_FLAGS,
    ],
    positionals: [
      { name: "dir", summary: "Folder with the release.yaml; not needed for promoting alone", optional: true },
    ],
    examples: [
      {
        command:
          "alga-appliance release pipeline . --publish-appliance-release true --promote-release true --appliance-release-channel nightly --runtime-libs /",
        about: "What a nightly pipeline does",
      },
      {
        command:
          "alga-appliance release pipeline --promote-release true --appliance-release-channel stable --appliance-release-version 1.0.3",
        about: "Promote what was published before",
      },
    ],
    run: pipeline,
  },
];

interface Done {
  readonly sourceRef: string | null;
  readonly lock: LockReport | null;
  readonly published: Published | null;
  readonly promoted: Promoted | null;
}

async function pipeline(context: CommandContext): Promise<ExitCode> {
  const { flags, out } = context;
  const channel = flagText(flags, "appliance-release-channel") ?? "nightly";
  assertChannelName(channel);
  const sourceRef = flagText(flags, "appliance-release-source-ref") ?? null;
  const keys = await publishingKeys(context);
  const from = withSource(context, sourceRef);
  const made = flags["publish-appliance-release"] === "true" ? await buildAndPublish(from, keys) : undefined;
  const promoted = flags["promote-release"] === "true" ? await promoteMade(from, { channel, made, keys }) : null;
  const done: Done = { sourceRef, lock: made?.lock ?? null, published: made?.published ?? null, promoted };
  out.result(done, () => pipelineText(done));
  return EXIT.done;
}

/** The source ref stands beside the author in the history, and behind the address in the annotations. */
function withSource(context: CommandContext, ref: string | null): CommandContext {
  if (ref === null) return context;
  if (!/^[\w./-]{1,200}$/.test(ref)) {
    throw new ApplianceError(
      "cli/usage",
      `Cannot use source ref "${ref.slice(0, 100)}": letters, digits, . / _ - are wanted`,
    );
  }
  const { flags, settings, env } = context;
  const by = `${flagText(flags, "by") ?? settings.get("registry.username") ?? env.USER ?? "pipeline"}, source ${ref}`;
  const url = flagText(flags, "source-url");
  return { ...context, flags: { ...flags, by, ...(url === undefined ? {} : { "source-url": `${url}#${ref}` }) } };
}

interface Made {
  readonly lock: LockReport;
  readonly published: Published;
  /** The registry with it; after a dry run as it would be. */
  readonly after: OpenedRegistry;
  readonly ref: ReleaseRef;
}

async function buildAndPublish(context: CommandContext, keys: PublishingKeys): Promise<Made> {
  const { args, env, flags, out, signal } = context;
  // A dry run takes every step: what one of them has written in memory, the next one reads.
  const deps = isDryRun(context) ? { ...context.deps, files: shadowFiles(context.deps.files) } : context.deps;
  if (args[0] === undefined)
    throw new ApplianceError("cli/usage", "Cannot publish: a folder with a release.yaml is wanted");
  const folder = typedPath(args[0], env);
  const source = await readSource(deps, folder);
  const wanted = flagText(flags, "appliance-release-version");
  if (wanted !== undefined && wanted !== source.version) throw otherVersion(wanted, source.version);
  const seconds = sourceDate(env) ?? Math.floor(deps.clock.now() / 1_000);
  const lock = await lockSource(deps, folder, {
    update: [],
    ...openers(context),
    now: instantOfSeconds(seconds),
    dryRun: false,
    signal,
    onProgress: (line) => out.progress(line),
  });
  const seal = sealWith(keys.signing);
  const built = await buildRelease(deps, { ...inputOf(context), ...(seal === undefined ? {} : { seal }) });
  for (const line of reviewText(built.review)) if (line !== "") out.progress(line);
  const place = placeText(askedPlace(context, source));
  const opened = await openRegistryOf(context, parseReference(`${place}/${RELEASE_REPOSITORY}`));
  const { published, after } = await publishTo(context, opened, { source: storeContent(built.store), keys });
  return { lock, published, after, ref: { digest: built.digest } };
}

function otherVersion(wanted: string, is: string): ApplianceError {
  return new ApplianceError(
    "cli/usage",
    `Cannot publish version "${wanted.slice(0, 128)}": release.yaml has ${is}, the same one is wanted`,
    { hint: "Change the version in release.yaml, or leave --appliance-release-version away" },
  );
}

/** What was published in this run, or a version that was published before. */
async function promoteMade(
  context: CommandContext,
  given: { readonly channel: string; readonly made: Made | undefined; readonly keys: PublishingKeys },
): Promise<Promoted | null> {
  const { channel, made, keys } = given;
  if (made !== undefined) return promoteTo(context, made.after, { channel, ref: made.ref, keys });
  const version = flagText(context.flags, "appliance-release-version");
  if (version === undefined) {
    throw new ApplianceError(
      "cli/usage",
      "Cannot promote: nothing is published in this run, --appliance-release-version is wanted",
    );
  }
  return promoteTo(context, await openRegistryOf(context), { channel, ref: { version }, keys });
}

function pipelineText({ published, promoted }: Done): string {
  if (published !== null) return publishText(published, promoted ?? undefined);
  if (promoted === null) return "nothing to do: neither --publish-appliance-release nor --promote-release is true";
  return promotionText(promoted);
}
