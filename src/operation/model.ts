/**
 * How an operation looks from outside: its steps, its progress, and why it waits or is blocked.
 *
 * Folded from the journal; part of `ApplianceStatus` and of `/api/operations`. Holds no secret.
 */
import { z } from "zod";
import { evidenceSchema } from "../core/evidence.ts";

const stepStateSchema = z.enum(["pending", "running", "waiting", "done", "failed", "skipped"]);

const operationStepSchema = z.object({
  id: z.string(),
  title: z.string(),
  state: stepStateSchema,
  /** One line of progress: "4 of 6 components ready". */
  detail: z.string().nullable(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
});

export const operationKindSchema = z.enum([
  "setup",
  "update",
  "rollback",
  "recover",
  "address",
  "password",
  "license",
  "bootstrap",
  "reset",
]);
export const operationStateSchema = z.enum(["running", "waiting", "blocked", "paused", "done", "failed", "cancelled"]);

export const operationSchema = z.object({
  id: z.string(),
  kind: operationKindSchema,
  state: operationStateSchema,
  /** The operator wants a pause, and the step that runs still comes to its end. Absent: no. */
  pausing: z.literal(true).optional(),
  /** Id of the step that runs or stopped, null before the first and after the last. */
  step: z.string().nullable(),
  steps: z.array(operationStepSchema),
  progress: z.object({ done: z.number(), total: z.number(), unit: z.literal("steps") }),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  /** Why it waits or is blocked, null otherwise. */
  problem: z
    .object({
      code: z.string(),
      message: z.string(),
      hint: z.string().nullable(),
      retrySafe: z.boolean(),
      attempt: z.number(),
      /** When the next attempt starts by itself, null when it does not. */
      nextAttemptAt: z.string().nullable(),
      /** Answers that the operator may correct. */
      fields: z.array(z.string()),
      evidence: z.array(evidenceSchema),
    })
    .nullable(),
});

export type OperationStep = z.infer<typeof operationStepSchema>;
export type OperationKind = z.infer<typeof operationKindSchema>;
export type OperationState = z.infer<typeof operationStateSchema>;
export type OperationView = z.infer<typeof operationSchema>;
