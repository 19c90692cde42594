/** Updates on bad days: nothing works any more, a registry that lies, two at once, a clock that jumps, a power cut. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, isDigest } from "../../src/core/digest.ts";
import { ApplianceError, isApplianceError } from "../../src/core/errors.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { createKube } from "../../src/kube/client.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { installedSchema } from "../../src/status/installed.ts";
import { createFakeBox, settle } from "../crash/fake-box.ts";
import { BAD, bringToEnd, createUpdateServer, GOOD, openUpdateBench, type UpdateBench } from "../crash/update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "../crash/update-world.ts";

const honest = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;
const YEAR_MS = 366 * 86_400_000;

function scene(registry: Fetch = honest) {
  const box = createFakeBox({ instant: true });
  const open = (
    world: World,
    isBroken?: (version: string) => boolean,
    hostAgent?: Fetch,
  ): UpdateBench & { die(): Promise<void> } => {
    const process = box.spawn();
    const bench = openUpdateBench(depsOf(world, { box, process, registry }), {
      registry: REGISTRY,
      kube: world.stage.kube,
      stateFolder: STATE,
      ...(isBroken === undefined ? {} : { isBroken }),
      ...(hostAgent === undefined ? {} : { hostAgent }),
    });
    const die = async (): Promise<void> => {
      await bench.operations.stop();
      box.kill(process);
    };
    return { ...bench, die };
  };
  return { box, open, installed: () => installed(box, honest) };
}

const footprint = async (world: World) => JSON.stringify([...(await world.stage.objects())]);

test("where neither release works the box says so, and goes on when it is mended", async () => {
  const { open, installed: install } = scene();
  const world = await install();
  let isDown = true;
  const bench = open(world, (version) => version === BAD || (version === "1.0.3" && isDown && wasTried));
  let wasTried = false;
  const { digest } = await bench.updates.plan({ version: BAD }, SIGNAL);
  bench.operations.subscribe((event) => {
    if (event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "switch") wasTried = true;
  });
  await bench.updates.start({ planDigest: digest }, SIGNAL);
  const stuck = await bench.operations.settled();
  assert.deepEqual(
    [stuck?.state, stuck?.step, stuck?.problem?.code],
    ["blocked", "return-watch", "update/return-failed"],
  );
  assert.match(stuck?.problem?.message ?? "", /^Cannot go back: 1\.0\.3 does not come up either/);
  assert.match(stuck?.problem?.hint ?? "", /^Mend what is named, then try again/);
  await assert.rejects(bench.updates.start({ planDigest: digest }, SIGNAL), (thrown) =>
    isApplianceError(thrown, "operation/busy", "update/plan-changed"),
  );
  isDown = false;
  await bench.operations.resume(stuck?.id ?? "");
  const end = await bench.operations.settled();
  assert.deepEqual([end?.state, end?.problem?.code], ["failed", "update/returned"]);
  const [record] = await bench.updates.history();
  assert.deepEqual([record?.outcome, record?.verdict], ["returned", "failed"]);
  await bench.die();
});

test("a registry that lies midway changes nothing", async () => {
  let lies = false;
  const liar: Fetch = async (request) => {
    const response = await honest(request);
    if (!lies || !/\/blobs\//.test(request.url) || !response.ok || request.method !== "GET") return response;
    const bytes = new Uint8Array(await response.arrayBuffer());
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    return new Response(bytes, { status: response.status, headers: response.headers });
  };
  const { open, installed: install } = scene(liar);
  const world = await install();
  const before = await footprint(world);
  const bench = open(world);
  const { digest } = await bench.updates.plan({ version: GOOD }, SIGNAL);
  lies = true;
  await bench.updates.start({ planDigest: digest }, SIGNAL);
  const end = await bench.operations.settled();
  assert.deepEqual([end?.state, end?.step, end?.problem?.code], ["failed", "fetch", "oci/digest-mismatch"]);
  assert.equal(await footprint(world), before);
  const [record] = await bench.updates.history();
  assert.equal(record?.outcome, "untouched");
  lies = false;
  assert.equal(
    (await bringToEnd(bench, { kind: "update", version: GOOD }))?.state,
    "failed",
    "an ended run is left alone",
  );
  const again = await bench.updates.plan({ version: GOOD }, SIGNAL);
  await bench.updates.start({ planDigest: again.digest }, SIGNAL);
  assert.equal((await bench.operations.settled())?.state, "done");
  await bench.die();
});

for (const [version, code] of [
  [GOOD, undefined],
  [BAD, "update/returned"],
] as const) {
  test(`a line that is cut once the images are there holds nothing up: ${version}`, async () => {
    let isCut = false;
    const line: Fetch = async (request) => {
      if (isCut) throw new ApplianceError("net/unreachable", "Cannot reach the registry: the line is cut");
      return honest(request);
    };
    const { open, installed: install } = scene(line);
    const bench = open(await install());
    const { digest } = await bench.updates.plan({ version }, SIGNAL);
    bench.operations.subscribe((event) => {
      isCut ||= event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "images";
    });
    await bench.updates.start({ planDigest: digest }, SIGNAL);
    const end = await bench.operations.settled();
    assert.deepEqual([end?.problem?.code, isCut], [code, true]);
    const { installed: now } = await bench.updates.view(SIGNAL);
    assert.equal(now?.version, code === undefined ? GOOD : "1.0.3");
    await bench.die();
  });
}

test("of two at once one runs, and the other is told which", async () => {
  const { open, installed: install } = scene();
  const world = await install();
  const bench = open(world);
  const { digest } = await bench.updates.plan({ version: GOOD }, SIGNAL);
  const results = await Promise.allSettled([1, 2, 3].map(() => bench.updates.start({ planDigest: digest }, SIGNAL)));
  const started = results.filter(({ status }) => status === "fulfilled");
  const refused = results.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  assert.equal(started.length, 1);
  for (const thrown of refused) {
    assert.ok(isApplianceError(thrown, "operation/busy"), String(thrown));
    assert.equal(thrown.details.operation, "0002-update");
  }
  assert.equal((await bench.operations.settled())?.state, "done");
  await bench.die();
});

for (const [name, happens] of [
  ["a clock that jumps a year", (box) => box.setWall(box.clock.now() + YEAR_MS)],
  ["a power cut", (box) => box.boot()],
] as const satisfies readonly (readonly [string, (box: ReturnType<typeof createFakeBox>) => void])[]) {
  test(`${name} in the middle is no end`, async () => {
    const { box, open, installed: install } = scene();
    const world = await install();
    const first = open(world);
    const { digest } = await first.updates.plan({ version: GOOD }, SIGNAL);
    let left: World | undefined;
    first.operations.subscribe((event) => {
      const isSwitched = event.type === "journal" && event.entry.kind === "step-done" && event.entry.step === "switch";
      if (isSwitched) left = { files: world.files.copy(), stage: world.stage.copy() };
    });
    await first.updates.start({ planDigest: digest }, SIGNAL);
    await first.operations.settled();
    await first.die();
    happens(box);
    assert.ok(left !== undefined, "the switch was never seen");
    const second = open(left);
    const end = await bringToEnd(second, { kind: "update", version: GOOD });
    assert.deepEqual([end?.state, (await second.updates.view(SIGNAL)).installed?.version], ["done", GOOD]);
    await second.die();
  });
}

for (const [state, before] of [
  ["pending-upgrade", ["deployed"]],
  ["pending-rollback", ["superseded", "failed"]],
  ["pending-install", []],
] as const) {
  test(`a revision that Helm left ${state} is taken away on the way back, and nothing else`, async () => {
    const { box, open, installed: install } = scene();
    const world = await install();
    const first = open(world);
    assert.equal((await bringToEnd(first, { kind: "update", version: GOOD }))?.state, "done");
    const kube = createKube(depsOf(world, { box, process: box.spawn(), registry: honest }), {
      server: "http://api",
      fetch: world.stage.kube,
      headers: async () => ({}),
    });
    const namespace = "alga-system";
    // As Helm keeps them. @see Helm v4, storage driver "secret"
    const revision = (name: string, version: number, status: string) => ({
      apiVersion: "v1",
      kind: "Secret",
      type: "helm.sh/release.v1",
      metadata: {
        namespace,
        name: `sh.helm.release.v1.${name}.v${version}`,
        labels: { owner: "helm", name, status, version: String(version) },
      },
    });
    for (const [index, status] of [...before, state].entries())
      await kube.create(revision("temporal", index + 1, status));
    const temporal = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease", namespace, name: "temporal" };
    const message = `Helm upgrade failed for release msp/temporal: another operation (install/upgrade/rollback) is in progress`;
    const condition = { type: "Ready", status: "False", reason: "UpgradeFailed", message };
    await kube.patch(temporal, { status: { conditions: [condition] } }, { subresource: "status" });
    // The stage answers the request that frees it, as helm-controller does; while a revision is pending it answers none.
    assert.equal((await bringToEnd(first, { kind: "rollback", after: "0002" }))?.state, "done");
    const left = await kube.list({ apiVersion: "v1", kind: "Secret", namespace }, { labelSelector: "owner=helm" });
    assert.deepEqual(
      left.items.map(({ metadata }) => metadata.name),
      before.map((_, index) => `sh.helm.release.v1.temporal.v${index + 1}`),
    );
    const freed = await kube.get(temporal);
    assert.ok(freed?.metadata.annotations?.["reconcile.fluxcd.io/forceAt"] !== undefined, "Helm was not asked anew");
    await first.die();
  });
}

for (const [name, rules] of [
  ["a data floor", { dataFloor: BAD }],
  ["a migration", { migrations: [{ id: "contacts", about: "Contacts are split", reversible: false }] }],
] as const) {
  test(`a release that declared ${name} is not gone back from, by itself or by hand, and the ways that are true are told`, async () => {
    const { open, installed: install } = scene(createUpdateServer(REGISTRY, { [BAD]: rules }).fetch);
    const bench = open(await install());
    const plan = await bench.updates.plan({ version: BAD }, SIGNAL);
    assert.equal(plan.irreversible.length, "migrations" in rules ? 1 : 0);
    await bench.updates.start({ planDigest: plan.digest }, SIGNAL);
    const end = await bench.operations.settled();
    assert.deepEqual([end?.state, end?.problem?.code], ["failed", "update/no-return"]);
    assert.match(
      end?.problem?.message ?? "",
      /^The update to 1\.2\.0 failed \(.*\), and there is no way back: 1\.2\.0 has changed/,
    );
    assert.match(end?.problem?.hint ?? "", /^Restore the backup .*, or install a release that mends the cause$/);
    const { installed: now, previous, history } = await bench.updates.view(SIGNAL);
    assert.deepEqual([now?.version, previous?.version, previous?.canReturn], [BAD, "1.0.3", false]);
    assert.equal(history[0]?.outcome, "stopped");
    await assert.rejects(bench.updates.rollback(SIGNAL), (thrown) => isApplianceError(thrown, "update/no-return"));
    const repair = await bench.updates.plan({ version: BAD }, SIGNAL);
    assert.deepEqual([repair.kind, repair.notNow], ["repair", []], "the forward fix is refused too");
    await bench.die();
  });
}

test("a return that does not come up either is a state of its own, and goes on when it is mended", async () => {
  const { open, installed: install } = scene();
  let isDown = false;
  const bench = open(await install(), (version) => version === "1.0.3" && isDown);
  assert.equal((await bringToEnd(bench, { kind: "update", version: GOOD }))?.state, "done");
  isDown = true;
  const stuck = await bringToEnd(bench, { kind: "rollback", after: "0002" });
  assert.deepEqual([stuck?.kind, stuck?.state, stuck?.problem?.code], ["rollback", "blocked", "update/return-failed"]);
  assert.match(stuck?.problem?.hint ?? "", /^Mend what is named, then try again; .*restore the backup/);
  isDown = false;
  await bench.operations.resume(stuck?.id ?? "");
  assert.equal((await bench.operations.settled())?.state, "done");
  assert.equal((await bench.updates.view(SIGNAL)).installed?.version, "1.0.3");
  await bench.die();
});

test("a way back after a change of the address brings the old release with the new address", async () => {
  const { open, installed: install } = scene();
  const world = await install();
  const bench = open(world);
  assert.equal((await bringToEnd(bench, { kind: "update", version: GOOD }))?.state, "done");
  const release = await bench.deps.store.readDocument("release", installedSchema);
  assert.ok(release !== undefined);
  const moved = { ...release, appUrl: "https://new.example.com", answersDigest: digestOf("new answers") };
  await bench.deps.store.writeDocument("release", moved);
  assert.equal((await bringToEnd(bench, { kind: "rollback", after: "0002" }))?.state, "done");
  const after = await bench.deps.store.readDocument("release", installedSchema);
  assert.deepEqual(
    [after?.version, after?.appUrl, after?.answersDigest],
    ["1.0.3", "https://new.example.com", digestOf("new answers")],
  );
  const objects = JSON.stringify([...(await world.stage.objects())].filter(([name]) => /appliance-values/.test(name)));
  assert.match(objects, /https:\/\/new\.example\.com/);
  assert.match(objects, /1\.0\.3@sha256/);
  assert.doesNotMatch(objects, /psa\.example\.com/);
  await bench.die();
});

const CONTROL_PLANE = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: "alga-appliance-control-plane",
  name: "appliance-control-plane",
};

/** A control plane that runs in the cluster as another image, and what the host makes of it when it is asked. */
async function withControlPlane(world: World, on: ReturnType<typeof scene>["box"]) {
  const deps = depsOf(world, { box: on, process: on.spawn(), registry: honest });
  const connection = { server: "http://api", fetch: world.stage.kube, headers: async () => ({}) };
  const kube = createKube(deps, connection, { fieldManager: "host" });
  const { apiVersion, kind, namespace, name } = CONTROL_PLANE;
  const labels = { app: name };
  const run = (image: string) =>
    kube.apply({
      apiVersion,
      kind,
      metadata: { namespace, name },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "control-plane", image }] } },
      },
    });
  await kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await run("registry.test:5000/nine-minds/alga-appliance-control-plane:old");
  return { run };
}

