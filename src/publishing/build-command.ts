/** `release build`: a release from its source tree into an OCI layout on disk, without any network. */
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { type Digest, shortDigest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { humanBytes } from "../core/quantity.ts";
import { createLayout, writeStore } from "../oci/layout-writer.ts";
import type { RegistryStore } from "../oci/store.ts";
import { isStatementTag, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { signEnvelope } from "../trust/dsse.ts";
import { KEY_FLAGS, signingKeysOf } from "../trust/key-flags.ts";
import type { SigningKey } from "../trust/keys.ts";
import { type BuildInput, type BuiltRelease, buildRelease } from "./build.ts";
import { IMAGE_FLAGS, imagePlatforms } from "./image-flags.ts";
import { removeOtherBlobs } from "./other-blobs.ts";
import { instantOfSeconds, sourceDate } from "./source-date.ts";
import { reviewText } from "./unlisted-images.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "build"],
    summary: "Build a release from its source tree into an OCI layout",
    description:
      "Packs the charts, renders and checks the config bundle, builds the control-plane image, and writes the release manifest " +
      "with every digest, without a network: what lies in registries was fetched by release lock. The same tree, lock and " +
      "executables give the same bytes; the time in them is SOURCE_DATE_EPOCH, or the time of the lock. With --key the " +
      "provenance is signed. A folder that holds " +
      "something is left alone unless --force is given, which replaces a layout and nothing else.",
    flags: [
      { name: "out", type: "string", value: "<folder>", summary: "OCI layout to write" },
      { name: "force", type: "boolean", summary: "Replace the layout that --out holds" },
      { name: "dry-run", type: "boolean", summary: "Build and check everything, write nothing" },
      { name: "source-url", type: "string", value: "<url>", summary: "Where the sources are, for annotations" },
      {
        name: "builder",
        type: "string",
        value: "<url>",
        summary: "Who builds, for the provenance (default a person's machine)",
      },
      ...KEY_FLAGS,
      ...IMAGE_FLAGS,
      ...REGISTRY_FLAGS.filter((flag) => !["registry", "repository"].includes(flag.name)),
    ],
    positionals: [{ name: "dir", summary: "Folder with release.yaml and release.lock.yaml" }],
    examples: [
      {
        command: "alga-appliance release build . --out dist/release --runtime-libs /",
        about: "With the libraries of this system in the control-plane image",
      },
      { command: "alga-appliance release build . --dry-run --runtime-libs /", about: "Whether it builds" },
    ],
    run: async (context) => {
      const dryRun = context.flags["dry-run"] === true;
      const out = await outFolder(context, dryRun);
      const seal = await sealOf(context);
      const built = await buildRelease(context.deps, { ...inputOf(context), ...(seal === undefined ? {} : { seal }) });
      if (out !== undefined) await writeLayout(context, built.store, out);
      const summary = summaryOf(built, out);
      context.out.result(summary, () => buildText(built, summary));
      return EXIT.done;
    },
  },
];

/** What a build takes, from flags and environment; the folder is the first argument. Nothing is read yet. */
export function inputOf(context: CommandContext): Parameters<typeof buildRelease>[1] {
  const { flags, env, args, out } = context;
  const [seconds, sourceUrl, builderId] = [sourceDate(env), flagText(flags, "source-url"), flagText(flags, "builder")];
  return {
    folder: typedPath(args[0] ?? "", env),
    platforms: () => imagePlatforms(context),
    embeddedTree: FLUX_TEMPLATES,
    onProgress: (line) => out.progress(line),
    ...(seconds === undefined ? {} : { createdSeconds: seconds }),
    ...(sourceUrl === undefined ? {} : { sourceUrl }),
    ...(builderId === undefined ? {} : { builderId }),
  };
}

async function sealOf(context: CommandContext): Promise<BuildInput["seal"]> {
  return context.flags.key === undefined ? undefined : sealWith(await signingKeysOf(context));
}

/** Signs the provenance with every key, in one envelope; undefined when there is none. */
export function sealWith(keys: readonly SigningKey[]): BuildInput["seal"] {
  if (keys.length === 0) return undefined;
  return (payloadType, payload) => {
    const envelopes = keys.map((key) => signEnvelope(key, payloadType, payload));
    const signatures = envelopes.flatMap((envelope) => envelope.signatures);
    return new TextEncoder().encode(canonicalJson({ ...envelopes[0], signatures }));
  };
}

