/**
 * `GET /api/host/maintenance`: the maintenance document of the host, asked of its agent. Untrusted in form: bounded and checked.
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