test("the control plane is replaced by the host, where there is one, and an update goes on without it", async () => {
  const { box, open, installed: install } = scene();
  const world = await install();
  const { run } = await withControlPlane(world, box);
  const alone = await bringToEnd(open(world), { kind: "update", version: GOOD });
  assert.equal(alone?.state, "done");
  assert.match(stepOf(alone, "control-plane"), /^It stays as it is: .*named exactly/);
  const asked: string[] = [];
  const agent: Fetch = async (request) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    const image = /control-plane:1\.1\.0@sha256:[0-9a-f]{64}/.exec(await manifestText(bench, GOOD))?.[0] ?? "";
    await run(`${REGISTRY}/nine-minds/alga-appliance-${image}`);
    return Response.json({}, { status: 202 });
  };
  const bench = open(world, () => false, agent);
  const { digest } = await bench.updates.plan({ channel: "next-good" }, SIGNAL);
  await bench.updates.start({ planDigest: digest }, SIGNAL);
  const end = await bench.operations.settled();
  assert.equal(end?.state, "done");
  assert.match(stepOf(end, "control-plane"), /alga-appliance-control-plane:1\.1\.0@sha256:[0-9a-f]{64} runs$/);
  assert.deepEqual(asked, ["POST /v1/control-plane/reapply"]);
  await bench.die();
});

