/** Lockout: parallel guesses, restarts, reboots, wrong clocks, many addresses. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { peerKey } from "../../src/server/peer.ts";
import { wait } from "../support/eventually.ts";
import { claimed, PASSWORD, PATHS, problemOf, startServer, type TestServer, TOKEN } from "./harness.ts";

const MINUTE_MS = 60_000;

function guess(server: TestServer, peer = "192.0.2.9", token = "0000-0000-0000-0000-0000"): Promise<Response> {
  return server.call("POST", "/api/session", { body: { token }, peer });
}

async function lockedPeer(): Promise<TestServer> {
  const server = await startServer();
  for (let index = 0; index < 5; index += 1) assert.equal((await guess(server)).status, 401);
  assert.equal((await guess(server)).status, 429);
  return server;
}

describe("lockout", () => {
  it("holds under 40 parallel guesses with slow bodies", async () => {
    const server = await startServer();
    await claimed(server);
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slowBody = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode('{"password":'));
          await gate;
          controller.enqueue(new TextEncoder().encode('"Wrong-Horse-1"}'));
          controller.close();
        },
      });
    const calls = Array.from({ length: 40 }, () =>
      server.call("POST", "/api/session", { rawBody: slowBody(), peer: "192.0.2.66" }),
    );
    await wait(20);
    open();
    const codes = (await Promise.all(calls)).map((answer) => answer.status);
    assert.equal(codes.filter((code) => code === 401).length, 5);
    assert.equal(codes.filter((code) => code === 429).length, 35);
  });

  it("doubles, says when to come back, and ends", async () => {
    const server = await lockedPeer();
    for (const waitMs of [1, 2, 4, 8, 15, 15].map((minutes) => minutes * MINUTE_MS)) {
      const answer = await guess(server);
      assert.equal(answer.status, 429);
      assert.equal(answer.headers.get("retry-after"), String(waitMs / 1_000));
      await server.box.pass(waitMs - 1_000);
      assert.equal((await guess(server)).status, 429);
      await server.box.pass(1_000);
      assert.equal((await guess(server)).status, 401);
    }
  });

  it("refuses the right token too while it holds, and forgets after a right one", async () => {
    const server = await lockedPeer();
    assert.equal((await guess(server, "192.0.2.9", TOKEN)).status, 429);
    await server.box.pass(MINUTE_MS);
    assert.equal((await guess(server, "192.0.2.9", TOKEN)).status, 200);
    for (let index = 0; index < 5; index += 1) assert.equal((await guess(server)).status, 401);
  });

  it("survives a restart and a reboot, and a changed clock neither opens it nor keeps it for ever", async () => {
    const server = await lockedPeer();
    const restarted = await server.restart();
    assert.equal((await guess(restarted)).status, 429);
    server.box.setWall(Date.UTC(2050, 0));
    assert.equal((await guess(restarted)).status, 429);
    server.box.setWall(Date.UTC(1999, 0));
    assert.equal((await guess(restarted)).status, 429);
    server.box.boot();
    const rebooted = await restarted.restart();
    assert.equal((await guess(rebooted)).status, 429);
    await server.box.pass(MINUTE_MS);
    assert.equal((await guess(rebooted)).status, 401);
  });

  it("is per peer: another operator still gets in", async () => {
    const server = await lockedPeer();
    assert.equal((await guess(server, "192.0.2.10", TOKEN)).status, 200);
  });

  it("counts an IPv6 network as one peer", async () => {
    const server = await startServer();
    for (let index = 0; index < 5; index += 1) await guess(server, `2001:db8:1:2::${index + 1}`);
    assert.equal((await guess(server, "2001:db8:1:2:ffff::1")).status, 429);
    assert.equal((await guess(server, "2001:db8:1:3::1")).status, 401);
    assert.equal(peerKey("::1"), "0:0:0:0::/64");
    assert.equal(peerKey("fe80::1%eth0"), "fe80:0:0:0::/64");
    assert.equal(peerKey("192.0.2.1"), "192.0.2.1");
  });

  it("slows a guesser with many addresses down, but not a peer that logged in before", async () => {
    const server = await startServer();
    await claimed(server);
    const wrong = async (peer: string): Promise<number> =>
      (await server.call("POST", "/api/session", { body: { password: "Wrong-Horse-1" }, peer })).status;
    const right = async (peer: string): Promise<number> =>
      (await server.call("POST", "/api/session", { body: { password: PASSWORD }, peer })).status;
    assert.equal(await right("192.0.2.1"), 200);
    const answers: number[] = [];
    for (let index = 0; index < 52; index += 1) answers.push(await wrong(`198.51.100.${index}`));
    assert.deepEqual(new Set(answers.slice(0, 51)), new Set([401]));
    assert.equal(answers[51], 429);
    assert.equal(await right("203.0.113.1"), 429);
    assert.equal(await right("192.0.2.1"), 200);
    await server.box.pass(5_000);
    assert.equal(await wrong("198.51.100.200"), 401);
  });

  it("counts no malformed request, and stays within its file", async () => {
    const server = await startServer();
    for (let index = 0; index < 10; index += 1) {
      assert.equal((await server.call("POST", "/api/session", { body: { token: 1 } })).status, 400);
    }
    assert.equal(server.files.snapshot().has(PATHS.lockout), false);
    const peers = Object.fromEntries(
      Array.from({ length: 1_000 }, (_unused, index) => [
        `10.0.${index >> 8}.${index & 255}`,
        { failures: 1, lockMs: 0, at: { boot: "boot-1", uptimeMs: index, wallMs: 0 }, known: false },
      ]),
    );
    server.files.garble(PATHS.lockout, JSON.stringify({ schema: "alga.appliance.lockout/v1", peers }));
    const again = await server.restart();
    await guess(again);
    const kept = JSON.parse(server.files.snapshot().get(PATHS.lockout) ?? "{}").peers;
    assert.equal(Object.keys(kept).length, 1_000);
    assert.equal(kept["192.0.2.9"].failures, 1);
  });

  it("goes on in memory when its file cannot be written", async () => {
    const server = await startServer(
      {},
      {
        wrap: (files) => ({
          ...files,
          write: async () => {
            throw new Error("EROFS");
          },
        }),
      },
    );
    for (let index = 0; index < 5; index += 1) assert.equal((await guess(server)).status, 401);
    assert.equal((await problemOf(await guess(server))).code, "session/locked");
  });
});
