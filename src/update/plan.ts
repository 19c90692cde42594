/**
 * The plan of an update: what will happen, how long it takes, what cannot be undone, and why it may not run now.
 *
 * Pure: what is installed, what is wanted and what is known of the box go in. The digest is of what the update does, not
 * of the moment: free disk or a running operation change whether a plan may run, not which plan it is.
 */
import { type Digest, digestOf, digestOfValue } from "../core/digest.ts";
import { humanBytes } from "../core/quantity.ts";
import type { OperationView } from "../operation/model.ts";
import { differenceOf, type ReleaseDifference } from "../release/difference.ts";
import type { ReleaseRef, ResolvedRelease } from "../release/resolved.ts";
import { irreversibleSince, type UpdateRules, updateRulesOf } from "../release/update-rules.ts";
import { compareVersions } from "../release/version.ts";
import type { Installed } from "../status/installed.ts";
import type { ApplianceStatus, Check } from "../status/model.ts";
import { usualMs } from "./history.ts";
import type { DefinitionChange, NotNow, PlanKind, UpdatePlan, UpdateRecord } from "./model.ts";
import { plannedChanges } from "./plan-changes.ts";
import { checkReasons, checkWarnings, definitionReasons } from "./plan-checks.ts";

export interface PlanInput {
  readonly installed: Installed;
  /** What is installed as it was resolved; undefined when nothing is known of it any more. */
  readonly from: ResolvedRelease | undefined;
  readonly to: ResolvedRelease;
  /** What was asked for: a channel never goes down. */
  readonly ref: ReleaseRef;
  readonly box: BoxNow;
  readonly checks: readonly Check[];
  /** undefined: they could not be read. */
  readonly definitions: readonly DefinitionChange[] | undefined;
  readonly steps: UpdatePlan["steps"];
  /** How much faster than on a box everything goes. */
  readonly pace: number;
}

/** What is known of the box at this moment. */
export interface BoxNow {
  /** Free bytes where images go; undefined when nobody could look. */
  readonly freeBytes: number | undefined;
  readonly operation: OperationView | undefined;
  readonly status: ApplianceStatus | undefined;
  readonly history: readonly UpdateRecord[];
}

/** Time besides the downloads, and bytes a millisecond of an ordinary line: 50 Mbit/s. */
const BASE_MS = 360_000;
const BYTES_PER_MS = 6_250;
/** An image takes its compressed bytes and, unpacked, about twice as many. */
const UNPACKED = 3;
/** Bytes that must stay free beside the images. */
const RESERVE_BYTES = 1024 * 1024 * 1024;

/**
 * Makes the plan.
 *
 * @throws {ApplianceError} release/invalid-manifest when the release has rules or values that cannot be read.
 */
export function planUpdate(input: PlanInput): UpdatePlan {
  const { installed, to, ref, box } = input;
  const kind = kindOf(installed, to);
  const difference = differenceFrom(input.from, to);
  const downloads = difference.downloads.map(({ name, reference, sizeBytes }) => ({ name, reference, sizeBytes }));
  const usual = usualMs(box.history);
  const disk =
    box.freeBytes === undefined ? null : { freeBytes: box.freeBytes, neededBytes: neededBytesOf(difference) };
  const irreversible = irreversibleSteps(input);
  const channel = "channel" in ref ? ref.channel : null;
  return {
    digest: digestOfPlan(input, { kind, channel, irreversible: irreversible.map(({ id }) => id) }),
    kind,
    from: { version: installed.version, digest: installed.digest, channel: installed.channel },
    to: {
      version: to.manifest.version,
      digest: to.digest,
      channel,
      createdAt: to.manifest.createdAt ?? null,
      verifiedBy: to.verifiedBy,
    },
    ...plannedChanges(difference, to),
    definitions: input.definitions ?? null,
    downloads,
    downloadBytes: difference.downloadBytes,
    unknownSizes: to.missing.map(({ name }) => name),
    disk,
    expectedMs: usual ?? Math.round((BASE_MS + difference.downloadBytes / BYTES_PER_MS) / input.pace),
    expectedFrom: usual === undefined ? "estimate" : "history",
    irreversible,
    steps: input.steps,
    checks: input.checks,
    notNow: [
      ...boxNotNow(box),
      ...notNow(input, { kind, disk }),
      ...definitionReasons(input.definitions ?? []),
      ...checkReasons(input.checks),
    ],
    warnings: warningsOf(input, kind),
  };
}

