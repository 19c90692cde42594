/**
 * Every failure switched on while the installation runs, from the page's own edge: told with its cause and next step, and
 * gone when it is mended. What starts with a failure is in scenarios.test.ts.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { SCENARIOS } from "../../src/rehearsal/faults.ts";
import type { Inventory } from "../../src/status/inventory.ts";
import type { LogTail } from "../../src/status/inventory-routes.ts";
import type { ApplianceStatus, TierName } from "../../src/status/model.ts";
import { startLanes } from "../rehearsal/lanes.ts";
import { type Answer, brief, type Play, startPlay } from "../rehearsal/play.ts";

interface Switch {
  readonly scenario: string;
  /** Step that runs when the failure comes. */
  readonly at: string;
  /** Where the installation stands once the failure is told, and the step it stands at. */
  readonly operation: readonly [state: string, step: string | null];
  readonly code: string;
  readonly summary: RegExp;
  readonly next: RegExp;
  readonly evidence: RegExp;
  /** A rung below the failure that is ready all the same. */
  readonly ready?: TierName;
}

const SWITCHES: readonly Switch[] = [
  {
    scenario: "registry-unreachable",
    at: "storage",
    operation: ["waiting", "flux"],
    code: "registry/refused",
    summary: /^The installation waits: the registry 127\.0\.0\.1:\d+ does not accept connections$/,
    next: /firewall or proxy/,
    evidence: /refuses the connection/,
  },
  {
    scenario: "wrong-clock",
    at: "storage",
    operation: ["done", null],
    code: "host/clock-skew",
    summary: /^People can log in, but the clock of the box is 2 h slow$/,
    next: /timedatectl set-ntp true/,
    evidence: /Date differs by -7[12]\d\d s/,
    ready: "login",
  },
  {
    scenario: "image-missing",
    at: "storage",
    operation: ["blocked", "tenant"],
    code: "image/not-found",
    summary: /^Setup has stopped: one image of release 1\.0\.3 is missing$/,
    next: /^Choose another release/,
    evidence: /alga-psa-ee:1\.0\.3.*not found/,
    ready: "core",
  },
  {
    scenario: "stuck-helm",
    at: "storage",
    operation: ["done", null],
    code: "flux/helm-pending",
    summary: /^People can log in, but the installation of temporal is stuck half-way$/,
    next: /^Remove the pending release of Helm/,
    evidence: /another operation \(install\/upgrade\/rollback\) is in progress/,
    ready: "login",
  },
  {
    scenario: "bootstrap-fails",
    at: "reconcile",
    operation: ["blocked", "tenant"],
    code: "bootstrap/failed",
    summary: /^Setup has stopped: the first tenant could not be created$/,
    next: /last lines of the job/,
    evidence: /relation "tenants" does not exist/,
    ready: "core",
  },
  {
    scenario: "node-not-ready",
    at: "reconcile",
    operation: ["waiting", "reconcile"],
    code: "node/silent",
    summary: /^The installation waits: node rehearsal has stopped reporting$/,
    next: /systemctl status k3s/,
    evidence: /Kubelet stopped posting node status/,
  },
  {
    scenario: "full-disk",
    at: "reconcile",
    operation: ["waiting", "reconcile"],
    code: "host/disk-full",
    summary: /^The installation waits: the disk is full$/,
    next: /[Mm]ake room/,
    evidence: /bytes free/,
  },
];

/** A release that was verified stays so while it is installed; what refuses the next one is in trust.test.ts. */
const OF_TRUST = ["metadata-expired", "metadata-rolled-back", "foreign-key"];

/** What one switch gave: while it lasted, and at the end. */
interface Told {
  readonly told: ApplianceStatus;
  readonly end: ApplianceStatus;
  readonly inventory: Inventory;
  /** Answer for the log of the bootstrap job's first pod. */
  readonly log: Answer;
}

/** Slow enough that the failure comes before the thing it breaks, and that the failed job is still there to be read. */
const SPEED = 8;
const UNTOUCHED = { scenario: null };

