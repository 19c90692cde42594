/**
 * A moment that survives a wrong clock: the boot and its uptime, with wall time only for what was before this boot.
 *
 * Uptime cannot be set by anybody; wall time jumps when a box finds its time server in the middle of setup.
 */
import { z } from "zod";
import type { Deps } from "../core/ports.ts";

export const momentSchema = z.object({ boot: z.string(), uptimeMs: z.number(), wallMs: z.number() });

export type Moment = z.infer<typeof momentSchema>;

/** Reads the three clocks. */
export async function momentNow(deps: Pick<Deps, "clock" | "machine">): Promise<Moment> {
  const [boot, uptimeMs] = await Promise.all([deps.machine.bootId(), deps.machine.uptimeMs()]);
  return { boot, uptimeMs, wallMs: deps.clock.now() };
}

/**
 * Milliseconds between two moments, never negative.
 *
 * Within one boot by uptime. Across a boot by wall time, and Infinity when that runs backwards: then nobody knows.
 */
export function elapsedMs(from: Moment, to: Moment): number {
  if (from.boot === to.boot) return Math.max(0, to.uptimeMs - from.uptimeMs);
  const ms = to.wallMs - from.wallMs;
  return ms >= 0 ? ms : Number.POSITIVE_INFINITY;
}
