/** The checks before any change, for a plan: the same as before an installation, with what this update needs. */

import { REQUIREMENTS, runPreflight } from "../preflight/preflight.ts";
import { nameServersOfBox } from "../release/answered-registry.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import type { Check } from "../status/model.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";

/** Milliseconds for which a result holds: whoever starts the plan that was just shown does not wait for the checks again. */
const FRESH_MS = 60_000;

export interface PlanPreflight {
  /** @param release What is wanted, and bytes of disk that it takes. */
  checks(
    release: { readonly to: ResolvedRelease; readonly neededBytes: number },
    signal: AbortSignal,
  ): Promise<readonly Check[]>;
}

/** Makes the checks of one process. Nothing is looked at before the first call. */
export function createPlanPreflight(deps: UpdateDeps, settings: UpdateSettings): PlanPreflight {
  let last: { readonly digest: string; readonly atMs: number; readonly checks: readonly Check[] } | undefined;
  return {
    checks: async ({ to, neededBytes }, signal) => {
      const nowMs = deps.clock.monotonic();
      if (last !== undefined && last.digest === to.digest && nowMs - last.atMs < FRESH_MS) return last.checks;
      const requirements = { ...REQUIREMENTS, ...settings.requirements, freeDiskBytes: neededBytes };
      const { checks } = await runPreflight(
        {
          ...deps,
          requirements,
          stateFolder: settings.stateFolder,
          nameServers: await nameServersOfBox(deps),
          // It was resolved and believed when the plan was made.
          find: async () => to,
          answersAgainst: () => [],
        },
        signal,
      );
      last = { digest: to.digest, atMs: nowMs, checks };
      return checks;
    },
  };
}