describe("a failure that is switched on while the installation runs", () => {
  const plays: Play[] = [];
  after(() => Promise.all(plays.map((play) => play.kill("SIGKILL"))));
  const open = async (speed = SPEED): Promise<Play> => {
    const play = await startPlay({ speed });
    plays.push(play);
    assert.equal((await play.claim()).status, 200);
    return play;
  };

  it("is tried for every scenario that there is", () => {
    const tried = [...SWITCHES.map(({ scenario }) => scenario), ...OF_TRUST].sort();
    assert.deepEqual(tried, SCENARIOS.map(({ name }) => name).sort());
  });

  const perform = async (one: Switch): Promise<Told> => {
    const play = await open();
    assert.equal((await play.start()).status, 202);
    await play.until(`step ${one.at}`, ({ operation }) => operation?.step === one.at);
    assert.equal((await play.switchOn(one.scenario)).body.scenario, one.scenario);
    const told = await play.until(`${one.scenario} is told`, (status) => isTold(one, status));
    const inventory = (await play.ask("GET", "/api/inventory")).body as unknown as Inventory;
    const job = inventory.pods.find(({ name }) => name.includes("bootstrap"));
    const log = await play.ask("GET", `/api/pods/${job?.namespace}/${job?.name}/log`);
    assert.equal((await play.mend()).body.scenario, null);
    if ((await play.operation()).state !== "done") assert.equal((await play.resume()).status, 202);
    const end = await play.until("all is well", ({ summary }) => summary.state === "ready");
    await play.kill("SIGKILL");
    return { told, end, inventory, log };
  };
  let told: (name: string) => Promise<Told>;
  before(() => {
    told = startLanes(SWITCHES, ({ scenario }) => scenario, perform);
  });

  for (const one of SWITCHES) {
    it(`${one.scenario} is told truly, and gone when it is mended`, async () => {
      const { told: status, end } = await told(one.scenario);
      checkTold(one, status);
      assert.deepEqual([end.summary.message, end.operation?.state], ["Everything works", "done"], brief(end));
      assert.deepEqual(failedCodes(end), []);
    });
  }

  it("a release that was verified before its metadata turned bad is installed to the end", async () => {
    const play = await open(20);
    await play.start();
    await play.until("step storage", ({ operation }) => operation?.step === "storage" || operation?.step === "flux");
    for (const scenario of OF_TRUST) assert.equal((await play.switchOn(scenario)).body.scenario, scenario);
    const end = await play.until("all is well", ({ summary }) => summary.state === "ready");
    assert.deepEqual([end.operation?.state, end.operation?.problem], ["done", null], brief(end));
  });

  it("one failure follows another, and only the one that plays is told", async () => {
    const play = await open(20);
    await play.start();
    await play.until("all is well", ({ summary }) => summary.state === "ready");
    await play.switchOn("node-not-ready");
    await play.until("the node is told", (status) => failedCodes(status).includes("node/silent"));
    await play.switchOn("full-disk");
    const both = await play.until("the disk is told", (status) => failedCodes(status).includes("node/disk-pressure"));
    assert.ok(!failedCodes(both).includes("node/silent"), brief(both));
    await play.mend();
    await play.until("all is well again", ({ summary }) => summary.state === "ready");
  });

  it("leaves a log that the page of the component can show", async () => {
    const { inventory, log } = await told("bootstrap-fails");
    const job = inventory.pods.find(({ name }) => name.includes("bootstrap"));
    assert.equal(job?.component, "alga-core", JSON.stringify(inventory.pods));
    assert.match((log.body as unknown as LogTail).lines.join("\n"), /relation "tenants" does not exist/);
  });

  it("leaves a warning of its pod for the page of events", async () => {
    const { events } = (await told("image-missing")).inventory;
    const warning = events.find(({ reason, ref }) => reason === "Failed" && ref.startsWith("Pod msp/alga-core"));
    assert.match(warning?.message ?? "", /ErrImagePull/, JSON.stringify(events));
  });

  it("needs a session, a scenario that there is, and a field", async () => {
    const play = await open(20);
    const list = await play.ask("GET", "/api/rehearsal");
    assert.deepEqual({ scenario: list.body.scenario }, UNTOUCHED);
    assert.equal((list.body.scenarios as unknown[]).length, SCENARIOS.length);
    const unknown = await play.switchOn("no-such-thing");
    assert.deepEqual([unknown.status, unknown.body.code], [400, "rehearsal/unknown-scenario"]);
    assert.equal((await play.ask("POST", "/api/rehearsal", {})).status, 400);
    const stranger = await fetch(`${play.announced.url}/api/rehearsal`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: play.announced.url },
      body: JSON.stringify({ scenario: "full-disk" }),
    });
    assert.equal(stranger.status, 401);
    assert.equal((await fetch(`${play.announced.url}/api/inventory`)).status, 401);
    assert.deepEqual((await play.ask("GET", "/api/rehearsal")).body.scenario, null);
  });
});

function failedCodes(status: ApplianceStatus): readonly string[] {
  return status.checks.filter(({ state }) => state === "failed").map(({ code }) => code);
}

function isTold(one: Switch, status: ApplianceStatus): boolean {
  const { operation } = status;
  const stands = operation?.state === one.operation[0] && operation.step === one.operation[1];
  return stands && status.checks[0]?.code === one.code && status.checks[0].state === "failed";
}

function checkTold(one: Switch, status: ApplianceStatus): void {
  const where = brief(status);
  assert.match(status.summary.message, one.summary, where);
  assert.match(status.summary.next ?? "", one.next, where);
  assert.match(status.checks[0]?.evidence.map(({ text }) => text).join("\n") ?? "", one.evidence, where);
  assert.equal(status.tiers.full.state, "failed", where);
  if (one.ready !== undefined) assert.equal(status.tiers[one.ready].state, "ready", where);
  if (one.operation[0] !== "done") assert.notEqual(status.operation?.problem?.hint ?? "", "", where);
}
