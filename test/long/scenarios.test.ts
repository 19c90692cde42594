/**
 * Every scenario as a person meets it: the cause, what was seen and the next step, alike in the status, in the operation and
 * on the command line; then it is mended, and the installation goes on to its end.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus, TierName } from "../../src/status/model.ts";
import { startLanes } from "../rehearsal/lanes.ts";
import { brief, MANAGEMENT_PASSWORD, type Play, runAppliance, startPlay } from "../rehearsal/play.ts";

interface Scene {
  readonly scenario: string;
  /** Slower where something is there for a limited time only. Absent: 20. */
  readonly speed?: number;
  /** First failed check, its rung, and the sentence. */
  readonly code: string;
  readonly tier: TierName;
  readonly summary: RegExp;
  readonly next: RegExp;
  readonly evidence: RegExp;
  /** Rungs that are ready all the same, and rungs of which nothing can be said. */
  readonly ready: readonly TierName[];
  readonly unknown: readonly TierName[];
  readonly operation: { readonly state: OperationView["state"]; readonly step: string | null; readonly code?: string };
}

const NONE_YET = ["core", "bootstrap", "login", "background"] as const;

const SCENES: readonly Scene[] = [
  {
    scenario: "registry-unreachable",
    code: "registry/refused",
    tier: "platform",
    summary: /^The installation waits: the registry 127\.0\.0\.1:\d+ does not accept connections$/,
    next: /firewall or proxy/,
    evidence: /refuses the connection/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "waiting", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "wrong-clock",
    code: "host/clock-skew",
    tier: "platform",
    summary: /^The installation waits: the clock of the box is 2 h slow$/,
    next: /timedatectl set-ntp true/,
    evidence: /Date differs by -7[12]\d\d s/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "waiting", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "node-not-ready",
    code: "node/silent",
    tier: "platform",
    summary: /^The installation waits: node rehearsal has stopped reporting$/,
    next: /systemctl status k3s/,
    evidence: /Kubelet stopped posting node status/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "waiting", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "full-disk",
    code: "host/disk-full",
    tier: "platform",
    summary: /^Setup has stopped: the disk is full$/,
    next: /[Mm]ake room/,
    evidence: /bytes free/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "blocked", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "metadata-expired",
    code: "operation/blocked",
    tier: "platform",
    summary: /^Setup has stopped: signed metadata has expired: .*timestamp metadata: it expired 3 days ago/,
    next: /decide until when it is good .*acceptExpired/,
    evidence: /what this box trusts: key [0-9a-f]{12}, a root document/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "blocked", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "metadata-rolled-back",
    code: "operation/blocked",
    tier: "platform",
    summary:
      /^Setup has stopped: signed metadata is older than what this box has seen: .*version \d+, \d+ has been seen/,
    next: /another mirror of the registry/,
    evidence: /what this box trusts: key [0-9a-f]{12}, a root document/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "blocked", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "foreign-key",
    code: "operation/blocked",
    tier: "platform",
    summary: /^Setup has stopped: a release is signed, but by none of the trusted keys/,
    next: /Compare the publisher's key with the trusted keys of this box/,
    evidence: /what this box trusts: key [0-9a-f]{12}, a root document/,
    ready: [],
    unknown: NONE_YET,
    operation: { state: "blocked", step: "preflight", code: "setup/preflight-failed" },
  },
  {
    scenario: "image-missing",
    code: "image/not-found",
    tier: "bootstrap",
    summary: /^Setup has stopped: one image of release 1\.0\.3 is missing$/,
    next: /^Choose another release/,
    evidence: /alga-psa-ee:1\.0\.3.*not found/,
    ready: ["platform", "core"],
    unknown: [],
    operation: { state: "blocked", step: "tenant", code: "image/not-found" },
  },
  {
    scenario: "bootstrap-fails",
    // Kubernetes removes a failed job after its time to live.
    speed: 8,
    code: "bootstrap/failed",
    tier: "bootstrap",
    summary: /^Setup has stopped: the first tenant could not be created$/,
    next: /last lines of the job/,
    evidence: /relation "tenants" does not exist/,
    ready: ["platform", "core"],
    unknown: [],
    operation: { state: "blocked", step: "tenant", code: "bootstrap/failed" },
  },
  {
    scenario: "stuck-helm",
    code: "flux/helm-pending",
    tier: "background",
    summary: /^People can log in, but the installation of temporal is stuck half-way$/,
    next: /^Remove the pending release of Helm, .*kubectl -n alga-system delete secret -l 'owner=helm,name=temporal/,
    evidence: /another operation \(install\/upgrade\/rollback\) is in progress/,
    ready: ["platform", "core", "bootstrap", "login"],
    unknown: [],
    operation: { state: "done", step: null },
  },
];

