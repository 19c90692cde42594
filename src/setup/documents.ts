/** The documents that setup keeps: answers without secrets, and the release of the run. */
import { z } from "zod";
import { type Digest, digestOfValue, isDigest } from "../core/digest.ts";
import type { StateStore } from "../operation/store.ts";
import { ANSWERS_SCHEMA, answersDocumentSchema, inputsSchema, type SetupInputs } from "./model.ts";

export const RELEASE_OF_RUN_SCHEMA = "alga.appliance.setup-release/v1";

const digest = z.custom<Digest>(isDigest);

/** The release that a run resolved, once: everything after it goes by this digest. */
export const releaseOfRunSchema = z.object({
  schema: z.literal(RELEASE_OF_RUN_SCHEMA),
  operationId: z.string(),
  /** What was asked for: "channel stable"; another answer resolves anew. */
  ref: z.string(),
  channel: z.string().nullable(),
  version: z.string(),
  digest,
});

/** What the journal of a setup carries: names and digests, no answers and no secret. */
export const planRecordSchema = z.object({
  /** Digest of the plan that the operator saw; null when none was made. */
  planDigest: digest.nullable(),
  /** The release of that plan, and what it was asked by. */
  release: z.object({ ref: z.string(), digest }).nullable(),
  /** For the history. */
  about: z.record(z.string(), z.unknown()),
  expectedMs: z.number().nullable(),
});

export type PlanRecord = z.infer<typeof planRecordSchema>;

/** Reads the kept answers; undefined when there are none. */
export async function readAnswers(store: StateStore): Promise<SetupInputs | undefined> {
  return (await store.readDocument("answers", answersDocumentSchema))?.answers;
}

/** Keeps the answers whole, replacing those before. No secret is in them. Throws file/disk-full or file/unwritable. */
export function writeAnswers(store: StateStore, inputs: SetupInputs, submittedAt: string): Promise<void> {
  const document = { schema: ANSWERS_SCHEMA, submittedAt, answers: inputsSchema.parse(inputs) };
  return store.writeDocument("answers", document);
}

/** Digest of the answers: with the release's digest it says what an installation is. */
export function answersDigest(inputs: SetupInputs): Digest {
  return digestOfValue(inputsSchema.parse(inputs));
}
