/**
 * What a channel may mean: the client's side of The Update Framework, over plain OCI.
 *
 * Parties: the box trusts one root document that a person put on it, and from then on only what the keys of that root sign:
 * targets (which release a version and a channel are), snapshot (which targets), timestamp (which snapshot, and until when).
 * The registry and whoever sits between are not trusted; at worst they deny. What was seen last stays on the disk, so nothing
 * goes back, and a box without a registry goes on with it until it expires.
 *
 * @see The Update Framework specification 1.0.33, section 5, "Detailed client workflow"
 */
import type { Metadata, Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { withDeadline } from "../core/deadline.ts";
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { humanDuration } from "../core/duration.ts";
import { ApplianceError, isApplianceError, isRetryable } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { mixed, type Role, readMetadata, verifyRole } from "./metadata.ts";

/** Where documents come from: a registry, a bundle. Bytes are untrusted. */
export interface TrustSource {
  /** Reads a document by its tag; undefined when there is none. Throws trust/too-large beyond the bound of the role. */
  read(role: Role, tag: string, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Reads a document by its own digest; undefined when there is none. Throws trust/too-large, and trust/mixed for others. */
  readDigest(role: Role, named: DocumentName, signal: AbortSignal): Promise<Uint8Array | undefined>;
}

/** A document as a signed one names it. */
export interface DocumentName {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** What was seen last, by role. Written whole; a document that cannot be read counts as not seen. */
export interface TrustMemory {
  read(role: Role): Promise<Uint8Array | undefined>;
  write(role: Role, bytes: Uint8Array): Promise<void>;
  forget(role: Role): Promise<void>;
}

/** Expired metadata that somebody decided to accept for a while. */
export interface ExpiredRole {
  readonly role: Role;
  /** Since it expired. */
  readonly ageMs: number;
}

/** Verified: all signatures, versions, digests and dates. */
export interface TrustState {
  readonly root: Metadata<Root>;
  readonly timestamp: Metadata<Timestamp>;
  readonly snapshot: Metadata<Snapshot>;
  readonly targets: Metadata<Targets>;
  /** Keys that signed the targets. */
  readonly signers: readonly string[];
  readonly expired: readonly ExpiredRole[];
  /** Why the registry was not asked, or did not answer: then this is what was seen last. */
  readonly fromMemory: boolean;
}

export interface TrustDeps {
  readonly clock: Clock;
  readonly source: TrustSource;
  readonly memory: TrustMemory;
}

export interface TrustOptions {
  /** Bytes of the root document that a person trusts. */
  readonly anchor: Uint8Array;
  /** Until when expired metadata is accepted, milliseconds since 1970. Absent: never. */
  readonly acceptExpiredUntil?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** All of a refresh: some kilobytes in at most a dozen requests, and the chain of roots. */
const BUDGET_MS = 60_000;
/** Rotations that one refresh follows. @see TUF 1.0.33, section 5.3.3: a bound Y is wanted */
const MAX_ROOTS = 256;

/**
 * Brings metadata up to date and verifies it.
 *
 * Safe to call again. A crash between two writes leaves older documents, which the next call takes further.
 *
 * @throws {ApplianceError} trust/threshold, trust/rollback, trust/expired, trust/too-large, trust/mixed, trust/withheld,
 *   trust/slow, trust/bad-metadata; trust/unsigned when the registry has no metadata and none was ever seen.
 */
export async function refreshTrust(deps: TrustDeps, options: TrustOptions): Promise<TrustState> {
  const work = (signal: AbortSignal): Promise<TrustState> => refresh(deps, { ...options, signal });
  const budget = { what: "signed metadata", work, ...(options.signal === undefined ? {} : { parent: options.signal }) };
  try {
    return await withDeadline(deps.clock, BUDGET_MS, budget);
  } catch (thrown) {
    if (!isApplianceError(thrown, "internal/timeout")) throw thrown;
    throw new ApplianceError(
      "trust/slow",
      `Cannot trust the channel: its metadata did not arrive within ${humanDuration(BUDGET_MS)}, some kilobytes were wanted`,
      { cause: thrown, hint: "Try again, or use another mirror of the registry" },
    );
  }
}

/**
 * Follows the chain of roots from the one that is trusted, whatever the other documents are. Dates do not count: a publisher
 * who looks is about to mend them.
 *
 * @param options.upTo Version at which it ends, where there are later ones. Absent: the newest.
 * @throws {ApplianceError} trust/threshold, trust/rollback, trust/too-large, trust/mixed, trust/bad-metadata.
 */
export async function latestRoot(
  deps: TrustDeps,
  options: { readonly anchor: Uint8Array; readonly upTo?: number | undefined; readonly signal: AbortSignal },
): Promise<Metadata<Root>> {
  const { anchor, upTo, signal } = options;
  const source = upTo === undefined ? deps.source : endingAt(deps.source, upTo);
  return updateRoot({ ...deps, source }, await loadRoot(deps, anchor), signal);
}

/** A source that shows no root after a version: what boxes saw before it was published. */
export function endingAt(source: TrustSource, version: number): TrustSource {
  const later = (tag: string): boolean => Number.parseInt(tag, 10) > version;
  return {
    ...source,
    read: async (role, tag, signal) => (role === "root" && later(tag) ? undefined : source.read(role, tag, signal)),
  };
}

type Running = TrustOptions & { readonly signal: AbortSignal };

async function refresh(deps: TrustDeps, options: Running): Promise<TrustState> {
  // Section 5.1: one time for the whole of a refresh.
  const judge = createJudge(deps.clock.now(), options.acceptExpiredUntil);
  const before = await loadRoot(deps, options.anchor);
  try {
    const root = await updateRoot(deps, before, options.signal);
    judge.assertFresh("root", root.signed.expires);
    const timestamp = await updateTimestamp(deps, root, { judge, signal: options.signal });
    const snapshot = await updateSnapshot(deps, { root, timestamp }, { judge, signal: options.signal });
    const targets = await updateTargets(deps, { root, snapshot }, { judge, signal: options.signal });
    const signers = verifyRole(root, "targets", targets);
    return { root, timestamp, snapshot, targets, signers, expired: judge.accepted, fromMemory: false };
  } catch (thrown) {
    const isAway = isRetryable(thrown) || isApplianceError(thrown, "trust/unsigned");
    const last = isAway ? await loadLast(deps, options) : undefined;
    if (last === undefined) throw thrown;
    return last;
  }
}

interface Judge {
  /** Refuses a document that has expired, or notes it when that was accepted. */
  assertFresh(role: Role, expires: string): void;
  readonly accepted: readonly ExpiredRole[];
}

function createJudge(nowMs: number, acceptUntil: number | undefined): Judge {
  const accepted: ExpiredRole[] = [];
  const assertFresh = (role: Role, expires: string): void => {
    const ageMs = nowMs - Date.parse(expires);
    if (ageMs < 0) return;
    if (acceptUntil === undefined || nowMs >= acceptUntil) throw expired(role, ageMs, expires);
    accepted.push({ role, ageMs });
  };
  return { assertFresh, accepted };
}

function expired(role: Role, ageMs: number, expires: string): ApplianceError {
  return new ApplianceError(
    "trust/expired",
    `Cannot trust ${role} metadata: it expired ${humanDuration(ageMs)} ago (${expires}), a fresh one is wanted`,
    {
      hint: "Check the clock of this box; without a way to the publisher, decide until when it is good all the same: by the answer acceptExpired, or with --accept-expired <instant>",
      details: { role, ageMs, expires },
    },
  );
}

/** Section 5.2: what a person trusts, or the root that the chain had led to. */
async function loadRoot({ memory }: Pick<TrustDeps, "memory">, anchor: Uint8Array): Promise<Metadata<Root>> {
  const first = readMetadata("root", anchor);
  verifyRole(first, "root", first);
  const kept = await memory.read("root");
  const last = kept === undefined ? undefined : usable(() => readMetadata("root", kept));
  return last !== undefined && last.signed.version > first.signed.version ? last : first;
}

/** Section 5.3: from root N to N+1 while there is one, each signed by the keys of both. */
async function updateRoot(deps: TrustDeps, before: Metadata<Root>, signal: AbortSignal): Promise<Metadata<Root>> {
  let root = before;
  for (let steps = 0; steps < MAX_ROOTS; steps += 1) {
    const wanted = root.signed.version + 1;
    const bytes = await deps.source.read("root", `${wanted}.root`, signal);
    if (bytes === undefined) break;
    const next = readMetadata("root", bytes);
    verifyRole(root, "root", next);
    verifyRole(next, "root", next);
    if (next.signed.version !== wanted) throw rollback("root", next.signed.version, wanted);
    await deps.memory.write("root", bytes);
    root = next;
  }
  // Section 5.3.11: after a compromise versions start anew, or a number that was set very high would block for ever.
  if (!isSameRole(before, root, "timestamp") || !isSameRole(before, root, "snapshot")) {
    await deps.memory.forget("timestamp");
    await deps.memory.forget("snapshot");
  }
  return root;
}

function isSameRole(one: Metadata<Root>, other: Metadata<Root>, role: Role): boolean {
  const textOf = ({ signed }: Metadata<Root>): string =>
    JSON.stringify([signed.roles[role]?.threshold, [...(signed.roles[role]?.keyIDs ?? [])].sort()]);
  return textOf(one) === textOf(other);
}

interface Step {
  readonly judge: Judge;
  readonly signal: AbortSignal;
}

/** Section 5.4. */
async function updateTimestamp(deps: TrustDeps, root: Metadata<Root>, step: Step): Promise<Metadata<Timestamp>> {
  const kept = await lastSeen(deps, root, "timestamp");
  const bytes = await deps.source.read("timestamp", "timestamp", step.signal);
  if (bytes === undefined) throw nothing();
  const next = readMetadata("timestamp", bytes);
  verifyRole(root, "timestamp", next);
  if (kept !== undefined) {
    const [was, is] = [kept.document.signed, next.signed];
    if (is.version < was.version) throw rollback("timestamp", is.version, was.version);
    if (is.snapshotMeta.version < was.snapshotMeta.version) {
      throw rollback("snapshot", is.snapshotMeta.version, was.snapshotMeta.version);
    }
    if (is.version === was.version && !sameBytes(bytes, kept.bytes))
      throw mixed("timestamp", `version ${is.version} was another`);
  }
  step.judge.assertFresh("timestamp", next.signed.expires);
  await deps.memory.write("timestamp", bytes);
  return next;
}

/** Section 5.5. */
async function updateSnapshot(
  deps: TrustDeps,
  known: { readonly root: Metadata<Root>; readonly timestamp: Metadata<Timestamp> },
  step: Step,
): Promise<Metadata<Snapshot>> {
  const meta = known.timestamp.signed.snapshotMeta;
  const kept = await lastSeen(deps, known.root, "snapshot");
  const bytes = await named(deps, { role: "snapshot", meta, kept: kept?.bytes }, step.signal);
  const next = readMetadata("snapshot", bytes);
  verifyRole(known.root, "snapshot", next);
  if (next.signed.version !== meta.version)
    throw mixed("snapshot", `its version is ${next.signed.version}, ${meta.version} is wanted`);
  for (const [name, was] of Object.entries(kept?.document.signed.meta ?? {})) {
    const is = next.signed.meta[name]?.version ?? 0;
    if (is < was.version) throw rollback("targets", is, was.version);
  }
  step.judge.assertFresh("snapshot", next.signed.expires);
  await deps.memory.write("snapshot", bytes);
  return next;
}

/** Section 5.6, for the one targets role that there is: nothing is delegated. */
async function updateTargets(
  deps: TrustDeps,
  known: { readonly root: Metadata<Root>; readonly snapshot: Metadata<Snapshot> },
  step: Step,
): Promise<Metadata<Targets>> {
  const meta = known.snapshot.signed.meta["targets.json"];
  if (meta === undefined) throw mixed("snapshot", "it names no targets");
  const kept = await deps.memory.read("targets");
  const bytes = await named(deps, { role: "targets", meta, kept }, step.signal);
  const next = readMetadata("targets", bytes);
  verifyRole(known.root, "targets", next);
  if (next.signed.version !== meta.version)
    throw mixed("targets", `its version is ${next.signed.version}, ${meta.version} is wanted`);
  step.judge.assertFresh("targets", next.signed.expires);
  await deps.memory.write("targets", bytes);
  return next;
}

interface Named {
  readonly role: Role;
  readonly meta: { readonly version: number; readonly length?: number; readonly hashes?: Record<string, string> };
  /** What is on the disk; taken when it is what is named. */
  readonly kept: Uint8Array | undefined;
}

async function named(deps: TrustDeps, { role, meta, kept }: Named, signal: AbortSignal): Promise<Uint8Array> {
  const digest = `sha256:${meta.hashes?.sha256 ?? ""}`;
  const { length } = meta;
  if (!isDigest(digest) || length === undefined) throw mixed(role, "what names it gives no sha256 and no length");
  if (kept !== undefined && digestOf(kept) === digest) return kept;
  const bytes = await deps.source.readDigest(role, { digest, sizeBytes: length }, signal);
  if (bytes === undefined) throw withheld(role, meta.version);
  return bytes;
}

/** A document of the disk that the keys of this root still stand for. */
async function lastSeen<R extends "timestamp" | "snapshot">(deps: TrustDeps, root: Metadata<Root>, role: R) {
  const bytes = await deps.memory.read(role);
  if (bytes === undefined) return undefined;
  return usable(() => {
    const document = readMetadata(role, bytes);
    verifyRole(root, role, document);
    return { document, bytes };
  });
}

/** Everything that was seen last, verified anew; undefined when a part is missing. Its dates count as ever. */
async function loadLast(deps: TrustDeps, options: Running): Promise<TrustState | undefined> {
  const judge = createJudge(deps.clock.now(), options.acceptExpiredUntil);
  const root = await loadRoot(deps, options.anchor);
  const [timestamp, snapshot, kept] = [
    await lastSeen(deps, root, "timestamp"),
    await lastSeen(deps, root, "snapshot"),
    await deps.memory.read("targets"),
  ];
  if (timestamp === undefined || snapshot === undefined || kept === undefined) return undefined;
  const isNamed = (bytes: Uint8Array, hash: string | undefined): boolean => digestOf(bytes) === `sha256:${hash}`;
  const isWhole =
    isNamed(snapshot.bytes, timestamp.document.signed.snapshotMeta.hashes?.sha256) &&
    isNamed(kept, snapshot.document.signed.meta["targets.json"]?.hashes?.sha256);
  if (!isWhole) return undefined;
  const targets = readMetadata("targets", kept);
  const signers = verifyRole(root, "targets", targets);
  judge.assertFresh("root", root.signed.expires);
  judge.assertFresh("timestamp", timestamp.document.signed.expires);
  judge.assertFresh("snapshot", snapshot.document.signed.expires);
  judge.assertFresh("targets", targets.signed.expires);
  const [stamp, shot] = [timestamp.document, snapshot.document];
  return { root, timestamp: stamp, snapshot: shot, targets, signers, expired: judge.accepted, fromMemory: true };
}

/** Damage on the disk costs the memory of one document, never the box. */
function usable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (isApplianceError(thrown)) return undefined;
    throw thrown;
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function nothing(): ApplianceError {
  return new ApplianceError("trust/unsigned", "Cannot trust the channel: the registry has no signed metadata for it", {
    hint: "Ask the publisher for it, or allow unsigned releases with the setting trust.allowUnsigned",
  });
}

function withheld(role: Role, version: number): ApplianceError {
  return new ApplianceError(
    "trust/withheld",
    `Cannot trust the channel: ${role} metadata ${version} is named by signed metadata, and the registry does not give it`,
    { hint: "Try again, or use another mirror of the registry" },
  );
}

function rollback(role: Role, is: number, wanted: number): ApplianceError {
  return new ApplianceError(
    "trust/rollback",
    `Cannot trust ${role} metadata: it is version ${is}, ${wanted} has been seen already`,
    { hint: "Use another mirror of the registry, and tell the publisher", details: { role, is, wanted } },
  );
}
