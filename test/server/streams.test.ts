/** Streams of one reader: they go as fast as the reader, and end with it, its session, its source and the server. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { StreamEvent } from "../../src/core/event-stream.ts";
import type { RouteRequest } from "../../src/core/http.ts";
import type { ServerOptions } from "../../src/server/server.ts";
import { settle } from "../crash/fake-box.ts";
import { claimed, startServer, type TestServer } from "./harness.ts";

const KEEP_ALIVE_MS = 15_000;
const STALL_MS = 30_000;

/** A source that the test feeds; it tells how far it was read and whether it was ended. */
function createTap() {
  const waiting: StreamEvent[] = [];
  let wake = (): void => {};
  const seen = { taken: 0, ended: false };
  async function* events(signal: AbortSignal): AsyncGenerator<StreamEvent> {
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        const event = waiting.shift();
        if (event === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (event.type === "stop") return;
        else if (event.type === "break") throw new TypeError("the source broke");
        else {
          seen.taken += 1;
          yield event;
        }
      }
    } finally {
      seen.ended = true;
    }
  }
  return {
    seen,
    events,
    put: (type: string, id?: string): void => {
      waiting.push({ ...(id === undefined ? {} : { id }), type, data: { x: 1 } });
      wake();
    },
  };
}

async function serverWith(tap: ReturnType<typeof createTap>): Promise<TestServer> {
  const routes: ServerOptions["routes"] = ({ openStream }) => [
    {
      method: "GET",
      path: "/api/tap",
      access: "session",
      summary: "A stream",
      handle: async (call: RouteRequest) => openStream(call, tap.events),
    },
  ];
  return await startServer({ routes });
}

async function reading(server: TestServer, cookie: string) {
  const response = await server.call("GET", "/api/tap", { cookie });
  assert.equal(response.status, 200);
  const reader = response.body?.getReader();
  assert.ok(reader !== undefined);
  const next = async (): Promise<string | undefined> => {
    const { value, done } = await reader.read();
    return done ? undefined : new TextDecoder().decode(value);
  };
  assert.equal(await next(), "retry: 2000\n\n");
  return { next, cancel: () => reader.cancel() };
}

describe("streams of one reader", () => {
  it("write each event with its id, and end with their source", async () => {
    const tap = createTap();
    const server = await serverWith(tap);
    const { next } = await reading(server, await claimed(server));
    tap.put("log", "7");
    tap.put("log");
    tap.put("stop");
    assert.equal(await next(), 'id: 7\nevent: log\ndata: {"x":1}\n\n');
    assert.equal(await next(), 'event: log\ndata: {"x":1}\n\n');
    assert.equal(await next(), undefined);
    assert.equal(tap.seen.ended, true);
  });

  it("take from the source no more than the reader takes", async () => {
    const tap = createTap();
    const server = await serverWith(tap);
    const { next, cancel } = await reading(server, await claimed(server));
    for (let index = 0; index < 100; index += 1) tap.put("log");
    await next();
    await settle();
    assert.ok(tap.seen.taken <= 2, `${tap.seen.taken} events taken`);
    await cancel();
    await settle();
    assert.equal(tap.seen.ended, true);
  });

  it("cut off a reader that takes nothing, and break with their source", async () => {
    const tap = createTap();
    const server = await serverWith(tap);
    const cookie = await claimed(server);
    const slow = await reading(server, cookie);
    tap.put("log");
    await slow.next();
    await server.box.pass(STALL_MS);
    await assert.rejects(slow.next());
    assert.equal(tap.seen.ended, true);
    const broken = createTap();
    const other = await serverWith(broken);
    const reader = await reading(other, await claimed(other));
    broken.put("break");
    await assert.rejects(reader.next());
  });

  it("keep a silent stream alive, and end it when the session is over", async () => {
    const tap = createTap();
    const server = await serverWith(tap);
    const cookie = await claimed(server);
    const { next } = await reading(server, cookie);
    const first = next();
    await server.box.pass(KEEP_ALIVE_MS);
    assert.equal(await first, ": still here\n\n");
    const second = next();
    await settle();
    assert.equal((await server.call("DELETE", "/api/session", { cookie })).status, 200);
    assert.equal(await second, undefined);
    assert.equal(tap.seen.ended, true);
  });

  it("are sixteen at once, and none when the server stops", async () => {
    const tap = createTap();
    const server = await serverWith(tap);
    const cookie = await claimed(server);
    const open = [];
    for (let index = 0; index < 16; index += 1) open.push(await reading(server, cookie));
    const busy = await server.call("GET", "/api/tap", { cookie });
    assert.equal(busy.status, 503);
    assert.match(await busy.text(), /16 are open already/);
    await open[0]?.cancel();
    await settle();
    const again = await reading(server, cookie);
    const waiting = again.next();
    server.app.stop();
    assert.equal(await waiting, undefined);
    assert.equal((await server.call("GET", "/api/tap", { cookie })).status, 503);
  });
});
