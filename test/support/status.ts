/** A status document for tests of what reads one: an installation under way of which nothing is known but what is given. */
import { type ApplianceStatus, STATUS_SCHEMA, type State, TIERS, type TierName } from "../../src/status/model.ts";

/** @param stateOf the state of each rung of the ladder */
export function statusWith(stateOf: (tier: TierName) => State, change: Partial<ApplianceStatus> = {}): ApplianceStatus {
  const tier = (name: TierName) => ({ state: stateOf(name), since: null, reason: `is ${stateOf(name)}` });
  return {
    schema: STATUS_SCHEMA,
    observedAt: "",
    generation: 1,
    appliance: { id: "", name: "", version: "", addresses: [], rehearsal: false },
    release: null,
    phase: "installing",
    summary: { state: "progressing", message: "", next: null },
    tiers: Object.fromEntries(TIERS.map((name) => [name, tier(name)])) as ApplianceStatus["tiers"],
    checks: [],
    components: [],
    operation: null,
    urls: { login: null, setup: null },
    ...change,
  };
}
