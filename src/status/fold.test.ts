/** What must hold for any observations: the fold never throws, says the same twice, and keeps its promises. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import type { KubeObject } from "../kube/model.ts";
import type { OperationView } from "../operation/model.ts";
import { foldStatus } from "./fold.ts";
import { applianceStatusSchema, TIERS } from "./model.ts";
import { LIST_KINDS, type ListKey, type Observations } from "./observation.ts";
import { readSituation } from "./situations/situation.ts";

const text = readFileSync(new URL("./situations/healthy.yaml", import.meta.url), "utf8");
const { observations: healthy, nowMs } = readSituation(text, () => parse(text));
const KEYS = Object.keys(LIST_KINDS) as ListKey[];

/** Objects of the right kind and name with anything in them, as a broken or hostile API might send. */
const json = fc.jsonValue({ maxDepth: 4 });
const reason = fc.constantFrom(
  "CrashLoopBackOff",
  "ErrImagePull",
  "DependencyNotReady",
  "InstallFailed",
  "",
  "\u202eodd",
);
const condition = fc.record(
  {
    type: fc.constantFrom("Ready", "Available", "Complete", "Failed", "PodScheduled", "DiskPressure", "Stalled"),
    status: fc.oneof(fc.constantFrom("True", "False", "Unknown"), json),
    reason,
    message: fc.oneof(fc.string(), json),
    lastTransitionTime: fc.oneof(fc.constant("2026-11-21T08:00:00Z"), fc.string(), json),
  },
  { requiredKeys: ["type"] },
);
const status = fc.oneof(
  json,
  fc.record(
    {
      phase: fc.constantFrom("Pending", "Running", "Failed", "Succeeded", "Lost"),
      conditions: fc.oneof(fc.array(condition, { maxLength: 4 }), json),
      containerStatuses: fc.array(
        fc.record({ name: fc.string(), state: fc.record({ waiting: fc.record({ reason, message: fc.string() }) }) }),
        { maxLength: 2 },
      ),
      availableReplicas: json,
    },
    { requiredKeys: [] },
  ),
);
const metadata = fc.record(
  {
    name: fc.constantFrom(
      "box",
      "db",
      "db-0",
      "alga-core",
      "alga-platform",
      "alga-appliance",
      "alga-core-sebastian",
      "x",
    ),
    namespace: fc.constantFrom("msp", "alga-system", "flux-system", "kube-system"),
    creationTimestamp: fc.oneof(fc.constant("2026-11-21T08:00:00Z"), json),
    deletionTimestamp: json,
    ownerReferences: json,
    labels: json,
    generation: json,
  },
  { requiredKeys: ["name"] },
);

function listsOf(): fc.Arbitrary<Observations["lists"]> {
  const entries = KEYS.map((key) => {
    const object = fc.oneof(
      json,
      fc.record(
        {
          apiVersion: fc.constant(LIST_KINDS[key].apiVersion),
          kind: fc.constant(LIST_KINDS[key].kind),
          metadata,
          spec: json,
          status,
        },
        { requiredKeys: ["apiVersion", "kind", "metadata"] },
      ),
    );
    const list = fc.record({
      state: fc.constantFrom("synced", "stale", "forbidden", "absent", "starting"),
      sinceMs: fc.integer({ min: nowMs - 1e9, max: nowMs }),
      items: fc.array(object, { maxLength: 3 }).map((items) => items as KubeObject[]),
    });
    return [key, list] as const;
  });
  return fc.record(Object.fromEntries(entries), { requiredKeys: [] }) as fc.Arbitrary<Observations["lists"]>;
}

const anything: fc.Arbitrary<Observations> = fc
  .record({
    kubernetes: fc.record({
      state: fc.constantFrom(
        "reachable",
        "unreachable",
        "unauthorized",
        "forbidden",
        "broken",
        "unconfigured",
        "starting",
      ),
      sinceMs: fc.double(),
      atMs: fc.oneof(fc.constant(nowMs), fc.double()),
      problem: fc.string(),
    }),
    lists: listsOf(),
    claimed: fc.constantFrom(true, false, null),
    installed: fc.constantFrom(healthy.installed, null),
    login: fc.constantFrom(healthy.login, null),
  })
  .map((parts) => ({ ...healthy, ...parts }) as Observations);

