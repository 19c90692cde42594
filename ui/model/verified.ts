/** Who vouches for a release, in words. `verifiedBy` is as in the status document: a key's id, or "none". Pure. */
import { text } from "../strings.ts";

/** Tells whether no key vouches for the release. */
export function isUnverified(verifiedBy: string): boolean {
  return verifiedBy === "none";
}

/** The short form, for a row among others: "unverified", "verified by key release-2026-a". */
export function verifiedText(verifiedBy: string): string {
  return isUnverified(verifiedBy) ? text("verified.none") : text("verified.by", { key: shortKey(verifiedBy) });
}

/** A key id that is a digest is told by its first twelve digits, as the commands do; a name is told whole. */
export function shortKey(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}
