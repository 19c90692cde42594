import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { connectProxy, createKeeper, httpServer, type ProxyLog, rawServer, run } from "../../test/support/sockets.ts";
import { makeCertificates } from "../../test/support/tls.ts";
import { ApplianceError, type ErrorCode, isApplianceError } from "../core/errors.ts";
import type { TransportOptions } from "../core/ports.ts";
import { createTransports } from "./fetch.ts";

const certificates = makeCertificates();
const { ca, server: tls } = certificates;
const { keep, closeAll } = createKeeper();
after(closeAll);

const transports = createTransports();
const get = (url: string, options: TransportOptions = {}, init: RequestInit = {}): Promise<Response> =>
  transports.open(options)(new Request(url, init));

/** Asserts the code of a failure, in the answer or in its body. */
async function fails(code: ErrorCode, work: () => Promise<unknown>): Promise<ApplianceError> {
  try {
    await work();
  } catch (thrown) {
    assert.ok(thrown instanceof ApplianceError, String(thrown));
    assert.equal(thrown.code, code, `${thrown.message} / ${String(thrown.cause)}`);
    return thrown;
  }
  return assert.fail(`nothing failed, ${code} was expected`);
}
const read = async (url: string, options?: TransportOptions): Promise<string> => (await get(url, options)).text();

describe("a plain exchange", () => {
  it("sends method, headers and body, and gives status, headers and body", async () => {
    const server = await keep(
      httpServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () => {
          response.setHeader("set-cookie", ["a=1", "b=2"]);
          response.writeHead(201, "Made", { "x-length": request.headers["content-length"] ?? "none" });
          response.end(`${request.method} ${request.url} ${request.headers["x-a"]} ${Buffer.concat(chunks)}`);
        });
      }),
    );
    const response = await get(
      `http://127.0.0.1:${server.port}/p?q=1`,
      {},
      { method: "PUT", body: "hello", headers: { "x-a": "1" } },
    );
    assert.deepEqual([response.status, response.statusText], [201, "Made"]);
    assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
    assert.equal(response.headers.get("x-length"), "5");
    assert.equal(await response.text(), "PUT /p?q=1 1 hello");
  });

  it("does not follow redirects and does not decompress", async () => {
    const server = await keep(
      httpServer((_request, response) => {
        response.writeHead(302, { location: "/elsewhere", "content-encoding": "gzip" });
        response.end("raw");
      }),
    );
    const response = await get(`http://127.0.0.1:${server.port}/`);
    assert.equal(response.status, 302);
    assert.equal(await response.text(), "raw");
  });

  it("gives HEAD and 204 no body and keeps the length that is announced", async () => {
    const server = await keep(
      httpServer((request, response) => {
        response.writeHead(
          request.method === "HEAD" ? 200 : 204,
          request.method === "HEAD" ? { "content-length": "42" } : {},
        );
        response.end();
      }),
    );
    const head = await get(`http://127.0.0.1:${server.port}/`, {}, { method: "HEAD" });
    assert.deepEqual([head.body, head.headers.get("content-length")], [null, "42"]);
    assert.equal((await get(`http://127.0.0.1:${server.port}/`)).body, null);
  });

  it("reuses connections, and gets over one that the server closed", async () => {
    const server = await keep(
      rawServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        socket.once("data", () => {
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
          socket.once("data", () => socket.destroy());
        });
      }),
    );
    const fetch = transports.open();
    for (let count = 0; count < 3; count += 1) {
      const response = await fetch(new Request(`http://127.0.0.1:${server.port}/`));
      assert.equal(await response.text(), "ok");
    }
    assert.equal(server.connections(), 2);
  });

  it("leaves a running stream alone when a kept connection turns out to be closed", async () => {
    const server = await keep(
      rawServer((socket, head) => {
        if (head.startsWith("GET /stream")) {
          socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
          setTimeout(() => socket.end("1\r\nb\r\n0\r\n\r\n"), 150);
          return;
        }
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        socket.once("data", () => socket.destroy());
      }),
    );
    const fetch = transports.open();
    const ask = async (path: string): Promise<Response> => fetch(new Request(`http://127.0.0.1:${server.port}${path}`));
    const stream = await ask("/stream");
    assert.equal(await (await ask("/")).text(), "ok");
    assert.equal(await (await ask("/")).text(), "ok");
    assert.equal(await stream.text(), "ab");
  });

  it("speaks over a Unix socket whatever host the URL names", async () => {
    const folder = mkdtempSync(join(tmpdir(), "alga-sock-"));
    const socketPath = join(folder, "s");
    const server = await keep(
      run(
        createServer((request, response) => response.end(request.headers.host)),
        { socketPath },
      ),
    );
    assert.equal(await read("http://agent.local/x", { socketPath }), "agent.local");
    await server.close();
    rmSync(folder, { recursive: true });
    await fails("net/unreachable", () => read("http://agent.local/x", { socketPath }));
  });
});

