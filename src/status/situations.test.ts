/** Every recorded situation gives the summary, the rungs and the top cause that its file expects. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { foldStatus } from "./fold.ts";
import { type ApplianceStatus, applianceStatusSchema, TIERS } from "./model.ts";
import { type Expected, readSituation } from "./situations/situation.ts";

const FOLDER = new URL("./situations/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(`${name}.yaml`, FOLDER), "utf8");
const healthy: unknown = parse(read("healthy"));
const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(/\.yaml$/, ""));

describe("recorded situations", () => {
  test("there are at least thirty", () => assert.ok(names.length >= 30, `${names.length} situations`));

  for (const name of names) {
    const situation = readSituation(read(name), () => healthy);
    test(`${name}: ${situation.about}`, () => {
      const status = foldStatus(situation.observations, situation.nowMs);
      applianceStatusSchema.parse(status);
      checkConsistency(status);
      checkAnswer(status, situation.expect);
      checkTop(status, situation.expect);
      checkRows(status, situation.expect);
    });
  }
});

function checkAnswer(status: ApplianceStatus, expect: Expected): void {
  assert.equal(status.summary.message, expect.summary);
  assert.equal(status.summary.state, expect.state);
  if (expect.next !== undefined) assert.equal(status.summary.next, expect.next);
  if (expect.phase !== undefined) assert.equal(status.phase, expect.phase);
  const tiers = Object.fromEntries(
    TIERS.filter((tier) => tier in expect.tiers).map((tier) => [tier, status.tiers[tier].state]),
  );
  assert.deepEqual(tiers, expect.tiers, JSON.stringify(status.tiers, null, 1));
}

/** What holds whatever was seen: no rung is ready beside a failed check of its own, and a failure is never told as good news. */
function checkConsistency(status: ApplianceStatus): void {
  for (const check of status.checks.filter((one) => one.state === "failed")) {
    assert.notEqual(status.tiers[check.tier].state, "ready", `${check.code} has failed, and ${check.tier} is ready`);
  }
  for (const { code, tier, threatens } of status.checks) {
    if (threatens !== undefined) assert.deepEqual([tier, status.tiers[threatens].state], ["full", "ready"], code);
  }
  const { operation, summary } = status;
  const [, step, total, title] = /step (\d+) of (\d+): (.*)$/.exec(summary.message) ?? [];
  if (step === undefined) return;
  assert.equal(operation?.steps[Number(step) - 1]?.title, title, summary.message);
  assert.equal(operation?.steps.length, Number(total));
}

function checkTop(status: ApplianceStatus, expect: Expected): void {
  const top = status.checks.find((check) => check.state === "failed");
  assert.equal(top?.code ?? null, expect.top, JSON.stringify(top));
  const said = `${top?.title} ${top?.cause} ${top?.evidence.map((one) => one.text).join(" ")}`;
  if (expect.cause !== undefined) assert.ok(said.includes(expect.cause), said);
  for (const code of expect.explains ?? []) assert.ok(top?.explains?.includes(code), `${code} in ${top?.explains}`);
  if (top !== undefined)
    assert.ok(top.evidence.length > 0 || top.next !== null, "a failure has evidence or a next step");
}

function checkRows(status: ApplianceStatus, expect: Expected): void {
  for (const [code, state] of Object.entries(expect.checks ?? {})) {
    assert.equal(status.checks.find((check) => check.code === code)?.state, state, code);
  }
  for (const [component, message] of Object.entries(expect.components ?? {})) {
    assert.equal(status.components.find((one) => one.name === component)?.message, message, component);
  }
}
