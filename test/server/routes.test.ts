/** The layers around the routes: every route happy, without session, from another page, malformed, too big, slow. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallOptions, claimed, ORIGIN, problemOf, startServer, type TestServer, TOKEN } from "./harness.ts";

interface Wrong {
  readonly name: string;
  readonly options: CallOptions;
  readonly status: number;
  readonly code: string;
}

const bytes = (count: number): string => JSON.stringify("x".repeat(count));

/** What any state-changing route answers to a request that is not in order. */
const WRONG: readonly Wrong[] = [
  { name: "another origin", options: { origin: "http://evil.example" }, status: 403, code: "http/bad-origin" },
  { name: "another port", options: { origin: "http://box.example:3000" }, status: 403, code: "http/bad-origin" },
  { name: "origin null", options: { origin: "null" }, status: 403, code: "http/bad-origin" },
  { name: "origin with a tail", options: { origin: `${ORIGIN}.evil.example` }, status: 403, code: "http/bad-origin" },
  { name: "origin with a path", options: { origin: `${ORIGIN}/x` }, status: 403, code: "http/bad-origin" },
  { name: "no origin", options: { origin: false }, status: 403, code: "http/bad-origin" },
  {
    name: "cross-site fetch",
    options: { headers: { "sec-fetch-site": "cross-site" } },
    status: 403,
    code: "http/bad-origin",
  },
  {
    name: "same-site fetch of another port",
    options: { headers: { "sec-fetch-site": "same-site" } },
    status: 403,
    code: "http/bad-origin",
  },
  {
    name: "a form",
    options: { rawBody: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } },
    status: 415,
    code: "http/media-type",
  },
  {
    name: "text",
    options: { rawBody: "{}", headers: { "content-type": "text/plain" } },
    status: 415,
    code: "http/media-type",
  },
  {
    name: "another charset",
    options: { rawBody: "{}", headers: { "content-type": "application/json; charset=utf-16" } },
    status: 415,
    code: "http/media-type",
  },
  {
    name: "a compressed body",
    options: { rawBody: "{}", headers: { "content-encoding": "gzip" } },
    status: 415,
    code: "http/media-type",
  },
  { name: "no JSON", options: { rawBody: "{" }, status: 400, code: "json/syntax" },
  { name: "no UTF-8", options: { rawBody: new Uint8Array([0x22, 0xff, 0x22]) }, status: 400, code: "json/not-utf8" },
  { name: "a key twice", options: { rawBody: '{"a":1,"a":2}' }, status: 400, code: "json/duplicate-key" },
  { name: "__proto__", options: { rawBody: '{"__proto__":{}}' }, status: 400, code: "json/unsafe-key" },
  { name: "deep nesting", options: { rawBody: "[".repeat(500) + "]".repeat(500) }, status: 400, code: "json/too-deep" },
  { name: "too big", options: { rawBody: bytes(64 * 1024) }, status: 413, code: "http/too-large" },
  {
    name: "a length that lies",
    options: { rawBody: "{}", headers: { "content-length": "99999999" } },
    status: 413,
    code: "http/too-large",
  },
];

const WRITING = [
  ["POST", "/api/session"],
  ["POST", "/api/session/claim"],
  ["POST", "/api/thing"],
  ["POST", "/api/thing/7/resume"],
] as const;

describe("state-changing routes", () => {
  for (const [method, path] of WRITING) {
    it(`${method} ${path} refuses what is not in order`, async () => {
      const server = await startServer();
      const cookie = await claimed(server);
      for (const wrong of WRONG) {
        const body = wrong.options.rawBody === undefined ? { body: { password: "x" } } : {};
        const answer = await server.call(method, path, { cookie, ...body, ...wrong.options });
        assert.equal(answer.status, wrong.status, wrong.name);
        assert.equal(answer.headers.get("content-type"), "application/problem+json; charset=utf-8", wrong.name);
        assert.equal((await problemOf(answer)).code, wrong.code, wrong.name);
      }
    });
  }

  it("take bodies that are not objects without falling over", async () => {
    const server = await startServer();
    for (const rawBody of [
      "null",
      "[]",
      "1",
      '"x"',
      "true",
      "{}",
      '{"password":null}',
      '{"token":"1","password":"2"}',
    ]) {
      for (const path of ["/api/session", "/api/session/claim"]) {
        const answer = await server.call("POST", path, { rawBody });
        assert.ok([400, 401].includes(answer.status), `${path} ${rawBody}: ${answer.status}`);
      }
    }
  });

  it("end a body that never ends after 10 s", async () => {
    const server = await startServer();
    const rawBody = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) });
    const pending = server.call("POST", "/api/session", { rawBody });
    await server.box.pass(9_000);
    await server.box.pass(1_000);
    const answer = await pending;
    assert.equal(answer.status, 408);
    assert.equal((await problemOf(answer)).code, "http/slow");
  });

  it("accept Sec-Fetch-Site instead of Origin, another scheme of the same host, and no body at all", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const call = (options: CallOptions) => server.call("POST", "/api/thing", { cookie, ...options });
    assert.equal((await call({ origin: false, headers: { "sec-fetch-site": "same-origin" } })).status, 202);
    assert.equal((await call({ origin: ORIGIN.replace("http:", "https:") })).status, 202);
    assert.deepEqual(await (await call({})).json(), { body: null });
    assert.deepEqual(await (await call({ body: { a: [1] } })).json(), { body: { a: [1] } });
  });
});

