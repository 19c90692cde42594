// The first login of a box: made by the bootstrap in its own sandbox with the system's programs, shown on the first screen alone,
// worth one login, and gone after a reboot.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inBox } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import type { RunResult } from "../../scripts/lab/shell.ts";
import { bootstrapJournal, screenNow, screenShows, UNITS_BOX } from "../../scripts/lab/units-box.ts";
import type { Appliance } from "./appliance.ts";
import { typed } from "./inside.ts";

const SECONDS = 240;
const ACCOUNT = "alga-admin";
const SHOWN = /alga-admin with ([a-z]{4}(?: [a-z]{4}){3}) \(typed without blanks\)/;
const OWN = "Correct-Horse-42-Battery";
/** Root's alone, and in memory. */
const MEMORY = "/run/alga-appliance-console/login";
/** Of nobody. */
const NOBODY = 65_534;

let password = "";

/** The screen shows it, and nothing else knows it. */
export async function isOnTheScreenAlone(): Promise<void> {
  const made = bootstrapJournal().lines.find((line) => line.includes('"step-done","step":"secrets"'));
  assert.match(made ?? "", /first login/);
  const text = (await screenShows("alga-admin with", SECONDS)).map((line) => line.trim()).join(" ");
  password = SHOWN.exec(text)?.[1]?.replaceAll(" ", "") ?? "";
  assert.notEqual(password, "", text);
  await until("a record that it was shown", SECONDS, () => record().state === "shown");
  assert.match(typed(`chage --list ${ACCOUNT}`), /password must be changed/);
  assertSecret([MEMORY]);
  assert.equal(typed(`stat -c '%a %u %g' ${MEMORY}`).trim(), "600 0 0");
}

/** @param except files that may hold it */
function assertSecret(except: readonly string[]): void {
  const grouped = password.replaceAll(/(.{4})(?=.)/g, "$1 ");
  for (const [form, known] of [
    [password, except],
    [grouped, []],
  ] as const) {
    const { stdout } = inBox([
      "grep",
      "-rlFs",
      "-D",
      "skip",
      form,
      "/run",
      "/etc",
      "/var/lib/alga-appliance",
      UNITS_HOST,
    ]);
    assert.deepEqual(stdout.split("\n").filter(Boolean), known, "it is written where others read it");
    assert.equal(
      inBox(["sh", "-c", 'journalctl --no-pager | grep -F -- "$1"', "sh", form]).stdout,
      "",
      "the journal has it",
    );
  }
}

const UNITS_HOST = "/var/lib/alga-appliance-host";

/** What the page answers, to a stranger and to whoever has claimed the box. */
export async function isInNoAnswer(appliance: Appliance): Promise<void> {
  for (const path of [
    "/",
    "/healthz",
    "/api/status",
    "/api/claims",
    "/api/operations",
    "/api/host/maintenance",
    "/metrics",
  ]) {
    const { body } = await appliance.call<unknown>("GET", path);
    assert.ok(!JSON.stringify(body).includes(password), path);
  }
  for (const path of ["facts", "maintenance"]) {
    const told = typed(`curl -sS -m 20 --unix-socket /run/alga-appliance/host-agent.sock http://host/v1/${path}`);
    assert.ok(!told.includes(password), path);
  }
}

/** Its first use asks for another password; then it is worth nothing, and the screen does not show it any more. */
export async function isExpiredByItsUse(): Promise<void> {
  const first = logsIn([password, password, OWN, OWN]);
  assert.match(first.stderr, /required to change your password/, `${first.stderr}${first.stdout}`);
  assert.equal(first.stdout.trim().split("\n").at(-1), ACCOUNT, first.stderr);
  assert.doesNotMatch(typed(`chage --list ${ACCOUNT}`), /password must be changed/);
  assert.notEqual(logsIn([password]).code, 0, "it opens the box a second time");
  assert.equal(logsIn([OWN]).stdout.trim(), ACCOUNT);
  await until("a screen without the login", SECONDS, () => !screenNow().join("\n").includes(ACCOUNT));
  await until("a memory without the login", SECONDS, () => inBox(["test", "-e", MEMORY]).code !== 0);
  assertSecret([]);
}

/** Logs in as anybody at a terminal does, by PAM. @param words what is typed, line by line */
function logsIn(words: readonly string[]): RunResult {
  const stranger = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  return inBox([...stranger, "su", ACCOUNT, "-c", "id -un"], { input: words.map((word) => `${word}\n`).join("") });
}

/** After another start of the box. */
export function isGone(): void {
  assert.equal(record().state, "shown");
  assert.notEqual(inBox(["test", "-e", MEMORY]).code, 0, "it is there again");
  assert.ok(!screenNow().join("\n").includes(ACCOUNT), screenNow().join("\n"));
  assertSecret([]);
}

function record(): { readonly state: string } {
  return JSON.parse(readFileSync(join(UNITS_BOX.host, "console/credential.json"), "utf8"));
}
