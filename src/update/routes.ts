/** The HTTP edge of updates: what is offered, the plan, the run, the way back. */
import { json, type Route } from "../core/http.ts";
import type { Updates } from "./engine.ts";

const PATH = "/api/updates";
/** Of the exported file. */
const HISTORY_SCHEMA = "alga.appliance.update-history/v1";

/** The routes of updates. Bodies are untrusted and read by the engine, which answers field by field. */
export function updateRoutes(updates: Updates): readonly Route[] {
  return [
    {
      method: "GET",
      path: PATH,
      access: "session",
      summary: "What is installed and offered, the policy, what can be gone back to, and the history",
      handle: async ({ signal }) => json(await updates.view(signal)),
    },
    {
      method: "GET",
      path: `${PATH}/history`,
      access: "session",
      summary: "Every update and return with its plan and what happened, as a file to keep",
      handle: async () =>
        json(
          { schema: HISTORY_SCHEMA, history: await updates.history() },
          { headers: { "content-disposition": 'attachment; filename="alga-appliance-updates.json"' } },
        ),
    },
    {
      method: "POST",
      path: `${PATH}/check`,
      access: "session",
      summary: "Asks the registry what the channel offers now",
      handle: async ({ body, signal }) => json(await updates.check(body, signal)),
    },
    {
      method: "POST",
      path: `${PATH}/policy`,
      access: "session",
      summary: "Says what may begin by itself, and when",
      handle: async ({ body, signal }) => json(await updates.setPolicy(body, signal)),
    },
    {
      method: "POST",
      path: `${PATH}/plan`,
      access: "session",
      summary: "The plan of an update to a channel, a version or a digest; nothing is changed",
      handle: async ({ body, signal }) => json(await updates.plan(body, signal)),
    },
    {
      method: "POST",
      path: PATH,
      access: "session",
      summary: "Starts the update of a plan that was seen",
      handle: async ({ body, signal }) => json({ operation: await updates.start(body, signal) }, { status: 202 }),
    },
    {
      method: "POST",
      path: `${PATH}/rollback`,
      access: "session",
      summary: "Goes back to the release before",
      handle: async ({ signal }) => json({ operation: await updates.rollback(signal) }, { status: 202 }),
    },
  ];
}
