/**
 * Lockout: how often somebody may guess a token or a password.
 *
 * An attempt is counted before its work starts, in one turn with the check, so parallel attempts cannot slip past it; a
 * right guess takes the count back. Kept in `lockout.json` and measured by uptime: neither a restart nor a changed clock
 * opens a lock, and a reboot starts the same lock anew, so none lasts for ever.
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { elapsedMs, type Moment, momentNow, momentSchema } from "./moment.ts";
import { peerKey } from "./peer.ts";
import { createStored } from "./stored.ts";

const MAX_PEERS = 1_000;
/** A peer that made no mistake for so long starts again. */
const FORGET_MS = 24 * 3_600_000;
const EVERYBODY = "*";

interface LockRule {
  /** Failures up to this number cost nothing. */
  readonly free: number;
  /** First lock; doubles with each further failure. */
  readonly baseMs: number;
  readonly maxMs: number;
}

const PEER_RULE: LockRule = { free: 4, baseMs: 60_000, maxMs: 15 * 60_000 };
/** Over all peers, for a guesser with many addresses; does not hold for peers that logged in before. */
const EVERYBODY_RULE: LockRule = { free: 50, baseMs: 5_000, maxMs: 5 * 60_000 };

const entrySchema = z.object({
  failures: z.int().min(0).max(1_000_000),
  /** Lock after the last failure, in milliseconds from `at`; 0: none. */
  lockMs: z.number().min(0).max(PEER_RULE.maxMs),
  at: momentSchema,
  /** This peer gave the right token or password before. */
  known: z.boolean(),
});
const fileSchema = z.object({
  schema: z.literal("alga.appliance.lockout/v1"),
  peers: z.record(z.string(), entrySchema),
});

type Entry = z.infer<typeof entrySchema>;
type LockoutFile = z.infer<typeof fileSchema>;
type Peers = Readonly<Record<string, Entry>>;

export interface Attempt {
  /** The guess was right: forgets the failures of this peer. */
  succeed(): Promise<void>;
  /** The guess was not judged (busy, full disk): takes its count back. */
  withdraw(): Promise<void>;
}

export interface Lockout {
  /**
   * Counts an attempt, as failed until it says otherwise.
   *
   * @param options.kind A token of 66 bits needs no lock over all peers.
   * @throws {ApplianceError} session/locked with `details.retryAfterSeconds`; then nothing is counted.
   */
  begin(peer: string, options: { readonly kind: "token" | "password" }): Promise<Attempt>;
}

const EMPTY: LockoutFile = { schema: "alga.appliance.lockout/v1", peers: {} };

/**
 * Opens the lockout over its file, so that a restart forgets nothing. Damage counts as an empty list: nobody is locked out
 * by a bad disk.
 */
export function createLockout(
  deps: Pick<Deps, "clock" | "files" | "machine" | "log">,
  paths: Pick<StatePaths, "lockout">,
): Lockout {
  const stored = createStored(deps, { path: paths.lockout, schema: fileSchema, empty: EMPTY, corrupt: EMPTY });
  const change = async (act: (peers: Peers, now: Moment) => Peers): Promise<void> => {
    const now = await momentNow(deps);
    await stored.update((file) => {
      const peers = act(file.peers, now);
      return peers === file.peers ? file : { ...file, peers: bounded(peers, now) };
    });
  };
  return {
    begin: async (peer, { kind }) => {
      const key = peerKey(peer);
      let lockedMs = 0;
      await change((peers, now) => {
        const rebased = rebase(peers, now);
        lockedMs = Math.max(remainingMs(rebased[key], now), everybodyMs(rebased, key, now, kind));
        return lockedMs > 0 ? rebased : count(rebased, key, now);
      });
      if (lockedMs > 0) throw locked(lockedMs);
      return {
        succeed: () => change((peers, now) => clear(peers, key, now)),
        withdraw: () => change((peers) => uncount(peers, key)),
      };
    },
  };
}

/** A moment of another boot says nothing about uptime: the lock starts anew. */
function rebase(peers: Peers, now: Moment): Peers {
  if (Object.values(peers).every((entry) => entry.at.boot === now.boot)) return peers;
  return Object.fromEntries(
    Object.entries(peers).map(([key, entry]) => [key, entry.at.boot === now.boot ? entry : { ...entry, at: now }]),
  );
}

function remainingMs(entry: Entry | undefined, now: Moment): number {
  return entry === undefined ? 0 : Math.max(0, entry.lockMs - elapsedMs(entry.at, now));
}

function everybodyMs(peers: Peers, key: string, now: Moment, kind: "token" | "password"): number {
  return kind === "token" || peers[key]?.known === true ? 0 : remainingMs(peers[EVERYBODY], now);
}

function count(peers: Peers, key: string, now: Moment): Peers {
  return {
    ...peers,
    [key]: failed(peers[key], PEER_RULE, now),
    [EVERYBODY]: failed(peers[EVERYBODY], EVERYBODY_RULE, now),
  };
}

function failed(before: Entry | undefined, rule: LockRule, now: Moment): Entry {
  const isFresh = before === undefined || elapsedMs(before.at, now) > FORGET_MS;
  const failures = (isFresh ? 0 : before.failures) + 1;
  return { failures, lockMs: lockFor(failures, rule), at: now, known: before?.known ?? false };
}

function lockFor(failures: number, rule: LockRule): number {
  return failures <= rule.free ? 0 : Math.min(rule.maxMs, rule.baseMs * 2 ** Math.min(30, failures - rule.free - 1));
}

function clear(peers: Peers, key: string, now: Moment): Peers {
  return { ...uncount(peers, key), [key]: { failures: 0, lockMs: 0, at: now, known: true } };
}

function uncount(peers: Peers, key: string): Peers {
  const less = (entry: Entry | undefined, rule: LockRule): Entry | undefined => {
    if (entry === undefined) return undefined;
    const failures = Math.max(0, entry.failures - 1);
    return { ...entry, failures, lockMs: lockFor(failures, rule) };
  };
  const pairs = [
    [key, less(peers[key], PEER_RULE)],
    [EVERYBODY, less(peers[EVERYBODY], EVERYBODY_RULE)],
  ] as const;
  return { ...peers, ...Object.fromEntries(pairs.filter(([, entry]) => entry !== undefined)) } as Peers;
}

/** Keeps the file small: above the bound those go first that are not locked, then the oldest. */
function bounded(peers: Peers, now: Moment): Peers {
  const entries = Object.entries(peers);
  if (entries.length <= MAX_PEERS) return peers;
  const worth = ([key, entry]: readonly [string, Entry]): number =>
    (key === EVERYBODY ? 4e15 : 0) + (remainingMs(entry, now) > 0 ? 2e15 : 0) - elapsedMs(entry.at, now);
  return Object.fromEntries(entries.sort((a, b) => worth(b) - worth(a)).slice(0, MAX_PEERS));
}

function locked(remaining: number): ApplianceError {
  const seconds = Math.ceil(remaining / 1_000);
  return new ApplianceError(
    "session/locked",
    `Cannot accept another attempt: too many were wrong, the next is possible in ${seconds} s`,
    { hint: "Wait, then try again", details: { retryAfterSeconds: seconds } },
  );
}
