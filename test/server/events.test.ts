/** The event stream: order, resume, coalescing, slow readers, sessions that end, the end of the server. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { settle } from "../crash/fake-box.ts";
import { claimed, PASSWORD, startServer, type TestServer } from "./harness.ts";

interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: unknown;
}

/** Reads a stream as a browser does, into a list that grows. */
function follow(response: Response): {
  readonly events: StreamEvent[];
  readonly state: () => string;
  text: () => string;
} {
  const events: StreamEvent[] = [];
  let rest = "";
  let all = "";
  let state = "open";
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const piece = decoder.decode(chunk, { stream: true });
      all += piece;
      rest += piece;
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const fields = Object.fromEntries(
          block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        );
        if (fields.data !== undefined) {
          events.push({ id: fields.id ?? "", event: fields.event ?? "", data: JSON.parse(fields.data) });
        }
      }
    }
  })().then(
    () => {
      state = "ended";
    },
    () => {
      state = "broken";
    },
  );
  return { events, state: () => state, text: () => all };
}

async function open(server: TestServer, cookie: string, lastEventId?: string) {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const response = await server.call("GET", "/api/events", { cookie, headers });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/event-stream/);
  return follow(response);
}

const kinds = (events: readonly StreamEvent[]): string[] =>
  events.map((one) => `${one.event} ${JSON.stringify(one.data)}`);

describe("event stream", () => {
  it("starts with the current documents and goes on with what happens, in order", async () => {
    const server = await startServer();
    const stream = await open(server, await claimed(server));
    server.app.events.publish("operation", { id: "a" });
    server.app.events.publish("journal", { operationId: "a", entry: { text: "line\nbreak" } });
    await settle();
    assert.deepEqual(kinds(stream.events), [
      'status {"generation":1}',
      'operation {"id":"a"}',
      'journal {"operationId":"a","entry":{"text":"line\\nbreak"}}',
    ]);
    const numbers = stream.events.map((one) => Number(one.id.split("-")[1]));
    assert.deepEqual(numbers, [0, 1, 2]);
    server.app.stop();
  });

  it("resumes after the last id with what was missed and nothing twice", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const first = await open(server, cookie);
    for (let index = 1; index <= 5; index += 1) server.app.events.publish("log", index);
    await settle();
    const third = first.events[3]?.id ?? "";
    const again = await open(server, cookie, third);
    server.app.events.publish("log", 6);
    await settle();
    assert.deepEqual(kinds(again.events), ["log 4", "log 5", "log 6"]);
    const last = again.events.at(-1)?.id ?? "";
    const current = await open(server, cookie, last);
    await settle();
    assert.deepEqual(current.events, []);
    server.app.stop();
  });

  it("sends the documents again for an id that is too old, of another process, from the future, or nonsense", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const first = await open(server, cookie);
    await settle();
    const old = first.events[0]?.id ?? "";
    const epoch = old.split("-")[0] ?? "";
    for (let index = 0; index < 600; index += 1) server.app.events.publish("log", index);
    await settle();
    const ids = [old, "000000000000-3", `${epoch}-99999`, `${epoch}-`, "%%%", `${epoch}--1`, "9".repeat(1_000)];
    for (const id of ids) {
      const stream = await open(server, cookie, id);
      await settle();
      assert.deepEqual(kinds(stream.events), ['status {"generation":1}'], id);
      assert.equal(stream.events[0]?.id, `${epoch}-600`);
    }
    server.app.stop();
  });

  it("sends at most four status documents a second, and always the newest", async () => {
    const server = await startServer();
    const stream = await open(server, await claimed(server));
    for (let index = 1; index <= 100; index += 1) {
      server.app.events.publish("status", { generation: index });
      await server.box.pass(10);
    }
    await server.box.pass(1_000);
    const sent = stream.events.slice(1).map((one) => (one.data as { generation: number }).generation);
    assert.ok(sent.length <= 6, `${sent.length} documents`);
    assert.equal(sent[0], 1);
    assert.equal(sent.at(-1), 100);
    assert.deepEqual(
      sent,
      [...sent].sort((a, b) => a - b),
    );
    server.app.stop();
  });

  it("cuts a reader off that takes nothing, and the others do not notice", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const stalled = await server.call("GET", "/api/events", { cookie });
    const reading = await open(server, cookie);
    const big = "x".repeat(100_000);
    for (let index = 0; index < 20; index += 1) {
      server.app.events.publish("log", big);
      await settle();
    }
    assert.equal(server.app.events.readers(), 1);
    assert.equal(reading.events.length, 21);
    await assert.rejects(stalled.text(), /does not keep up/);
    server.app.stop();
  });

  it("takes at most 256 readers and forgets those that leave", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const answers: Response[] = [];
    for (let index = 0; index < 256; index += 1) answers.push(await server.call("GET", "/api/events", { cookie }));
    const refused = await server.call("GET", "/api/events", { cookie });
    assert.equal(refused.status, 503);
    await answers[0]?.body?.cancel();
    assert.equal(server.app.events.readers(), 255);
    const next = await server.call("GET", "/api/events", { cookie });
    assert.equal(next.status, 200);
    server.app.stop();
  });

  it("keeps the line alive every 15 s as long as somebody listens", async () => {
    const server = await startServer();
    const stream = await open(server, await claimed(server));
    await server.box.pass(46_000);
    assert.equal(stream.text().split(": still here").length - 1, 3);
    server.app.stop();
  });

  it("ends at once with a logout, and within 15 s when the session ends otherwise", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const login = await server.call("POST", "/api/session", { body: { password: PASSWORD } });
    const other = (login.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
    const [mine, theirs] = [await open(server, cookie), await open(server, other)];
    await server.call("DELETE", "/api/session", { cookie });
    await settle();
    assert.deepEqual([mine.state(), theirs.state()], ["ended", "open"]);
    await server.app.sessions.revoke(new Request("http://box.example/", { headers: { cookie: other } }));
    await server.box.pass(15_000);
    assert.equal(theirs.state(), "ended");
  });

  it("ends for all when the server stops, and takes nobody more", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const stream = await open(server, cookie);
    server.app.stop();
    await settle();
    assert.equal(stream.state(), "ended");
    assert.equal((await server.call("GET", "/api/events", { cookie })).status, 503);
    server.app.events.publish("log", "after the end");
  });
});
