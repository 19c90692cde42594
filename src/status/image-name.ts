/** How people call an image: "alga-psa-ee:62cdce38". The whole reference belongs into evidence. */
import { oneLine } from "./evidence.ts";

/** Digits of a digest that tell images apart for people. */
const DIGITS = 12;
const MAX_CHARACTERS = 80;
/** An optional path, a name, an optional tag, an optional digest: what a kubelet has in a pod. */
const REFERENCE = /^(?:[^\s@]*\/)?([a-z0-9][\w.-]*)(?::([\w.-]+))?(?:@[a-z0-9]+:([0-9a-f]+))?$/i;

/**
 * The last part of the name with its tag, or with the beginning of its digest where it has no tag. What is no reference stays as it
 * is, in one safe line.
 */
export function shortImage(reference: string): string {
  const [, name, tag, digest] = REFERENCE.exec(reference) ?? [];
  if (name === undefined) return oneLine(reference, MAX_CHARACTERS);
  if (tag !== undefined) return oneLine(`${name}:${tag}`, MAX_CHARACTERS);
  return oneLine(digest === undefined ? name : `${name}@${digest.slice(0, DIGITS)}`, MAX_CHARACTERS);
}
