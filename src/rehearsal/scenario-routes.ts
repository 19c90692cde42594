/** The rehearsal's own edge: which scenario plays, and mending it. Exists only in a rehearsal, never on a box. */
import { ApplianceError } from "../core/errors.ts";
import { json, type Route } from "../core/http.ts";
import { isPlainObject } from "../core/json.ts";
import { SCENARIOS, type Stage } from "./faults.ts";

/** The routes of a rehearsal: who is logged in may play; everybody may see what plays, because every screen says it is a rehearsal. */
export function scenarioRoutes(stage: Stage): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/rehearsal",
      access: "public",
      summary: "Rehearsal only: scenarios, and the one that plays",
      handle: async () => json(describe(stage)),
    },
    {
      method: "POST",
      path: "/api/rehearsal",
      access: "session",
      summary: "Rehearsal only: play a scenario, or null to mend everything",
      handle: async ({ body }) => {
        await stage.play(scenarioIn(body));
        return json(describe(stage));
      },
    },
  ];
}

function describe(stage: Stage): Record<string, unknown> {
  return { scenario: stage.scenario(), scenarios: SCENARIOS.map(({ faults: _faults, ...shown }) => shown) };
}

function scenarioIn(body: unknown): string | null {
  const name = isPlainObject(body) ? body.scenario : undefined;
  if (name === null || typeof name === "string") return name;
  throw new ApplianceError(
    "http/bad-request",
    'Cannot change the scenario: the body has no field "scenario", a name or null is wanted',
  );
}
