/** The next page of a list, by the Link header: never away from the list that it began with. @see RFC 8288 */
import { ApplianceError } from "../core/errors.ts";

/** A header is bounded before a pattern runs over it. */
const MAX_HEADER = 8_192;

/**
 * Reads where the next page is; undefined when this was the last one.
 *
 * @param pages.what With its quotes: `tags of "host/repository"`.
 * @throws {ApplianceError} oci/unexpected-answer for a Link that leads elsewhere or back to the same page.
 */
export function nextPage(
  link: string | null,
  current: URL,
  pages: { readonly list: URL; readonly what: string },
): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec((link ?? "").slice(0, MAX_HEADER))?.[1];
  if (target === undefined) return undefined;
  const url = URL.canParse(target, current.href) ? new URL(target, current.href) : undefined;
  if (url === undefined || url.origin !== pages.list.origin || url.pathname !== pages.list.pathname) {
    throw unexpected(pages.what, "the next page is at another place than the list");
  }
  if (url.href === current.href) throw unexpected(pages.what, "the next page is the same page");
  return url;
}

function unexpected(what: string, is: string): ApplianceError {
  return new ApplianceError("oci/unexpected-answer", `Cannot list ${what}: ${is}`);
}