test("a host that is silent, or that chooses otherwise, leaves the control plane as it is and is asked once", async () => {
  const { box, open, installed: install } = scene();
  const world = await install();
  await withControlPlane(world, box);
  let asked = 0;
  const silent: Fetch = async () => {
    asked += 1;
    throw new ApplianceError("net/unreachable", "Cannot reach the agent: nobody listens");
  };
  const bench = open(world, () => false, silent);
  const { digest } = await bench.updates.plan({ channel: "next-good" }, SIGNAL);
  await bench.updates.start({ planDigest: digest }, SIGNAL);
  const end = await bench.operations.settled();
  assert.deepEqual([end?.state, asked], ["done", 1]);
  assert.match(stepOf(end, "control-plane"), /^It stays as it is: there is no host agent/);
  const deaf: Fetch = async () => {
    asked += 1;
    return Response.json({}, { status: 202 });
  };
  const second = open(world, () => false, deaf);
  const again = await second.updates.plan({ channel: "next-good" }, SIGNAL);
  await second.updates.start({ planDigest: again.digest }, SIGNAL);
  const late = await second.operations.settled();
  assert.deepEqual([late?.state, asked], ["done", 2]);
  assert.match(stepOf(late, "control-plane"), /has not replaced it in time$/);
  await bench.die();
  await second.die();
});

