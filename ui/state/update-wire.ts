/** What the API answers about updates, as far as the page reads it. */
import type { OperationView } from "../../src/operation/model.ts";

export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | null | undefined;
}

export interface ReleaseMark {
  readonly version: string;
  readonly digest: string;
}

export interface UpdatePolicy {
  readonly automatic: "never" | "patch" | "all";
  readonly window: { readonly from: string; readonly to: string; readonly days: readonly string[] } | null;
  readonly holdUntil: string | null;
}

export interface UpdateRecord {
  readonly operationId: string;
  readonly kind: "update" | "rollback";
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly state: "done" | "failed" | "cancelled";
  readonly verdict: "ok" | "degraded" | "failed" | null;
  readonly outcome: "installed" | "returned" | "untouched" | "stopped";
  readonly reason: string | null;
  readonly from: ReleaseMark;
  readonly to: ReleaseMark;
  readonly durationMs: number;
  readonly expectedMs: number | null;
}

export interface UpdatesView {
  readonly installed: (ReleaseMark & { readonly channel: string | null; readonly installedAt: string | null }) | null;
  readonly channel: {
    readonly name: string | null;
    readonly state: "unknown" | "current" | "offered" | "older" | "pinned";
    readonly checkedAt: string | null;
    readonly problem: Reason | null;
  };
  readonly offered: (ReleaseMark & { readonly channel: string; readonly verifiedBy: string }) | null;
  readonly policy: UpdatePolicy;
  readonly previous: (ReleaseMark & { readonly canReturn: boolean; readonly why: string | null }) | null;
  readonly notNow: readonly Reason[];
  readonly operation: OperationView | null;
  readonly history: readonly UpdateRecord[];
}

export interface PlanChange {
  readonly kind: string;
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

export interface UpdatePlan {
  readonly digest: string;
  readonly kind: "update" | "repair" | "downgrade";
  readonly from: ReleaseMark;
  readonly to: ReleaseMark & { readonly verifiedBy: string };
  readonly components: readonly {
    readonly name: string;
    readonly restarts: boolean;
    readonly changes: readonly PlanChange[];
  }[];
  readonly other: readonly PlanChange[];
  readonly downloads: readonly { readonly name: string; readonly reference: string; readonly sizeBytes: number }[];
  readonly downloadBytes: number;
  readonly unknownSizes: readonly string[];
  readonly disk: { readonly freeBytes: number; readonly neededBytes: number } | null;
  readonly expectedMs: number;
  readonly expectedFrom: "history" | "estimate";
  readonly irreversible: readonly {
    readonly id: string;
    readonly about: string;
    readonly ways: readonly ("restore" | "forward-fix")[];
  }[];
  readonly steps: readonly { readonly id: string; readonly title: string; readonly about: string }[];
  readonly notNow: readonly Reason[];
  readonly warnings: readonly string[];
}
