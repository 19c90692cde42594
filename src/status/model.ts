/**
 * `ApplianceStatus`: the one document that the page, the API, the CLI, the console and the terminal UI show.
 *
 * `alga.appliance.status/v1`, first version 2026-11. Fields are only ever added. Everything is safe to show: no secret
 * is in it, evidence is redacted and bounded before it gets here.
 */
import { z } from "zod";
import { evidenceSchema } from "../core/evidence.ts";
import { operationSchema } from "../operation/model.ts";

export const STATUS_SCHEMA = "alga.appliance.status/v1";

/** State of one thing. `unknown`: it could not be observed, which is no bad news and no good news. */
export const stateSchema = z.enum(["ready", "progressing", "failed", "unknown"]);
export const checkStateSchema = z.enum(["ok", "progressing", "failed", "unknown"]);

/** The rungs of the ladder, lowest first. */
export const TIERS = ["platform", "core", "bootstrap", "login", "background", "full"] as const;
export const tierNameSchema = z.enum(TIERS);

export const phaseSchema = z.enum(["unclaimed", "setup", "installing", "updating", "recovering", "running", "blocked"]);

const checkSchema = z.object({
  /** Stable name: "flux/source-not-ready". */
  code: z.string(),
  tier: tierNameSchema,
  /** The rung that it would take down if it lasts, where that rung has all it needs and so the failure counts for `full`. */
  threatens: tierNameSchema.optional(),
  state: checkStateSchema,
  /** One sentence a person reads first. */
  title: z.string(),
  /** Why, in one or two sentences; empty when all is well. */
  cause: z.string(),
  evidence: z.array(evidenceSchema),
  /** The next step for the operator, null when there is none to take. */
  next: z.string().nullable(),
  /** Whether trying again without a change is safe and may help. */
  retrySafe: z.boolean(),
  /** Codes of checks that this one explains (root cause first). */
  explains: z.array(z.string()).optional(),
  since: z.string().nullable(),
});

const componentSchema = z.object({
  name: z.string(),
  namespace: z.string(),
  tier: tierNameSchema,
  state: stateSchema,
  version: z.string().nullable(),
  /** One line: "Waits for alga-core". */
  message: z.string(),
});

const tierSchema = z.object({ state: stateSchema, since: z.string().nullable(), reason: z.string() });

/** States of the registry as it was asked last. */
const registryStateSchema = z.enum([
  "answers",
  "no-such-name",
  "refused",
  "no-answer",
  "certificate",
  "denied",
  "broken",
]);

const hostSchema = z.object({
  /** File systems that the appliance keeps its state on; empty when nobody could look. */
  disks: z.array(
    z.object({
      path: z.string(),
      freeBytes: z.number(),
      totalBytes: z.number(),
      /** When it will be full at the present rate, RFC 3339; null when that is not known. */
      fullAt: z.string().nullable(),
    }),
  ),
  memory: z.object({ totalBytes: z.number(), availableBytes: z.number() }).nullable(),
  /** How far the clock of the box is ahead (positive) or behind, in milliseconds; 0 below the noise of the comparison. */
  clock: z.object({ skewMs: z.number(), against: z.string(), observedAt: z.string().nullable() }).nullable(),
  /** The registry that releases come from. `tookMs`: milliseconds until its answer, or until it was given up. */
  registry: z
    .object({ host: z.string(), state: registryStateSchema, tookMs: z.number(), observedAt: z.string().nullable() })
    .nullable(),
  /** When the box started after an end without a shutdown; a note for a day, absent otherwise. RFC 3339. */
  uncleanStartAt: z.string().optional(),
});

export const applianceStatusSchema = z.object({
  schema: z.literal(STATUS_SCHEMA),
  observedAt: z.string(),
  /** Grows within one process whenever the document says something else. */
  generation: z.number(),
  appliance: z.object({
    id: z.string(),
    name: z.string(),
    /** Version of the control plane that says this. */
    version: z.string(),
    addresses: z.array(z.string()),
    /** True only in the rehearsal: every screen says so. */
    rehearsal: z.boolean(),
    /** False where the box holds no key and no root of a publisher: then every release is unverified, and every screen says so. */
    verifies: z.boolean().optional(),
  }),
  release: z
    .object({
      channel: z.string().nullable(),
      version: z.string(),
      digest: z.string(),
      /** Key id, or "none" for an unverified release. */
      verifiedBy: z.string(),
    })
    .nullable(),
  phase: phaseSchema,
  summary: z.object({ state: stateSchema, message: z.string(), next: z.string().nullable() }),
  tiers: z.object({
    platform: tierSchema,
    core: tierSchema,
    bootstrap: tierSchema,
    login: tierSchema,
    background: tierSchema,
    full: tierSchema,
  }),
  checks: z.array(checkSchema),
  components: z.array(componentSchema),
  operation: operationSchema.nullable(),
  /** The box itself, since 2026-12; a control plane before that does not tell it. Its figures alone are no new generation. */
  host: hostSchema.optional(),
  urls: z.object({ login: z.string().nullable(), setup: z.string().nullable() }),
});

export type State = z.infer<typeof stateSchema>;
export type CheckState = z.infer<typeof checkStateSchema>;
export type TierName = z.infer<typeof tierNameSchema>;
export type Phase = z.infer<typeof phaseSchema>;
export type Check = z.infer<typeof checkSchema>;
export type Component = z.infer<typeof componentSchema>;
export type ReadinessTier = z.infer<typeof tierSchema>;
export type RegistryState = z.infer<typeof registryStateSchema>;
export type HostStatus = z.infer<typeof hostSchema>;
export type ApplianceStatus = z.infer<typeof applianceStatusSchema>;
