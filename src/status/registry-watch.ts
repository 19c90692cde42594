/** Asks the registry whether it answers, and takes the time from its answer to compare the clocks. */
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, type ErrorCode, publicError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import { oneLine } from "./evidence.ts";
import type { ClockObservation, RegistryObservation } from "./observation.ts";

const TIMEOUT_MS = 10_000;
/** A `Date` has whole seconds; what is below this is no skew. */
const NOISE_MS = 5_000;

export type RegistryPort = Pick<RegistryClient, "registry" | "ping">;

/** Whether the registry answers, and how far its clock is from ours; null before the first `look`. */
export interface RegistryWatch {
  registry(): RegistryObservation | null;
  clock(): ClockObservation | null;
  look(signal: AbortSignal): Promise<RegistryObservation>;
}

const STATES: Partial<Readonly<Record<ErrorCode, RegistryObservation["state"]>>> = {
  "net/dns": "no-such-name",
  "net/unreachable": "refused",
  "net/proxy": "refused",
  "net/timeout": "no-answer",
  "internal/timeout": "no-answer",
  "oci/stalled": "no-answer",
  "oci/unavailable": "no-answer",
  "net/tls": "certificate",
  "oci/unauthorized": "denied",
  "oci/forbidden": "denied",
};

/** Makes a watch of the registry that `open` names at each look. Asks `/v2/` and nothing else; gives up after 10 s. */
export function createRegistryWatch(clock: Clock, open: () => RegistryPort | undefined): RegistryWatch {
  let seen: RegistryObservation | null = null;
  let skew: ClockObservation | null = null;
  return {
    registry: () => seen,
    clock: () => skew,
    look: async (signal) => {
      const port = open();
      const host = port?.registry ?? "";
      const found = await ask(clock, port, signal);
      const isSame = seen !== null && seen.state === found.state && seen.host === host;
      seen = { ...found, host, sinceMs: isSame && seen !== null ? seen.sinceMs : found.atMs };
      if (found.serverTimeMs !== undefined) skew = skewOf({ ...found, serverTimeMs: found.serverTimeMs }, host);
      return seen;
    },
  };
}

type Found = Omit<RegistryObservation, "host" | "sinceMs"> & { readonly serverTimeMs?: number };

async function ask(clock: Clock, port: RegistryPort | undefined, signal: AbortSignal): Promise<Found> {
  const startedMs = clock.monotonic();
  const timed = () => ({ atMs: clock.now(), tookMs: Math.round(clock.monotonic() - startedMs) });
  try {
    if (port === undefined) throw new ApplianceError("net/unreachable", "Cannot ask the registry: none is set");
    const work = (limit: AbortSignal) => port.ping(limit);
    const answer = await withDeadline(clock, TIMEOUT_MS, { what: "the registry", parent: signal, work });
    const time = answer.serverTimeMs === undefined ? {} : { serverTimeMs: answer.serverTimeMs };
    return {
      state: "answers",
      text: answer.authenticated ? "It answers" : "It answers and asks for a login",
      ...timed(),
      ...time,
    };
  } catch (thrown) {
    if (signal.aborted || !(thrown instanceof ApplianceError)) throw thrown;
    return { state: STATES[thrown.code] ?? "broken", text: oneLine(publicError(thrown).message, 400), ...timed() };
  }
}

/** The server wrote its time about half-way between question and answer. */
function skewOf(found: Found & { readonly serverTimeMs: number }, host: string): ClockObservation {
  const skewMs = Math.round(found.atMs - found.tookMs / 2 - found.serverTimeMs);
  return { skewMs: Math.abs(skewMs) < NOISE_MS ? 0 : skewMs, against: `Registry ${host}`, atMs: found.atMs };
}
