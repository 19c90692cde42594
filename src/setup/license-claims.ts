/**
 * What a license key says of itself. Decoded and not verified: only the application, which has the issuer's key, believes it.
 *
 * @see RFC 7519 section 4.1.4 ("exp"); reference/host-service.md section 10.2 (perpetual from 2100 on)
 */
import { isPlainObject, parseJson } from "../core/json.ts";
import { toInstant } from "../core/time.ts";

/** Facts for people: none of them decides anything. */
export interface LicenseFacts {
  readonly edition: string | null;
  /** RFC 3339; null when the key does not end, or does not say. */
  readonly expiresAt: string | null;
  readonly perpetual: boolean;
  readonly state: "active" | "expired" | "unknown";
}

const NOTHING: LicenseFacts = { edition: null, expiresAt: null, perpetual: false, state: "unknown" };
/** 2100-01-01T00:00:00Z in seconds. */
const PERPETUAL_FROM = 4_102_444_800;
/** The last second that a date can hold. */
const LAST_SECOND = 8_640_000_000_000;
const MAX_CLAIMS_BYTES = 8_192;

/** Reads a key. Anything that is no key, or says nothing, is all unknown. @param nowMs Milliseconds since 1970. */
export function licenseFacts(key: string, nowMs: number): LicenseFacts {
  const claims = claimsOf(key);
  if (claims === undefined) return NOTHING;
  const { exp } = claims;
  const edition = [claims.edition, claims.tier].find((one) => typeof one === "string") as string | undefined;
  const known = { ...NOTHING, edition: edition === undefined ? null : edition.slice(0, 60) };
  if (typeof exp !== "number" || !Number.isFinite(exp) || exp < 0 || exp > LAST_SECOND) return known;
  if (exp >= PERPETUAL_FROM) return { ...known, perpetual: true, state: "active" };
  return { ...known, expiresAt: toInstant(exp * 1_000), state: exp * 1_000 > nowMs ? "active" : "expired" };
}

function claimsOf(key: string): Readonly<Record<string, unknown>> | undefined {
  const [, middle, end] = key.split(".");
  if (middle === undefined || end === undefined) return undefined;
  try {
    const bytes = Buffer.from(middle, "base64url");
    const value = parseJson(bytes, { what: "claims of a license key", maxBytes: MAX_CLAIMS_BYTES });
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
