/**
 * The manifests of a push: put by digest, children before their parents, then read back.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing Manifests"
 */
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import { type ManifestAnswer, readManifest } from "./manifest.ts";
import { ACCEPT_MANIFESTS } from "./media-types.ts";
import type { PlannedManifest } from "./push-plan.ts";
import type { PushWire } from "./push-wire.ts";

/** Those that the registry lacks, by HEAD, in the order of the plan. */
export async function lackingManifests(
  wire: PushWire,
  manifests: readonly PlannedManifest[],
  concurrency: number,
): Promise<readonly PlannedManifest[]> {
  const lacking = new Set<PlannedManifest>();
  await inParallel(manifests, { limit: concurrency, signal: wire.signal }, async (manifest, signal) => {
    const { repository, descriptor } = manifest;
    const own = wire.with(signal);
    const found = await own.attempts(() => digestOfReference(own, repository, descriptor.digest));
    if (found === undefined) lacking.add(manifest);
  });
  return manifests.filter((manifest) => lacking.has(manifest));
}

/**
 * What a tag or digest names, by one look: a HEAD, or the content itself where the registry does not tell its digest.
 *
 * @returns undefined when there is none.
 */
export async function digestOfReference(
  wire: PushWire,
  repository: string,
  reference: string,
): Promise<Digest | undefined> {
  const what = `${wire.connection.base.host}/${repository}:${reference}`;
  const url = wire.url(`/v2/${repository}/manifests/${reference}`);
  const response = await wire.send({ method: "HEAD", url, headers: { accept: ACCEPT_MANIFESTS }, what });
  await response.body?.cancel();
  if (response.status === 404) return undefined;
  if (response.status !== 200) throw await wire.refusal(response, what);
  const digest = response.headers.get("docker-content-digest");
  return isDigest(digest) ? digest : (await getManifest(wire, { repository, reference })).descriptor.digest;
}

/** Reads a manifest or index once, checked as `readManifest` does. */
async function getManifest(
  wire: PushWire,
  wanted: { readonly repository: string; readonly reference: string; readonly size?: number },
): Promise<ManifestAnswer> {
  const { repository, reference, size } = wanted;
  const what = `${wire.connection.base.host}/${repository}@${reference}`;
  const url = wire.url(`/v2/${repository}/manifests/${reference}`);
  const response = await wire.send({ method: "GET", url, headers: { accept: ACCEPT_MANIFESTS }, what });
  const { deps, options } = wire.connection;
  return readManifest(response, {
    reference,
    what,
    size,
    clock: deps.clock,
    idleMs: options.idleMs,
    signal: wire.signal,
  });
}

/** Puts manifests by digest, level by level. Safe to call again. Throws oci/unexpected-answer when one is refused. */
export async function putManifests(
  wire: PushWire,
  manifests: readonly PlannedManifest[],
  concurrency: number,
): Promise<void> {
  const levels = [...new Set(manifests.map(({ level }) => level))].sort((a, b) => a - b);
  for (const level of levels) {
    const same = manifests.filter((manifest) => manifest.level === level);
    await inParallel(same, { limit: concurrency, signal: wire.signal }, async (manifest, signal) => {
      await putManifest(wire.with(signal), manifest, manifest.descriptor.digest);
    });
  }
}

/**
 * Puts one manifest under its digest or a tag. By digest it is safe to repeat; by tag whoever calls looks first.
 *
 * @throws {ApplianceError} oci/header-digest-mismatch when the registry has kept something else.
 */
export async function putManifest(
  wire: PushWire,
  manifest: Pick<PlannedManifest, "repository" | "descriptor" | "bytes">,
  reference: string,
): Promise<void> {
  const what = `${wire.connection.base.host}/${manifest.repository}:${reference}`;
  const put = async (): Promise<void> => {
    const response = await wire.send({
      method: "PUT",
      url: wire.url(`/v2/${manifest.repository}/manifests/${reference}`),
      body: new Uint8Array(manifest.bytes),
      headers: { "content-type": manifest.descriptor.mediaType },
      what,
    });
    if (response.status !== 201 && response.status !== 200) throw await wire.refusal(response, what);
    await response.body?.cancel();
    const digest = response.headers.get("docker-content-digest");
    if (digest === null || digest === manifest.descriptor.digest) return;
    throw new ApplianceError(
      "oci/header-digest-mismatch",
      `Cannot push "${what}": the registry has kept it as ${digest.slice(0, 100)}, which is another digest`,
    );
  };
  await (reference === manifest.descriptor.digest ? wire.attempts(put) : put());
}

/**
 * Reads manifests back by digest.
 *
 * @throws {ApplianceError} oci/digest-mismatch, oci/not-found and others of reading: nothing may be tagged then.
 */
export async function readBackManifests(
  wire: PushWire,
  manifests: readonly PlannedManifest[],
  concurrency: number,
): Promise<void> {
  await inParallel(manifests, { limit: concurrency, signal: wire.signal }, async (manifest, signal) => {
    const { repository, descriptor } = manifest;
    const own = wire.with(signal);
    await own.attempts(() => getManifest(own, { repository, reference: descriptor.digest, size: descriptor.size }));
  });
}