describe("session routes", () => {
  const PATHS_WITH_SESSION = [
    ["GET", "/api/thing"],
    ["HEAD", "/api/thing"],
    ["POST", "/api/thing"],
    ["POST", "/api/thing/7/resume"],
    ["DELETE", "/api/session"],
    ["GET", "/api/events"],
  ] as const;

  it("answer 401 without a session and otherwise what they should", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    for (const [method, path] of PATHS_WITH_SESSION) {
      const bare = await server.call(method, path);
      assert.equal(bare.status, 401, `${method} ${path}`);
      if (method !== "HEAD") assert.equal((await problemOf(bare)).code, "session/required");
    }
    for (const [method, path] of PATHS_WITH_SESSION.filter(([verb]) => verb !== "DELETE")) {
      const answer = await server.call(method, path, { cookie });
      assert.ok([200, 202].includes(answer.status), `${method} ${path}: ${answer.status}`);
      await answer.body?.cancel();
    }
    server.app.stop();
  });

  it("are not read by a page of another origin, which also gets the cookie", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    for (const site of ["cross-site", "same-site"]) {
      const answer = await server.call("GET", "/api/thing", { cookie, headers: { "sec-fetch-site": site } });
      assert.equal(answer.status, 403);
    }
    const own = { "sec-fetch-site": "none" };
    assert.equal((await server.call("GET", "/api/thing", { cookie, headers: own })).status, 200);
  });
});

describe("addresses", () => {
  it("unknown under /api are 404 problems, others a page with 404 for people", async () => {
    const server = await startServer();
    for (const path of [
      "/api",
      "/api/",
      "/api/nothing",
      "/api/thing/7",
      "/api/thing//resume",
      "/api/thing/%2f/resume",
    ]) {
      const answer = await server.call("GET", path, { headers: { accept: "text/html" } });
      assert.equal(answer.status, 404, path);
      assert.equal((await problemOf(answer)).code, "http/not-found");
    }
    const page = await server.call("GET", "/nothing", { headers: { accept: "text/html,*/*" } });
    assert.deepEqual([page.status, page.headers.get("content-type")], [404, "text/html; charset=utf-8"]);
    assert.equal((await problemOf(await server.call("GET", "/nothing"))).code, "http/not-found");
    assert.equal((await server.call("GET", "/assets/../index.html")).status, 404);
  });

  it("with another method are 405 with Allow", async () => {
    const server = await startServer();
    const cases = [
      ["PUT", "/api/thing", "GET, HEAD, POST"],
      ["POST", "/healthz", "GET, HEAD"],
      ["POST", "/setup", "GET, HEAD"],
      ["DELETE", "/assets/app-1a2b3c4d.js", "GET, HEAD"],
      ["PATCH", "/api/session", "DELETE, GET, HEAD, POST"],
      ["OPTIONS", "/api/session", "DELETE, GET, HEAD, POST"],
    ] as const;
    for (const [method, path, allow] of cases) {
      const answer = await server.call(method, path);
      assert.deepEqual([answer.status, answer.headers.get("allow")], [405, allow], `${method} ${path}`);
    }
  });

  it("decode their parts and take a slash at the end", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const answer = await server.call("POST", "/api/thing/a%20b/resume/", { cookie });
    assert.deepEqual(await answer.json(), { id: "a b" });
  });
});

