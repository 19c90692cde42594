/**
 * Secrets in memory: a value that does not print itself.
 *
 * A `Secret` gives its text only to `reveal()`, so logging, JSON, template strings and error details show a mask.
 * It protects against accidents, not against code that wants the text.
 */
import { createHash, timingSafeEqual } from "node:crypto";

const MASK = "[secret]";

/** A text that shows itself only to `reveal()`. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Call it only where the secret is used; never log or return the result. */
  reveal(): string {
    return this.#text;
  }

  get isEmpty(): boolean {
    return this.#text.length === 0;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return MASK;
  }
}

/** Tells whether two texts are the same; neither their content nor their length shows in the time it takes. */
export function isSameSecret(given: string, wanted: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}
