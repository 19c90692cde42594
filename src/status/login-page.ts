/**
 * What counts as the login page: an HTML page with a field for a password.
 *
 * Scripts, comments and templates are taken out first, because a bundle may carry the word without showing the field. An
 * application that draws its form only in the browser names a marker instead: a text that its page always holds.
 */

export interface PageRules {
  /** A text that is enough by itself; absent: a password field is wanted. */
  readonly marker?: string;
}

const INVISIBLE = /<!--[\s\S]*?(?:-->|$)|<(script|style|template|noscript)\b[\s\S]*?(?:<\/\1\s*>|$)/gi;
const PASSWORD_FIELD = /<input\b[^>]{0,500}\btype\s*=\s*(?:"password"|'password'|password\b)/i;
const TITLE = /<title[^>]*>([^<]{0,200})/i;

/** Tells whether a page is the login page. The text is untrusted and already bounded. */
export function isLoginPage(html: string, rules: PageRules = {}): boolean {
  if (rules.marker !== undefined && rules.marker !== "" && html.includes(rules.marker)) return true;
  return PASSWORD_FIELD.test(html.replace(INVISIBLE, ""));
}

/** The title of a page, for evidence; "" when there is none. */
export function pageTitle(html: string): string {
  return TITLE.exec(html)?.[1]?.trim() ?? "";
}
