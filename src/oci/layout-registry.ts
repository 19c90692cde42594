/**
 * A layout as a read-only registry: a function from request to answer over a folder or a tar file.
 *
 * A whole blob is checked while it is sent: what is wrong breaks the connection before its last byte, and the client, which
 * checks too, sees a body that is too short. A range cannot be checked here. What was walked over when the registry was made
 * is what it shows; content that is missing is answered as missing.
 *
 * @see OCI distribution-spec v1.1.1, "Endpoints"
 */
import { type Digest, isDigest } from "../core/digest.ts";
import type { Fetch } from "../core/ports.ts";
import type { Layout } from "./layout.ts";
import type { CatalogRepository, LayoutCatalog } from "./layout-catalog.ts";
import { isRepository } from "./reference.ts";
import { answer, type BlobContent, RegistryError } from "./registry-answers.ts";
import {
  getBlob,
  getManifest,
  listReferrers,
  listTags,
  nameIn,
  pageNotFound,
  type ReadCall,
  type RegistryReads,
} from "./registry-reads.ts";

export interface LayoutRegistryOptions {
  /** Path before all repositories: "nine-minds". Absent or empty: none. */
  readonly base?: string;
}

const ENDPOINTS: readonly (readonly [RegExp, (reads: RegistryReads, call: ReadCall) => Promise<Response>])[] = [
  [/^\/v2\/(.+)\/blobs\/([^/]+)$/, getBlob],
  [/^\/v2\/(.+)\/manifests\/([^/]+)$/, getManifest],
  [/^\/v2\/(.+)\/tags\/(list)$/, listTags],
  [/^\/v2\/(.+)\/referrers\/([^/]+)$/, listReferrers],
];

/** Makes the registry. Opens no socket; holds no content in memory. */
export function createLayoutRegistry(
  layout: Layout,
  catalog: LayoutCatalog,
  options: LayoutRegistryOptions = {},
): Fetch {
  const reads = layoutReads(layout, (repository) => catalog.repositories.get(withoutBase(repository, options.base)));
  return async (request) => {
    try {
      return await dispatch(reads, request);
    } catch (thrown) {
      if (thrown instanceof RegistryError) return thrown.answer;
      throw thrown;
    }
  };
}

function withoutBase(repository: string, base = ""): string {
  if (base === "") return repository;
  return repository.startsWith(`${base}/`) ? repository.slice(base.length + 1) : "";
}

async function dispatch(reads: RegistryReads, request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new RegistryError("UNSUPPORTED", "the registry is read-only");
  }
  if (url.pathname === "/v2/" || url.pathname === "/v2") {
    return answer(request, { body: new TextEncoder().encode("{}"), headers: { "content-type": "application/json" } });
  }
  for (const [path, handler] of ENDPOINTS) {
    const match = path.exec(url.pathname);
    if (match === null) continue;
    const repository = match[1] ?? "";
    if (!isRepository(repository)) throw new RegistryError("NAME_INVALID", "invalid repository name");
    const isList = handler === listTags || handler === listReferrers;
    if (isList && request.method === "HEAD") throw new RegistryError("UNSUPPORTED", "the operation is unsupported");
    return handler(reads, { request, url, repository, name: nameIn(match[2] ?? "") });
  }
  return pageNotFound();
}

function layoutReads(layout: Layout, find: (repository: string) => CatalogRepository | undefined): RegistryReads {
  return {
    manifest: async (repository, reference) => {
      const found = find(repository);
      const digest = isDigest(reference) ? reference : found?.tags.get(reference);
      const descriptor = digest === undefined ? undefined : found?.manifests.get(digest);
      return descriptor && { ...descriptor, bytes: await layout.bytes(descriptor) };
    },
    blob: async (repository, digest) => {
      const descriptor = find(repository)?.blobs.get(digest);
      const isThere = descriptor !== undefined && (await layout.size(digest)) === descriptor.size;
      return isThere ? blobOf(layout, { digest, size: descriptor.size }) : undefined;
    },
    tags: async (repository) => {
      const tags = find(repository)?.tags;
      return tags && [...tags.keys()].sort();
    },
    referrers: async (repository, digest) => find(repository)?.referrers.get(digest) ?? [],
  };
}

function blobOf(layout: Layout, blob: { readonly digest: Digest; readonly size: number }): BlobContent {
  return {
    sizeBytes: blob.size,
    open: (range) => (range === undefined ? layout.stream(blob) : layout.part(blob.digest, range)),
  };
}