describe("streams", () => {
  it("uploads a stream in chunks without keeping it", async () => {
    let received = 0;
    const server = await keep(
      httpServer((request, response) => {
        request.on("data", (chunk: Buffer) => {
          received += chunk.length;
        });
        request.on("end", () => response.end(request.headers["transfer-encoding"] ?? "whole"));
      }),
    );
    let left = 80;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (left-- > 0) controller.enqueue(new Uint8Array(64 * 1024));
        else controller.close();
      },
    });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    assert.equal(await (await get(`http://127.0.0.1:${server.port}/`, {}, init)).text(), "chunked");
    assert.equal(received, 80 * 64 * 1024);
  });

  it("reads no further than the consumer wants", async () => {
    let written = 0;
    const server = await keep(
      httpServer((_request, response) => {
        const push = (): void => {
          while (written < 200 * 1024 * 1024) {
            written += 64 * 1024;
            if (!response.write(new Uint8Array(64 * 1024))) {
              response.once("drain", push);
              return;
            }
          }
        };
        push();
      }),
    );
    const response = await get(`http://127.0.0.1:${server.port}/`);
    const reader = response.body?.getReader();
    await reader?.read();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const sent = written;
    assert.ok(sent < 20 * 1024 * 1024, `${sent} bytes were sent to a reader that took one chunk`);
    await reader?.cancel();
  });

  it("stops at an abort, before the answer and in the middle of the body", async () => {
    const server = await keep(
      httpServer((request, response) => {
        if (request.url === "/silent") return;
        response.write("begin");
      }),
    );
    const before = new AbortController();
    const silent = get(`http://127.0.0.1:${server.port}/silent`, {}, { signal: before.signal });
    setTimeout(() => before.abort(), 30);
    await fails("internal/aborted", () => silent);
    const during = new AbortController();
    const response = await get(`http://127.0.0.1:${server.port}/`, {}, { signal: during.signal });
    setTimeout(() => during.abort(), 30);
    await fails("internal/aborted", () => response.text());
    await fails("internal/aborted", () => get(`http://127.0.0.1:${server.port}/`, {}, { signal: AbortSignal.abort() }));
  });
});

describe("TLS", () => {
  const secure = (options: object = {}) =>
    keep(httpServer((_request, response) => response.end("secret"), { ...tls, ...options }));

  it("trusts a private CA beside or instead of the built-in ones, and nothing without it", async () => {
    const { port } = await secure();
    assert.equal(await read(`https://localhost:${port}/`, { ca }), "secret");
    assert.equal(await read(`https://127.0.0.1:${port}/`, { ca, onlyCa: true }), "secret");
    await fails("net/tls", () => read(`https://localhost:${port}/`));
    await fails("net/tls", () => read(`https://localhost:${port}/`, { ca: makeCertificates().ca }));
  });

  it("checks the name, or the one that is given instead", async () => {
    const { port } = await secure();
    assert.equal(await read(`https://127.0.0.1:${port}/`, { ca, serverName: "registry.test" }), "secret");
    await fails("net/tls", () => read(`https://127.0.0.1:${port}/`, { ca, serverName: "other.test" }));
  });

  it("refuses a certificate that has expired", async () => {
    const { port } = await secure(certificates.expired);
    await fails("net/tls", () => read(`https://localhost:${port}/`, { ca }));
  });

  it("shows a client certificate where the server wants one", async () => {
    const { port } = await secure({ ca, requestCert: true, rejectUnauthorized: true });
    assert.equal(await read(`https://localhost:${port}/`, { ca, ...certificates.client }), "secret");
    await assert.rejects(read(`https://localhost:${port}/`, { ca }), (e) => isApplianceError(e));
  });

  it("tells a server that does not speak TLS", async () => {
    const { port } = await keep(rawServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    await fails("net/tls", () => read(`https://localhost:${port}/`, { ca }));
  });

  it("tells a body that was cut off", async () => {
    const { port } = await keep(
      rawServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
        setTimeout(() => socket.destroy(), 30);
      }, tls),
    );
    await fails("net/tls-truncated", () => read(`https://localhost:${port}/`, { ca }));
  });
});