describe("the fold", () => {
  test("never throws on arbitrary objects, says the same twice, and gives a valid document", () => {
    fc.assert(
      fc.property(anything, (observations) => {
        const first = foldStatus(observations, nowMs);
        assert.deepEqual(foldStatus(structuredClone(observations), nowMs), first);
        applianceStatusSchema.parse(first);
        assert.ok(first.summary.message.length > 0);
      }),
      { numRuns: 80 },
    );
  });

  test("full is ready only when every rung is and nothing has failed", () => {
    fc.assert(
      fc.property(anything, (observations) => {
        const { tiers, checks, summary } = foldStatus(observations, nowMs);
        const good =
          TIERS.every((tier) => tiers[tier].state === "ready") && checks.every((check) => check.state !== "failed");
        assert.equal(tiers.full.state === "ready", good);
        if (summary.message === "Everything works") assert.ok(good);
      }),
      { numRuns: 80 },
    );
  });

  test("no rung is ready beside a failed check of its own", () => {
    fc.assert(
      fc.property(anything, (observations) => {
        const { tiers, checks } = foldStatus(observations, nowMs);
        const failed = checks.filter((check) => check.state === "failed");
        for (const { code, tier } of failed) assert.notEqual(tiers[tier].state, "ready", `${code} on ${tier}`);
      }),
      { numRuns: 80 },
    );
  });

  test("the step that the sentence counts is the one that it names, also behind steps that were skipped", () => {
    const stepOf = (id: string, state: "done" | "skipped" | "running" | "pending") => ({
      id,
      title: `Title of ${id}`,
      state,
      startedAt: null,
      endedAt: null,
      detail: null,
      attempts: 0,
    });
    const steps = [stepOf("a", "done"), stepOf("b", "running"), stepOf("c", "skipped"), stepOf("d", "pending")];
    const operation: OperationView = {
      id: "0001-setup",
      kind: "setup",
      state: "running",
      step: "b",
      steps,
      progress: { done: 2, total: 4, unit: "steps" },
      startedAt: "2026-11-21T08:00:00Z",
      endedAt: null,
      problem: null,
    };
    const { summary } = foldStatus({ ...healthy, installed: null, operation }, nowMs);
    assert.equal(summary.message, "Installing, step 2 of 4: Title of b");
    const between = foldStatus({ ...healthy, installed: null, operation: { ...operation, step: null } }, nowMs);
    assert.equal(between.summary.message, "Installing, 2 of 4 steps done");
  });

  test("a failure that is explained stands under one that is not", () => {
    fc.assert(
      fc.property(anything, (observations) => {
        const { checks } = foldStatus(observations, nowMs);
        const failed = checks.filter((check) => check.state === "failed");
        const explained = new Set(failed.flatMap((check) => check.explains ?? []));
        if (failed.length > 0)
          assert.ok(
            failed.some((check) => !explained.has(check.code)),
            "one is a root",
          );
      }),
      { numRuns: 80 },
    );
  });

  test("evidence holds no secret, no terminal escape and no more than 2 KiB", () => {
    const hostile = `password=hunter2 \u001b[31mred\u202etxt ${"x".repeat(5_000)}`;
    const pods = healthy.lists.pods?.items ?? [];
    const crashing = pods.map((pod) => ({
      ...pod,
      status: {
        phase: "Running",
        containerStatuses: [
          {
            name: hostile,
            image: hostile,
            restartCount: 9,
            state: { waiting: { reason: "CrashLoopBackOff" } },
            lastState: { terminated: { exitCode: 1, message: hostile } },
          },
        ],
      },
    }));
    const lists = { ...healthy.lists, pods: { state: "synced" as const, sinceMs: nowMs, items: crashing } };
    const status = foldStatus({ ...healthy, lists }, nowMs);
    const said = JSON.stringify(status);
    assert.doesNotMatch(said, /hunter2/);
    assert.doesNotMatch(said, /\\u001b|\u202e/);
    for (const one of status.checks.flatMap((check) => check.evidence)) {
      assert.ok(Buffer.byteLength(one.text) <= 2_048);
    }
  });

  test("five thousand broken pods make no larger document than fifty", () => {
    const [pod] = healthy.lists.pods?.items ?? [];
    assert.ok(pod !== undefined);
    const items = Array.from({ length: 5_000 }, (_, index) => ({
      ...pod,
      metadata: { ...pod.metadata, name: `pod-${index}` },
      status: {
        phase: "Pending",
        containerStatuses: [
          { name: "a", image: "x", restartCount: 9, state: { waiting: { reason: "CrashLoopBackOff" } } },
        ],
      },
    }));
    const sizeOf = (pods: readonly KubeObject[]): number => {
      const lists = { ...healthy.lists, pods: { state: "synced" as const, sinceMs: nowMs, items: pods } };
      return JSON.stringify(foldStatus({ ...healthy, lists }, nowMs)).length;
    };
    assert.ok(sizeOf(items) < sizeOf(items.slice(0, 50)) + 2_000, `${sizeOf(items)} characters`);
  });
});
