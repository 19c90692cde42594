/**
 * What refers to a manifest: signatures, SBOMs, provenance; by the referrers API, or by a tag where a registry has none.
 *
 * The list is the registry's claim: it may leave out what is there (nobody can know), and what it names is checked when it
 * is read by its digest.
 *
 * @see OCI distribution-spec v1.1.1, "Listing Referrers", "Referrers Tag Schema", "Pushing Manifests with Subject"
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { failedAnswer } from "./answers.ts";
import { readBytes } from "./body.ts";
import { nextPage } from "./links.ts";
import { ACCEPT_MANIFESTS, bareMediaType, MEDIA } from "./media-types.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, parseDocument } from "./model.ts";

/** How one registry is asked. */
export interface ReferrersSource {
  /** Sends a reading request; retries are its own matter. */
  readonly get: (url: URL, headers: Readonly<Record<string, string>>) => Promise<Response>;
  readonly base: URL;
  readonly repository: string;
  readonly clock: Clock;
  readonly idleMs?: number | undefined;
  readonly signal: AbortSignal;
}

export interface Referrers {
  /** "tag": the registry has no API, and the list stands under the fallback tag. */
  readonly by: "api" | "tag";
  readonly manifests: readonly Descriptor[];
}

/** Pages of one list; a manifest has a handful of referrers. */
const MAX_PAGES = 20;
const MAX_REFERRERS = 1_000;

/** The tag under which the referrers of a digest stand where there is no API. */
export function fallbackTag(digest: Digest): string {
  return digest.replace(":", "-");
}

/**
 * Lists what refers to a digest.
 *
 * @param artifactType Absent: all. A registry that does not filter is filtered here.
 * @throws {ApplianceError} oci/unexpected-answer, oci/too-large beyond 1,000 referrers or 20 pages, and what reading throws.
 */
export async function listReferrers(
  source: ReferrersSource,
  digest: Digest,
  artifactType?: string,
): Promise<Referrers> {
  const first = new URL(`/v2/${source.repository}/referrers/${digest}`, source.base);
  if (artifactType !== undefined) first.searchParams.set("artifactType", artifactType);
  const what = `${source.base.host}/${source.repository} referrers of ${digest}`;
  const found: Descriptor[] = [];
  let next: URL | undefined = first;
  for (let page = 0; next !== undefined; page += 1) {
    if (page >= MAX_PAGES || found.length > MAX_REFERRERS) {
      throw new ApplianceError("oci/too-large", `Cannot list "${what}": there are more than ${MAX_REFERRERS} of them`);
    }
    const response = await source.get(next, { accept: MEDIA.index });
    // Before version 1.1 there is no such path; some registries say so with 400, 405 or a page of their own.
    if (page === 0 && !isList(response)) return await byTag(source, response, { digest, artifactType, what });
    if (!isList(response)) throw await failedAnswer(response, { what, clock: source.clock });
    const link = response.headers.get("link");
    found.push(...(await readList(source, response, what)));
    next = nextPage(link, next, { list: first, what: `"${what}"` });
  }
  return {
    by: "api",
    manifests: found.filter((one) => artifactType === undefined || one.artifactType === artifactType),
  };
}

function isList(response: Response): boolean {
  return response.status === 200 && bareMediaType(response.headers.get("content-type")) !== "text/html";
}

interface Asked {
  readonly digest: Digest;
  readonly artifactType: string | undefined;
  readonly what: string;
}

async function byTag(source: ReferrersSource, refusal: Response, asked: Asked): Promise<Referrers> {
  const isWithout = refusal.status === 200 || [400, 404, 405, 501].includes(refusal.status);
  if (!isWithout) throw await failedAnswer(refusal, { what: asked.what, clock: source.clock });
  await refusal.body?.cancel();
  const { digest, artifactType, what } = asked;
  const url = new URL(`/v2/${source.repository}/manifests/${fallbackTag(digest)}`, source.base);
  const response = await source.get(url, { accept: ACCEPT_MANIFESTS });
  if (response.status === 404) {
    await response.body?.cancel();
    return { by: "tag", manifests: [] };
  }
  if (response.status !== 200) throw await failedAnswer(response, { what, clock: source.clock });
  const all = await readList(source, response, what);
  return { by: "tag", manifests: all.filter((one) => artifactType === undefined || one.artifactType === artifactType) };
}

async function readList(source: ReferrersSource, response: Response, what: string): Promise<readonly Descriptor[]> {
  const contentType = response.headers.get("content-type") ?? MEDIA.index;
  const bytes = await readBytes(response, {
    what: `"${what}"`,
    maxBytes: MAX_MANIFEST_BYTES,
    clock: source.clock,
    idleMs: source.idleMs,
    signal: source.signal,
  });
  const document = parseDocument(bytes, { contentType, what });
  if (document.kind === "index") return document.index.manifests;
  throw new ApplianceError("oci/unexpected-answer", `Cannot list "${what}": the answer is a manifest, no list of them`);
}
