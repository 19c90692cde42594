/**
 * Evidence from text that others wrote: redacted, made harmless, bounded.
 *
 * Pod names, log lines and messages of registries are untrusted. Terminal escapes and direction overrides would let
 * them draw over the screen of whoever reads the status, so they are written out as code points.
 */
import type { Evidence } from "../core/evidence.ts";
import { redactText } from "../core/redact.ts";

/** Bytes of one piece of evidence; the end is kept, because logs tell the cause last. */
const MAX_EVIDENCE_BYTES = 2048;
const MAX_REF_CHARACTERS = 200;
const CUT = "[…] ";

/** C0 and C1 controls but tab and line feed; zero-width, direction and isolate marks; byte order mark. */
const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

/** Writes characters that steer a terminal or the direction of text as visible code points. */
export function harmless(text: string): string {
  return text.replace(/\r\n/g, "\n").replace(UNSAFE, (unsafe) => `\\u{${(unsafe.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Makes one piece of evidence. Secrets are masked before the cut, so that a cut never leaves half of one. */
export function evidence(ref: string, text: string): Evidence {
  return { ref: oneLine(ref, MAX_REF_CHARACTERS), text: boundedTail(harmless(redactText(text.slice(-65_536))).trim()) };
}

/** One safe line of at most `characters`, for names and messages inside sentences. */
export function oneLine(text: string, characters = 300): string {
  const line = harmless(redactText(text.slice(0, 8192)))
    .replace(/\s+/g, " ")
    .trim();
  return line.length <= characters ? line : `${[...line].slice(0, characters - 1).join("")}…`;
}

function boundedTail(text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= MAX_EVIDENCE_BYTES) return text;
  const room = MAX_EVIDENCE_BYTES - new TextEncoder().encode(CUT).length;
  let start = bytes.length - room;
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return CUT + new TextDecoder().decode(bytes.subarray(start));
}
