/**
 * The maintenance document of the host, asked of its agent: for the page as `GET /api/host/maintenance`, and for the status, which tells
 * of a start without a shutdown before. Untrusted in form: bounded and checked.
 *
 * @see core/maintenance.ts for the document
 */
import { readBody } from "../core/body.ts";
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { json, type Route } from "../core/http.ts";
import { parseJson } from "../core/json.ts";
import { type Maintenance, maintenanceSchema } from "../core/maintenance.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";

const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 5_000;

/** What the route works on: the host agent's socket. */
export interface MaintenanceEdge {
  readonly clock: Pick<Clock, "after">;
  readonly hostAgent: Fetch;
}

/**
 * Asks the agent; null where there is none, as in a rehearsal, and where it has noted nothing yet.
 *
 * @throws {ApplianceError} json/shape or json/syntax when its answer is another one; internal/timeout.
 */
async function askMaintenance({ clock, hostAgent }: MaintenanceEdge, parent: AbortSignal): Promise<Maintenance | null> {
  try {
    return await readDocument({ clock, hostAgent }, parent);
  } catch (thrown) {
    if (isApplianceError(thrown, "net/unreachable")) return null;
    throw thrown;
  }
}

async function readDocument({ clock, hostAgent }: MaintenanceEdge, parent: AbortSignal): Promise<Maintenance | null> {
  return await withDeadline(clock, TIMEOUT_MS, {
    what: "the host agent",
    parent,
    work: async (signal) => {
      const response = await hostAgent(new Request("http://host-agent/v1/maintenance", { signal }));
      const bytes = await readBody(response.body, { maxBytes: MAX_BYTES, tooLarge: strange, signal });
      if (response.status === 404) return null;
      const document = maintenanceSchema.safeParse(
        parseJson(bytes, { what: "maintenance document", maxBytes: MAX_BYTES }),
      );
      if (response.status !== 200 || !document.success) throw strange();
      return document.data;
    },
  });
}

/** Milliseconds between two questions: it changes with a start of the box alone. */
const ASK_MS = { known: 10 * 60_000, unknown: 60_000 } as const;

/**
 * Makes the look for a start that followed an end without a shutdown: its time, null where the start before ended well or nothing is
 * known of it. What was heard is told from memory for minutes; an agent that does not tell is asked again a minute later.
 */
export function createUncleanStart(
  clock: Pick<Clock, "after" | "monotonic">,
  hostAgent: Fetch,
): (signal: AbortSignal) => Promise<number | null> {
  let told: { readonly untilMs: number; readonly atMs: number | null } | undefined;
  return async (signal) => {
    const nowMs = clock.monotonic();
    if (told !== undefined && nowMs < told.untilMs) return told.atMs;
    try {
      const atMs = uncleanStart(await askMaintenance({ clock, hostAgent }, signal));
      told = { untilMs: nowMs + ASK_MS.known, atMs };
    } catch (thrown) {
      if (signal.aborted || !isApplianceError(thrown)) throw thrown;
      told = { untilMs: nowMs + ASK_MS.unknown, atMs: told?.atMs ?? null };
    }
    return told.atMs;
  };
}

function uncleanStart(document: Maintenance | null): number | null {
  const [before, running] = document?.boots.slice(-2) ?? [];
  if (before?.end !== "unclean" || running?.end !== "running") return null;
  return parseInstant(running.startedAt) ?? null;
}

/** The route. */
export function hostMaintenanceRoutes(edge: MaintenanceEdge): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/host/maintenance",
      access: "session",
      summary:
        "Starts and ends of the box, unclean ones among them; changes of system, kernel and k3s; bootstraps. null while the host tells nothing",
      handle: async ({ request }) => json(await askMaintenance(edge, request.signal)),
    },
  ];
}

function strange(): ApplianceError {
  return new ApplianceError("json/shape", "Cannot read the maintenance document: it has another form than its schema");
}
