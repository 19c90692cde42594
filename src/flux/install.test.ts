import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Clock } from "../core/ports.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { fieldAt, type KubeObject, listAt } from "../kube/model.ts";
import { createRegistryClient } from "../oci/client.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { packTree, readTarGz } from "../oci/tar.ts";
import { createApiServer } from "../rehearsal/kubernetes/api-server.ts";
import { fluxManifestsLayer } from "../rehearsal/sample/flux-manifests.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import {
  FLUX_CONTROLLERS,
  installFlux,
  pullFluxObjects,
  readFluxObjects,
  type Waiting,
  waitForFlux,
} from "./install.ts";

function testClock(onSleep: () => Promise<void> = async () => {}): Clock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    monotonic: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
      await onSleep();
    },
    after: () => () => {},
  };
}

const random = { bytes: (count: number) => new Uint8Array(count), uuid: () => crypto.randomUUID(), fraction: () => 0 };

function cluster(clock: Clock): Kube {
  const server = createApiServer({ clock, random });
  const connection = { server: "https://kubernetes.test", fetch: server.fetch, headers: async () => ({}) };
  return createKube({ clock, random, log: SILENT_LOG }, connection);
}

/** Plays the deployment controller: the wanted replicas run. */
async function run(kube: Kube, name: string): Promise<void> {
  const ref = { apiVersion: "apps/v1", kind: "Deployment", namespace: "flux-system", name };
  const generation = (await kube.get(ref))?.metadata.generation ?? 1;
  const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
  await kube.patch(ref, { status: { observedGeneration: generation, ...counts } }, { subresource: "status" });
}

const files = (change: Record<string, string | undefined> = {}): Uint8Array => {
  const texts = new Map<string, string>();
  for (const [path, bytes] of readTarGz(fluxManifestsLayer("ghcr.io/fluxcd")))
    texts.set(path, new TextDecoder().decode(bytes));
  for (const [path, text] of Object.entries(change)) text === undefined ? texts.delete(path) : texts.set(path, text);
  return packTree([...texts].map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) })));
};
const read = (layer: Uint8Array) => readFluxObjects({ clock: testClock() }, layer);

test("pulls the artifact by the digest that the release pins", async () => {
  const { fetch, store } = createRegistryServer();
  const { manifest } = buildSampleRelease(store, { registry: "registry.test", version: "1.0.0" });
  const clock = testClock();
  const client = createRegistryClient({ clock, random, log: SILENT_LOG, fetch }, { registry: "registry.test" });
  const place = { registry: "registry.test", base: "nine-minds" };
  const objects = await pullFluxObjects({ clock }, client, { manifest, place });
  assert.equal(objects?.filter((object) => object.kind === "CustomResourceDefinition").length, 5);
  const { flux: _none, ...without } = manifest;
  assert.equal(await pullFluxObjects({ clock }, client, { manifest: without, place }), undefined);
});

test("fills in the namespace, keeps cluster-wide kinds without one, and sends no events to nobody", async () => {
  const layer = files({
    "extra.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: notification-controller}\n",
    "kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n",
    "README.md": "no YAML",
  });
  const objects = await read(layer);
  assert.deepEqual(objects[0]?.metadata.name, "flux-system");
  for (const object of objects) {
    const isNamespaced = ["ServiceAccount", "Deployment"].includes(object.kind);
    assert.equal(object.metadata.namespace, isNamespaced ? "flux-system" : undefined, object.metadata.name);
  }
  assert.ok(!objects.some((object) => object.metadata.name === "notification-controller"));
  const official = new TextDecoder()
    .decode(readTarGz(fluxManifestsLayer("ghcr.io/fluxcd")).get("helm-controller.yaml"))
    .replace("--events-addr=", "--events-addr=http://notification-controller/");
  const helm = (await read(files({ "helm-controller.yaml": official }))).find(isDeployment("helm-controller"));
  const [container] = listAt(helm, "spec", "template", "spec", "containers");
  assert.equal(listAt(container, "args")[0], "--events-addr=");
});

test("lets others run while it reads", async () => {
  let rests = 0;
  let nowMs = 0;
  const work = (): number => {
    nowMs += 0.01;
    return nowMs;
  };
  const rest = async (): Promise<void> => {
    rests += 1;
  };
  const clock: Clock = { ...testClock(rest), monotonic: work };
  const objects = await readFluxObjects({ clock }, files());
  assert.deepEqual(objects, await read(files()));
  const workMs = nowMs;
  assert.ok(rests > workMs / 6 - 2, `${rests} rests in ${workMs} ms of work`);
});

