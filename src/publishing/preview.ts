/**
 * A registry as it will be when a plan has been pushed to it: what is refused then is refused before the first byte is sent, and
 * a dry run says what the real run would say.
 *
 * Reads what the plan holds from its source, checked as ever, and everything else from the registry. Writes nothing. Many
 * registries deny a repository that does not exist yet to whoever may only read: of one that the plan will make, that means
 * that there is nothing.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { streamOf } from "../core/streams.ts";
import type { ManifestOptions, PulledManifest, RegistryClient } from "../oci/client.ts";
import type { ContentSource } from "../oci/content.ts";
import { chooseEntry, type ManifestAnswer } from "../oci/manifest.ts";
import { type Descriptor, parseDocument } from "../oci/model.ts";
import type { PlannedManifest, PushPlan } from "../oci/push-plan.ts";
import { referrerOf } from "../oci/push-referrers.ts";

/** Makes the client. Every call throws as the registry's own does. */
export function previewClient(registry: RegistryClient, plan: PushPlan, source: ContentSource): RegistryClient {
  const manifests = new Map(plan.manifests.map((one) => [`${one.repository}@${one.descriptor.digest}`, one]));
  const tags = new Map(plan.tags.map(({ repository, tag, manifest }) => [`${repository}:${tag}`, manifest]));
  const blobs = new Map(plan.blobs.map((one) => [one.descriptor.digest, one]));
  const planned = (repository: string, reference: string): ManifestAnswer | undefined => {
    const found = manifests.get(`${repository}@${reference}`) ?? tags.get(`${repository}:${reference}`);
    return found && answerOf(found);
  };
  const holds = (repository: string, { digest }: Pick<Descriptor, "digest">): boolean =>
    blobs.get(digest)?.repositories.includes(repository) === true;
  const own = async (repository: string, descriptor: Descriptor): Promise<boolean> =>
    holds(repository, descriptor) && (await source.has(descriptor.digest));
  const made = new Set(plan.manifests.map(({ repository }) => repository));
  /** What the registry denies of a repository that the plan makes is not there yet. */
  const shown = async <T>(repository: string, reading: Promise<T>): Promise<T> =>
    reading.catch((thrown: unknown) => {
      if (!made.has(repository) || !isApplianceError(thrown, "oci/unauthorized", "oci/forbidden")) throw thrown;
      const what = `${registry.registry}/${repository}`;
      throw new ApplianceError("oci/not-found", `Cannot read "${what}": the registry does not show it yet`, {
        cause: thrown,
      });
    });
  const preview: RegistryClient = {
    ...registry,
    resolve: async (repository, reference, options) =>
      planned(repository, reference)?.descriptor ??
      (await shown(repository, registry.resolve(repository, reference, options))),
    document: async (repository, reference, options) =>
      planned(repository, reference) ?? (await shown(repository, registry.document(repository, reference, options))),
    manifest: async (repository, reference, options = {}) => {
      const root = planned(repository, reference);
      if (root === undefined) return shown(repository, registry.manifest(repository, reference, options));
      return followed(preview, { repository, root }, options);
    },
    blobSize: async (repository, digest, options) => {
      if (holds(repository, { digest }) && (await source.has(digest))) return blobs.get(digest)?.descriptor.size;
      return orAbsent(shown(repository, registry.blobSize(repository, digest, options)), undefined);
    },
    blob: async (repository, descriptor, options) =>
      (await own(repository, descriptor))
        ? new Uint8Array(await new Response(source.stream(descriptor)).arrayBuffer())
        : await registry.blob(repository, descriptor, options),
    blobStream: (repository, descriptor, options) =>
      streamOf(
        (async function* () {
          const isOwn = await own(repository, descriptor);
          yield* isOwn ? source.stream(descriptor) : registry.blobStream(repository, descriptor, options);
        })(),
      ),
    referrers: async (repository, digest, options = {}) => {
      const nothing = { by: "tag", manifests: [] } as const;
      const there = await orAbsent(shown(repository, registry.referrers(repository, digest, options)), nothing);
      const fresh = referrersIn(plan, repository, digest).filter(
        ({ artifactType }) => options.artifactType === undefined || artifactType === options.artifactType,
      );
      const all = new Map([...there.manifests, ...fresh].map((one) => [one.digest, one]));
      return { ...there, manifests: [...all.values()] };
    },
    tags: async (repository, options) => {
      const fresh = plan.tags.filter((one) => one.repository === repository).map(({ tag }) => tag);
      const there = await orAbsent(shown(repository, registry.tags(repository, options)), []);
      return [...new Set([...there, ...fresh])].sort();
    },
  };
  return preview;
}

async function orAbsent<T>(reading: Promise<T>, absent: T): Promise<T> {
  return reading.catch((thrown: unknown) => {
    if (isApplianceError(thrown, "oci/not-found")) return absent;
    throw thrown;
  });
}

function answerOf({ descriptor, bytes }: Pick<PlannedManifest, "descriptor" | "bytes">): ManifestAnswer {
  const document = parseDocument(bytes, { contentType: descriptor.mediaType, what: descriptor.digest });
  return { descriptor, bytes, document };
}

async function followed(
  client: RegistryClient,
  { repository, root }: { readonly repository: string; readonly root: ManifestAnswer },
  options: ManifestOptions,
): Promise<PulledManifest> {
  if (root.document.kind === "index") {
    const { expect: _expect, ...rest } = options;
    const entry = chooseEntry(root.document.index, options, `${repository}@${root.descriptor.digest}`);
    return { ...(await client.manifest(repository, entry.digest, rest)), root: root.descriptor };
  }
  return { descriptor: root.descriptor, root: root.descriptor, bytes: root.bytes, manifest: root.document.manifest };
}

function referrersIn(plan: PushPlan, repository: string, digest: Digest): readonly Descriptor[] {
  return plan.manifests
    .filter((one) => one.repository === repository && one.subject?.digest === digest)
    .map(referrerOf);
}
