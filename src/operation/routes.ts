/** The HTTP edge of operations: list, one with its journal, go on, pause, stop. */
import { ApplianceError } from "../core/errors.ts";
import { json, type Route, type RouteRequest } from "../core/http.ts";
import type { Operations } from "./operations.ts";

const PATH = "/api/operations";

/** Routes over the operations of this process. */
export function operationRoutes(operations: Operations): readonly Route[] {
  return [
    {
      method: "GET",
      path: PATH,
      access: "session",
      summary: "All operations, newest first",
      handle: async () => json({ operations: await operations.list() }),
    },
    {
      method: "GET",
      path: `${PATH}/:id`,
      access: "session",
      summary: "One operation and its journal",
      handle: async (request) => {
        const id = idOf(request);
        const found = await operations.get(id);
        if (found !== undefined) return json({ operation: found.view, journal: found.journal });
        throw new ApplianceError("operation/unknown", `Cannot find operation "${id.slice(0, 60)}": there is none`);
      },
    },
    {
      method: "POST",
      path: `${PATH}/:id/resume`,
      access: "session",
      summary: "Go on now after a pause, a block or instead of waiting, with attempts counted from the start",
      handle: async (request) => json({ operation: await operations.resume(idOf(request)) }, { status: 202 }),
    },
    {
      method: "POST",
      path: `${PATH}/:id/pause`,
      access: "session",
      summary:
        "Let the operation stand still before its next step, until it is resumed; refused where that is not safe",
      handle: async (request) => json({ operation: await operations.pause(idOf(request)) }, { status: 202 }),
    },
    {
      method: "POST",
      path: `${PATH}/:id/cancel`,
      access: "session",
      summary: "Stop the operation; what was done stays",
      handle: async (request) => json({ operation: await operations.cancel(idOf(request)) }, { status: 202 }),
    },
  ];
}

function idOf(request: RouteRequest): string {
  return request.params.id ?? "";
}
