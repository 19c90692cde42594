import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { statusWith } from "../../test/support/status.ts";
import { ApplianceError } from "../core/errors.ts";
import type { StepProblem } from "../operation/journal.ts";
import type { ApplianceStatus, Check, State } from "./model.ts";
import { troublesBelow, waitForTiers, watchTiers } from "./waiting.ts";

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

test("why something is tried again is told before it gives up, and is no end", async () => {
  const retrying: Partial<Check> = {
    code: "bootstrap/retrying",
    state: "progressing",
    title: "The job that creates the first tenant tries again.",
    cause: "It has failed twice and goes on by itself.",
    next: "Wait: it tries again by itself",
    retrySafe: true,
  };
  const problems = await told(times(7, { bootstrap: "progressing", failed: [retrying] }));
  const { code, message, retrySafe, needsOperator } = problems[6] ?? {};
  assert.deepEqual(
    [code, message, retrySafe, needsOperator],
    [
      "bootstrap/retrying",
      "The job that creates the first tenant tries again: It has failed twice and goes on by itself",
      true,
      undefined,
    ],
  );
  const worse: Look = { bootstrap: "progressing", failed: [retrying, { code: "image/not-found" }] };
  assert.equal((await told(times(7, worse)))[6]?.code, "image/not-found", "what has failed comes first");
  const starting: Look = { bootstrap: "progressing", failed: [{ ...retrying, code: "bootstrap/slow" }] };
  assert.equal((await told(times(7, starting)))[6], undefined, "what is only under way is no problem");
});

test("a problem names the answers that mend it, and says nothing that the clock makes wrong", async () => {
  const image: Partial<Check> = {
    code: "image/not-found",
    title: "The image x:1 does not exist in the registry.",
    cause: "Pod msp/a has waited 4 min for it.",
  };
  const problemOf = async (change: Partial<Check>): Promise<StepProblem | undefined> =>
    (await told(times(7, { bootstrap: "failed", failed: [{ ...image, ...change }] })))[6];
  const problem = await problemOf({});
  assert.deepEqual(problem?.fields, ["channel", "releaseRef"]);
  assert.equal(problem?.message, "The image x:1 does not exist in the registry: Pod msp/a has waited for it");
  assert.deepEqual((await problemOf({ code: "login/redirect-loop" }))?.fields, ["appHostname"]);
  assert.deepEqual((await problemOf({ code: "node/not-ready" }))?.fields, []);
  const provisioner = { evidence: [{ ref: "Pod local-path-storage/p-1", text: "ErrImagePull" }] };
  assert.deepEqual((await problemOf(provisioner))?.fields, [], "no release brings the image of the provisioner");
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

test("a step with a look of its own tells what it has seen, unless the status knows a deeper cause", async () => {
  const own: StepProblem = {
    code: "flux/not-ready",
    message: "ImagePullBackOff",
    hint: null,
    retrySafe: true,
    fields: [],
    evidence: [],
  };
  const codes = async (look: Look, seen: StepProblem | undefined): Promise<readonly (string | undefined)[]> => {
    const box = createFakeBox({ instant: true });
    const { signal } = new AbortController();
    const context = { deps: { clock: box.clock, observe: async () => statusOf(look) }, settings: {} };
    const trouble = troublesBelow({ context, progress: () => undefined, signal }, ["platform"]);
    const told: (string | undefined)[] = [];
    for (let count = 0; count < 3; count++) {
      told.push((await trouble(seen))?.code);
      await box.clock.sleep(5_000);
    }
    return told;
  };
  const away: Look = { bootstrap: "unknown", failed: [{ code: "registry/refused", tier: "platform" }] };
  const calm: Look = { bootstrap: "unknown" };
  assert.deepEqual(await codes(away, own), [undefined, undefined, "registry/refused"]);
  assert.deepEqual(await codes(away, undefined), [undefined, undefined, "registry/refused"]);
  assert.deepEqual(await codes(calm, own), [undefined, undefined, "flux/not-ready"]);
  assert.deepEqual(await codes(calm, undefined), [undefined, undefined, undefined]);
});

/** Milliseconds until a watch with eight minutes of patience gives up on a round of looks that comes again and again. */
async function givesUpAfter(round: readonly Look[]): Promise<number> {
  const box = createFakeBox({ instant: true });
  let at = 0;
  const observe = async (): Promise<ApplianceStatus> =>
    statusOf(round[at++ % round.length] ?? { bootstrap: "progressing" });
  const context = { deps: { clock: box.clock, observe }, settings: { pollMs: 2_000 } };
  const call = { context, progress: () => {}, signal: new AbortController().signal };
  const beganMs = box.clock.monotonic();
  const end = await watchTiers(call, ["bootstrap"], { patienceMs: 480_000, limitMs: 3_600_000 });
  assert.equal(end.ready, false);
  return box.clock.monotonic() - beganMs;
}
const COMES: Look = { bootstrap: "progressing" };

test("a failure that comes and goes lasts, one that has been gone for long does not", async () => {
  const minutes = (count: number, look: Look): Look[] => Array.from({ length: count * 30 }, () => look);
  assert.ok((await givesUpAfter([FAILED])) < 500_000);
  // As a container that runs for a minute at each start, and is started every five minutes.
  assert.ok((await givesUpAfter([...minutes(4, FAILED), ...minutes(1, COMES)])) < 720_000);
  assert.ok((await givesUpAfter([...minutes(4, FAILED), ...minutes(3, COMES)])) >= 3_600_000);
});
