/** A log as events over the rehearsal's Kubernetes API: order, resume, masks, bounds, ends. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kubeDeps, memoryKube } from "../../test/support/kubernetes.ts";
import type { StreamEvent } from "../core/event-stream.ts";
import type { LogLine } from "../kube/calls.ts";
import { logEvents } from "./log-stream.ts";

const REF = { namespace: "default", pod: "p", container: "app" };
const HOSTILE = "a\u001b[2Jb\u202ec";

interface LogData {
  readonly lines: readonly string[];
  readonly left: number;
}

async function withPod() {
  const memory = memoryKube();
  const spec = { containers: [{ name: "app", image: "x:1" }] };
  await memory.kube.create({ apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "default" }, spec });
  const end = new AbortController();
  const follow = (lastEventId: string | null = null, tailLines = 500) =>
    logEvents({ kube: memory.kube, deps: kubeDeps }, REF, { tailLines, lastEventId, signal: end.signal });
  return { ...memory, follow, end };
}

/** Takes events until `count` lines were seen. */
async function take(events: AsyncGenerator<StreamEvent>, count: number) {
  const lines: string[] = [];
  let id: string | undefined;
  while (lines.length < count) {
    const { value, done } = await events.next();
    if (done === true || value.type !== "log") assert.fail(`ended after ${lines.length} lines`);
    lines.push(...(value.data as LogData).lines);
    id = value.id ?? id;
  }
  return { lines, id };
}

async function all(events: AsyncIterable<StreamEvent>): Promise<StreamEvent[]> {
  const found: StreamEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

const followed = (pieces: readonly (readonly LogLine[])[]) => ({
  kube: {
    follow: async function* () {
      yield* pieces;
    },
  },
  deps: kubeDeps,
});
const FROM_START = { tailLines: 10, lastEventId: null, signal: new AbortController().signal };

describe("logEvents()", () => {
  it("begins with the tail, goes on with what comes, and ends with the container", async () => {
    const { server, follow } = await withPod();
    server.logs.append(REF, "one\ntwo\nthree\n");
    const events = follow(null, 2);
    assert.deepEqual((await take(events, 2)).lines, ["two", "three"]);
    server.logs.append(REF, "four\nhalf");
    assert.deepEqual((await take(events, 1)).lines, ["four"]);
    server.logs.append(REF, " and half\n");
    assert.deepEqual((await take(events, 1)).lines, ["half and half"]);
    server.logs.restart(REF);
    assert.deepEqual(await all(events), [{ type: "end", data: { reason: "ended" } }]);
  });

  it("resumes behind the last line with nothing lost and nothing twice", async () => {
    const { server, follow } = await withPod();
    server.logs.append(REF, "one\n");
    const first = await take(follow(), 1);
    await kubeDeps.clock.sleep(3);
    server.logs.append(REF, "two\n");
    await kubeDeps.clock.sleep(3);
    server.logs.append(REF, "three\n");
    const again = await take(follow(first.id ?? null), 2);
    assert.deepEqual(again.lines, ["two", "three"]);
    assert.match(again.id ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });

  it("takes an id that is none as that of a new reader", async () => {
    const { server, follow } = await withPod();
    server.logs.append(REF, "one\n");
    for (const id of ["", "%%", "2026", "9".repeat(1_000), "2026-99-99T99:99:99Z"]) {
      assert.deepEqual((await take(follow(id), 1)).lines, ["one"], id);
    }
  });

  it("masks secrets and what steers a screen, also a key of many lines", async () => {
    const { server, follow } = await withPod();
    const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END RSA PRIVATE KEY-----\n";
    server.logs.append(REF, `password=hunter2 ${HOSTILE}\n${key}`);
    const events = follow();
    const seen = (await take(events, 5)).lines.join("\n");
    server.logs.append(REF, `after ${"y".repeat(9_000)}\n`);
    const [long] = (await take(events, 1)).lines;
    assert.doesNotMatch(seen, /hunter2|\u001b|\u202e|MIIE|hkiG/);
    assert.equal(long?.length, 4_096);
  });

  it("shows at most 2000 lines a second, the last of them, and tells how many are left out", async () => {
    const lines = Array.from({ length: 7_000 }, (_, index) => ({ at: "", text: `line ${index}` }));
    const clock = { ...kubeDeps.clock, monotonic: () => 5_000 };
    const events = await all(logEvents({ ...followed([lines]), deps: { clock } }, REF, FROM_START));
    const data = events.filter(({ type }) => type === "log").map((event) => event.data as LogData);
    const shown = data.flatMap((one) => one.lines);
    assert.deepEqual([shown.length, shown.at(-1)], [2_000, "line 6999"]);
    assert.equal(
      data.reduce((sum, { left }) => sum + left, 0),
      5_000,
    );
    assert.ok(data.every((one) => one.lines.length <= 500));
  });

  it("orders lines by their instants, whatever zone the node writes them in", async () => {
    const piece = [
      { at: "2026-11-21T16:00:00.5+01:00", text: "before" },
      { at: "2026-11-21T16:00:01.000000002+01:00", text: "after" },
      { at: "", text: "unknown" },
    ];
    const lastEventId = "2026-11-21T15:00:01.000000001Z";
    const [event] = await all(logEvents(followed([piece]), REF, { ...FROM_START, lastEventId }));
    assert.deepEqual(event?.data, { lines: ["after", "unknown"], left: 0 });
  });

  it("tells why a log cannot be read, and ends", async () => {
    const { kube } = await withPod();
    const options = { tailLines: 1, lastEventId: null, signal: new AbortController().signal };
    const events = await all(logEvents({ kube, deps: kubeDeps }, { ...REF, pod: "gone" }, options));
    assert.deepEqual(
      events.map(({ type }) => type),
      ["problem", "end"],
    );
    assert.match(JSON.stringify(events[0]?.data), /kube\/not-found/);
  });

  it("breaks when the cluster goes, so that the reader comes back, and stops with its signal", async () => {
    const { server, follow, end } = await withPod();
    server.logs.append(REF, "one\n");
    const lift = server.faults.add({ unreachable: true });
    await assert.rejects(all(follow()), { code: "kube/unreachable" });
    lift();
    const events = follow();
    await take(events, 1);
    const waiting = events.next();
    end.abort();
    await assert.rejects(waiting, { code: "internal/aborted" });
  });
});