/** What one scenario gave: told while it lasted, and at the end. */
interface Told {
  readonly status: ApplianceStatus;
  readonly operation: OperationView;
  readonly json: { readonly code: number | null; readonly status: ApplianceStatus };
  readonly end: ApplianceStatus;
}

describe("scenarios", () => {
  const plays: Play[] = [];
  let toldOf: (name: string) => Promise<Told>;
  before(() => {
    toldOf = startLanes(
      SCENES,
      ({ scenario }) => scenario,
      (scene) => runScene(scene, plays),
    );
  });
  after(async () => {
    for (const play of plays) await play.kill("SIGKILL");
  });

  for (const scene of SCENES) {
    it(`${scene.scenario} is told truly, and the installation goes on when it is mended`, async () => {
      const told = await toldOf(scene.scenario);
      checkStatus(scene, told.status);
      checkOperation(scene, told.operation);
      assert.equal(told.json.code, scene.ready.includes("login") ? 0 : 3);
      assert.match(told.json.status.summary.message, scene.summary, brief(told.json.status));
      assert.equal(told.json.status.checks[0]?.code, scene.code);
      assert.deepEqual(
        [told.end.summary.message, told.end.operation?.state],
        ["Everything works", "done"],
        brief(told.end),
      );
      assert.ok(!told.end.checks.some(({ state }) => state === "failed"), brief(told.end));
    });
  }
});

async function runScene(scene: Scene, plays: Play[]): Promise<Told> {
  const play = await startPlay({ scenario: scene.scenario, speed: scene.speed ?? 20 });
  plays.push(play);
  await play.claim();
  const { status: code } = await play.start();
  assert.equal(code, 202);
  const isTold = ({ operation, checks }: ApplianceStatus): boolean =>
    operation?.state === scene.operation.state &&
    checks.some((check) => check.code === scene.code && check.state === "failed");
  const status = await play.until(`${scene.scenario} is told`, isTold);
  const operation = await play.operation();
  const words = ["status", "--url", play.announced.url, "--password-stdin"];
  const json = await runAppliance([...words, "-o", "json"], MANAGEMENT_PASSWORD);
  await play.mend();
  if (operation.state !== "done") assert.equal((await play.resume()).status, 202);
  const end = await play.until(
    `${scene.scenario} ends well`,
    ({ tiers, operation: run }) => tiers.full.state === "ready" && run?.state === "done",
  );
  await play.kill("SIGKILL");
  return {
    status,
    operation,
    json: { code: json.code, status: JSON.parse(json.out) },
    end,
  };
}

function checkStatus(scene: Scene, status: ApplianceStatus): void {
  const where = brief(status);
  assert.match(status.summary.message, scene.summary, where);
  assert.match(status.summary.next ?? "", scene.next, where);
  assert.equal(status.summary.state, "failed", where);
  const first = status.checks[0];
  assert.deepEqual([first?.code, first?.state, first?.tier], [scene.code, "failed", scene.tier], where);
  assert.match(first?.evidence.map(({ text }) => text).join("\n") ?? "", scene.evidence, JSON.stringify(first));
  for (const tier of scene.ready) assert.equal(status.tiers[tier].state, "ready", `${tier}: ${where}`);
  for (const tier of scene.unknown) assert.equal(status.tiers[tier].state, "unknown", `${tier}: ${where}`);
  assert.equal(status.tiers[scene.tier].state, "failed", where);
  assert.equal(status.tiers.full.state, "failed", where);
  const unexplained = status.checks.filter(
    ({ code, state }) => state === "failed" && !status.checks.some(({ explains }) => explains?.includes(code)),
  );
  assert.deepEqual(
    unexplained.map(({ code }) => code),
    [scene.code],
    where,
  );
}

function checkOperation(scene: Scene, operation: OperationView): void {
  const { state, step, code } = scene.operation;
  assert.deepEqual(
    [operation.state, operation.step, operation.problem?.code],
    [state, step, code],
    JSON.stringify(operation.problem),
  );
  if (code === undefined) return;
  assert.ok(
    (operation.problem?.message ?? "") !== "" && (operation.problem?.hint ?? "") !== "",
    JSON.stringify(operation.problem),
  );
  assert.ok((operation.problem?.evidence.length ?? 0) > 0);
}
