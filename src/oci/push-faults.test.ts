/** What may go wrong between a publisher and a registry: cut lines, lost uploads, refusals, storms, lies, and other publishers. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fakeClock, testDeps, utf8 } from "../../test/support/oci.ts";
import { died, HOST, type Meddle, noise, pushWorld, sampleContent } from "../../test/support/push.ts";
import { digestOf } from "../core/digest.ts";
import type { Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { pushArtifact } from "./artifact.ts";
import { storeContent } from "./content.ts";
import { openPush } from "./push.ts";
import { createRegistryServer } from "./registry-server.ts";
import { createMemoryStore, type RegistryStore } from "./store.ts";

const LARGE = noise(9_000_000);

function large(bytes: Uint8Array = LARGE): RegistryStore {
  const store = createMemoryStore();
  pushArtifact(store, "a/b", { tag: "1.0.0", layers: [{ mediaType: "application/octet-stream", bytes }] });
  return store;
}

/** The request with only the first bytes of its body, as a cut line brings them. */
async function firstPart(request: Request, bytes: number): Promise<Request> {
  const body = new Uint8Array(await request.arrayBuffer()).slice(0, bytes);
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  return new Request(request.url, { method: request.method, headers, body });
}

const rangesOf = (world: ReturnType<typeof pushWorld>): (string | null)[] =>
  world.seen.filter(({ method }) => method === "PATCH").map(({ headers }) => headers.get("content-range"));

describe("a cut line", () => {
  for (const [bytes, rest] of [
    // Nothing was kept of all that went, so the next break must not cost as much.
    [0, ["0-3999999", "4000000-7999999", "8000000-8999999"]],
    [1_234_567, ["1234567-8999999"]],
    [8_999_999, ["8999999-8999999"]],
    [9_000_000, []],
  ] as const) {
    it(`in a stream of which ${bytes} bytes have arrived: the rest is sent, and no more`, async () => {
      const world = pushWorld();
      let cuts = 0;
      const cut: Meddle = (request, next) => {
        if (request.method !== "PATCH" || ++cuts !== 1) return undefined;
        return firstPart(request, bytes)
          .then(next)
          .then(() => Promise.reject(died()));
      };
      const report = await (await world.open(large(), {}, cut)).content();
      assert.equal(report.sentBytes, report.totalBytes);
      assert.equal(digestOf(world.store.blob("a/b", digestOf(LARGE)) ?? ""), digestOf(LARGE));
      assert.deepEqual(rangesOf(world), [null, ...rest]);
    });
  }

  it("again and again, each time a little further: every break has attempts of its own", async () => {
    const world = pushWorld();
    let cuts = 0;
    const push = await world.open(large(), {}, (request, next) => {
      if (request.method !== "PATCH" || ++cuts > 20) return undefined;
      return firstPart(request, 100_000)
        .then(next)
        .then(() => Promise.reject(died()));
    });
    const report = await push.content();
    assert.equal(report.sentBytes, report.totalBytes);
    assert.equal(rangesOf(world).at(-1), "2000000-8999999");
  });

  it("of which a registry counts one byte as it counts none", async () => {
    const world = pushWorld();
    let cuts = 0;
    const push = await world.open(large(), {}, (request, next) => {
      if (request.method !== "PATCH" || ++cuts !== 1) return undefined;
      return firstPart(request, 1)
        .then(next)
        .then(() => Promise.reject(died()));
    });
    const report = await push.content();
    assert.equal(report.sentBytes, report.totalBytes);
    assert.ok(world.store.blob("a/b", digestOf(LARGE)));
  });

  it("before any byte has gone out: the same again", async () => {
    const world = pushWorld();
    let cuts = 0;
    const push = await world.open(large(), {}, (request) =>
      request.method === "PATCH" && ++cuts === 1 ? Promise.reject(died()) : undefined,
    );
    await push.content();
    assert.ok(world.store.blob("a/b", digestOf(LARGE)));
    assert.deepEqual(rangesOf(world), [null, null]);
  });

  it("at the end of an upload that the registry has kept", async () => {
    const world = pushWorld();
    let ends = 0;
    const push = await world.open(large(), {}, (request, next) => {
      const isEnd = request.method === "PUT" && request.url.includes("/uploads/");
      return isEnd && ++ends <= 2 ? next(request).then(() => Promise.reject(died())) : undefined;
    });
    await push.content();
    assert.equal(ends, 2);
  });
});