/** Bytes of disk that the images of a difference take while they come. */
export function neededBytesOf({ downloads }: ReleaseDifference): number {
  const imageBytes = downloads.reduce((sum, one) => sum + (one.kind === "image" ? one.sizeBytes : 0), 0);
  return imageBytes === 0 ? 0 : imageBytes * UNPACKED + RESERVE_BYTES;
}

/** What another release has that the installed one has not; all of it where the installed one is not known any more. */
export function differenceFrom(from: ResolvedRelease | undefined, to: ResolvedRelease): ReleaseDifference {
  return differenceOf(from ?? nothing(to), to);
}

function kindOf(installed: Installed, to: ResolvedRelease): PlanKind {
  if (installed.digest === to.digest) return "repair";
  const order = compareVersions(to.manifest.version, installed.version);
  return order === undefined || order < 0 ? "downgrade" : "update";
}

/** A release that has none of the parts of another: everything of that one is new. */
function nothing(to: ResolvedRelease): ResolvedRelease {
  return { ...to, artifacts: [], missing: [], manifest: { ...to.manifest, profileValues: {} } };
}

interface Identity {
  readonly kind: PlanKind;
  readonly channel: string | null;
  readonly irreversible: readonly string[];
}

function digestOfPlan({ installed, to }: PlanInput, identity: Identity): Digest {
  const parts = to.artifacts.map(({ name, digest }) => `${name} ${digest}`).sort();
  const at = { from: installed.digest, to: to.digest, answers: installed.answersDigest };
  return digestOfValue({ ...at, ...identity, parts: digestOf(parts.join("\n")) });
}

/** Migrations of the wanted release that the installed one has not run already. */
function irreversibleSteps({ from, to }: PlanInput): UpdatePlan["irreversible"] {
  return irreversibleSince(to.manifest, from?.manifest).map((one) => ({ ...one, ways: ["restore", "forward-fix"] }));
}

/** Reasons of the box why nothing may start now, whatever the release. */
export function boxNotNow({ operation, status }: Pick<BoxNow, "operation" | "status">): readonly NotNow[] {
  const reasons: NotNow[] = [];
  if (operation !== undefined && operation.endedAt === null) {
    reasons.push({
      code: "operation/busy",
      message: `"${operation.id}" is ${operation.state}: one operation at a time`,
      hint: "Wait until it has ended, let it go on (alga-appliance update resume), or stop it",
    });
  }
  const platform = status?.tiers.platform;
  if (operation?.endedAt !== null && platform !== undefined && isDown(platform.state)) {
    reasons.push({
      code: "update/cluster-not-ready",
      message: `The platform is not ready: ${platform.reason}`,
      hint: status?.summary.next ?? "Look at the overview: it says what is wrong",
    });
  }
  return reasons;
}

function isDown(state: string): boolean {
  return state === "failed" || state === "unknown";
}

function notNow(
  { installed, from, to, ref }: PlanInput,
  made: { readonly kind: PlanKind; readonly disk: UpdatePlan["disk"] },
): readonly NotNow[] {
  const wanted = to.manifest.version;
  const reasons: NotNow[] = [];
  const stop = firstStop(installed.version, wanted, updateRulesOf(to.manifest));
  if (stop !== undefined) {
    reasons.push({
      code: "update/required-stop",
      message: `${wanted} cannot be reached from ${installed.version} at once: ${stop} comes first`,
      hint: `alga-appliance update run --version ${stop}`,
    });
  }
  if (made.kind === "downgrade")
    reasons.push(...againstGoingDown({ installed: installed.version, wanted, from }, "channel" in ref));
  const { disk } = made;
  if (disk !== null && disk.freeBytes < disk.neededBytes) {
    reasons.push({
      code: "update/not-enough-disk",
      message: `${humanBytes(disk.freeBytes)} are free, ${humanBytes(disk.neededBytes)} are wanted`,
      hint: "Free room on the disk of the box, or give it a larger one",
    });
  }
  return reasons;
}