describe("what is wrong with an answer has its code", () => {
  const answers = (text: string, then: "end" | "reset" | "keep" = "end") =>
    keep(
      rawServer((socket) => {
        socket.write(text);
        if (then === "end") socket.end();
        if (then === "reset") setTimeout(() => socket.resetAndDestroy(), 30);
      }),
    );
  const cases: readonly (readonly [string, ErrorCode, string, ("end" | "reset" | "keep")?])[] = [
    ["another protocol", "net/malformed", "SSH-2.0-OpenSSH_9.2\r\n"],
    [
      "two different lengths",
      "net/malformed",
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    ],
    [
      "length and chunks at once",
      "net/malformed",
      "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a bad chunk", "net/malformed", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello"],
    ["headers beyond the bound", "net/malformed", `HTTP/1.1 200 OK\r\n${"x-a: ".padEnd(1_000, "a")}\r\n`.repeat(100)],
    ["an end instead of an answer", "net/reset", ""],
    [
      "a chunked body that ends early",
      "net/reset",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ["a body shorter than its length", "net/reset", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello"],
    ["a reset in the body", "net/reset", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello", "reset"],
    ["silence in the headers", "net/timeout", "HTTP/1.1 200 OK\r\n", "keep"],
    ["silence in the body", "net/timeout", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello", "keep"],
  ];
  for (const [what, code, text, then] of cases) {
    it(`${what}: ${code}`, async () => {
      const { port } = await answers(text, then);
      await fails(code, () => read(`http://127.0.0.1:${port}/`, { idleTimeoutMs: 200 }));
    });
  }

  it("nobody listens: net/unreachable", async () => {
    const server = await keep(rawServer(() => {}));
    await server.close();
    await fails("net/unreachable", () => read(`http://127.0.0.1:${server.port}/`));
  });

  it("no such name: net/dns", async () => {
    await fails("net/dns", () => read("http://does-not-exist.invalid/"));
  });

  it("a TLS handshake that never ends: net/timeout", async () => {
    const { port } = await keep(rawServer(() => {}));
    await fails("net/timeout", () => read(`https://localhost:${port}/`, { ca, connectTimeoutMs: 200 }));
  });
});

describe("a proxy", () => {
  const secure = () => keep(httpServer((request, response) => response.end(request.headers.host), tls));

  it("is asked for a tunnel with its login, and TLS goes through to the server", async () => {
    const log: ProxyLog = { lines: [], logins: [] };
    const proxy = await keep(connectProxy((await secure()).port, log));
    const https = `http://user:s3cret@localhost:${proxy.port}`;
    assert.equal(await read("https://registry.test/v2/", { ca, proxy: { https } }), "registry.test");
    assert.deepEqual(log.lines, ["CONNECT registry.test:443"]);
    assert.deepEqual(log.logins, [`Basic ${Buffer.from("user:s3cret").toString("base64")}`]);
  });

  it("does not weaken the check of the certificate", async () => {
    const proxy = await keep(connectProxy((await secure()).port, { lines: [], logins: [] }));
    const https = `http://localhost:${proxy.port}`;
    await fails("net/tls", () => read("https://other.test/", { ca, proxy: { https } }));
    await fails("net/tls", () => read("https://registry.test/", { proxy: { https } }));
  });

  it("is not used for hosts of NO_PROXY", async () => {
    const log: ProxyLog = { lines: [], logins: [] };
    const { port } = await secure();
    const proxy = await keep(connectProxy(port, log));
    const settings = { https: `http://localhost:${proxy.port}`, no: "registry.test" };
    await fails("net/dns", () => read("https://registry.test/", { ca, proxy: settings }));
    assert.equal(await read(`https://localhost:${port}/`, { ca, proxy: settings }), `localhost:${port}`);
    assert.deepEqual(log.lines, []);
  });

  it("carries plain HTTP by the whole URL", async () => {
    const log: ProxyLog = { lines: [], logins: [] };
    const proxy = await keep(connectProxy(0, log));
    assert.equal(await read("http://registry.test/a?b", { proxy: { http: `localhost:${proxy.port}` } }), "by proxy");
    assert.deepEqual(log.lines, ["GET http://registry.test/a?b"]);
  });

  it("that refuses, lies or is not there is net/proxy and never shows its login", async () => {
    for (const refusal of ["403 Forbidden", "407 Proxy Authentication Required"]) {
      const proxy = await keep(connectProxy(0, { lines: [], logins: [] }, refusal));
      const https = `http://user:s3cret@localhost:${proxy.port}`;
      const problem = await fails("net/proxy", () => read("https://registry.test/", { proxy: { https } }));
      assert.ok(!JSON.stringify([problem.message, problem.hint, problem.details]).includes("s3cret"));
    }
    const liar = await keep(rawServer((socket) => void socket.write(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(5_000)}`)));
    await fails("net/proxy", () =>
      read("https://registry.test/", { proxy: { https: `http://localhost:${liar.port}` } }),
    );
    await liar.close();
    await fails("net/proxy", () =>
      read("https://registry.test/", { proxy: { https: `http://localhost:${liar.port}` } }),
    );
  });
});

describe("own name servers", () => {
  /** A DNS server that knows one name: copies the question, answers 127.0.0.1 to A and nothing to AAAA. */
  async function nameServer(): Promise<{ readonly address: string; readonly close: () => void }> {
    const socket = createSocket("udp4");
    socket.on("message", (query, peer) => {
      const isKnown = query.includes("registry") && query.readUInt16BE(query.indexOf(0, 12) + 1) === 1;
      const question = query.subarray(12, query.indexOf(0, 12) + 5);
      const header = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, isKnown ? 1 : 0, 0, 0, 0, 0]);
      const record = isKnown ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]) : Buffer.alloc(0);
      socket.send(Buffer.concat([header, question, record]), peer.port, peer.address);
    });
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return { address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() };
  }

  it("are asked instead of the system's", async () => {
    const dns = await nameServer();
    const { port } = await keep(httpServer((_request, response) => response.end("found"), tls));
    const options = { ca, nameServers: [dns.address] };
    assert.equal(await read(`https://registry.test:${port}/`, options), "found");
    await fails("net/dns", () => read(`https://unknown.test:${port}/`, options));
    dns.close();
  });
});
