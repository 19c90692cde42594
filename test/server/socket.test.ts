/** The listener on real sockets: hostile bytes, slow and vanishing clients, back-pressure, drain, Unix sockets. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { Agent, get as httpGet, request as httpRequest } from "node:http";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import type { Listening, ListenOptions } from "../../src/cli/command.ts";
import { isApplianceError } from "../../src/core/errors.ts";
import { json } from "../../src/core/http.ts";
import { listen } from "../../src/platform/http-server.ts";
import { eventually, wait } from "../support/eventually.ts";
import { claimed, startServer } from "./harness.ts";
import { get, sendRaw } from "./raw-http.ts";

const open: Listening[] = [];

async function start(handle: ListenOptions["handle"], more: Partial<ListenOptions> = {}): Promise<Listening> {
  const listening = await listen({ port: 0, ...more, handle });
  open.push(listening);
  return listening;
}

/** The whole application on a socket. */
async function startApp(more: Partial<ListenOptions> = {}) {
  const server = await startServer();
  return { server, listening: await start(server.app.handle, more) };
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((listening) => listening.close(0)));
});

const echo: ListenOptions["handle"] = async (request) => json({ got: (await request.arrayBuffer()).byteLength });

describe("hostile requests", () => {
  const CASES: readonly (readonly [name: string, bytes: string, statuses: readonly number[]])[] = [
    ["target //", get("//"), [400]],
    ["target //host", get("//evil.example/x"), [400]],
    ["whole URL", get("http://evil.example/healthz"), [400]],
    ["broken escape", get("/%E0%A4%A"), [400]],
    ["lone percent", get("/%"), [400]],
    ["escaped NUL", get("/a%00b"), [400]],
    ["NUL", get("/a\0b"), [400]],
    ["back slash", get("/\\evil.example"), [400]],
    ["high bytes", get("/\xff\xfe"), [400]],
    ["Host with a space", get("/", ["Host: a b"]), [400]],
    ["Host with a slash", get("/", ["Host: a/b"]), [400]],
    ["Host with a user", get("/", ["Host: a@b"]), [400]],
    ["empty Host", get("/", ["Host:"]), [400]],
    ["no Host", get("/", []), [400]],
    ["two Hosts", get("/", ["Host: a", "Host: b"]), [400]],
    ["port too high", get("/", ["Host: a:99999"]), [400]],
    ["NUL in a header", get("/", ["Host: a", "X: a\0b"]), [400]],
    ["star", "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]],
    ["TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [405]],
    ["unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", [400]],
    ["CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", [0]],
    ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", [400]],
    ["long header", get("/", ["Host: a", `X: ${"x".repeat(20_000)}`]), [431]],
    ["long target", get(`/${"x".repeat(20_000)}`), [431]],
    [
      "length and chunks",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      [400],
    ],
    ["negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc", [400]],
    ["body null on the login", post("/api/session", "null"), [400]],
    ["body null on the claim", post("/api/session/claim", "null"), [400]],
    [
      "broken chunk",
      "POST /api/session HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      [400],
    ],
  ];

  it("are answered and never end the process", async () => {
    const { server, listening } = await startApp();
    for (const [name, bytes, statuses] of CASES) {
      const answer = await sendRaw(listening.port, bytes);
      assert.ok(statuses.includes(answer.status), `${name}: ${answer.text.slice(0, 60)}`);
      assert.ok(answer.closed, `${name} stays open`);
    }
    assert.equal((await sendRaw(listening.port, get("/healthz"))).status, 200);
    const defects = server.records.filter((record) => record.fields.code === "internal/defect");
    assert.deepEqual(defects, []);
  });

  it("made at random are answered with a status below 500 or closed, and the server lives on", async () => {
    const { server, listening } = await startApp({ limits: { headersTimeoutMs: 1_000, requestTimeoutMs: 1_000 } });
    const random = seeded(20_261_121);
    const seen = new Map<number, number>();
    for (let round = 0; round < 24; round += 1) {
      const requests = Array.from({ length: 25 }, () => randomRequest(random));
      const answers = await Promise.all(requests.map((bytes) => sendRaw(listening.port, bytes, { timeoutMs: 400 })));
      for (const [index, answer] of answers.entries()) {
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
        assert.ok(answer.status < 500, `${JSON.stringify(requests[index])} -> ${answer.text.slice(0, 80)}`);
      }
      assert.equal((await sendRaw(listening.port, get("/healthz"))).status, 200);
    }
    assert.equal(
      server.records.some((record) => record.level === "error"),
      false,
    );
    // Both ends of the stack were reached: the parser's refusals and the application's own answers.
    for (const status of [200, 400, 401, 403, 404, 405]) assert.ok(seen.has(status), `no ${status} in ${[...seen]}`);
  });
});

function post(path: string, body: string): string {
  const lines = [`POST ${path} HTTP/1.1`, "Host: a", "Origin: http://a", "Content-Type: application/json"];
  return [...lines, `Content-Length: ${body.length}`, "Connection: close", "", body].join("\r\n");
}

/** A small generator with a seed, so that a failure can be seen again (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const PIECES = [
  "/",
  "//",
  "%",
  "%00",
  "%2e%2e",
  "..",
  "?",
  "#",
  "api",
  "session",
  "setup",
  "token=",
  "healthz",
  ":",
  "@",
  "\\",
  "\0",
  "\xff",
  "{}",
  "'",
  '"',
  "<",
  " ",
  "\t",
  "a".repeat(300),
  "%E0%A4%A",
  "*",
  "http://",
];
const NAMES = [
  "Host",
  "Origin",
  "Cookie",
  "Content-Type",
  "Content-Length",
  "Transfer-Encoding",
  "Expect",
  "Upgrade",
  "Last-Event-ID",
  "If-None-Match",
  "Accept-Encoding",
  "Sec-Fetch-Site",
  "X\xff",
  "",
];
const VALUES = [
  "box",
  "http://box",
  "a b",
  "",
  "\0",
  "chunked",
  "-1",
  "5",
  "application/json",
  "100-continue",
  "websocket",
  "x".repeat(5_000),
  "alga_appliance_session=;;=",
  '"*"',
  "br;q=2",
  "cross-site",
  "\xff\xfe",
];

/** A good request in which one to three parts are replaced by something random, so that all layers get their share. */
function randomRequest(random: (below: number) => number): string {
  const pick = (from: readonly string[]): string => from[random(from.length)] ?? "";
  const request = {
    method: pick(["GET", "GET", "POST", "HEAD"]),
    target: pick(["/", "/setup", "/healthz", "/api/session", "/api/session/claim", "/api/thing", "/api/events"]),
    version: "HTTP/1.1",
    lines: ["Host: box", "Origin: http://box", "Content-Type: application/json"],
    body: "",
  };
  const spoil: readonly (() => void)[] = [
    () => Object.assign(request, { method: pick(["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "", "\0"]) }),
    () => Object.assign(request, { target: `/${Array.from({ length: random(5) }, () => pick(PIECES)).join("")}` }),
    () => Object.assign(request, { target: `${request.target}?${pick(PIECES)}${pick(PIECES)}` }),
    () => Object.assign(request, { version: pick(["HTTP/1.0", "HTTP/2.0", "HTTP/1.1 ", ""]) }),
    () => request.lines.push(`${pick(NAMES)}: ${pick(VALUES)}`),
    () => request.lines.push(`X-${random(9)}: ${pick(VALUES)}`),
    () => request.lines.splice(random(3), 1),
    () => Object.assign(request, { body: pick(["{}", "null", '{"token":"1"}', "0\r\n\r\n", "\0".repeat(50)]) }),
  ];
  for (let times = 1 + random(3); times > 0; times -= 1) spoil[random(spoil.length)]?.();
  const length = request.body === "" || random(5) === 0 ? [] : [`Content-Length: ${request.body.length}`];
  const head = [`${request.method} ${request.target} ${request.version}`, ...request.lines, ...length];
  return [...head, "Connection: close", "", request.body].join("\r\n");
}

describe("clients that take their time", () => {
  it("lose the connection over slow headers and a slow request", async () => {
    const listening = await start(echo, { limits: { headersTimeoutMs: 300, requestTimeoutMs: 600 } });
    const header = await sendRaw(listening.port, "GET / HTTP/1.1\r\nHo", { timeoutMs: 5_000 });
    assert.deepEqual([header.status, header.closed], [408, true]);
    const body = await sendRaw(listening.port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", {
      timeoutMs: 5_000,
    });
    assert.equal(body.closed, true);
  });

  it("are counted: the connection above the bound is dropped", async () => {
    let started = 0;
    const handle = (): Promise<Response> => {
      started += 1;
      return new Promise(() => {});
    };
    const listening = await start(handle, { limits: { maxConnections: 2 } });
    const bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const held = [1, 2].map(() => sendRaw(listening.port, bytes, { timeoutMs: 1_500 }));
    await eventually("both handlers run", () => started === 2);
    const third = await sendRaw(listening.port, bytes, { timeoutMs: 1_000 });
    assert.deepEqual([third.status, third.closed, started], [0, true, 2]);
    for (const answer of await Promise.all(held)) assert.equal(answer.closed, false);
  });

  it("fire the request's signal when they go away", async () => {
    const seen: string[] = [];
    const listening = await start((request) => {
      seen.push("started");
      request.signal.addEventListener("abort", () => seen.push("gone"));
      return new Promise(() => {});
    });
    const request = httpGet({ port: listening.port, path: "/" });
    request.on("error", () => {});
    await eventually("the first request is seen", () => seen.length === 1);
    request.destroy();
    await eventually("the second request is seen", () => seen.length === 2);
    assert.deepEqual(seen, ["started", "gone"]);
  });
});

describe("bodies", () => {
  it("stream in, with the whole of 8 MiB arriving", async () => {
    const listening = await start(echo);
    const answer = await upload(listening.port, "/", 8 * 1024 * 1024);
    assert.deepEqual(answer, { status: 200, text: '{"got":8388608}\n' });
  });

  it("too big for the application are answered before they are read, and the client sees the answer", async () => {
    const listening = await start(async () => json({ no: true }, { status: 413 }));
    const answer = await upload(listening.port, "/", 300_000);
    assert.equal(answer.status, 413);
  });

  it("stream out only as fast as they are read, and stop when nobody reads", async () => {
    let made = 0;
    let cancelled = false;
    const listening = await start(
      async () =>
        new Response(
          new ReadableStream({
            pull: (controller) => {
              made += 64 * 1024;
              controller.enqueue(new Uint8Array(64 * 1024));
            },
            cancel: () => {
              cancelled = true;
            },
          }),
          { headers: { "content-type": "text/event-stream" } },
        ),
    );
    const reading = sendRaw(listening.port, get("/"), { timeoutMs: 1_500, onSocket: (socket) => socket.pause() });
    await eventually("the body is asked for", () => made > 0);
    let before = -1;
    while (made !== before) {
      before = made;
      await wait(300);
    }
    assert.ok(made < 32 * 1024 * 1024, `${made} bytes`);
    await reading;
    await eventually("the body is cancelled", () => cancelled);
  });

  it("carry their length where they are JSON, and HEAD has the same head without a body", async () => {
    const { listening } = await startApp();
    const whole = await sendRaw(listening.port, get("/healthz"));
    const head = await sendRaw(listening.port, get("/healthz").replace("GET", "HEAD"));
    const length = /content-length: (\d+)/i;
    assert.equal(length.exec(head.text)?.[1], length.exec(whole.text)?.[1]);
    assert.ok(head.text.endsWith("\r\n\r\n"));
    assert.ok(whole.text.endsWith('{"ok":true,"mode":"setup"}\n'));
  });

  it("that are JSON may still be a stream: a watch arrives line by line", async () => {
    let end: () => void = () => {};
    const listening = await start(
      async () =>
        new Response(
          new ReadableStream({
            start: (controller) => {
              controller.enqueue(new TextEncoder().encode('{"type":"ADDED"}\n'));
              end = () => controller.close();
            },
          }),
          { headers: { "content-type": "application/json" } },
        ),
    );
    const watching = sendRaw(listening.port, get("/"), { timeoutMs: 300 });
    const part = await watching;
    assert.match(part.text, /transfer-encoding: chunked/i);
    assert.ok(part.text.includes('{"type":"ADDED"}'));
    end();
  });

  it("share one connection when it is kept alive", async () => {
    const listening = await start(echo);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number>();
    for (let index = 0; index < 5; index += 1) {
      const answer = await upload(listening.port, "/", 10 * index, { agent, onPort: (port) => ports.add(port) });
      assert.equal(answer.status, 200);
    }
    agent.destroy();
    assert.equal(ports.size, 1);
  });

  it("that break in the middle break the connection instead of ending well", async () => {
    const listening = await start(
      async () =>
        new Response(
          new ReadableStream({
            async pull(controller) {
              controller.enqueue(new TextEncoder().encode("part"));
              await wait(20);
              controller.error(new Error("broken"));
            },
          }),
        ),
    );
    const answer = await sendRaw(listening.port, get("/"));
    assert.equal(answer.status, 200);
    assert.equal(answer.text.endsWith("0\r\n\r\n"), false);
  });
});

interface UploadOptions {
  readonly agent?: Agent;
  readonly onPort?: (port: number) => void;
}

function upload(port: number, path: string, sizeBytes: number, options: UploadOptions = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const { agent } = options;
    const request = httpRequest(
      { port, path, method: "POST", ...(agent === undefined ? {} : { agent }) },
      (response) => {
        let text = "";
        options.onPort?.(response.socket.localPort ?? 0);
        response.on("data", (chunk) => {
          text += chunk;
        });
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    request.on("error", reject);
    request.end(Buffer.alloc(sizeBytes, 120));
  });
}

describe("close", () => {
  it("ends event streams first, lets requests end, and takes no new ones", async () => {
    const { server, listening } = await startApp();
    const cookie = await claimed(server);
    let started = false;
    const slow = await start(async () => {
      started = true;
      await wait(300);
      return json({ done: true });
    });
    const lines = ["Host: box", `Cookie: ${cookie}`];
    let received = "";
    const stream = sendRaw(listening.port, get("/api/events", lines), {
      timeoutMs: 8_000,
      onSocket: (socket) =>
        socket.on("data", (chunk) => {
          received += chunk.toString();
        }),
    });
    const running = sendRaw(slow.port, get("/"));
    await eventually("the stream has begun", () => started && received.includes("event: status"));
    const began = performance.now();
    await Promise.all([listening.close(3_000), slow.close(3_000)]);
    assert.ok(performance.now() - began < 2_500, "took the whole drain");
    const ended = await stream;
    assert.deepEqual([ended.status, ended.closed], [200, true]);
    assert.ok(ended.text.endsWith("0\r\n\r\n"), "the stream ended properly");
    assert.match((await running).text, /"done":true/);
    assert.deepEqual([(await sendRaw(slow.port, get("/"))).status], [0]);
  });

  it("breaks what does not end in time, and tells the handler", async () => {
    let started = false;
    let told: unknown;
    const listening = await start((request) => {
      started = true;
      request.signal.addEventListener("abort", () => {
        told = request.signal.reason;
      });
      return new Promise(() => {});
    });
    const hanging = sendRaw(listening.port, get("/"), { timeoutMs: 8_000 });
    await eventually("the handler runs", () => started);
    await listening.close(200);
    assert.equal((await hanging).closed, true);
    assert.ok(told !== undefined);
  });

  it("may be called twice", async () => {
    const listening = await start(echo);
    assert.equal((await sendRaw(listening.port, get("/"))).status, 200);
    await Promise.all([listening.close(100), listening.close(100)]);
    assert.equal((await sendRaw(listening.port, get("/"))).status, 0);
  });
});

describe("addresses to listen on", () => {
  it("include every interface", async () => {
    const listening = await start(echo, { host: "::" });
    assert.equal((await sendRaw(listening.port, get("/"))).status, 200);
  });

  it("that are taken give http/cannot-listen", async () => {
    const other = createNetServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await assert.rejects(listen({ port, handle: echo }), (thrown) => isApplianceError(thrown, "http/cannot-listen"));
    other.close();
  });

  it("may be a Unix socket: with its mode, over a stale file, not over a living one, removed at the end", async () => {
    const folder = mkdtempSync(join(tmpdir(), "alga-socket-"));
    const socketPath = join(folder, "agent.sock");
    const peers: string[] = [];
    const handle: ListenOptions["handle"] = async (_request, peer) => {
      peers.push(peer.address);
      return json({ ok: true });
    };
    const first = await start(handle, { socketPath, socketMode: 0o660 });
    assert.equal(statSync(socketPath).mode & 0o777, 0o660);
    await assert.rejects(listen({ socketPath, handle }), (thrown) => isApplianceError(thrown, "http/cannot-listen"));
    const status = await new Promise((resolve) => {
      httpGet({ socketPath, path: "/" }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
    });
    assert.deepEqual([status, peers], [200, ["unix"]]);
    await first.close(100);
    assert.equal(existsSync(socketPath), false);
    rmSync(folder, { recursive: true });
  });
});
