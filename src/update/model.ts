/**
 * Updates as documents: the channel as it was last seen, the operator's policy, the plan, the verdict, the history.
 *
 * Plain data, safe to show. What is kept on disk carries its schema.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import type { PublicError } from "../core/errors.ts";
import type { OperationState, OperationView } from "../operation/model.ts";
import type { Check } from "../status/model.ts";

const digest = z.custom<Digest>(isDigest);

/** ok: as before or better. degraded: people can work, something else does not. failed: people cannot work. */
export const verdictSchema = z.enum(["ok", "degraded", "failed"]);
export type Verdict = z.infer<typeof verdictSchema>;

const releaseNameSchema = z.object({ version: z.string(), digest, channel: z.string().nullable() });
/** A release by its names; `channel` null: named exactly, which pins the box to it. */
export type ReleaseName = z.infer<typeof releaseNameSchema>;

const offerSchema = releaseNameSchema.extend({ createdAt: z.string().nullable(), verifiedBy: z.string() });
export type Offer = z.infer<typeof offerSchema>;

export const UPDATES_SCHEMA = "alga.appliance.updates/v1";

/** updates.json: what the channel offered when it was asked last. */
export const channelStateSchema = z.object({
  schema: z.literal(UPDATES_SCHEMA),
  channel: z.string(),
  /** Last answer, RFC 3339. */
  checkedAt: z.string().nullable(),
  offer: offerSchema.nullable(),
  /** Why the last check had no answer; what is kept is older. */
  problem: z.custom<PublicError>().nullable(),
});
export type ChannelState = z.infer<typeof channelStateSchema>;

export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const minutes = z.number().int().min(1).max(60);
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time like 02:00 is wanted");
export const POLICY_SCHEMA = "alga.appliance.update-policy/v1";

/** What the operator allows to happen without being asked. */
export const policySchema = z.strictObject({
  automatic: z.enum(["never", "patch", "all"]),
  /** Times of UTC between which an update may begin; over midnight where `to` is earlier. Automatic ones need it. */
  window: z
    .strictObject({ from: timeOfDay, to: timeOfDay, days: z.array(z.enum(DAYS)).min(1).max(7) })
    .nullable()
    .default(null),
  /** Nothing begins by itself before this instant. */
  holdUntil: z.iso.datetime().nullable().default(null),
  /** How every update is judged, also one that was asked for. Absent: five minutes and eight. */
  judge: z
    .strictObject({
      /** How long everything must stay well. */
      soakMinutes: minutes,
      /** How long a failure may last before the release before is taken back. */
      patienceMinutes: minutes,
    })
    .optional(),
});
export type UpdatePolicy = z.infer<typeof policySchema>;
export const policyDocumentSchema = z.object({ schema: z.literal(POLICY_SCHEMA), policy: policySchema });
export const NO_POLICY: UpdatePolicy = { automatic: "never", window: null, holdUntil: null };

/** How an update is judged where the policy says nothing: images are on the node already, so a failure does not only need time. */
export const USUAL_JUDGE = { soakMinutes: 5, patienceMinutes: 8 } as const;

