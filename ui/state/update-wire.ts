/** What the API answers about updates, as far as the page reads it: the shapes of the engine, without what no page shows. */
import type * as engine from "../../src/update/model.ts";

export type UpdatePolicy = engine.UpdatePolicy;
export type UpdateRecord = Omit<engine.UpdateRecord, "planDigest" | "bytes"> & { readonly bytes?: number | null };
export type PlanChange = engine.PlannedChange | engine.OtherChange;

/** The offer may lack what only the command line tells. */
export type UpdatesView = Omit<engine.UpdatesView, "channel" | "history" | "offered"> & {
  readonly channel: Omit<engine.UpdatesView["channel"], "nextCheckAt">;
  readonly offered: Omit<engine.Offer, "createdAt"> | null;
  readonly history: readonly UpdateRecord[];
};

export type UpdatePlan = Omit<engine.UpdatePlan, "from" | "to" | "steps" | "digest"> & {
  readonly digest: string;
  readonly from: Omit<engine.ReleaseName, "channel">;
  readonly to: Omit<engine.Offer, "createdAt" | "channel">;
  readonly steps: readonly Omit<engine.UpdatePlan["steps"][number], "stoppable">[];
};
