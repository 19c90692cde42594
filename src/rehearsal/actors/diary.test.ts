/** The diary over an in-memory API: what a cluster would tell of a pod's life, once each, and not for ever. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryKube } from "../../../test/support/kubernetes.ts";
import { SILENT_LOG } from "../../core/log.ts";
import { type KubeObject, textAt } from "../../kube/model.ts";
import type { ActorContext } from "./actor.ts";
import { diaryActor } from "./diary.ts";

const POD: KubeObject = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "default", name: "web-0" },
  spec: { containers: [{ name: "main", image: "registry.test/web:1" }] },
};
const REF = { apiVersion: "v1", kind: "Pod", namespace: "default", name: "web-0" };
const SCHEDULED = { conditions: [{ type: "PodScheduled", status: "True" }] };

/** One actor over one API; `look` is a turn half a minute later. */
function raise() {
  const { kube } = memoryKube();
  const time = { ms: Date.now() };
  const seen = new Map<string, number>();
  const context = {
    kube,
    log: SILENT_LOG,
    clock: { now: () => time.ms, monotonic: () => time.ms },
    passed: (key: string, ms: number) => {
      const since = seen.get(key) ?? time.ms;
      seen.set(key, since);
      return time.ms - since >= ms;
    },
    forget: (key: string) => void seen.delete(key),
  } as unknown as ActorContext;
  const look = async (actor = diary): Promise<void> => {
    time.ms += 30_000;
    await actor.act(context);
  };
  const told = async (): Promise<string[]> => {
    const events = (await kube.list({ apiVersion: "v1", kind: "Event" })).items;
    return events.map((event) => `${textAt(event, "type")} ${textAt(event, "reason")}`).sort();
  };
  const diary = diaryActor();
  return { kube, look, told, time };
}

describe("the diary", () => {
  it("tells a pod's life once each, from its place to its end", async () => {
    const { kube, look, told } = raise();
    await look();
    await kube.create(POD);
    await look();
    assert.deepEqual(await told(), [], "nobody has placed it yet");
    await kube.patch(REF, { status: { phase: "Pending", ...SCHEDULED } }, { subresource: "status" });
    await look();
    assert.deepEqual(await told(), ["Normal Pulling", "Normal Scheduled"]);
    await kube.patch(REF, { status: { phase: "Running", ...SCHEDULED } }, { subresource: "status" });
    await look();
    await look();
    const life = ["Normal Created", "Normal Pulled", "Normal Pulling", "Normal Scheduled", "Normal Started"];
    assert.deepEqual(await told(), life);
    const waiting = { name: "main", state: { waiting: { reason: "CrashLoopBackOff" } } };
    await kube.patch(REF, { status: { phase: "Running", containerStatuses: [waiting] } }, { subresource: "status" });
    await look();
    assert.deepEqual(await told(), [...life, "Warning BackOff"]);
    await kube.delete(REF, { gracePeriodSeconds: 0 });
    await look();
    assert.ok((await told()).includes("Normal Killing"));
  });

  it("tells of the node when its state changes", async () => {
    const { kube, look, told } = raise();
    await look();
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "rehearsal" }, spec: {} };
    await kube.create(node);
    const ready = (status: string, lastTransitionTime: string) => ({
      status: { conditions: [{ type: "Ready", status, reason: "x", lastTransitionTime }] },
    });
    await kube.patch({ ...node, name: "rehearsal" }, ready("True", "2026-11-21T00:00:00Z"), { subresource: "status" });
    await look();
    await kube.patch({ ...node, name: "rehearsal" }, ready("Unknown", "2026-11-21T00:01:00Z"), {
      subresource: "status",
    });
    await look();
    assert.deepEqual(await told(), ["Normal NodeNotReady", "Normal NodeReady"]);
  });

  it("has no news of what was there long before it began, and none twice after a restart", async () => {
    const { kube, look, told, time } = raise();
    await kube.create(POD);
    await kube.patch(REF, { status: { phase: "Running", ...SCHEDULED } }, { subresource: "status" });
    time.ms = Date.now() + 600_000;
    await look(diaryActor());
    assert.deepEqual(await told(), []);
  });

  it("forgets after an hour", async () => {
    const { kube, look, told, time } = raise();
    await look();
    await kube.create(POD);
    await kube.patch(REF, { status: { phase: "Running", ...SCHEDULED } }, { subresource: "status" });
    await look();
    assert.equal((await told()).length, 5);
    time.ms += 3_700_000;
    await look();
    await look();
    assert.deepEqual(await told(), []);
  });

  it("keeps five hundred at most", async () => {
    const { kube, look, told } = raise();
    await look();
    for (let index = 0; index < 120; index += 1) {
      const name = `web-${index}`;
      await kube.create({ ...POD, metadata: { namespace: "default", name } });
      await kube.patch({ ...REF, name }, { status: { phase: "Running", ...SCHEDULED } }, { subresource: "status" });
    }
    for (let turn = 0; turn < 4; turn += 1) await look();
    assert.equal((await told()).length, 500);
  });
});
