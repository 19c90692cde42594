/**
 * Pushing what a store holds to a registry: blobs that are not there yet, manifests by digest, then tags.
 *
 * Safe to call again, also after an interruption: what is there is found by HEAD, and a tag moves only when everything it
 * needs has arrived. Uploads are not retried by themselves.
 *
 * @see OCI distribution-spec v1.1.1, "Push"
 */
import { ApplianceError } from "../core/errors.ts";
import { failedAnswer } from "./answers.ts";
import { type Connection, connect, get, leaving, type RegistryDeps, type RegistryOptions } from "./connection.ts";
import { ACCEPT_MANIFESTS } from "./media-types.ts";
import type { RegistryStore } from "./store.ts";

export interface PushOptions extends RegistryOptions {
  /** Absent: all of the store. */
  readonly repositories?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface Pushed {
  /** Blobs that were sent; those that were there are not counted. */
  readonly blobs: number;
  readonly manifests: number;
  readonly tags: number;
}

interface Work {
  readonly connection: Connection;
  readonly repository: string;
  readonly signal: AbortSignal;
}

/**
 * Pushes repositories of a store.
 *
 * @throws {ApplianceError} oci/unauthorized, oci/forbidden, oci/unexpected-answer when the registry refuses a part.
 */
export async function pushStore(store: RegistryStore, deps: RegistryDeps, options: PushOptions): Promise<Pushed> {
  const connection = connect(deps, options);
  const signal = options.signal ?? new AbortController().signal;
  const pushed = { blobs: 0, manifests: 0, tags: 0 };
  for (const repository of options.repositories ?? store.repositories()) {
    const counts = await pushRepository(store, { connection, repository, signal }).catch((thrown: unknown) => {
      throw leaving(connection, thrown);
    });
    pushed.blobs += counts.blobs;
    pushed.manifests += counts.manifests;
    pushed.tags += counts.tags;
  }
  return pushed;
}

async function pushRepository(store: RegistryStore, work: Work): Promise<Pushed> {
  const { repository } = work;
  let blobs = 0;
  for (const { digest, bytes } of store.blobs(repository)) blobs += (await pushBlob(work, digest, bytes)) ? 1 : 0;
  const manifests = store.manifests(repository);
  for (const manifest of manifests) await putManifest(work, manifest.digest, manifest);
  const tags = store.tags(repository) ?? [];
  for (const tag of tags) {
    const manifest = store.manifest(repository, tag);
    if (manifest !== undefined) await putManifest(work, tag, manifest);
  }
  return { blobs, manifests: manifests.length, tags: tags.length };
}

async function pushBlob(work: Work, digest: string, bytes: Uint8Array): Promise<boolean> {
  const { connection, repository, signal } = work;
  const path = `/v2/${repository}/blobs/${digest}`;
  const there = await connection.fetch(get(connection, path, { method: "HEAD", signal }));
  await there.body?.cancel();
  if (there.status === 200) return false;
  const begun = await connection.once(get(connection, `/v2/${repository}/blobs/uploads/`, { method: "POST", signal }));
  if (begun.status !== 202) throw await refused(begun, work, digest);
  await begun.body?.cancel();
  const target = uploadTarget(begun, work);
  target.searchParams.set("digest", digest);
  const response = await connection.once(
    new Request(target, {
      method: "PUT",
      body: new Uint8Array(bytes),
      headers: { "content-type": "application/octet-stream" },
      signal,
    }),
  );
  if (response.status !== 201) throw await refused(response, work, digest);
  await response.body?.cancel();
  return true;
}

/** An upload goes to the registry itself and nowhere else. */
function uploadTarget(response: Response, { connection, repository }: Work): URL {
  const location = response.headers.get("location") ?? "";
  const target = URL.canParse(location, connection.base.href) ? new URL(location, connection.base.href) : undefined;
  if (location !== "" && target?.origin === connection.base.origin) return target;
  throw new ApplianceError(
    "oci/bad-redirect",
    `Cannot push to "${connection.base.host}/${repository}": the upload is sent to another place`,
  );
}

async function putManifest(
  work: Work,
  reference: string,
  manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
): Promise<void> {
  const { connection, repository, signal } = work;
  const response = await connection.once(
    new Request(new URL(`/v2/${repository}/manifests/${reference}`, connection.base), {
      method: "PUT",
      body: new Uint8Array(manifest.bytes),
      headers: { "content-type": manifest.mediaType, accept: ACCEPT_MANIFESTS },
      signal,
    }),
  );
  if (response.status !== 201) throw await refused(response, work, reference);
  await response.body?.cancel();
}

function refused(response: Response, work: Work, reference: string): Promise<ApplianceError> {
  const { connection, repository } = work;
  return failedAnswer(response, {
    what: `${connection.base.host}/${repository} ${reference}`,
    clock: connection.deps.clock,
  });
}