function stepOf(view: OperationView | undefined, id: string): string {
  return view?.steps.find((step) => step.id === id)?.detail ?? "";
}

/** The release manifest as the box keeps it. */
async function manifestText({ deps, updates }: UpdateBench, version: string): Promise<string> {
  const { to } = await updates.plan({ version }, SIGNAL);
  const bytes = isDigest(to.digest) ? await deps.releases.bytes(to.digest) : undefined;
  return new TextDecoder().decode(bytes?.config);
}

test("what the channel offers is asked now and then, and nothing begins by itself", async () => {
  const { open, installed: install } = scene();
  const bench = open(await install());
  const told: string[] = [];
  bench.updates.subscribe(() => told.push("changed"));
  const { channel } = await bench.updates.check({}, SIGNAL);
  assert.deepEqual([channel.state, told.length > 0], ["current", true]);
  const elsewhere = await bench.updates.check({ channel: "next" }, SIGNAL);
  assert.equal(elsewhere.channel.name, "stable", "another channel that was asked is followed");
  const stop = new AbortController();
  bench.updates.follow(stop.signal);
  await until(async () => (await bench.updates.view(SIGNAL)).channel.nextCheckAt !== null);
  assert.equal((await bench.operations.list()).length, 1, "something began by itself");
  stop.abort();
  await bench.die();
});

