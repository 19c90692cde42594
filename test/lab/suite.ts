// The suite against a box that runs: the good day first, then a snapshot of a fresh box for every bad day.

import { keepFreshBox, type LabState, restoreFreshBox } from "../../scripts/lab/up.ts";
import { Appliance } from "./appliance.ts";
import { badDays } from "./bad-days.lab.ts";
import { diagnosis } from "./diagnosis.ts";
import { goodDay } from "./good-day.lab.ts";
import { hasBrowser } from "./page.ts";
import { newOutcome, type Outcome, runCases, runStory } from "./runner.ts";

/** @param filter only bad days whose name matches run; the good day runs when it is absent or matches "good" */
export async function runSuite(lab: LabState, filter: RegExp | undefined): Promise<Outcome> {
  const outcome = newOutcome();
  await keepFreshBox();
  if (!hasBrowser()) {
    outcome.skipped += 1;
    process.stdout.write("skip  the cause on the page: chromium is not installed\n");
  }
  const good = () => goodDay(lab, new Appliance(lab.address));
  if (filter === undefined || filter.test("good")) {
    const again = async () => {
      await restoreFreshBox();
      return good();
    };
    await runStory(good(), outcome, { explain: diagnosis, again });
  } else outcome.skipped += good().length;
  await runCases(badDays(lab), outcome, { filter, explain: diagnosis });
  return outcome;
}
