/** The maintenance document through the control plane: handed on as the host tells it, and nothing that has another form. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { createUncleanStart, hostMaintenanceRoutes } from "./host-maintenance.ts";

const DOCUMENT = {
  schema: "alga.appliance.maintenance/v1",
  observedAt: "2026-11-21T10:00:00.000Z",
  system: { os: "Ubuntu 26.04 LTS", kernel: "6.17.0-8-generic", k3s: "v1.36.3+k3s1", appliance: "1.0.3" },
  boots: [{ bootId: "b", startedAt: "2026-11-21T09:00:00.000Z", endedAt: null, end: "running" }],
  changes: [],
  uncleanShutdowns: 0,
  runs: [],
};

function ask(hostAgent: Fetch): Promise<Response> {
  const request = new Request("http://box/api/host/maintenance");
  const [route] = hostMaintenanceRoutes({ clock: createFakeBox().clock, hostAgent });
  return route?.handle({ request } as never) ?? Promise.reject(new Error("there is no route"));
}

it("hands the document on, without what is not of its schema", async () => {
  const asked: string[] = [];
  const response = await ask(async (request) => {
    asked.push(new URL(request.url).pathname);
    return Response.json({ ...DOCUMENT, secret: "x" });
  });
  assert.deepEqual(await response.json(), DOCUMENT);
  assert.deepEqual(asked, ["/v1/maintenance"]);
});

it("tells null of a box without an agent, and of an agent without notes", async () => {
  const none = new ApplianceError("net/unreachable", "Cannot connect");
  for (const hostAgent of [async () => Response.json({}, { status: 404 }), () => Promise.reject(none)]) {
    const response = await ask(hostAgent);
    assert.deepEqual([response.status, await response.json()], [200, null]);
  }
});

it("refuses another form, a long answer and a broken agent", async () => {
  await assert.rejects(
    ask(async () => Response.json({ ...DOCUMENT, boots: "many" })),
    { code: "json/shape" },
  );
  await assert.rejects(
    ask(async () => new Response("x".repeat(300_000))),
    { code: "json/shape" },
  );
  await assert.rejects(
    ask(async () => new Response("{", { status: 200 })),
    { code: "json/syntax" },
  );
  await assert.rejects(
    ask(async () => Response.json({}, { status: 500 })),
    { code: "json/shape" },
  );
});

it("tells the status of a start without a shutdown before, asks seldom, and bears an agent that fails", async () => {
  const box = createFakeBox();
  const signal = new AbortController().signal;
  const ended = (end: string) => ({ bootId: "a", startedAt: "2026-11-20T09:00:00.000Z", endedAt: null, end });
  let answer: Fetch = () => Promise.reject(new ApplianceError("net/unreachable", "Cannot connect"));
  let asked = 0;
  const look = createUncleanStart(box.clock, (request) => {
    asked += 1;
    return answer(request);
  });
  const heard = async (boots: readonly object[]): Promise<number | null> => {
    answer = async () => Response.json({ ...DOCUMENT, boots });
    await box.pass(10 * 60_000);
    return look(signal);
  };
  assert.equal(await look(signal), null);
  assert.equal(await heard(DOCUMENT.boots), null);
  assert.equal(await heard([ended("clean"), ...DOCUMENT.boots]), null);
  const startedMs = Date.parse("2026-11-21T09:00:00.000Z");
  assert.equal(await heard([ended("unclean"), ...DOCUMENT.boots]), startedMs);
  const before = asked;
  for (let at = 0; at < 5; at += 1) assert.equal(await look(signal), startedMs);
  assert.equal(asked, before, "it is asked at every look");
  // What was heard stays while the agent is broken, and it is asked again soon.
  answer = async () => new Response("{", { status: 200 });
  await box.pass(10 * 60_000);
  assert.equal(await look(signal), startedMs);
  assert.equal(await heard([ended("unclean"), { ...DOCUMENT.boots[0], startedAt: "never" }]), null);
});
