/**
 * Redaction of text that comes line by line: a private key lies in many lines, and none of them alone looks like one.
 */
import { redactText } from "./redact.ts";

const BEGIN = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const END = /-----END [A-Z ]*PRIVATE KEY-----/;
/** A line of a key's body: base64 alone, maybe behind what a logger writes before a line. */
const BODY = /(?:^|\s)[A-Za-z0-9+/]{16,}={0,2}\s*$/;
const MASK = "[redacted]";
/** Lines of a key of 8192 bits and its headers; what goes on longer has no end and is no key. */
const MAX_KEY_LINES = 128;

/**
 * Makes a function from each line of one log to its masked form; it remembers that a private key has begun.
 *
 * Everything from the first line of a key to its last is masked, at most 128 lines. Every other line is masked by the rules of
 * `redactText`.
 */
export function createLineRedactor(): (line: string) => string {
  let left = 0;
  return (line) => {
    if (left > 0) {
      left = END.test(line) ? 0 : left - 1;
      return MASK;
    }
    if (BEGIN.test(line) && !END.test(line)) left = MAX_KEY_LINES;
    return redactText(line);
  };
}

/** Masks a piece of a log that may begin within a private key: lines before an end without a beginning are masked too. */
export function redactLines(lines: readonly string[]): readonly string[] {
  const end = lines.findIndex((line) => END.test(line));
  const begin = lines.findIndex((line) => BEGIN.test(line));
  const headless = end >= 0 && (begin < 0 || begin > end) ? bodyBefore(lines, end) : { from: 0, to: -1 };
  const redact = createLineRedactor();
  return lines.map((line, index) => (index >= headless.from && index <= headless.to ? MASK : redact(line)));
}

/** Goes back from the end of a key as far as its body reaches. */
function bodyBefore(lines: readonly string[], end: number): { readonly from: number; readonly to: number } {
  let from = end;
  while (from > 0 && end - from < MAX_KEY_LINES && BODY.test(lines[from - 1] ?? "")) from -= 1;
  return { from, to: end };
}