describe("every answer", () => {
  it("carries the security headers, and no answer may be cached but hashed files", async () => {
    const server = await startServer();
    const paths = [
      "/",
      "/setup",
      "/healthz",
      "/api/bare",
      "/api/session",
      "/api/thing",
      "/api/none",
      "/nothing",
      `/setup?token=${TOKEN}`,
    ];
    for (const path of paths) {
      const { headers } = await server.call("GET", path);
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
      assert.equal(headers.get("x-frame-options"), "DENY", path);
      assert.equal(headers.get("referrer-policy"), "no-referrer", path);
      assert.equal(headers.get("cross-origin-opener-policy"), "same-origin", path);
      assert.equal(headers.get("cross-origin-resource-policy"), "same-origin", path);
      assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/, path);
      assert.equal((headers.get("content-security-policy") ?? "").includes("unsafe"), false);
      assert.equal(headers.get("cache-control"), "no-store", path);
      assert.equal(headers.get("strict-transport-security"), null, path);
    }
  });

  it("of a defect shows nothing of the inside, and the log has the cause", async () => {
    const server = await startServer();
    const answer = await server.call("GET", "/api/defect");
    assert.equal(answer.status, 500);
    assert.equal((await answer.text()).includes("secret detail"), false);
    const record = server.records.find((one) => one.event === "request failed");
    assert.equal(record?.level, "error");
    assert.match(JSON.stringify(record), /secret detail/);
  });
});

describe("files of the web application", () => {
  const get = (server: TestServer, headers: Record<string, string> = {}, path = "/assets/app-1a2b3c4d.js") =>
    server.call("GET", path, { headers });

  it("are cached for a year under a hashed name, with type, length and ETag", async () => {
    const server = await startServer();
    const answer = await get(server);
    assert.equal(answer.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(answer.headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.equal(answer.headers.get("content-length"), String((await answer.arrayBuffer()).byteLength));
    const icon = await get(server, {}, "/icon.svg");
    assert.equal(icon.headers.get("cache-control"), "no-cache");
  });

  it("answer 304 for a known ETag, per encoding", async () => {
    const server = await startServer();
    const plain = (await get(server)).headers.get("etag") ?? "";
    const small = await get(server, { "accept-encoding": "gzip, br" });
    assert.equal(small.headers.get("content-encoding"), "br");
    assert.notEqual(small.headers.get("etag"), plain);
    assert.equal((await get(server, { "if-none-match": plain })).status, 304);
    assert.equal((await get(server, { "if-none-match": `"x", W/${plain}` })).status, 304);
    assert.equal((await get(server, { "if-none-match": plain, "accept-encoding": "br" })).status, 200);
  });

  it("are compressed as the browser takes it, and come out the same", async () => {
    const server = await startServer();
    const text = await (await get(server)).text();
    const zipped = await get(server, { "accept-encoding": "gzip;q=1.0, br;q=0" });
    assert.equal(zipped.headers.get("content-encoding"), "gzip");
    const body = zipped.body?.pipeThrough(new DecompressionStream("gzip"));
    assert.equal(await new Response(body).text(), text);
    assert.equal((await get(server, { "accept-encoding": "br" }, "/icon.svg")).headers.get("content-encoding"), null);
  });
});

describe("limits", () => {
  it("refuse the 257th request at once, and /healthz still answers", async () => {
    const server = await startServer();
    const hanging = Array.from({ length: 256 }, () => server.call("GET", "/api/hang"));
    await new Promise((resolve) => setImmediate(resolve));
    const busy = await server.call("GET", "/api/session");
    assert.equal(busy.status, 503);
    assert.equal((await problemOf(busy)).code, "http/busy");
    assert.deepEqual(await (await server.call("GET", "/healthz")).json(), { ok: true, mode: "setup" });
    await server.box.pass(120_000);
    for (const answer of await Promise.all(hanging)) assert.equal(answer.status, 504);
    assert.equal((await server.call("GET", "/api/session")).status, 200);
  });
});

describe("/readyz", () => {
  it("says what is missing, and takes a failure as not ready", async () => {
    const answers = [
      { readiness: async () => ({ ready: true, reasons: [] }), status: 200 },
      { readiness: async () => ({ ready: false, reasons: ["Kubernetes does not answer"] }), status: 503 },
      { readiness: async () => Promise.reject(new Error("x")), status: 503 },
    ];
    for (const { readiness, status } of answers) {
      const server = await startServer({ readiness });
      assert.equal((await server.call("GET", "/readyz")).status, status);
    }
  });
});
