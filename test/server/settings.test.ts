/** The owner's settings: another management password, and the sessions that are open. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { claimed, cookieOf, PASSWORD, PATHS, problemOf, startServer, type TestServer } from "./harness.ts";

const NEXT = "Lantern-over-9-Harbors";
const isIn = async (server: TestServer, cookie: string): Promise<boolean> =>
  (await server.call("GET", "/api/thing", { cookie })).status === 200;

describe("another management password", () => {
  it("takes the old one, ends every other session, and keeps the caller in", async () => {
    const server = await startServer();
    const mine = await claimed(server);
    const other = cookieOf(await server.call("POST", "/api/session", { body: { password: PASSWORD } }));
    assert.ok(await isIn(server, other));
    const body = { password: PASSWORD, next: NEXT };
    const answer = await server.call("POST", "/api/session/password", { body, cookie: mine });
    assert.equal(answer.status, 200);
    assert.deepEqual(
      [await isIn(server, cookieOf(answer)), await isIn(server, mine), await isIn(server, other)],
      [true, false, false],
    );
    assert.equal((await server.call("POST", "/api/session", { body: { password: PASSWORD } })).status, 401);
    assert.equal((await server.call("POST", "/api/session", { body: { password: NEXT } })).status, 200);
    const kept = server.files.snapshot().get(PATHS.adminCredential) ?? "";
    assert.ok(!kept.includes(NEXT) && !server.records.some((record) => JSON.stringify(record).includes(NEXT)));
  });

  it("holds across a restart", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const answer = await server.call("POST", "/api/session/password", {
      body: { password: PASSWORD, next: NEXT },
      cookie,
    });
    const again = await server.restart();
    assert.ok(await isIn(again, cookieOf(answer)));
    assert.equal((await again.call("POST", "/api/session", { body: { password: NEXT } })).status, 200);
  });

  it("is refused with a wrong old one, a weak new one, without a session, and from another page", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const change = (body: object, more: object = { cookie }): Promise<Response> =>
      server.call("POST", "/api/session/password", { body, ...more });
    assert.equal(
      (await problemOf(await change({ password: "wrong-One-1", next: NEXT }))).code,
      "session/wrong-password",
    );
    const weak = await problemOf(await change({ password: PASSWORD, next: "short" }));
    assert.equal(weak.code, "session/weak-password");
    assert.equal((await change({ password: PASSWORD })).status, 400);
    assert.equal((await change({ password: PASSWORD, next: NEXT }, {})).status, 401);
    assert.equal(
      (await change({ password: PASSWORD, next: NEXT }, { cookie, origin: "https://elsewhere.example" })).status,
      403,
    );
    assert.ok(await isIn(server, cookie));
    assert.equal((await server.call("POST", "/api/session", { body: { password: PASSWORD } })).status, 200);
  });

  it("counts wrong old ones as the login does, so an open screen is no way to guess", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const codes: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      const body = { password: `Guess-Number-${count}`, next: NEXT };
      codes.push((await problemOf(await server.call("POST", "/api/session/password", { body, cookie }))).code);
    }
    assert.ok(codes.includes("session/locked"), codes.join());
  });

  it("leaves the old one in force when the disk is full", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const write = server.files.write;
    Object.assign(server.files, {
      write: async (path: string, ...rest: [string]) => {
        if (path === PATHS.adminCredential) throw Object.assign(new Error("no room"), { code: "file/disk-full" });
        return write(path, ...rest);
      },
    });
    const answer = await server.call("POST", "/api/session/password", {
      body: { password: PASSWORD, next: NEXT },
      cookie,
    });
    assert.ok(answer.status >= 500, String(answer.status));
    Object.assign(server.files, { write });
    assert.equal((await server.call("POST", "/api/session", { body: { password: PASSWORD } })).status, 200);
  });
});

describe("open sessions", () => {
  it("are told without their ids, and ended all but the caller's", async () => {
    const server = await startServer();
    const mine = await claimed(server);
    const others = await Promise.all([1, 2].map(() => server.app.sessions.create("full", new Request("http://box"))));
    const told = await (await server.call("GET", "/api/sessions", { cookie: mine })).json();
    const { sessions } = told as { sessions: { current: boolean; openMs: number; idleMs: number }[] };
    assert.deepEqual([sessions.length, sessions.filter(({ current }) => current).length], [3, 1]);
    assert.deepEqual(Object.keys(sessions[0] ?? {}).sort(), ["current", "idleMs", "openMs"]);
    const ended = await (await server.call("DELETE", "/api/sessions", { cookie: mine, body: {} })).json();
    assert.deepEqual(ended, { ended: 2 });
    assert.ok(await isIn(server, mine));
    for (const other of others) assert.equal(await isIn(server, other.split(";")[0] ?? ""), false);
    assert.deepEqual(await (await server.call("DELETE", "/api/sessions", { cookie: mine, body: {} })).json(), {
      ended: 0,
    });
  });
});
