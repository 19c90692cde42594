/** The history of updates, from the records of operations: what was planned, what happened, how long it took. Pure. */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { parseInstant } from "../core/time.ts";
import type { HistoryRecord } from "../operation/store.ts";
import { fetchedSchema, type UpdateRecord, verdictSchema } from "./model.ts";

const digest = z.custom<Digest>(isDigest);
const nameSchema = z.object({ version: z.string(), digest });

/** Of `about` only what is read; an update that was cancelled early has few of them. */
const aboutSchema = z.looseObject({
  from: nameSchema,
  to: nameSchema.extend({ channel: z.string().nullable() }),
  planDigest: z.string().nullable().optional(),
  expectedMs: z.number().nullable().optional(),
  bytes: z.number().nullable().optional(),
  fetched: fetchedSchema.nullable().optional(),
  verdict: verdictSchema.nullable().optional(),
  outcome: z.enum(["installed", "returned", "untouched", "stopped"]).optional(),
  reason: z.string().nullable().optional(),
  problem: z.looseObject({ message: z.string() }).optional(),
});

/** Reads updates and returns, newest first; records of another form are passed over. */
export function updateRecords(records: readonly HistoryRecord[]): readonly UpdateRecord[] {
  return records.flatMap(recordOf).toReversed();
}

function recordOf(record: HistoryRecord): UpdateRecord[] {
  const { kind, state, startedAt, at, operationId } = record;
  const about = aboutSchema.safeParse(record.about).data;
  if ((kind !== "update" && kind !== "rollback") || about === undefined) return [];
  const durationMs = Math.max(0, (parseInstant(at) ?? 0) - (parseInstant(startedAt) ?? 0));
  return [
    {
      operationId,
      kind,
      startedAt,
      endedAt: at,
      state,
      verdict: about.verdict ?? null,
      outcome: about.outcome ?? "stopped",
      reason: about.reason ?? about.problem?.message ?? null,
      from: { version: about.from.version, digest: about.from.digest },
      to: { version: about.to.version, digest: about.to.digest, channel: about.to.channel },
      planDigest: about.planDigest ?? null,
      durationMs,
      expectedMs: about.expectedMs ?? null,
      bytes: about.bytes ?? null,
      fetched: about.fetched ?? null,
    },
  ];
}

/** Longer ones are no measure: a clock has jumped, or somebody has paused the update. */
const MAX_USUAL_MS = 12 * 3_600_000;

/** Milliseconds that updates took on this box: the middle one of the last five that reached their goal. */
export function usualMs(records: readonly UpdateRecord[]): number | undefined {
  const took = records
    .filter(({ kind, outcome }) => kind === "update" && outcome === "installed")
    .slice(0, 5)
    .map(({ durationMs }) => durationMs)
    .filter((tookMs) => tookMs > 0 && tookMs < MAX_USUAL_MS)
    .sort((a, b) => a - b);
  return took[Math.floor(took.length / 2)];
}
