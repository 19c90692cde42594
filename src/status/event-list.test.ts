/** The list of events: order, bounds, harmless words, and one read for many who ask. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import type { ListOptions } from "../kube/calls.ts";
import type { KubeObject } from "../kube/model.ts";
import { type EventList, eventListRoutes } from "./event-list.ts";

const HOSTILE = "a\u001b[2Jb\u202ec<img src=x onerror=alert(1)> password=hunter2";

function event(index: number, more: Record<string, unknown> = {}): KubeObject {
  const lastTimestamp = new Date(1_790_000_000_000 + index * 1_000).toISOString();
  const involvedObject = { kind: "Pod", namespace: "msp", name: `pod-${index}` };
  const metadata = { name: `e-${index}`, namespace: "msp" };
  return { apiVersion: "v1", kind: "Event", metadata, involvedObject, lastTimestamp, type: "Normal", ...more };
}

function openList(answer: (options: ListOptions) => readonly KubeObject[]) {
  const asked: ListOptions[] = [];
  let nowMs = 0;
  const kube = {
    list: async (_kind: unknown, options: ListOptions = {}) => {
      asked.push(options);
      return { items: answer(options), resourceVersion: "1" };
    },
  };
  const clock = { now: () => nowMs, after: () => () => {} };
  const [route] = eventListRoutes({ kube, deps: { clock: clock as never } });
  const url = new URL("http://box/api/cluster-events");
  const request = new Request(url);
  const call = { request, url, params: {}, peer: "127.0.0.1", signal: new AbortController().signal, body: undefined };
  const ask = async (): Promise<EventList> => (await (await route?.handle(call))?.json()) as EventList;
  return {
    ask,
    asked,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("GET /api/cluster-events", () => {
  it("tells normal events and warnings, the newest first, and how many it leaves out", async () => {
    const many = Array.from({ length: 1_300 }, (_, index) => event(index, index % 2 === 0 ? { type: "Warning" } : {}));
    const { events, left } = await openList(() => many).ask();
    assert.equal(events.length, 1_000);
    assert.equal(left, 300);
    assert.equal(events[0]?.name, "pod-1299");
    assert.equal(events.filter(({ warning }) => warning).length, 500);
    assert.ok(events.every(({ at }, index) => index === 0 || (at ?? "") <= (events[index - 1]?.at ?? "")));
  });

  it("makes names and messages harmless", async () => {
    const bad = event(1, { message: HOSTILE, reason: HOSTILE, involvedObject: { kind: HOSTILE, name: HOSTILE } });
    const told = JSON.stringify(await openList(() => [bad]).ask());
    assert.doesNotMatch(told, /\u001b|\u202e|\\u001b|hunter2/);
  });

  it("falls back to the warnings where there are more than can be read, and says so", async () => {
    const list = openList(({ fieldSelector }) => {
      if (fieldSelector === "type=Warning") return [event(1, { type: "Warning" })];
      throw new ApplianceError("kube/too-large", "Cannot list events: there are more than 5000 objects");
    });
    const { events, left } = await list.ask();
    assert.deepEqual([events.length, left], [1, null]);
  });

  it("reads once for all who ask within two seconds, and never keeps a failure", async () => {
    let fails = true;
    const list = openList(() => {
      if (fails) throw new ApplianceError("kube/unreachable", "Cannot reach Kubernetes: nobody answers");
      return [event(1)];
    });
    await assert.rejects(list.ask(), { code: "kube/unreachable" });
    fails = false;
    await Promise.all([list.ask(), list.ask()]);
    await list.ask();
    assert.equal(list.asked.length, 2);
    list.pass(2_001);
    await list.ask();
    assert.equal(list.asked.length, 3);
  });
});
