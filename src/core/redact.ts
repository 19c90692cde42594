/**
 * Redaction of text and records that leave the process: logs, evidence, bundles.
 *
 * The rules are data. They err on the side of hiding: a masked port number costs a minute, a shown password costs a
 * customer. Field names decide for records, patterns for free text. Safe to apply twice.
 */
import { isPlainObject } from "./json.ts";

export interface RedactionRule {
  readonly name: string;
  readonly pattern: RegExp;
  readonly replace: string;
}

const MASK = "[redacted]";

/** A field with such a name never shows its value, at any depth. */
const SECRET_FIELD =
  /^(?:.*(?:password|passwd|passphrase|secret|token|credential|cookie|authorization|private[_-]?key|license[_-]?key|install[_-]?code|claim[_-]?code|auth[_-]?key|api[_-]?key).*|session)$/i;

/** Names that only look secret: references, states and policies. */
const PUBLIC_FIELD = /^(?:tokenSecret|tenantSecret|secretName|secretRef|tokenFile|passwordPolicy|secrets?Removed)$/;

const REDACTION_RULES: readonly RedactionRule[] = [
  { name: "authorization header", pattern: /\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}/gi, replace: `$1 ${MASK}` },
  { name: "credentials in a URL", pattern: /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]+:[^\s/@]+@/gi, replace: `$1${MASK}@` },
  {
    name: "token or key in a query",
    pattern: /([?&](?:token|password|key|secret|code|signature|sig|x-amz-[a-z-]+)=)[^&\s"']+/gi,
    replace: `$1${MASK}`,
  },
  {
    name: "JSON member",
    pattern:
      /("[^"\\]*(?:password|passphrase|secret|token|credential|licenseKey|installCode|privateKey|auth_?key|client-key)[^"\\]*"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    replace: `$1"${MASK}"`,
  },
  {
    name: "assignment",
    pattern:
      /\b([\w.-]*(?:password|passphrase|secret|token|credential|license[_-]?key|install[_-]?code|private[_-]?key|auth[_-]?key)[\w.-]*\s*[=:]\s*)(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;}&"']+)/gi,
    replace: `$1${MASK}`,
  },
  {
    name: "PEM private key",
    pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
    replace: MASK,
  },
  { name: "JSON web token", pattern: /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, replace: MASK },
  { name: "setup token", pattern: /\b\d{4}(?:-\d{4}){4}\b/g, replace: MASK },
];

/** Masks secrets in free text by every rule. */
export function redactText(text: string): string {
  return REDACTION_RULES.reduce((masked, rule) => masked.replace(rule.pattern, rule.replace), text);
}

/** Tells whether a field of this name holds a secret. */
export function isSecretField(name: string): boolean {
  return SECRET_FIELD.test(name) && !PUBLIC_FIELD.test(name);
}

/** Masks secrets in a record by field name at any depth, and in its strings by pattern. Cycles are cut at depth 12. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (depth > 12) return MASK;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  if (!isPlainObject(value)) return value;
  if (typeof value.toJSON === "function") return redactValue(value.toJSON(), depth + 1);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      isSecretField(key) && inner !== null && inner !== undefined && typeof inner !== "boolean"
        ? MASK
        : redactValue(inner, depth + 1),
    ]),
  );
}