describe("a registry", () => {
  it("that loses an upload gets the blob anew, and what was counted is taken back", async () => {
    const world = pushWorld();
    let patches = 0;
    const push = await world.open(large(), {}, (request, next) => {
      if (request.method !== "PATCH" || ++patches !== 1) return undefined;
      const gone = new Request(request.url, { method: "DELETE" });
      return firstPart(request, 5_000_000)
        .then(next)
        .then(() => next(gone))
        .then(() => Promise.reject(died()));
    });
    const report = await push.content();
    assert.equal(report.sentBytes, report.totalBytes);
    assert.deepEqual(rangesOf(world), [null, null]);
  });

  it("behind a proxy that lets 5 MB through gets the blob in chunks", async () => {
    const world = pushWorld();
    const push = await world.open(large(), {}, (request) =>
      Number(request.headers.get("content-length")) > 5_000_000
        ? Promise.resolve(new Response(null, { status: 413 }))
        : undefined,
    );
    const report = await push.content();
    assert.equal(report.sentBytes, report.totalBytes);
    assert.ok(world.store.blob("a/b", digestOf(LARGE)));
    assert.deepEqual(rangesOf(world), [null, "0-3999999", "4000000-7999999", "8000000-8999999"]);
  });

  for (const [name, status] of [
    ["that wants other requests", 413],
    ["that takes no chunks", 416],
    ["without PATCH", 405],
  ] as const) {
    it(`${name} gets the blob in one request`, async () => {
      const world = pushWorld();
      const push = await world.open(large(), {}, (request) =>
        request.method === "PATCH" ? Promise.resolve(new Response(null, { status })) : undefined,
      );
      const report = await push.content();
      assert.equal(report.sentBytes, report.totalBytes);
      assert.ok(world.store.blob("a/b", digestOf(LARGE)));
      assert.deepEqual(rangesOf(world), [null, "0-3999999"]);
    });
  }

  for (const [name, range] of [
    ["counts no further than the first chunk", "0-3999999"],
    ["counts more than was sent", "0-99999999"],
  ] as const) {
    it(`that ${name} gets the blob in one request`, async () => {
      const world = pushWorld();
      const push = await world.open(large(), {}, (request, next) => {
        if (request.method !== "PATCH") return undefined;
        return next(request).then((response) => {
          response.headers.set("range", range);
          return response;
        });
      });
      await push.content();
      assert.ok(world.store.blob("a/b", digestOf(LARGE)));
    });
  }

  it("that takes a part of each chunk gets the rest", async () => {
    const world = pushWorld();
    const push = await world.open(large(), {}, (request, next) =>
      request.method === "PATCH" ? firstPart(request, 3_000_000).then(next) : undefined,
    );
    await push.content();
    assert.ok(world.store.blob("a/b", digestOf(LARGE)));
  });

  it("that is asked too much is left alone as long as it wants, by everybody", async () => {
    const clock = fakeClock();
    const server = createRegistryServer();
    const refusedAtMs: number[] = [];
    let count = 0;
    const fetch: Fetch = async (request) => {
      count += 1;
      const last = refusedAtMs.at(-1);
      if (last !== undefined) assert.ok(clock.monotonic() >= last + 2_000, "asked before its time");
      if (count % 3 !== 0) return server.fetch(request);
      refusedAtMs.push(clock.monotonic());
      return new Response(null, { status: 429, headers: { "retry-after": "2" } });
    };
    const push = await openPush(
      storeContent(sampleContent()),
      { ...testDeps(clock), fetch },
      { registry: HOST, concurrency: 1 },
    );
    await push.content();
    await push.tags({ taken: "refuse" });
    assert.ok(refusedAtMs.length > 10);
    assert.deepEqual(server.store.tags("base/image"), ["1.0.0"]);
  });

  it("that answers nothing but 429 is given up after eight attempts", async () => {
    const world = pushWorld();
    const push = await world.open(large(), {}, () => Promise.resolve(new Response(null, { status: 429 })));
    await assert.rejects(push.content(), { code: "oci/rate-limited" });
    assert.ok(world.seen.length <= 16, `${world.seen.length}`);
  });

  it("that gives other bytes back, blob or manifest, is told before any tag", async () => {
    for (const kind of ["blobs", "manifests"] as const) {
      const world = pushWorld();
      const push = await world.open(large(utf8("content")), {}, (request, next) => {
        const isRead = request.method === "GET" && request.url.includes(`/${kind}/sha256:`);
        return isRead
          ? next(request).then(async (response) => {
              const bytes = new Uint8Array(await response.arrayBuffer());
              bytes[0] = (bytes[0] ?? 0) ^ 1;
              return new Response(bytes, response);
            })
          : undefined;
      });
      await assert.rejects(push.content(), { code: "oci/digest-mismatch" });
      assert.deepEqual(world.store.tags("a/b"), []);
    }
  });

  it("with a damaged blob under the right digest is told", async () => {
    const world = pushWorld();
    const push = await world.open(large(utf8("content")), {}, (request) =>
      request.method === "HEAD" && request.url.includes("/blobs/")
        ? Promise.resolve(new Response(null, { status: 200, headers: { "content-length": "3" } }))
        : undefined,
    );
    await assert.rejects(push.content(), { code: "oci/size-mismatch" });
    assert.deepEqual(world.writes(), []);
  });

  it("that dies at any request shows no tag before everything is there, and the next run completes it", async () => {
    const world = pushWorld({ referrers: false });
    const run = async (meddle?: Meddle): Promise<void> => {
      const push = await world.open(sampleContent(), { retry: { attempts: 1, baseMs: 1, maxMs: 1 } }, meddle);
      await push.content();
      await push.tags({ taken: "refuse" });
    };
    const empty = (): void => {
      for (const repository of world.store.repositories()) {
        for (const { digest } of world.store.manifests(repository)) world.store.deleteManifest(repository, digest);
        for (const { digest } of world.store.blobs(repository)) world.store.deleteBlob(repository, digest);
      }
    };
    await run();
    const requests = world.seen.length;
    const whole = {
      manifests: world.store.manifests("base/image").length,
      blobs: world.store.blobs("base/image").length,
    };
    assert.ok(requests > 40, `${requests}`);
    for (let dies = 1; dies <= requests; dies += 1) {
      for (const isServed of [false, true]) {
        empty();
        const dead: Meddle = (request, next, count) => {
          if (count < dies) return undefined;
          return (count === dies && isServed ? next(request) : Promise.resolve()).then(() => Promise.reject(died()));
        };
        await assert.rejects(run(dead), { code: "net/reset" }, `request ${dies}`);
        if ((world.store.tags("base/image") ?? []).includes("1.0.0")) {
          assert.equal(world.store.blobs("base/image").length, whole.blobs, `a tag without its content at ${dies}`);
        }
        await run();
        assert.ok(world.store.manifests("base/image").length >= whole.manifests, `request ${dies}`);
        assert.deepEqual(world.store.tags("base/chart"), ["0.1.0"]);
      }
    }
  });
});

