/** The documents that setup keeps: answers without secrets, the release of the run, and what is installed. */
import { z } from "zod";
import { type Digest, digestOfValue, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { OperationKind } from "../operation/model.ts";
import type { StateStore } from "../operation/store.ts";
import { ANSWERS_SCHEMA, answersDocumentSchema, inputsSchema, type SetupInputs } from "./model.ts";

export const RELEASE_OF_RUN_SCHEMA = "alga.appliance.setup-release/v1";
export const INSTALLED_SCHEMA = "alga.appliance.installed/v1";

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

/** release.json: what this appliance is set to, and since when setup proved it. */
const installedSchema = z.object({
  schema: z.literal(INSTALLED_SCHEMA),
  channel: z.string().nullable(),
  version: z.string(),
  digest,
  /** Key id, or "none" for an unverified release. */
  verifiedBy: z.string(),
  answersDigest: digest,
  registry: z.string(),
  repository: z.string(),
  appUrl: z.string(),
  /** RFC 3339; null until the login page has answered. */
  installedAt: z.string().nullable(),
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

/** Kinds of operations after which another release is installed. */
const INSTALLING: ReadonlySet<OperationKind> = new Set(["setup", "update"]);

export type Installed = z.infer<typeof installedSchema>;
export type PlanRecord = z.infer<typeof planRecordSchema>;

/** Reads the kept answers; undefined when there are none. */
export async function readAnswers(store: StateStore): Promise<SetupInputs | undefined> {
  return (await store.readDocument("answers", answersDocumentSchema))?.answers;
}

export function writeAnswers(store: StateStore, inputs: SetupInputs, submittedAt: string): Promise<void> {
  const document = { schema: ANSWERS_SCHEMA, submittedAt, answers: inputsSchema.parse(inputs) };
  return store.writeDocument("answers", document);
}

type InstalledDeps = Pick<Deps, "log"> & { readonly store: StateStore };

/**
 * Reads what is installed; undefined when nothing is. Where release.json is damaged or gone, the history tells: a bad
 * disk must not make a box that is set up look like a new one. The damage is logged by the read that finds it.
 */
export async function readInstalled({ store, log }: InstalledDeps): Promise<Installed | undefined> {
  try {
    const installed = await store.readDocument("release", installedSchema);
    if (installed !== undefined) return installed;
  } catch (error) {
    if (!isApplianceError(error, "file/corrupt")) throw error;
    log.warn("release.json is damaged: what is installed is taken from the history", { error });
  }
  return installedOfHistory(store);
}

/** What the last setup or update that is done wrote into its record. */
async function installedOfHistory(store: StateStore): Promise<Installed | undefined> {
  const records = await store.readHistory();
  const last = records.findLast(({ kind, state }) => state === "done" && INSTALLING.has(kind));
  const parsed = installedSchema.safeParse({ installedAt: last?.at, ...last?.about, schema: INSTALLED_SCHEMA });
  return parsed.success ? parsed.data : undefined;
}

/** Digest of the answers: with the release's digest it says what an installation is. */
export function answersDigest(inputs: SetupInputs): Digest {
  return digestOfValue(inputsSchema.parse(inputs));
}
