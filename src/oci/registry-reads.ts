/**
 * The reading half of a registry over anything that can be read: manifests, blobs with ranges, tags, referrers.
 *
 * @see OCI distribution-spec v1.1.1, "Pull" and "Content Discovery"
 */
import { type Digest, isDigest } from "../core/digest.ts";
import { bareMediaType, MEDIA } from "./media-types.ts";
import type { Descriptor } from "./model.ts";
import { isTag } from "./reference.ts";
import { answer, type BlobContent, blobAnswer, manifestAnswer, RegistryError } from "./registry-answers.ts";
import type { StoredManifest } from "./store.ts";

/** What a registry reads. Repositories and references have been checked in form. */
export interface RegistryReads {
  /** By tag or digest. */
  manifest(repository: string, reference: string): Promise<StoredManifest | undefined>;
  blob(repository: string, digest: Digest): Promise<BlobContent | undefined>;
  /** In lexical order; undefined when there is no such repository. */
  tags(repository: string): Promise<readonly string[] | undefined>;
  /** Manifests whose `subject` is this digest; undefined: the API is not served, as by registries before 1.1. */
  referrers(repository: string, digest: Digest): Promise<readonly Descriptor[] | undefined>;
}

export interface ReadCall {
  readonly request: Request;
  readonly url: URL;
  readonly repository: string;
  /** Tag or digest: what stands last in the path. */
  readonly name: string;
}

/** A GET or HEAD of some content. Throws RegistryError. */
type ReadHandler = (reads: RegistryReads, call: ReadCall) => Promise<Response>;

/** GET or HEAD of a blob by digest; ranges are served. @see OCI distribution-spec v1.1.1, "Pulling blobs" */
export const getBlob: ReadHandler = async (reads, { request, repository, name }) => {
  if (!isDigest(name)) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  const blob = await reads.blob(repository, name);
  if (blob === undefined) throw new RegistryError("BLOB_UNKNOWN", "blob unknown to registry");
  return blobAnswer(request, name, blob);
};

/** GET or HEAD of a manifest by tag or digest, where Accept allows its type. @see OCI distribution-spec v1.1.1, "Pulling manifests" */
export const getManifest: ReadHandler = async (reads, { request, repository, name }) => {
  checkReference(name);
  const stored = await reads.manifest(repository, name);
  if (stored === undefined) throw new RegistryError("MANIFEST_UNKNOWN", "manifest unknown");
  if (!accepts(request, stored.mediaType)) {
    throw new RegistryError("MANIFEST_UNKNOWN", `manifest is ${stored.mediaType}, which the Accept header leaves out`);
  }
  return manifestAnswer(request, stored);
};

/** docker-registry 2.8 answers 404 for an OCI manifest when Accept does not name its type; a client must name it. */
function accepts(request: Request, mediaType: string): boolean {
  const accepted = (request.headers.get("accept") ?? "").split(",").map((part) => bareMediaType(part));
  return accepted.includes(mediaType) || accepted.includes("*/*");
}

/** Tags in lexical order, with `n` and `last` for pages. @see OCI distribution-spec v1.1.1, "Listing Tags" */
export const listTags: ReadHandler = async (reads, { url, repository }) => {
  const tags = await reads.tags(repository);
  if (tags === undefined) throw new RegistryError("NAME_UNKNOWN", "repository name not known to registry");
  const last = url.searchParams.get("last") ?? "";
  const asked = url.searchParams.get("n");
  const n = asked === null ? tags.length : Number(asked);
  if (!Number.isInteger(n) || n < 0) throw new RegistryError("UNSUPPORTED", "n is not a number", { "x-status": "400" });
  const after = tags.filter((tag) => tag > last);
  const page = after.slice(0, n);
  const next = new URLSearchParams({ n: String(n), last: page.at(-1) ?? "" });
  const link = page.length < after.length && n > 0 ? { link: `</v2/${repository}/tags/list?${next}>; rel="next"` } : {};
  return Response.json({ name: repository, tags: page }, { headers: link });
};

/** What refers to a digest, filtered by `artifactType`. @see OCI distribution-spec v1.1.1, "Listing Referrers" */
export const listReferrers: ReadHandler = async (reads, { request, url, repository, name }) => {
  const all = isDigest(name) ? await reads.referrers(repository, name) : [];
  if (all === undefined) return pageNotFound();
  if (!isDigest(name)) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  const wanted = url.searchParams.get("artifactType");
  const manifests = wanted === null ? all : all.filter((entry) => entry.artifactType === wanted);
  const body = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  return answer(request, {
    body,
    headers: { "content-type": MEDIA.index, ...(wanted === null ? {} : { "oci-filters-applied": "artifactType" }) },
  });
};

/** Reads the last part of a path. Throws RegistryError where its percent signs encode nothing. */
export function nameIn(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RegistryError("MANIFEST_INVALID", "invalid reference");
  }
}

/** What the reference implementation answers where it knows no path. */
export function pageNotFound(): Response {
  return new Response("404 page not found\n", { status: 404, headers: { "content-type": "text/plain" } });
}

/** Throws RegistryError for what is neither a tag nor a digest. */
export function checkReference(reference: string): void {
  if (isDigest(reference) || isTag(reference)) return;
  if (reference.includes(":")) throw new RegistryError("DIGEST_INVALID", "invalid digest");
  throw new RegistryError("MANIFEST_INVALID", "invalid tag");
}
