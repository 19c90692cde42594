/**
 * Faults on demand: what the bad days of a cluster look like on the wire.
 *
 * A fault meets requests by method and path, a given number of times or until it is lifted; the first that fits is used.
 */
import { ApplianceError } from "../../core/errors.ts";
import type { Clock } from "../../core/ports.ts";
import { Refusal } from "./refusal.ts";

export interface Fault {
  /** Absent: every method. */
  readonly method?: string;
  /** A part of path and query: "/ocirepositories", "watch=true". Absent: every path. */
  readonly path?: string;
  /** Requests it meets. Absent: all until it is lifted. */
  readonly times?: number;
  /** Milliseconds before the answer (or the real one, when nothing else is said). */
  readonly latencyMs?: number;
  /** The refusal to give. */
  readonly status?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly retryAfterSeconds?: number;
  /** No answer at all: the connection is refused. */
  readonly unreachable?: boolean;
}

/** The faults that are on. `clear` lifts all of them. */
export interface Faults {
  /** Adds a fault; returns how to lift it. */
  add(fault: Fault): () => void;
  clear(): void;
  /** Applies to one request: waits, throws a refusal or a broken connection, or lets it pass. */
  meet(request: Request): Promise<void>;
}

const REASONS: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  410: "Expired",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

/** Makes an empty list of faults. `clock` waits for their latency; a request that is given up ends the wait. */
export function createFaults(clock: Pick<Clock, "sleep">): Faults {
  let active: { readonly fault: Fault; left: number }[] = [];
  return {
    add: (fault) => {
      const entry = { fault, left: fault.times ?? Number.POSITIVE_INFINITY };
      active.push(entry);
      return () => {
        active = active.filter((one) => one !== entry);
      };
    },
    clear: () => {
      active = [];
    },
    meet: async (request) => {
      const entry = active.find(({ fault, left }) => left > 0 && fits(fault, request));
      if (entry === undefined) return;
      entry.left -= 1;
      await play(clock, entry.fault, request);
    },
  };
}

function fits(fault: Fault, request: Request): boolean {
  const url = new URL(request.url);
  const isMethod = fault.method === undefined || fault.method === request.method;
  return isMethod && (fault.path === undefined || `${url.pathname}${url.search}`.includes(fault.path));
}

async function play(clock: Pick<Clock, "sleep">, fault: Fault, request: Request): Promise<void> {
  if (fault.latencyMs !== undefined) await clock.sleep(fault.latencyMs, request.signal);
  if (fault.unreachable === true) {
    throw new ApplianceError("net/unreachable", `Cannot reach "${new URL(request.url).host}": connection refused`);
  }
  if (fault.status === undefined) return;
  const reason = fault.reason ?? REASONS[fault.status] ?? "Unknown";
  const details = fault.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: fault.retryAfterSeconds };
  throw new Refusal(fault.status, reason, fault.message ?? `the rehearsal answers ${fault.status}`, details);
}