describe("a blob that is too large to be kept for a second try", () => {
  const user = { username: "ann", password: "s3cret" };
  const credentials = { kind: "password", username: "ann", password: new Secret("s3cret") } as const;
  const bytes = new Uint8Array(68_000_000).fill(7);

  for (const refusals of [0, 1]) {
    it(`goes out in one request with a login${refusals === 0 ? "" : ", and anew when the login has run out on the way"}`, async () => {
      const world = pushWorld({ auth: { kind: "basic", users: [user] } });
      let left = refusals;
      const wholes: (string | null)[] = [];
      const push = await world.open(large(bytes), { credentials, verify: "sizes" }, (request) => {
        if (request.method === "PATCH") return Promise.resolve(new Response(null, { status: 405 }));
        const isWhole = request.method === "PUT" && request.headers.get("content-length") === "68000000";
        if (!isWhole) return undefined;
        wholes.push(request.headers.get("authorization"));
        left -= 1;
        const challenge = { "www-authenticate": 'Basic realm="registry"' };
        return left >= 0 ? Promise.resolve(new Response(null, { status: 401, headers: challenge })) : undefined;
      });
      const report = await push.content();
      assert.equal(report.sentBytes, report.totalBytes);
      assert.equal(wholes.length, refusals + 1);
      assert.ok(wholes.every((login) => login?.startsWith("Basic ")));
      assert.equal(world.store.blob("a/b", digestOf(bytes))?.length, bytes.length);
    });
  }
});

describe("two publishers at once", () => {
  it("of the same content both come to the same end", async () => {
    const world = pushWorld();
    const pushes = await Promise.all([world.open(sampleContent()), world.open(sampleContent())]);
    await Promise.all(pushes.map((push) => push.content()));
    await Promise.all(pushes.map((push) => push.tags({ taken: "refuse" })));
    assert.deepEqual(world.store.tags("base/image"), ["1.0.0"]);
  });

  it("of other content under one tag: one of them is told, and the tag names something whole", async () => {
    const world = pushWorld();
    const contents = [large(utf8("one")), large(utf8("two"))];
    const pushes = await Promise.all(contents.map((content) => world.open(content)));
    await Promise.all(pushes.map((push) => push.content()));
    const ends = await Promise.allSettled(pushes.map((push) => push.tags({ taken: "refuse" })));
    const failed = ends.flatMap((end) => (end.status === "rejected" ? [end.reason.code] : []));
    assert.equal(failed.length, 1);
    assert.ok(["oci/tag-taken", "oci/tag-moved"].includes(failed[0]), failed[0]);
    const named = world.store.manifest("a/b", "1.0.0");
    assert.ok(contents.some((content) => content.manifest("a/b", "1.0.0")?.digest === named?.digest));
  });
});

describe("a push that is stopped", () => {
  it("sends nothing more, and says so", async () => {
    const stop = new AbortController();
    const world = pushWorld();
    const push = await world.open(large(), { signal: stop.signal }, (request) => {
      if (request.method === "PATCH") stop.abort();
      return undefined;
    });
    await assert.rejects(push.content(), { code: "internal/aborted" });
    const after = world.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(world.seen.length, after);
    assert.ok(world.writes().filter((line) => line.startsWith("PATCH")).length <= 1);
  });
});
