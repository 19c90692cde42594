/**
 * The control plane replaces itself in the middle of an update, good and bad: the pod that asked is gone, the host's bootstrap decides,
 * and the pod that comes then takes the same journal over. Update, host and their choice are the real ones; k3s is played.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDigest } from "../../src/core/digest.ts";
import { statePaths } from "../../src/core/paths.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { runBootstrap } from "../../src/host/bootstrap.ts";
import type { BootstrapDeps } from "../../src/host/bootstrap-context.ts";
import { readRecord } from "../../src/host/control-plane-record.ts";
import { createKube } from "../../src/kube/client.ts";
import { listAt, textAt } from "../../src/kube/model.ts";
import { createFakeBox, settle } from "./fake-box.ts";
import { BAKED, createFakeHost, type FakeHost } from "./fake-host.ts";
import { bringToEnd, createUpdateServer, GOOD, openUpdateBench, type UpdateBench } from "./update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "./update-world.ts";

const registry = createUpdateServer(REGISTRY).fetch;
const SIGNAL = new AbortController().signal;
const PATHS = statePaths("/");
const CONTROL_PLANE = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: "alga-appliance-control-plane",
  name: "appliance-control-plane",
};

for (const [name, isBad] of [
  ["a good control plane takes the update over that asked for it", false],
  ["a bad control plane is undone by the host with a record, and the one before goes on with the update", true],
] as const) {
  test(name, { timeout: 60_000 }, async () => {
    const box = createFakeBox({ instant: true });
    const world = await installed(box, registry);
    const host = createFakeHost(box);
    await reapply(host);
    assert.equal(await runningImage(host), BAKED);
    await mirror(world, host, box);
    let asked = 0;
    const agent: Fetch = ({ method, url, signal }) => {
      assert.equal(`${method} ${new URL(url).pathname}`, "POST /v1/control-plane/reapply");
      asked += 1;
      // Whoever asked is ended before there is an answer.
      return new Promise((_, reject) => void signal.addEventListener("abort", () => reject(signal.reason)));
    };
    const first = open(world, box, agent);
    const wanted = await controlPlaneOf(first.bench);
    const { digest, to } = await first.bench.updates.plan({ channel: "next-good" }, SIGNAL);
    const { id } = await first.bench.updates.start({ planDigest: digest }, SIGNAL);
    while (asked === 0) await settle();
    const left: World = { files: world.files.copy(), stage: world.stage.copy() };
    await first.die();

    host.state.pullable.add(wanted);
    if (isBad) host.state.bad.add(wanted);
    const view = await reapply(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    const record = await readRecord(host.deps(), PATHS);
    const failed = record.failed.map(({ image }) => image);
    assert.deepEqual(
      [await runningImage(host), record.healthy?.image, failed],
      isBad ? [BAKED, BAKED, [wanted]] : [wanted, wanted, []],
    );
    await mirror(left, host, box);

    const second = open(left, box, agent);
    const end = await bringToEnd(second.bench, { kind: "update", version: GOOD });
    assert.deepEqual([end?.id, end?.state, end?.problem], [id, "done", null], "another run, or none");
    const step = end?.steps.find((one) => one.id === "control-plane");
    const stays = `It stays as it is: the host has chosen ${BAKED}`;
    assert.deepEqual([step?.state, step?.detail], isBad ? ["skipped", stays] : ["done", "It is that of the release"]);
    assert.equal(asked, 1, "the host was asked twice in one run");
    assert.equal((await second.bench.updates.view(SIGNAL)).installed?.digest, to.digest);
    await second.die();
    if (isBad) {
      // What was tried in vain is not tried again, by nobody's word.
      assert.equal((await reapply(host)).state, "done");
      assert.equal(await runningImage(host), BAKED);
    }
  });
}

function open(world: World, box: ReturnType<typeof createFakeBox>, hostAgent: Fetch) {
  const process = box.spawn();
  const deps = depsOf(world, { box, process, registry });
  const bench = openUpdateBench(deps, {
    registry: REGISTRY,
    kube: world.stage.kube,
    stateFolder: STATE,
    isBroken: () => false,
    hostAgent,
  });
  const die = async (): Promise<void> => {
    await bench.operations.stop();
    box.kill(process);
  };
  return { bench, die };
}

/** A run of the host's unit, which follows the channel of the update. */
function reapply(host: FakeHost) {
  const real = host.deps();
  const wire = real.transports.open();
  const fetch: Fetch = (request) => (new URL(request.url).host === REGISTRY ? registry(request) : wire(request));
  const deps: BootstrapDeps = { ...real, transports: { open: () => fetch } };
  const access = { place: { registry: REGISTRY, base: "nine-minds" }, plainHttp: true };
  const follows = async () => ({ registry: access, ref: { channel: "next-good" } });
  return runBootstrap({ deps, settings: host.settings({ follows }) }, { signal: SIGNAL });
}

async function runningImage(host: FakeHost): Promise<string> {
  const found = await host.kube.get(CONTROL_PLANE);
  return textAt(listAt(found, "spec", "template", "spec", "containers")[0], "image") ?? "";
}

/** Both stand for one cluster: what the host has left there is what the update finds. */
async function mirror(world: World, host: FakeHost, box: ReturnType<typeof createFakeBox>): Promise<void> {
  const deps = depsOf(world, { box, process: box.spawn(), registry });
  const connection = { server: "http://api", fetch: world.stage.kube, headers: async () => ({}) };
  const kube = createKube(deps, connection, { fieldManager: "host" });
  const { namespace, name } = CONTROL_PLANE;
  const labels = { app: name };
  const containers = [{ name: "control-plane", image: await runningImage(host) }];
  await kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await kube.apply({
    apiVersion: CONTROL_PLANE.apiVersion,
    kind: CONTROL_PLANE.kind,
    metadata: { namespace, name },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  });
}

/** The image that the host makes of the release, by its digest. */
async function controlPlaneOf({ deps, updates }: UpdateBench): Promise<string> {
  const { to } = await updates.plan({ channel: "next-good" }, SIGNAL);
  const bytes = isDigest(to.digest) ? await deps.releases.bytes(to.digest) : undefined;
  const text = new TextDecoder().decode(bytes?.config);
  const found = /alga-appliance-control-plane:1\.1\.0@(sha256:[0-9a-f]{64})/.exec(text);
  return `${REGISTRY}/nine-minds/alga-appliance-control-plane@${found?.[1]}`;
}
