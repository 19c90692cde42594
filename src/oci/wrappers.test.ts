/** The wrappers `Fetch -> Fetch` one by one: challenges, redirects, retries, tokens. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientOver, fakeClock, testDeps, utf8 } from "../../test/support/oci.ts";
import { digestOf } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { withAuth } from "./auth.ts";
import { parseChallenge } from "./challenge.ts";
import { withRedirects } from "./redirects.ts";
import { REGISTRY_RETRY, withRetries } from "./retries.ts";

const REGISTRY = new URL("https://registry.test/");

describe("parseChallenge()", () => {
  for (const [header, expected] of [
    [
      'Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull"',
      { scheme: "bearer", realm: "https://ghcr.io/token", service: "ghcr.io", scope: "repository:a/b:pull" },
    ],
    ['bearer realm = "https://a.test/" , service = a', { scheme: "bearer", realm: "https://a.test/", service: "a" }],
    ['Basic realm="x", Bearer realm="https://a.test/"', { scheme: "bearer", realm: "https://a.test/" }],
    ['Bearer realm="https://a.test/?q=\\"x\\",y"', { scheme: "bearer", realm: 'https://a.test/?q="x",y' }],
    ["BASIC", { scheme: "basic" }],
    ['Negotiate, Basic realm="x"', { scheme: "basic" }],
  ] as const) {
    it(`reads ${header.slice(0, 50)}`, () => assert.deepEqual(parseChallenge(header, "r"), expected));
  }

  for (const header of [
    null,
    "",
    " ",
    "Digest realm=x",
    'Bearer service="x"',
    'Bearer realm=""',
    `Bearer ${"a".repeat(5_000)}`,
  ]) {
    it(`refuses ${String(header).slice(0, 30)}`, () => {
      assert.throws(
        () => parseChallenge(header, "r"),
        (e) => isApplianceError(e, "oci/bad-challenge"),
      );
    });
  }
});

describe("withRedirects()", () => {
  const jump = (location: string, seen: Request[] = []): Fetch =>
    withRedirects(async (request) => {
      seen.push(request);
      return seen.length === 1 ? new Response(null, { status: 307, headers: { location } }) : new Response("there");
    });

  it("follows to a storage service without login and cookies, with everything else", async () => {
    const seen: Request[] = [];
    const headers = { authorization: "Bearer x", cookie: "a=b", accept: "x/y", range: "bytes=5-" };
    const response = await jump(
      "https://storage.test/blob?signature=1",
      seen,
    )(new Request(new URL("/v2/x", REGISTRY), { headers }));
    assert.equal(await response.text(), "there");
    assert.deepEqual(
      [seen[1]?.url, Object.fromEntries(seen[1]?.headers ?? [])],
      ["https://storage.test/blob?signature=1", { accept: "x/y", range: "bytes=5-" }],
    );
  });

  it("keeps the headers on the same origin, and understands relative addresses", async () => {
    const seen: Request[] = [];
    await jump(
      "../other",
      seen,
    )(new Request("https://registry.test/v2/a/b", { headers: { authorization: "Bearer x" } }));
    assert.deepEqual(
      [seen[1]?.url, seen[1]?.headers.get("authorization")],
      ["https://registry.test/v2/other", "Bearer x"],
    );
  });

  it("leaves pushes to the caller", async () => {
    const response = await jump("https://storage.test/")(new Request(REGISTRY, { method: "POST" }));
    assert.equal(response.status, 307);
  });

  for (const location of [
    "http://storage.test/",
    "https://127.0.0.1/",
    "https://[fe80::1]/",
    "javascript:alert(1)",
    "https://",
  ]) {
    it(`refuses ${location}`, async () => {
      await assert.rejects(jump(location)(new Request(REGISTRY)), (e) => isApplianceError(e, "oci/bad-redirect"));
    });
  }

  it("shows no signature of a storage address", async () => {
    await assert.rejects(
      jump("http://storage.test/blob?signature=s3cret")(new Request(REGISTRY)),
      (e) => isApplianceError(e) && !e.message.includes("s3cret"),
    );
  });
});

describe("withRetries()", () => {
  const failing = (answers: readonly (() => Response)[]): { fetch: Fetch; count: () => number } => {
    let count = 0;
    return {
      count: () => count,
      fetch: async () => {
        const answer = answers[Math.min(count++, answers.length - 1)];
        return answer === undefined ? new Response() : answer();
      },
    };
  };
  const policy = REGISTRY_RETRY;
  const status =
    (code: number, headers: Record<string, string> = {}) =>
    () =>
      new Response("", { status: code, headers });
  const broken = (): Response => {
    throw new ApplianceError("net/reset", "Cannot reach x: the connection broke");
  };

  it("gets over a broken connection and a busy server", async () => {
    const clock = fakeClock();
    const { fetch, count } = failing([broken, status(503), status(200)]);
    const response = await withRetries(fetch, testDeps(clock), { policy })(new Request(REGISTRY));
    assert.deepEqual([response.status, count(), clock.slept.length], [200, 3, 2]);
    assert.ok(
      clock.slept.every((ms) => ms >= 250 && ms <= 8_000),
      String(clock.slept),
    );
  });

  for (const [value, expected] of [
    ["7", 7_000],
    ["Sat, 21 Nov 2026 00:00:09 GMT", 9_000],
    ["99999", 32_000],
    ["soon", undefined],
  ] as const) {
    it(`obeys Retry-After: ${value} within its bound`, async () => {
      const clock = fakeClock(Date.UTC(2026, 10, 21));
      const { fetch } = failing([status(429, { "retry-after": value }), status(200)]);
      await withRetries(fetch, testDeps(clock), { policy })(new Request(REGISTRY));
      if (expected === undefined) assert.ok((clock.slept[0] ?? 0) <= 500);
      else assert.equal(clock.slept[0], expected);
    });
  }

  it("does not repeat what is final, nor what writes", async () => {
    for (const [code, method] of [
      [404, "GET"],
      [401, "GET"],
      [501, "GET"],
      [503, "POST"],
      [503, "PUT"],
    ] as const) {
      const { fetch, count } = failing([status(code)]);
      const response = await withRetries(fetch, testDeps(), { policy })(new Request(REGISTRY, { method }));
      assert.deepEqual([response.status, count()], [code, 1]);
    }
  });

  it("gives up with the code of the last answer and what the registry said", async () => {
    const said = () => Response.json({ errors: [{ code: "TOOMANYREQUESTS", message: "slow down" }] }, { status: 429 });
    const { fetch, count } = failing([said]);
    await assert.rejects(
      withRetries(fetch, testDeps(), { policy })(new Request(REGISTRY)),
      (e) => isApplianceError(e, "oci/rate-limited") && e.message.includes("TOOMANYREQUESTS: slow down"),
    );
    assert.equal(count(), policy.attempts);
  });
});

describe("withAuth()", () => {
  it("trades an identity token by POST and keeps it out of the address", async () => {
    const seen: string[] = [];
    const fetch: Fetch = async (request) => {
      const url = new URL(request.url);
      if (url.pathname === "/token") {
        seen.push(`${request.method} ${url.search} ${await request.text()}`);
        return Response.json({ access_token: "granted", expires_in: 60 });
      }
      if (request.headers.get("authorization") === "Bearer granted") return new Response("in");
      const header = 'Bearer realm="https://tokens.test/token",service="s"';
      return new Response(null, { status: 401, headers: { "www-authenticate": header } });
    };
    const credentials = { kind: "identity", token: new Secret("refresh") } as const;
    const open = withAuth(fetch, testDeps(), { registry: REGISTRY, credentials });
    const response = await open(new Request(new URL("/v2/a/b/manifests/t", REGISTRY)));
    assert.equal(await response.text(), "in");
    assert.deepEqual(seen, [
      "POST  service=s&scope=repository%3Aa%2Fb%3Apull&grant_type=refresh_token&client_id=alga-appliance&refresh_token=refresh",
    ]);
  });

  it("adds nothing to requests to another origin", async () => {
    const seen: (string | null)[] = [];
    const credentials = { kind: "bearer", token: new Secret("direct") } as const;
    const open = withAuth(
      async (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response();
      },
      testDeps(),
      { registry: REGISTRY, credentials },
    );
    for (const url of [
      "https://registry.test/v2/",
      "https://registry.test:444/v2/",
      "http://registry.test/v2/",
      "https://other.test/",
    ]) {
      await open(new Request(url));
    }
    assert.deepEqual(seen, ["Bearer direct", null, null, null]);
  });

  it("sends a body again after the login", async () => {
    const bodies: string[] = [];
    const fetch: Fetch = async (request) => {
      bodies.push(await request.text());
      if (request.headers.has("authorization")) return new Response(null, { status: 201 });
      return new Response(null, { status: 401, headers: { "www-authenticate": "Basic" } });
    };
    const credentials = { kind: "password", username: "u", password: new Secret("p") } as const;
    const open = withAuth(fetch, testDeps(), { registry: REGISTRY, credentials });
    const put = new Request(new URL("/v2/a/manifests/t", REGISTRY), { method: "PUT", body: "text" });
    assert.equal((await open(put)).status, 201);
    assert.deepEqual(bodies, ["text", "text"]);
  });
});

describe("an interrupted blob", () => {
  const bytes = utf8("0123456789");
  const descriptor = { mediaType: "text/plain", digest: digestOf(bytes), size: bytes.length };
  /** Gives `count` bytes from where it is asked, then breaks, until all are there. */
  const dripping =
    (count: number, honorsRange: boolean, ranges: (string | null)[]): Fetch =>
    async (request) => {
      const range = request.headers.get("range");
      ranges.push(range);
      const from = honorsRange ? Number(/\d+/.exec(range ?? "0")?.[0] ?? 0) : 0;
      const upTo = honorsRange ? Math.min(from + count, bytes.length) : Math.min(count * ranges.length, bytes.length);
      const body = new ReadableStream<Uint8Array>(
        {
          pull: (controller) => {
            controller.enqueue(bytes.slice(from, upTo));
            if (upTo === bytes.length) controller.close();
            else controller.error(new ApplianceError("net/reset", "Cannot reach x: the connection broke"));
          },
        },
        { highWaterMark: 0 },
      );
      const headers: Record<string, string> =
        from > 0 ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
      return new Response(body, { status: from > 0 ? 206 : 200, headers });
    };

  it("goes on where it broke", async () => {
    const ranges: (string | null)[] = [];
    // An error right behind bytes may drop them from the queue of a stream; what arrived decides where it goes on.
    assert.deepEqual(await clientOver(dripping(4, true, ranges)).blob("a/b", descriptor), bytes);
    assert.equal(ranges[0], null);
    assert.ok(ranges.length > 1 && ranges.length < 8, ranges.join());
  });

  it("starts again when the registry ignores Range", async () => {
    const ranges: (string | null)[] = [];
    assert.deepEqual(await clientOver(dripping(4, false, ranges)).blob("a/b", descriptor), bytes);
  });

  it("waits between attempts and comes to an end", async () => {
    const clock = fakeClock();
    const fetch: Fetch = async () => {
      const body = new ReadableStream({ pull: (controller) => controller.error(new Error("plug")) });
      return new Response(body);
    };
    await assert.rejects(clientOver(fetch, {}, clock).blob("a/b", descriptor), (e) => isApplianceError(e, "net/reset"));
    assert.equal(clock.slept.length, REGISTRY_RETRY.attempts * 2 - 1);
  });
});