const isDeployment = (name: string) => (object: KubeObject) =>
  object.kind === "Deployment" && object.metadata.name === name;

const bad: readonly (readonly [string, Record<string, string | undefined>, RegExp])[] = [
  ["without a controller", { "helm-controller.yaml": undefined }, /it has no Deployment "helm-controller"/],
  [
    "with a kind that Flux does not have",
    { "x.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n" },
    /file "x.yaml" holds a Secret/,
  ],
  [
    "that reaches into another namespace",
    { "x.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: helm-controller, namespace: kube-system}\n" },
    /namespace "kube-system"/,
  ],
  ["that is no YAML", { "x.yaml": "a: [" }, /Cannot read file "x.yaml" of the Flux manifests/],
  [
    "with an error deep in a file",
    { "x.yaml": "a: 1\n---\nb: 1\nb: 2\n" },
    /Cannot read file "x.yaml" of the Flux manifests: Map keys must be unique at line 4, column 1$/,
  ],
];
for (const [what, change, message] of bad) {
  test(`refuses an artifact ${what}`, async () => {
    await assert.rejects(read(files(change)), { code: "flux/bad-artifact", message });
  });
}

test("installs Flux into a cluster, and again without a change", async () => {
  const clock = testClock();
  const kube = cluster(clock);
  const objects = await read(files());
  const told: string[] = [];
  const first = await installFlux({ clock, kube }, objects, { onProgress: (detail) => told.push(detail) });
  assert.equal(first.created, objects.length);
  assert.equal(told.length, objects.length);
  assert.match(told.at(-1) ?? "", new RegExp(`^${objects.length} of ${objects.length}: `));
  const again = await installFlux({ clock, kube }, objects);
  assert.equal(again.unchanged, objects.length);
  const source = await kube.apply({
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    metadata: { name: "a", namespace: "flux-system" },
    spec: { interval: "1m", url: "oci://registry.test/a" },
  });
  assert.equal(fieldAt(source, "spec", "interval"), "1m");
});

test("waits until all controllers run", async () => {
  const started: string[] = [];
  const clock: Clock = testClock(async () => {
    const next = FLUX_CONTROLLERS[started.length];
    if (next !== undefined && isInstalled) {
      started.push(next);
      await run(kube, next);
    }
  });
  let isInstalled = false;
  const kube = cluster(clock);
  await installFlux({ clock, kube }, await read(files()));
  isInstalled = true;
  await waitForFlux({ clock, kube });
  assert.deepEqual(started, [...FLUX_CONTROLLERS]);
});

test("says which controller is not ready and why, when the time is over", async () => {
  const clock = testClock();
  const kube = cluster(clock);
  await installFlux({ clock, kube }, await read(files()));
  await run(kube, "kustomize-controller");
  await run(kube, "helm-controller");
  const pod = { apiVersion: "v1", kind: "Pod", namespace: "flux-system", name: "source-controller-1" };
  await kube.create({
    ...pod,
    metadata: { name: pod.name, namespace: pod.namespace, labels: { app: "source-controller" } },
    spec: { containers: [{ name: "manager", image: "ghcr.io/fluxcd/source-controller:x" }] },
  });
  const waiting = {
    reason: "ImagePullBackOff",
    message: 'Back-off pulling image "ghcr.io/fluxcd/source-controller:x"',
  };
  const containerStatuses = [
    { name: "manager", image: "x", imageID: "", ready: false, restartCount: 0, state: { waiting } },
  ];
  await kube.patch(pod, { status: { containerStatuses } }, { subresource: "status" });
  const failures: (string | undefined)[] = [];
  const onLook = ({ failure }: Waiting): void => void failures.push(failure?.message);
  await assert.rejects(waitForFlux({ clock, kube }, { timeoutMs: 5_000, onLook }), (thrown) => {
    assert.ok(thrown instanceof ApplianceError);
    assert.equal(thrown.code, "flux/not-ready");
    assert.match(thrown.message, /source-controller is not ready \(ImagePullBackOff: Back-off pulling image/);
    assert.deepEqual(
      [failures[0], failures.length],
      [thrown.message, 5],
      "it is told at every look, not only at the end",
    );
    return true;
  });
});
