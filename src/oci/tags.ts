/**
 * Listing tags with pagination: bounded in pages and names, and never away from the list it began with.
 *
 * @see OCI distribution-spec v1.1.1, "Listing Tags"; RFC 8288 (Link)
 */
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Clock } from "../core/ports.ts";
import { failedAnswer } from "./answers.ts";
import { htmlAnswer } from "./blob.ts";
import { readBytes } from "./body.ts";
import { nextPage } from "./links.ts";
import { bareMediaType } from "./media-types.ts";
import { isTag } from "./reference.ts";

/** How the pages of one list of tags are read. `get` sends a request with the login of the caller and throws for a refusal. */
export interface TagPages {
  readonly get: (url: URL) => Promise<Response>;
  /** The list's own address. */
  readonly url: URL;
  readonly what: string;
  readonly clock: Clock;
  readonly idleMs?: number | undefined;
  readonly signal: AbortSignal;
}

const MAX_TAGS = 10_000;
const MAX_PAGES = 100;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** Asked per page; a registry may give fewer. */
const PAGE = 1_000;

/**
 * Reads all pages.
 *
 * @throws {ApplianceError} oci/too-large beyond 10,000 tags or 100 pages; oci/unexpected-answer for another form or a
 *   Link that leads elsewhere; oci/not-found when there is no such repository.
 */
export async function listTags(pages: TagPages): Promise<readonly string[]> {
  const first = new URL(pages.url);
  first.searchParams.set("n", String(PAGE));
  const tags: string[] = [];
  let next: URL | undefined = first;
  for (let count = 0; next !== undefined; count += 1) {
    if (count >= MAX_PAGES || tags.length > MAX_TAGS) throw tooMany(pages.what);
    const response = await pages.get(next);
    if (response.status !== 200) throw await failedAnswer(response, pages);
    if (bareMediaType(response.headers.get("content-type")) === "text/html") {
      await response.body?.cancel();
      throw htmlAnswer(pages.what);
    }
    const link = response.headers.get("link");
    tags.push(
      ...readPage(
        await readBytes(response, { ...pages, what: `tags of "${pages.what}"`, maxBytes: MAX_PAGE_BYTES }),
        pages.what,
      ),
    );
    next = nextPage(link, next, { list: pages.url, what: `tags of "${pages.what}"` });
  }
  if (tags.length > MAX_TAGS) throw tooMany(pages.what);
  return tags;
}

function readPage(bytes: Uint8Array, what: string): readonly string[] {
  const value = parsePage(bytes, what);
  const tags = isPlainObject(value) ? (value.tags ?? []) : undefined;
  if (Array.isArray(tags) && tags.every((tag) => typeof tag === "string" && isTag(tag))) return tags;
  throw unexpected(what, "the answer is not a list of tags");
}

function parsePage(bytes: Uint8Array, what: string): unknown {
  try {
    return parseJson(bytes, { what: `tags of "${what}"`, maxBytes: MAX_PAGE_BYTES, maxDepth: 8 });
  } catch (cause) {
    throw unexpected(what, "the answer is not usable JSON", cause);
  }
}

function unexpected(what: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("oci/unexpected-answer", `Cannot list tags of "${what}": ${is}`, { cause });
}

function tooMany(what: string): ApplianceError {
  return new ApplianceError("oci/too-large", `Cannot list tags of "${what}": there are more than ${MAX_TAGS}`);
}
