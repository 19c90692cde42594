/** The TLS listener on real sockets: what is no TLS, what stalls in it, and that none of it keeps others out. */
import assert from "node:assert/strict";
import { connect as connectPlain, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import type { Listening, ListenOptions } from "../../src/cli/command.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { listen } from "../../src/platform/http-server.ts";
import { eventually } from "../support/eventually.ts";
import { makeCertificate } from "../support/tls.ts";
import { get, sendRaw } from "./raw-http.ts";

const tls = makeCertificate({ commonName: "box", names: ["127.0.0.1"] });
const MANY = 8;
const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function start(more: Partial<ListenOptions> = {}): Promise<Listening> {
  const limits = { headersTimeoutMs: 500, requestTimeoutMs: 500, stallTimeoutMs: 500, maxConnections: MANY };
  const handle = async (request: Request): Promise<Response> => new Response(`${(await request.text()).length}`);
  const listening = await listen({ port: 0, tls, limits, handle, ...more });
  endings.push(() => listening.close(0));
  return listening;
}

/** A client that trusts the certificate, with a connection of its own each time. */
async function statusOf({ port }: Listening): Promise<number> {
  const fetch = createTransports().open({ ca: tls.cert, onlyCa: true });
  const headers = { connection: "close" };
  return fetch(new Request(`https://127.0.0.1:${port}/`, { headers })).then(
    async (answer) => {
      await answer.body?.cancel();
      return answer.status;
    },
    () => 0,
  );
}

/** Connects, says what is given after the handshake, and then neither reads nor closes. */
function stall({ port }: Listening, words: string): TLSSocket {
  const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => void socket.write(words));
  socket.on("error", () => {});
  socket.pause();
  endings.push(() => socket.destroy());
  return socket;
}

describe("the TLS listener", () => {
  it("closes what speaks plain HTTP to it, or noise, and lives on", async () => {
    const listening = await start();
    const noise = ["\0\0\0\0\0\0", "SSH-2.0-x\r\n"];
    for (const bytes of [get("/healthz"), ...noise]) {
      const answer = await sendRaw(listening.port, bytes, { timeoutMs: 20_000 });
      assert.equal(answer.status, 0, answer.text);
    }
    assert.equal(await statusOf(listening), 200);
  });

  it("takes no protocol older than TLS 1.2", async () => {
    const listening = await start();
    const seen = await new Promise<string>((resolve) => {
      const options = { host: "127.0.0.1", port: listening.port, rejectUnauthorized: false } as const;
      const socket = connect({ ...options, maxVersion: "TLSv1.1", minVersion: "TLSv1" }, () => {
        resolve(String(socket.getProtocol()));
        socket.destroy();
      });
      socket.on("error", () => resolve("refused"));
      socket.on("close", () => resolve("refused"));
    });
    assert.equal(seen, "refused");
  });

  const beginnings: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["half a hello", "\x16\x03\x01\x02\x00\x01\x00"],
    ["a hello of the old kind", "\x80\x2e\x01\x00\x02\x00"],
  ];
  for (const [what, bytes] of beginnings) {
    it(`is kept from nobody by handshakes that begin with ${what} and do not go on`, { timeout: 60_000 }, async () => {
      const listening = await start();
      let connected = 0;
      for (let at = 0; at < 4 * MANY; at += 1) {
        const socket = connectPlain(listening.port, "127.0.0.1", () => {
          connected += 1;
          socket.write(bytes, "latin1");
        });
        socket.on("error", () => {});
        socket.pause();
        endings.push(() => socket.destroy());
      }
      await eventually("all are connected", () => connected === 4 * MANY);
      await eventually("another one is answered", async () => (await statusOf(listening)) === 200);
    });
  }

  const stalled: readonly (readonly [string, string])[] = [
    ["says nothing after the handshake", ""],
    ["sends half a head", "GET / HTTP/1.1\r\nHost: a\r\nX-"],
    ["sends half a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n{"],
  ];
  for (const [what, words] of stalled) {
    it(`gives the place of a client that ${what} and takes no answer to others`, { timeout: 60_000 }, async () => {
      const listening = await start();
      const sockets = Array.from({ length: MANY }, () => stall(listening, words));
      await eventually("all have shaken hands", () => sockets.every((one) => one.getProtocol() !== null));
      await eventually("another one is answered", async () => (await statusOf(listening)) === 200);
    });
  }

  it("gives the place of a client that takes no answer to others", { timeout: 60_000 }, async () => {
    let ended = 0;
    const handle = async (): Promise<Response> => {
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void =>
        controller.enqueue(new Uint8Array(64 * 1024));
      const cancel = (): void => {
        ended += 1;
      };
      return new Response(new ReadableStream({ pull, cancel }));
    };
    const listening = await start({ handle });
    for (let at = 0; at < MANY; at += 1) stall(listening, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually("all answers are broken off", () => ended === MANY);
    await eventually("another one is answered", async () => (await statusOf(listening)) === 200);
  });
});

describe("the plain listener", () => {
  it("gives the place of a client that says nothing it can read, and does not close, to others", {
    timeout: 60_000,
  }, async () => {
    const limits = { headersTimeoutMs: 500, requestTimeoutMs: 500, maxConnections: MANY };
    const listening = await listen({ port: 0, limits, handle: async () => new Response("ok") });
    endings.push(() => listening.close(0));
    const hello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    for (let at = 0; at < MANY; at += 1) {
      const socket: Socket = connectPlain(listening.port, "127.0.0.1", () => socket.write(hello, "latin1"));
      socket.on("error", () => {});
      socket.pause();
      endings.push(() => socket.destroy());
    }
    await eventually("another one is answered", async () => (await sendRaw(listening.port, get("/"))).status === 200);
  });
});