/** Why an update may not run now. */
export interface NotNow {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

export interface PlannedChange {
  readonly kind: "image" | "chart" | "values";
  /** "image algaCore", "chart sebastian", "server.replicaCount". */
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface ComponentChange {
  readonly name: string;
  /** Its pods are replaced. */
  readonly restarts: boolean;
  readonly changes: readonly PlannedChange[];
}

export interface OtherChange {
  readonly kind: "flux" | "control-plane" | "config" | "field";
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** A definition of custom resources that changes. */
export interface DefinitionChange {
  readonly name: string;
  readonly isNew: boolean;
  /** Versions that come and go. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Of those that go, the ones in which objects are stored: they stand in the way. */
  readonly lost: readonly string[];
}

export type PlanKind = "update" | "repair" | "downgrade";

/** What an update would do. Two plans with one digest do the same to the same box. */
export interface UpdatePlan {
  readonly digest: Digest;
  readonly kind: PlanKind;
  readonly from: ReleaseName;
  readonly to: Offer;
  /** Only those that change. */
  readonly components: readonly ComponentChange[];
  readonly other: readonly OtherChange[];
  /** Definitions of custom resources that change; null: they could not be read now. */
  readonly definitions: readonly DefinitionChange[] | null;
  readonly downloads: readonly { readonly name: string; readonly reference: string; readonly sizeBytes: number }[];
  readonly downloadBytes: number;
  /** Images that the registry does not show: their sizes are not counted. */
  readonly unknownSizes: readonly string[];
  readonly disk: { readonly freeBytes: number; readonly neededBytes: number } | null;
  readonly expectedMs: number;
  readonly expectedFrom: "history" | "estimate";
  /** Migrations after which the release before does not work any more; `ways` are those that are true then. */
  readonly irreversible: readonly {
    readonly id: string;
    readonly about: string;
    readonly ways: readonly ("restore" | "forward-fix")[];
  }[];
  readonly steps: readonly {
    readonly id: string;
    readonly title: string;
    readonly about: string;
    readonly stoppable: boolean;
  }[];
  /** The checks before any change, failed ones and those that hold. */
  readonly checks: readonly Check[];
  /** Empty: it may run. */
  readonly notNow: readonly NotNow[];
  readonly warnings: readonly string[];
}

export const fetchedSchema = z.object({
  /** Bytes of bundle, charts and Flux. */
  parts: z.number(),
  /** Bytes of images, as the kubelet told them; null: it has told of none. */
  images: z.number().nullable(),
  /** Images that were on the node already. */
  present: z.number(),
});
/** What an update has fetched, beside the bytes that its plan foresaw. */
export type Fetched = z.infer<typeof fetchedSchema>;

/** One update or return that has ended. */
export interface UpdateRecord {
  readonly operationId: string;
  readonly kind: "update" | "rollback";
  readonly startedAt: string;
  readonly endedAt: string;
  readonly state: OperationState;
  readonly verdict: Verdict | null;
  /** returned: the release before is installed again. untouched: it ended before anything was changed. */
  readonly outcome: "installed" | "returned" | "untouched" | "stopped";
  readonly reason: string | null;
  readonly from: Omit<ReleaseName, "channel">;
  readonly to: ReleaseName;
  readonly planDigest: string | null;
  readonly durationMs: number;
  readonly expectedMs: number | null;
  /** Bytes that were to be fetched by the plan. */
  readonly bytes: number | null;
  /** What was fetched; null: nothing was counted. What a process had fetched that was killed is not in it. */
  readonly fetched: Fetched | null;
}

/** The whole of updates as the page, the API and the command show it. */
export interface UpdatesView {
  readonly installed: (ReleaseName & { readonly installedAt: string | null }) | null;
  readonly channel: {
    readonly name: string | null;
    readonly state: "unknown" | "current" | "offered" | "older" | "pinned";
    readonly checkedAt: string | null;
    readonly nextCheckAt: string | null;
    readonly problem: PublicError | null;
  };
  /** What the channel offers, when it is not what is installed. */
  readonly offered: Offer | null;
  readonly policy: UpdatePolicy;
  /** What a return would go back to. */
  readonly previous: {
    readonly version: string;
    readonly digest: string;
    readonly canReturn: boolean;
    readonly why: string | null;
  } | null;
  readonly notNow: readonly NotNow[];
  /** The newest update or return. */
  readonly operation: OperationView | null;
  readonly history: readonly UpdateRecord[];
}

/** What the journal of an update or a return keeps of its plan: names and digests, no secret. */
export const runPlanSchema = z.object({
  planDigest: digest.nullable(),
  from: releaseNameSchema,
  to: releaseNameSchema,
  /** For the history. */
  about: z.record(z.string(), z.unknown()),
  expectedMs: z.number().nullable(),
  /** The operator takes expired metadata until then, RFC 3339. */
  acceptExpired: z.string().optional(),
});
export type RunPlan = z.infer<typeof runPlanSchema>;