/** Asked before the work is done: undefined for a dry run. */
async function outFolder({ flags, env, deps }: CommandContext, dryRun: boolean): Promise<string | undefined> {
  const typed = flagText(flags, "out");
  if (dryRun) return undefined;
  if (typed === undefined) throw new ApplianceError("cli/usage", "Cannot write the release: --out <folder> is wanted");
  const folder = typedPath(typed, env);
  const names = await deps.files.list(folder);
  const strange = names.find((name) => !LAYOUT_NAMES.includes(name) && !/^\..+\.tmp$/.test(name));
  if (names[0] === undefined || (flags.force === true && strange === undefined)) return folder;
  const isForced = flags.force === true;
  throw new ApplianceError(
    "build/output-in-use",
    `Cannot write the release to "${typed}": it holds "${(strange ?? names[0]).slice(0, 100)}", ${isForced ? "a layout or " : ""}an empty folder is wanted`,
    {
      hint:
        strange === undefined ? "Name another folder, or replace the layout in it with --force" : "Name another folder",
    },
  );
}

/** What an OCI layout holds, beside what a writer left that died; nothing else is ever replaced. */
const LAYOUT_NAMES = ["blobs", "index.json", "oci-layout"];

async function writeLayout({ deps }: CommandContext, store: RegistryStore, out: string): Promise<void> {
  const layout = await createLayout(deps, out);
  await writeStore(store, layout);
  await layout.finish();
  // A layout that was replaced keeps nothing of the one before: two builds of one tree are the same files.
  const held = store.repositories().flatMap((name) => [...store.blobs(name), ...store.manifests(name)]);
  await removeOtherBlobs(deps, out, new Set(held.map((one) => one.digest)));
}

interface Summary {
  /** Absent: a dry run. */
  readonly layout?: string;
  readonly version: string;
  readonly digest: Digest;
  readonly createdAt: string;
  readonly artifacts: readonly Artifact[];
  readonly totalBytes: number;
  /** Images that charts name and the release does not pin: boxes without a network cannot pull them. */
  readonly unlisted: BuiltRelease["review"]["unlisted"];
  /** Lines of charts whose image only Helm can read. */
  readonly unread: BuiltRelease["review"]["unread"];
}

interface Artifact {
  readonly repository: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** The document of `-o json`. */
function summaryOf(
  { store, manifest, digest, createdSeconds, review }: BuiltRelease,
  out: string | undefined,
): Summary {
  const artifacts = store.repositories().flatMap((repository) => artifactsOf(store, repository));
  const blobs = new Map(
    store.repositories().flatMap((name) => store.blobs(name).map((one) => [one.digest, one.bytes.length])),
  );
  return {
    ...(out === undefined ? {} : { layout: out }),
    version: manifest.version,
    digest,
    createdAt: instantOfSeconds(createdSeconds),
    artifacts,
    totalBytes: [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0),
    unlisted: review.unlisted,
    unread: review.unread,
  };
}

function artifactsOf(store: RegistryStore, repository: string): readonly Artifact[] {
  const tags = (store.tags(repository) ?? []).filter((tag) => !isStatementTag(tag));
  return tags.flatMap((tag) => {
    const stored = store.manifest(repository, tag);
    return stored === undefined ? [] : [{ repository, tag, digest: stored.digest }];
  });
}

function buildText({ source, image, review }: BuiltRelease, summary: Summary): string {
  const { artifacts, version, digest, createdAt, totalBytes, layout } = summary;
  const width = Math.max(...artifacts.map((one) => `${one.repository}:${one.tag}`.length));
  return [
    ...artifacts.map((one) => `${`${one.repository}:${one.tag}`.padEnd(width)}  ${shortDigest(one.digest)}`),
    "",
    `release ${version} for ${source.registry}, of ${createdAt}, ${humanBytes(totalBytes)}`,
    digest,
    `with SBOM and provenance${image === undefined ? "" : ", for the control plane too"}`,
    layout === undefined ? "nothing was written" : `written to ${layout}`,
    ...reviewText(review),
  ].join("\n");
}
