// The suite against a box that runs: the good day first, then a snapshot of a fresh box for every bad day.

import { boxPid } from "../../scripts/lab/box.ts";
import { keepFreshBox, type LabState, restoreFreshBox } from "../../scripts/lab/up.ts";
import { Appliance } from "./appliance.ts";
import { badDays } from "./bad-days.lab.ts";
import { diagnosis } from "./diagnosis.ts";
import { failures } from "./failures.lab.ts";
import { goodDay } from "./good-day.lab.ts";
import { hasBrowser } from "./page.ts";
import { publishing } from "./publishing.lab.ts";
import { type Case, newOutcome, type Outcome, runCases, runStory } from "./runner.ts";
import { units } from "./units.lab.ts";
import { unitsHost } from "./units-host.lab.ts";
import { unitsLife } from "./units-life.lab.ts";
import { updates } from "./updates.lab.ts";

/** @param filter only bad days whose name matches run; the stories run when it is absent or matches "good", "publishing", "failures", "updates", "units", "host" or "units life" */
export async function runSuite(lab: LabState, filter: RegExp | undefined): Promise<Outcome> {
  const outcome = newOutcome();
  const { ALGA_LAB_UNTIL } = process.env;
  const options = { explain: diagnosis, until: ALGA_LAB_UNTIL === undefined ? undefined : Number(ALGA_LAB_UNTIL) };
  if (boxPid() !== undefined) await keepFreshBox();
  if (!hasBrowser()) {
    outcome.skipped += 1;
    process.stdout.write("skip  the cause on the page: chromium is not installed\n");
  }
  const fresh = (story: () => readonly Case[]) => async (): Promise<readonly Case[]> => {
    await restoreFreshBox();
    return story();
  };
  const good = (): readonly Case[] => goodDay(lab, new Appliance(lab.address));
  const published = (): readonly Case[] => publishing(lab);
  const failed = (): readonly Case[] => failures(lab);
  for (const [word, story] of [
    ["good", good],
    ["publishing", published],
    ["failures", failed],
  ] as const) {
    if (filter === undefined || filter.test(word))
      await runStory(story(), outcome, { ...options, again: fresh(story) });
    else outcome.skipped += story().length;
  }
  await runCases(badDays(lab), outcome, { ...options, filter });
  // Last, because they make a box of their own in the other's place.
  const updated = (): readonly Case[] => updates(lab);
  const hosted = (): readonly Case[] => unitsHost(lab);
  const lived = (): readonly Case[] => unitsLife(lab);
  for (const [word, story] of [
    ["updates", updated],
    ["units", units],
    ["host", hosted],
    ["units life", lived],
  ] as const) {
    if (filter === undefined || filter.test(word))
      await runStory(story(), outcome, { ...options, again: async () => story() });
    else outcome.skipped += story().length;
  }
  return outcome;
}
