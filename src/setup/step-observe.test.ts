import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { statusWith } from "../../test/support/status.ts";
import { ApplianceError } from "../core/errors.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { ApplianceStatus, Check, State } from "../status/model.ts";
import { waitForTiers } from "./step-observe.ts";

interface Look {
  readonly bootstrap: State;
  readonly failed?: readonly Partial<Check>[];
}

function statusOf({ bootstrap, failed = [] }: Look): ApplianceStatus {
  const checks = failed.map(
    (change): Check => ({
      code: "bootstrap/failed",
      tier: "bootstrap",
      state: "failed",
      title: "The job has failed",
      cause: "It ran six times.",
      evidence: [{ ref: "Job msp/bootstrap", text: "BackoffLimitExceeded" }],
      next: "Read its log",
      retrySafe: false,
      since: null,
      ...change,
    }),
  );
  return statusWith((name) => (name === "bootstrap" ? bootstrap : "ready"), { checks });
}

/** Waits for the bootstrap tier over looks two seconds apart, and collects the problem told at each. */
async function told(looks: readonly (Look | "silent")[]): Promise<readonly (StepProblem | undefined)[]> {
  const box = createFakeBox({ instant: true });
  const problems: (StepProblem | undefined)[] = [];
  const queue = [...looks];
  const observe = async (): Promise<ApplianceStatus> => {
    const look = queue.shift() ?? { bootstrap: "ready" };
    if (look === "silent") throw new ApplianceError("kube/unreachable", "Cannot reach it: nobody is there");
    return statusOf(look);
  };
  const context = { deps: { clock: box.clock, observe }, settings: { pollMs: 2_000 } };
  const call = {
    context,
    progress: (_detail: string, problem?: StepProblem) => void problems.push(problem),
    signal: new AbortController().signal,
  };
  const result = await waitForTiers(call, ["bootstrap"]);
  assert.equal(result.state, "done");
  return problems;
}
const times = (count: number, look: Look | "silent") => Array.from({ length: count }, () => look);
const FAILED: Look = { bootstrap: "failed", failed: [{}] };

test("a bad moment is no problem, one that lasts carries cause, evidence and next step", async () => {
  assert.ok((await told(times(5, FAILED))).every((problem) => problem === undefined));
  const problems = await told(times(8, FAILED));
  assert.deepEqual(problems.slice(0, 5), [undefined, undefined, undefined, undefined, undefined]);
  assert.deepEqual(problems[5], {
    code: "bootstrap/failed",
    message: "The job has failed: It ran six times",
    hint: "Read its log",
    retrySafe: false,
    needsOperator: true,
    fields: [],
    evidence: [{ ref: "Job msp/bootstrap", text: "BackoffLimitExceeded" }],
  });
});

test("a problem of a higher tier is not this step's", async () => {
  const login: Look = { bootstrap: "progressing", failed: [{ tier: "login", code: "login/refused" }] };
  assert.ok((await told(times(10, login))).every((problem) => problem === undefined));
});

test("a problem that was told stays while nobody can tell, and goes when the work goes on", async () => {
  const problems = await told([
    ...times(6, FAILED),
    ...times(3, { bootstrap: "unknown" }),
    { bootstrap: "progressing" },
  ]);
  assert.deepEqual(
    problems.slice(5).map((problem) => problem?.code),
    ["bootstrap/failed", "bootstrap/failed", "bootstrap/failed", "bootstrap/failed", undefined],
  );
});

test("doubt alone becomes a problem after a minute, and a status that cannot be read after ten seconds", async () => {
  const doubt = await told(times(32, { bootstrap: "unknown" }));
  assert.deepEqual([doubt[29], doubt[30]?.message], [undefined, "is unknown"]);
  const silent = await told(times(6, "silent"));
  assert.deepEqual([silent[4], silent[5]?.code], [undefined, "kube/unreachable"]);
});
