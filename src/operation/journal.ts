/**
 * The journal of one operation: what was decided and what happened, one JSON line each, append-only.
 *
 * The journal is the only memory of a run: views are folded from it, and after a crash the run goes on from it. A line is
 * trusted once it was synced. It holds no secret: plans and details are shown on screens.
 */
import { z } from "zod";
import { evidenceSchema } from "../core/evidence.ts";
import { isPlainObject } from "../core/json.ts";
import { operationKindSchema } from "./model.ts";

export const JOURNAL_SCHEMA = "alga.appliance.journal/v1";

/** Bytes of one journal that are read; the runner stops writing progress lines long before. */
export const MAX_JOURNAL_BYTES = 8 * 1024 * 1024;

/** Why a step did not reach its goal, in words for the operator. */
const problemSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().nullable(),
  retrySafe: z.boolean(),
  /** True: nothing goes on by itself, also where trying again may help. */
  needsOperator: z.boolean().optional(),
  /** Answers that the operator may correct. */
  fields: z.array(z.string()),
  evidence: z.array(evidenceSchema),
});

export type StepProblem = z.infer<typeof problemSchema>;

const stamp = {
  /** 1 for the first line, then without gaps. */
  seq: z.number().int().positive(),
  /** Wall time, RFC 3339; for people only. */
  at: z.string(),
  /** Milliseconds since boot; waits are measured with it, because wall time may jump. */
  uptimeMs: z.number(),
};
const ofStep = { ...stamp, step: z.string() };

const journalEntrySchema = z.discriminatedUnion("kind", [
  z.object({
    ...stamp,
    kind: z.literal("planned"),
    schema: z.literal(JOURNAL_SCHEMA),
    operation: operationKindSchema,
    /** Boot in which the run started; uptimes of another boot cannot be compared. */
    bootId: z.string(),
    steps: z.array(z.object({ id: z.string(), title: z.string() })),
    /** What the steps need to know; never a secret. */
    plan: z.unknown(),
  }),
  /** Another process, or this one after a restart, goes on. */
  z.object({ ...stamp, kind: z.literal("recovered"), bootId: z.string() }),
  z.object({ ...ofStep, kind: z.literal("step-started"), attempt: z.number().int().positive() }),
  /** A line of progress; with a problem while the step watches something that is wrong now. */
  z.object({ ...ofStep, kind: z.literal("step-progress"), detail: z.string(), problem: problemSchema.nullable() }),
  z.object({ ...ofStep, kind: z.literal("step-done"), detail: z.string().nullable() }),
  z.object({ ...ofStep, kind: z.literal("step-skipped"), detail: z.string().nullable() }),
  z.object({
    ...ofStep,
    kind: z.literal("step-failed"),
    attempt: z.number().int().positive(),
    problem: problemSchema,
    /** Milliseconds until the next attempt; null: it needs the operator. */
    retryInMs: z.number().nullable(),
  }),
  /** The next attempt waits for the network, not for time. */
  z.object({ ...ofStep, kind: z.literal("step-waits-for-network") }),
  /** The operator asked to try again, or to go on after a pause: attempts count from the start. */
  z.object({ ...stamp, kind: z.literal("resumed") }),
  /** The operator wants it to stand still: it does before the next step. */
  z.object({ ...stamp, kind: z.literal("pause-asked") }),
  /** It stands still until the operator lets it go on, also after a restart. */
  z.object({ ...stamp, kind: z.literal("paused") }),
  /** The operator changed answers: `from` and all later steps run again. */
  z.object({ ...stamp, kind: z.literal("corrected"), fields: z.array(z.string()), from: z.string() }),
  z.object({ ...stamp, kind: z.literal("cancelled") }),
  /** The end; with the reason where the step that runs has failed for good and nothing is left to try. */
  z.object({ ...stamp, kind: z.literal("finished"), failed: problemSchema.optional() }),
  /** Lines that could not be read were moved aside; the run goes on from what is left. */
  z.object({ ...stamp, kind: z.literal("repaired"), aside: z.string() }),
]);

export type JournalEntry = z.infer<typeof journalEntrySchema>;
type Unstamped<E> = E extends JournalEntry ? Omit<E, "seq" | "at" | "uptimeMs"> : never;
/** An entry before it has its number and times. */
export type JournalEvent = Unstamped<JournalEntry>;

export interface ParsedJournal {
  readonly entries: readonly JournalEntry[];
  /** Bytes that hold these entries. */
  readonly goodBytes: number;
  /** Bytes after them: none, a line that was torn by a power cut, or lines that are not ours. */
  readonly rest: "none" | "torn" | "corrupt";
}

/** Writes an entry as its line of the journal, line feed included. JSON has no line break, so one line holds any entry. */
export function encodeEntry(entry: JournalEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Reads a journal up to the first line that cannot be trusted, and says how it goes on from there. */
export function parseJournal(bytes: Uint8Array): ParsedJournal {
  const entries: JournalEntry[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    const entry = parseLine(bytes.subarray(start, end), entries.length + 1);
    if (entry === undefined) return { entries, goodBytes: start, rest: "corrupt" };
    entries.push(entry);
    start = end + 1;
  }
  return { entries, goodBytes: start, rest: start < bytes.length ? "torn" : "none" };
}

function parseLine(bytes: Uint8Array, seq: number): JournalEntry | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const parsed = isPlainObject(value) ? journalEntrySchema.safeParse(value) : undefined;
    return parsed?.success && parsed.data.seq === seq ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
