/** Keeps who claimed the box and who was refused later, in `claims.json`. News for the console and the page; it decides nothing. */
import { type ClaimRecord, type ClaimsFile, claimsFileSchema, MAX_CLAIMS } from "../core/claims.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { createStored } from "./stored.ts";

/** Refused tries closer together than this are one: an unknown visitor must not make the disk write. */
const REFUSED_MS = 10_000;

const EMPTY: ClaimsFile = { schema: "alga.appliance.claims/v1", claims: [] };

export interface Claims {
  /** Notes a claim or a refused try. Never rejects: a full disk must not keep the owner out. */
  note(claim: Omit<ClaimRecord, "at">): Promise<void>;
  /** Oldest first. */
  list(): Promise<readonly ClaimRecord[]>;
}

/** Opens the list; another process of the box may read it. */
export function createClaims(deps: Pick<Deps, "files" | "clock" | "log">, paths: Pick<StatePaths, "claims">): Claims {
  const stored = createStored(deps, { path: paths.claims, schema: claimsFileSchema, empty: EMPTY, corrupt: EMPTY });
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  return {
    list: async () => (await stored.read()).claims,
    note: async (claim) => {
      const nowMs = deps.clock.monotonic();
      if (claim.outcome === "refused") {
        if (nowMs - refusedAtMs < REFUSED_MS) return;
        refusedAtMs = nowMs;
      }
      const record: ClaimRecord = { at: toInstant(deps.clock.now()), ...claim };
      await stored.update((file) => ({ ...file, claims: withRoom([...file.claims, record]) }));
    },
  };
}

/** The claims themselves stay; of the refused ones the oldest goes first. */
function withRoom(claims: readonly ClaimRecord[]): ClaimRecord[] {
  const over = claims.length - MAX_CLAIMS;
  const dropped = new Set(claims.filter(({ outcome }) => outcome === "refused").slice(0, Math.max(0, over)));
  return claims.filter((claim) => !dropped.has(claim)).slice(-MAX_CLAIMS);
}
