// The screen of a box whose executable is broken: it ends in a login prompt that says why, and comes back with the executable.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BOX } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { unitState } from "../../scripts/lab/units-box.ts";
import { typed } from "./inside.ts";

const UNIT = "alga-appliance-console";
const EXECUTABLE = "/usr/local/bin/alga-appliance";
/** Twenty starts in vain, two seconds apart, on a busy machine. */
const GIVEN_UP_SECONDS = 180;
const SHOWN_SECONDS = 60;

/** What login prompts show; it lies in memory, so it is read in the box. */
function prompt(): string {
  return typed("cat /run/issue.d/alga-appliance.issue");
}

/** Changes when systemd begins to start it, whether it can or not. */
function loginPrompt(): string {
  return typed("systemctl show getty@tty1.service --property=ActiveState,ConditionTimestampMonotonic");
}

export async function endsInALoginPrompt(): Promise<void> {
  await until("the banner of login prompts", SHOWN_SECONDS, () => prompt().includes("Alga Appliance"));
  const before = loginPrompt();
  typed(`mv ${EXECUTABLE} ${EXECUTABLE}.away`);
  try {
    typed(`systemctl kill --signal=KILL ${UNIT}`);
    await until("the console unit to give up", GIVEN_UP_SECONDS, () => unitState(UNIT) === "failed");
    assert.match(prompt(), /its screen is not drawn now\. Log in here\.\n +Why: +journalctl -u alga-appliance-console/);
    // Without consoles of its own the box has no terminal for it: that it was to be started is what counts.
    assert.notEqual(loginPrompt(), before);
  } finally {
    typed(`mv ${EXECUTABLE}.away ${EXECUTABLE}`);
  }
  typed(`systemctl reset-failed ${UNIT}; systemctl restart ${UNIT}`);
  await until("the banner again", SHOWN_SECONDS, () => !prompt().includes("is not drawn now"));
  assert.ok(existsSync(join(BOX.tree, EXECUTABLE)) && readFileSync(join(BOX.tree, EXECUTABLE)).length > 1_000_000);
}
