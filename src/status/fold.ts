/**
 * The fold: from observations to the one status document, purely.
 *
 * Everything that shows or waits for state asks this function and nothing else. It reads no clock and never throws for
 * what a cluster, a registry or a login page said.
 */
import { toInstant } from "../core/time.ts";
import { foldComponents } from "./components.ts";
import { foldHost } from "./host.ts";
import { judge } from "./judge.ts";
import { type ApplianceStatus, STATUS_SCHEMA } from "./model.ts";
import type { Observations } from "./observation.ts";
import { foldPhase, foldSummary } from "./summary.ts";
import { foldTiers, placed } from "./tiers.ts";
import { createView } from "./view.ts";

/** What is installed, without what only the checks need. */
function releaseOf({ installed }: Observations): ApplianceStatus["release"] {
  if (installed === null) return null;
  const { channel, version, digest, verifiedBy } = installed;
  return { channel, version, digest, verifiedBy };
}

/** Folds observations into the status at `nowMs`. The generation is 0; who keeps the document counts it. */
export function foldStatus(observations: Observations, nowMs: number): ApplianceStatus {
  const view = createView(observations, nowMs);
  const judgement = judge(view);
  const tiers = foldTiers(view, judgement);
  const phase = foldPhase(view);
  return {
    schema: STATUS_SCHEMA,
    observedAt: toInstant(nowMs),
    generation: 0,
    appliance: { ...observations.appliance, addresses: [...observations.appliance.addresses] },
    release: releaseOf(observations),
    phase,
    summary: foldSummary({ view, judgement, tiers, phase }),
    tiers,
    checks: placed(judgement.checks, tiers),
    components: [...foldComponents(view, judgement)],
    operation: observations.operation,
    host: foldHost(observations, nowMs),
    urls: observations.urls,
  };
}