test("the end of an update is told once more when it stands in the history", async () => {
  const { open, installed: install } = scene();
  const bench = open(await install());
  const stop = new AbortController();
  bench.updates.follow(stop.signal);
  let ends = 0;
  bench.updates.subscribe(() => {
    if (bench.operations.current()?.kind === "update" && bench.operations.current()?.endedAt !== null) ends += 1;
  });
  assert.equal((await bringToEnd(bench, { kind: "update", version: GOOD }))?.state, "done");
  await until(async () => ends > 1 && (await bench.updates.history()).length === 1);
  stop.abort();
  await bench.die();
});

test("within policy and window what the channel offers begins by itself, and what failed once does not", async () => {
  const server = createUpdateServer(REGISTRY);
  const { box, open, installed: install } = scene(server.fetch);
  const bench = open(await install());
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  const window = { from: "00:00", to: "00:00", days };
  await bench.updates.setPolicy({ automatic: "all", window, holdUntil: null }, SIGNAL);
  server.move("stable", BAD);
  await bench.updates.check({}, SIGNAL);
  const stop = new AbortController();
  bench.updates.follow(stop.signal);
  await until(async () => (await bench.updates.history()).length > 0);
  const [first] = await bench.updates.history();
  assert.deepEqual([first?.to.version, first?.outcome], [BAD, "returned"]);
  const fromMs = box.clock.now();
  await until(async () => box.clock.now() > fromMs + 3_600_000);
  assert.equal((await bench.updates.history()).length, 1, "it was tried again");
  server.move("stable", GOOD);
  await bench.updates.check({}, SIGNAL);
  await until(async () => (await bench.updates.history()).length > 1);
  assert.equal((await bench.updates.view(SIGNAL)).installed?.version, GOOD);
  stop.abort();
  await bench.die();
});

/** Lets everything run until something is so; the clock of the box runs on meanwhile. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 5_000; turn += 1) {
    if (await holds()) return;
    await settle();
  }
  assert.fail("it never was so");
}
