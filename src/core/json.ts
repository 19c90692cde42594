/**
 * JSON from outside: bounded, strict and free of traps.
 *
 * `JSON.parse` accepts duplicate keys (last wins, so two readers may see two documents), an own `__proto__` key, and
 * nesting as deep as the stack. Registries, request bodies and host facts are untrusted, so they come through here.
 */
import { ApplianceError, type ErrorCode } from "./errors.ts";
import { scanJson } from "./json-scan.ts";

export interface ParseJsonOptions {
  /** What the document is, for the message: "release manifest". */
  readonly what: string;
  /** Bytes; default 4 MiB, as for manifests. */
  readonly maxBytes?: number;
  /** Nested arrays and objects; default 64. */
  readonly maxDepth?: number;
}

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 64;

/**
 * Parses untrusted JSON bytes.
 *
 * @throws {ApplianceError} json/too-large, json/not-utf8, json/syntax, json/too-deep, json/duplicate-key or
 *   json/unsafe-key; the message names the document and the place.
 * @see RFC 8259 section 4 (names should be unique), section 8.1 (UTF-8)
 */
export function parseJson(bytes: Uint8Array | string, options: ParseJsonOptions): unknown {
  const refuse = (code: ErrorCode, what: string, cause?: unknown): never => {
    throw new ApplianceError(code, `Cannot read ${options.what}: ${what}`, { cause });
  };
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  const sizeBytes = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
  if (sizeBytes > maxBytes) refuse("json/too-large", `it has ${sizeBytes} bytes, at most ${maxBytes} are read`);
  const text = typeof bytes === "string" ? bytes : decodeUtf8(bytes, () => refuse("json/not-utf8", "it is not UTF-8"));
  const problem = scanJson(text, options.maxDepth ?? MAX_DEPTH);
  if (problem !== undefined) refuse(problem.code, `${problem.what} at character ${problem.at}`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return refuse("json/syntax", "it is not JSON", cause);
  }
}

function decodeUtf8(bytes: Uint8Array, refuse: () => never): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return refuse();
  }
}

/** Writes a value as JSON with sorted keys and no space: the form that digests are made of. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => (isPlainObject(inner) ? sortKeys(inner) : inner));
}

function sortKeys(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

/** Tells whether a value is an object with named fields (not null, not an array). */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
