/**
 * Reading `WWW-Authenticate`: which login a registry wants.
 *
 * The header is untrusted: it is bounded, a parameter that stands twice is refused, and nothing of it becomes a request
 * before `token.ts` has checked the address.
 *
 * @see RFC 9110 section 11.6.1; distribution v2.8, docs/spec/auth/token.md
 */
import { ApplianceError } from "../core/errors.ts";

export type Challenge =
  | { readonly scheme: "basic" }
  | { readonly scheme: "bearer"; readonly realm: string; readonly service?: string; readonly scope?: string };

/** Longer headers are an attack or a mistake. */
const MAX_LENGTH = 4_096;

/**
 * Picks Bearer before Basic from a header that may hold several challenges.
 *
 * @throws {ApplianceError} oci/bad-challenge when there is none that we can follow.
 */
export function parseChallenge(header: string | null, registry: string): Challenge {
  const refuse = (what: string): ApplianceError =>
    new ApplianceError("oci/bad-challenge", `Cannot log in to registry "${registry}": ${what}`);
  if (header === null || header.trim() === "") throw refuse("it answers 401 and does not say which login it wants");
  if (header.length > MAX_LENGTH) throw refuse(`its challenge is longer than ${MAX_LENGTH} characters`);
  const challenges = splitChallenges(header);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) return bearerChallenge(bearer.params, refuse);
  if (challenges.some(({ scheme }) => scheme === "basic")) return { scheme: "basic" };
  throw refuse(`it wants "${(challenges[0]?.scheme ?? header).slice(0, 40)}", Bearer or Basic is known`);
}

function bearerChallenge(
  params: readonly (readonly [string, string])[],
  refuse: (what: string) => ApplianceError,
): Challenge {
  const values = new Map<string, string>();
  for (const [name, value] of params) {
    if (values.has(name)) throw refuse(`its challenge names "${name.slice(0, 40)}" twice`);
    values.set(name, value);
  }
  const [realm, service, scope] = [values.get("realm"), values.get("service"), values.get("scope")];
  if (realm === undefined || realm === "") throw refuse("its Bearer challenge has no realm");
  return {
    scheme: "bearer",
    realm,
    ...(service === undefined ? {} : { service }),
    ...(scope === undefined ? {} : { scope }),
  };
}

interface RawChallenge {
  readonly scheme: string;
  readonly params: [string, string][];
}

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
/** Either `name=value`, `name="value"`, or a word that opens the next challenge. */
const PIECE = new RegExp(`\\s*,?\\s*(${TOKEN})(?:\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))|(?=\\s|,|$))`, "y");

function splitChallenges(header: string): readonly RawChallenge[] {
  const found: RawChallenge[] = [];
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(header); match !== null; match = PIECE.exec(header)) {
    const [, word = "", quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) found.push({ scheme: word.toLowerCase(), params: [] });
    else found.at(-1)?.params.push([word.toLowerCase(), value]);
  }
  return found;
}