/** The lowest required stop between two versions. */
function firstStop(installed: string, wanted: string, { stops }: UpdateRules): string | undefined {
  const between = stops.filter(
    (stop) => (compareVersions(stop, installed) ?? 0) > 0 && (compareVersions(stop, wanted) ?? 0) < 0,
  );
  return between.sort((a, b) => compareVersions(a, b) ?? 0)[0];
}

function againstGoingDown(
  versions: { readonly installed: string; readonly wanted: string; readonly from: ResolvedRelease | undefined },
  byChannel: boolean,
): readonly NotNow[] {
  const { installed, wanted, from } = versions;
  const floor = from === undefined ? undefined : dataFloorAgainst(updateRulesOf(from.manifest), wanted);
  if (floor !== undefined) {
    return [{ code: "update/data-floor", message: belowFloor(installed, wanted, floor), hint: RESTORE }];
  }
  if (!byChannel) return [];
  const message = `${installed} is installed, and the channel offers ${wanted}: a channel never goes down`;
  return [{ code: "release/downgrade", message, hint: `alga-appliance update run --version ${wanted}` }];
}

export const RESTORE = "Restore the backup that was made before the update, or install a release that mends the cause";

/** The floor that forbids a version: the data is of a release that it does not know. */
export function dataFloorAgainst({ dataFloor }: UpdateRules, wanted: string): string | undefined {
  if (dataFloor === undefined) return undefined;
  return (compareVersions(wanted, dataFloor) ?? -1) < 0 ? dataFloor : undefined;
}

/** One sentence for a release below the floor. */
export function belowFloor(installed: string, wanted: string, floor: string): string {
  return `${installed} has changed the data so that ${wanted} cannot read it: at least ${floor} is wanted`;
}

function warningsOf({ from, to, definitions, checks }: PlanInput, kind: PlanKind): readonly string[] {
  const warnings: string[] = [...checkWarnings(checks)];
  if (definitions === undefined) warnings.push("Whether definitions of custom resources change is not known now.");
  if (from === undefined)
    warnings.push("The installed release is not known any more, so everything is listed as changed.");
  if (to.verifiedBy === "none") warnings.push("The release is not signed by a key that this appliance trusts.");
  if (to.accepted !== undefined) warnings.push(`Accepted by you: ${to.accepted}.`);
  for (const { name, problem } of to.missing) warnings.push(`The registry does not show the ${name}: ${problem}.`);
  if (to.stale !== undefined) warnings.push("The registry does not answer: this is what it said before.");
  if (kind === "downgrade") warnings.push("This goes back to an older release: make a backup first.");
  return warnings;
}

/** What is another in a plan that was made anew, in sentences; empty when both are the same plan. */
export function planChanges(seen: UpdatePlan, now: UpdatePlan): readonly string[] {
  if (seen.digest === now.digest) return [];
  const changed: string[] = [];
  if (seen.from.digest !== now.from.digest) {
    changed.push(`${now.from.version} is installed now, not ${seen.from.version}`);
  }
  if (seen.to.digest !== now.to.digest) changed.push(`It goes to ${now.to.version} now, not to ${seen.to.version}`);
  if (seen.to.channel !== now.to.channel) {
    changed.push(`It follows ${now.to.channel ?? "no channel"} now, not ${seen.to.channel ?? "none"}`);
  }
  const before = seen.irreversible.map(({ id }) => id);
  for (const { id } of now.irreversible) if (!before.includes(id)) changed.push(`It cannot be undone after ${id}`);
  return changed.length > 0 ? changed : ["A part of the release or an answer of yours is another"];
}
