/** The verdict on an update: error rates against the hour before, every component, and what a killed process had counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Inventory } from "../../src/status/inventory.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import type { Counts } from "../../src/update/pulse.ts";
import { createFakeBox } from "./fake-box.ts";
import { createUpdateServer, GOOD, openUpdateBench, type UpdateBench } from "./update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "./update-world.ts";

const registry = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;

/** What is seen of the cluster; a test changes it while the update is judged. */
interface Seen {
  restarts: number;
  warnings: string[];
  status: (status: ApplianceStatus) => ApplianceStatus;
}

const pod = (name: string, restarts: number): Inventory["pods"][number] => ({
  ...{ namespace: "msp", name: `${name}-1`, component: name, node: "box", phase: "Running", ready: true },
  ...{ restarts, createdAt: null, containers: [] },
});

function scene() {
  const box = createFakeBox({ instant: true });
  const seen: Seen = { restarts: 3, warnings: [], status: (status) => status };
  const inventory = (): Inventory => ({
    pods: [pod("worker", seen.restarts), pod("web", 0)],
    events: seen.warnings.map((at) => ({
      ...{ at, ref: "Pod msp/web-1", namespace: "msp", name: "web-1", reason: "Unhealthy", message: "" },
    })),
    left: { pods: 0, events: 0 },
  });
  const open = (world: World): UpdateBench & { close(): Promise<void> } => {
    const process = box.spawn();
    const bench = openUpdateBench(depsOf(world, { box, process, registry }), {
      ...{ registry: REGISTRY, kube: world.stage.kube, stateFolder: STATE, inventory },
      seen: (status) => seen.status(status),
    });
    const close = async (): Promise<void> => {
      await bench.operations.stop();
      box.kill(process);
    };
    return { ...bench, close };
  };
  return { box, seen, open, install: () => installed(box, registry) };
}

/** Runs the good update; `judging` is called at the n-th look that the verdict takes. */
async function update(bench: UpdateBench, judging: (look: number) => void): Promise<string> {
  let look = 0;
  bench.operations.subscribe((event) => {
    if (event.type === "operation" && event.operation.step === "judge") {
      look += 1;
      judging(look);
    }
  });
  const { digest } = await bench.updates.plan({ version: GOOD }, SIGNAL);
  await bench.updates.start({ planDigest: digest }, SIGNAL);
  const end = await bench.operations.settled();
  assert.equal(end?.state, "done", JSON.stringify(end?.problem));
  return end.steps.find(({ id }) => id === "judge")?.detail ?? "";
}

const CALM: Counts = { minutes: 1, looks: 1, failed: 0, errors: 0, restarts: {}, warnings: {} };

/** Keeps an hour of pulse as an earlier process has left it. */
async function keepHour(
  { deps }: UpdateBench,
  box: ReturnType<typeof scene>["box"],
  minute: Partial<Counts>,
): Promise<void> {
  const nowMs = box.clock.now();
  const at = (minutes: number): string => new Date(nowMs - minutes * 60_000).toISOString();
  await deps.store.writeDocument("pulse", {
    schema: "alga.appliance.pulse/v1",
    last: { counts: CALM, at: at(0), pods: {} },
    minutes: Array.from({ length: 59 }, (_, index) => ({ ...CALM, ...minute, at: at(59 - index) })),
  });
}

test("what stays as it was is ok", async () => {
  const { open, install } = scene();
  const bench = open(await install());
  assert.equal(await update(bench, () => {}), "ok");
  await bench.close();
});

test("a worker that starts again while it is judged makes the update degraded, and is named", async () => {
  const { open, install, seen } = scene();
  const bench = open(await install());
  const detail = await update(bench, (look) => {
    if (look === 3) seen.restarts += 2;
  });
  assert.match(detail, /^degraded: worker was started again 2 times in \d+ min$/);
  const [record] = await bench.updates.history();
  assert.deepEqual([record?.verdict, record?.outcome], ["degraded", "installed"]);
  await bench.close();
});

test("one that starts again as often as in the hour before is no news; more often it is, with both counts", async () => {
  for (const [each, wanted] of [
    [2, /^ok$/],
    [0, /^degraded: worker was started again 2 times in \d+ min, 0 in the hour before$/],
  ] as const) {
    const { box, open, install, seen } = scene();
    const bench = open(await install());
    await keepHour(bench, box, { restarts: { worker: each } });
    const detail = await update(bench, (look) => {
      if (look === 3) seen.restarts += 2;
    });
    assert.match(detail, wanted);
    await bench.close();
  }
});

test("warnings of Kubernetes and looks that find no login page count against the hour before", async () => {
  const { box, open, install, seen } = scene();
  const bench = open(await install());
  await keepHour(bench, box, { warnings: { web: 0 } });
  let dark = 0;
  seen.status = (status) => {
    if (dark === 0) return status;
    dark -= 1;
    return { ...status, tiers: { ...status.tiers, login: { ...status.tiers.login, state: "failed" } } };
  };
  const detail = await update(bench, (look) => {
    if (look === 2) seen.warnings = Array.from({ length: 8 }, () => new Date(box.clock.now()).toISOString());
    if (look === 3) dark = 3;
  });
  assert.match(detail, /^degraded: The login page was not there at 3 of \d+ looks, 0 of 59 in the hour before; /);
  assert.match(detail, /Kubernetes warned of web 8 times in \d+ min, 0 in the hour before/);
  await bench.close();
});

test("every component counts, not only the one that people log in to", async () => {
  const { open, install, seen } = scene();
  const mail = {
    name: "email-service",
    namespace: "msp",
    tier: "background",
    state: "failed",
    version: null,
    message: "Keeps stopping",
  };
  const bench = open(await install());
  const detail = await update(bench, () => {
    seen.status = (status) => ({ ...status, components: [mail as ApplianceStatus["components"][number]] });
  });
  assert.equal(detail, "degraded: email-service: Keeps stopping");
  await bench.close();
});

test("what was counted before the control plane was killed is in the verdict of the next one", async () => {
  const { open, install, seen } = scene();
  const world = await install();
  const first = open(world);
  let left: World | undefined;
  first.operations.subscribe((event) => {
    if (event.type !== "operation" || event.operation.step !== "judge" || left !== undefined) return;
    const notes = [...world.files.snapshot()].find(([path]) => path.endsWith("update-run.json"))?.[1] ?? "";
    const worker = (JSON.parse(notes) as { watched?: { counts: Counts } | null }).watched?.counts.restarts.worker;
    if (worker !== undefined) left = { files: world.files.copy(), stage: world.stage.copy() };
  });
  await update(first, (look) => {
    if (look === 2) seen.restarts += 1;
  });
  await first.close();
  assert.ok(left !== undefined, "nothing was kept of what was counted");
  const second = open(left);
  await second.operations.recover();
  const end = await second.operations.settled();
  assert.match(end?.steps.find(({ id }) => id === "judge")?.detail ?? "", /^degraded: worker was started again once/);
  await second.close();
});
