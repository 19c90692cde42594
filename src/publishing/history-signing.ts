/**
 * Signing and verifying the history of a channel: every entry names the digest of the one before it, so nobody without the
 * key can change, drop or reorder what was signed without being seen.
 *
 * What nobody can see is a history that was cut at its end; that the channel itself is not set back is the matter of the
 * signed metadata of the trust room and of the boxes, whose versions only go up.
 */
import { type Digest, digestOfValue } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { signEnvelope, verifyEnvelope } from "../trust/dsse.ts";
import type { PublicKey, SigningKey } from "../trust/keys.ts";
import type { HistoryEntry } from "./history.ts";

/** Kind of what is signed, so that the signature is worth nothing for another kind of document. */
const PAYLOAD_TYPE = "application/vnd.alga.appliance.channel-history.entry.v1+json";

/** Where an entry stands. */
export interface EntryPlace {
  readonly channel: string;
  /** The entry before it; absent: it is the first one. */
  readonly before: HistoryEntry | undefined;
}

/** Signs an entry for its place. Safe to call again. */
export function signEntry(key: SigningKey, entry: HistoryEntry, place: EntryPlace): HistoryEntry {
  const whole = { ...entry, previous: place.before === undefined ? null : linkOf(place.before) };
  return { ...whole, signed: signEnvelope(key, PAYLOAD_TYPE, payloadOf(whole, place.channel)) };
}

/** What the next entry calls this one. */
function linkOf({ signed: _signed, ...entry }: HistoryEntry): Digest {
  return digestOfValue(entry);
}

function payloadOf({ signed: _signed, ...entry }: HistoryEntry, channel: string): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ channel, entry }));
}

/**
 * Verifies a history: from the first signed entry on, every one is signed by one of the keys and follows the one before it.
 *
 * @returns The id of the key of every entry; undefined for those before the first signature.
 * @throws {ApplianceError} trust/unsigned when the newest entry is not signed although keys are given, and
 *   trust/untrusted-signature for an entry that was changed, moved, or signed by nobody we trust.
 */
export function verifyHistory(
  entries: readonly HistoryEntry[],
  given: { readonly channel: string; readonly keys: readonly PublicKey[] },
): readonly (string | undefined)[] {
  const first = entries.findIndex(({ signed }) => signed !== undefined);
  return entries.map((entry, at) => {
    const what = `history of channel "${given.channel}", entry ${at + 1} of ${entries.length}`;
    if (entry.signed === undefined) {
      if (first < 0 || at < first) return lastUnsigned(entries, at, what);
      throw untrusted(what, "it has no signature among signed ones");
    }
    const { payload, keyId } = verifyEnvelope(entry.signed, { payloadType: PAYLOAD_TYPE, keys: given.keys, what });
    const before = entries[at - 1];
    const isSame = Buffer.from(payload).equals(Buffer.from(payloadOf(entry, given.channel)));
    const follows = before === undefined || entry.previous === linkOf(before);
    if (!isSame) throw untrusted(what, "it is not what was signed");
    if (!follows) throw untrusted(what, "the entry before it is another one than when it was signed");
    return keyId;
  });
}

/** An unsigned beginning is old; an unsigned end is no signed history. */
function lastUnsigned(entries: readonly HistoryEntry[], at: number, what: string): undefined {
  if (at < entries.length - 1) return undefined;
  throw new ApplianceError("trust/unsigned", `Cannot trust ${what}: it is not signed, a signature is wanted`, {
    hint: "Promote again with --key, or leave --trusted-key away",
  });
}

function untrusted(what: string, is: string): ApplianceError {
  return new ApplianceError("trust/untrusted-signature", `Cannot trust ${what}: ${is}`, {
    hint: "Somebody has changed the history in the registry; compare it with what the publishers know",
  });
}
