import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { digestOf } from "../core/digest.ts";
import { SILENT_LOG } from "../core/log.ts";
import { createKube } from "../kube/client.ts";
import { listAt, refOf, textAt } from "../kube/model.ts";
import { createApiServer } from "../rehearsal/kubernetes/api-server.ts";
import { closePrefetch, fetchedImages, openPrefetch, pulledImages, unscheduled } from "./prefetch.ts";

const IMAGES = ["registry.test/a:1", "registry.test/b:1@sha256:0"];
const RELEASE = digestOf("release");

function podWith(...states: readonly object[]) {
  const containerStatuses = states.map((state, index) => ({ name: `image-${index}`, state }));
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, status: { containerStatuses } };
}
const statesOf = (...states: readonly object[]) => pulledImages(podWith(...states), IMAGES).map(({ state }) => state);
const waiting = (reason: string) => ({ waiting: { reason, message: `${reason}: why` } });

test("an image is there when its container could not be started, and only then", () => {
  assert.deepEqual(
    pulledImages(undefined, IMAGES).map(({ state }) => state),
    ["coming", "coming"],
  );
  assert.deepEqual(statesOf({ terminated: { exitCode: 128, reason: "StartError" } }, waiting("ContainerCreating")), [
    "there",
    "coming",
  ]);
  assert.deepEqual(statesOf(waiting("RunContainerError"), waiting("CreateContainerConfigError")), ["there", "there"]);
  assert.deepEqual(statesOf(waiting("ErrImagePull"), waiting("ImagePullBackOff")), ["refused", "refused"]);
  assert.deepEqual(statesOf({ terminated: { exitCode: 137, reason: "ContainerStatusUnknown" } }), ["coming", "coming"]);
  assert.equal(pulledImages(podWith(waiting("ErrImagePull")), IMAGES)[0]?.text, "ErrImagePull: why");
});

test("a pod that no node takes says why", () => {
  const condition = { type: "PodScheduled", status: "False", message: "0/1 nodes are available" };
  const pod = { ...podWith(), status: { conditions: [condition] } };
  assert.equal(unscheduled(pod), "0/1 nodes are available");
  assert.equal(unscheduled(podWith()), undefined);
});

function cluster() {
  const box = createFakeBox({ instant: true });
  const server = createApiServer(box);
  const connection = { server: "http://api", fetch: server.fetch, headers: async () => ({}) };
  return createKube({ ...box, log: SILENT_LOG }, connection);
}

test("the pod starts nothing, holds no token, and fits the strictest level of its namespace", async () => {
  const kube = cluster();
  const { signal } = new AbortController();
  const pod = await openPrefetch(kube, { release: RELEASE, images: IMAGES, signal });
  assert.ok(pod !== undefined);
  assert.deepEqual(
    listAt(pod, "spec", "containers").map((one) => [textAt(one, "image"), listAt(one, "command")]),
    IMAGES.map((image) => [image, ["/alga-appliance/never-started"]]),
  );
  const spec = pod.spec as Readonly<Record<string, unknown>>;
  assert.deepEqual([spec.automountServiceAccountToken, spec.restartPolicy], [false, "Never"]);
  const again = await openPrefetch(kube, { release: RELEASE, images: IMAGES, signal });
  assert.equal(again?.metadata.uid, pod.metadata.uid, "a second look makes a second pod");
  await closePrefetch(kube, RELEASE);
  await closePrefetch(kube, RELEASE);
  assert.equal(await kube.get(refOf(pod)), undefined);
});

test("a pod that was put off the node is made anew", async () => {
  const kube = cluster();
  const what = { release: RELEASE, images: IMAGES, signal: new AbortController().signal };
  const first = await openPrefetch(kube, what);
  assert.ok(first !== undefined);
  await kube.patch(refOf(first), { status: { phase: "Failed", reason: "Evicted" } }, { subresource: "status" });
  assert.equal(await openPrefetch(kube, what), undefined);
  const second = await openPrefetch(kube, what);
  assert.ok(second !== undefined && second.metadata.uid !== first.metadata.uid);
});

test("what came and what was there is read from the kubelet's events about the pod", async () => {
  const kube = cluster();
  const { signal } = new AbortController();
  const pod = await openPrefetch(kube, { release: RELEASE, images: IMAGES, signal });
  assert.ok(pod !== undefined);
  assert.deepEqual(await fetchedImages(kube, RELEASE, signal), { came: undefined, present: 0 });
  const tell = (name: string, message: string, about = pod.metadata.name) =>
    kube.create({
      ...{ apiVersion: "v1", kind: "Event", metadata: { namespace: pod.metadata.namespace ?? "", name } },
      ...{ type: "Normal", reason: "Pulled", message },
      involvedObject: { apiVersion: "v1", kind: "Pod", name: about, namespace: pod.metadata.namespace },
    });
  const pulled = (bytes: number) =>
    `Successfully pulled image "x" in 2.5s (2.5s including waiting). Image size: ${bytes} bytes.`;
  await tell("a", pulled(1_000));
  await tell("b", pulled(234));
  await tell("c", 'Container image "y" already present on machine');
  await tell("d", pulled(9_999), "another-pod");
  await tell("e", 'Successfully pulled image "x" in 2.5s (2.5s including waiting)');
  assert.deepEqual(await fetchedImages(kube, RELEASE, signal), { came: 1_234, present: 1 });
});
