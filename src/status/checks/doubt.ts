/** Why an observation beside the cluster proves nothing: nobody made it, or it is too old. An old one is no good news. */
import { ageText } from "../age.ts";
import { FRESH_MS } from "../observation.ts";
import type { View } from "../view.ts";

/** Why the figures of the box cannot be believed. */
export function hostDoubt({ seen, nowMs }: View): string | undefined {
  return doubt(seen.host, { nowMs, freshMs: FRESH_MS.host, never: "Nobody can look at the box from here" });
}

/** Why nothing is known that only the host agent can tell. */
export function agentDoubt(view: View): string | undefined {
  const told = view.seen.host?.failingDisks === undefined ? "No host agent tells it" : undefined;
  return hostDoubt(view) ?? told;
}

/** Why the clock was not compared. */
export function clockDoubt({ seen, nowMs }: View): string | undefined {
  return doubt(seen.clock, { nowMs, freshMs: FRESH_MS.clock, never: "Nobody has told the right time" });
}

/** Why nothing is known of the registry. */
export function registryDoubt({ seen, nowMs }: View): string | undefined {
  return doubt(seen.registry, { nowMs, freshMs: FRESH_MS.registry, never: "The registry has not been asked" });
}

/** Why nothing is known of the name servers. */
export function dnsDoubt({ seen, nowMs }: View): string | undefined {
  return doubt(seen.dns, { nowMs, freshMs: FRESH_MS.dns, never: "No name server has been asked" });
}

function doubt(
  seen: { readonly atMs: number } | null,
  given: { readonly nowMs: number; readonly freshMs: number; readonly never: string },
): string | undefined {
  if (seen === null) return given.never;
  const ageMs = given.nowMs - seen.atMs;
  return ageMs > given.freshMs ? `It was last looked at ${ageText(ageMs)} ago` : undefined;
}
