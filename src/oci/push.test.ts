import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientOver, utf8 } from "../../test/support/oci.ts";
import { HOST, noise, pushWorld, sampleContent } from "../../test/support/push.ts";
import { digestOf } from "../core/digest.ts";
import { Secret } from "../core/secret.ts";
import { pushArtifact } from "./artifact.ts";
import { storeContent } from "./content.ts";
import type { PushProgress } from "./push.ts";
import { createMemoryStore, type RegistryStore } from "./store.ts";

/** A store with one artifact of one large layer. */
function large(bytes: Uint8Array, repository = "a/b"): RegistryStore {
  const store = createMemoryStore();
  pushArtifact(store, repository, { tag: "1.0.0", layers: [{ mediaType: "application/octet-stream", bytes }] });
  return store;
}

describe("a push", () => {
  it("brings blobs, manifests, the list of referrers and tags, and has nothing to do the second time", async () => {
    const world = pushWorld({ referrers: false });
    const push = await world.open(sampleContent(), { base: "nine-minds" });
    const report = await push.content();
    assert.deepEqual(report.blobs, { total: 6, sent: 6, mounted: 2 });
    assert.deepEqual([report.manifests, report.referrerLists], [{ total: 5, sent: 5 }, 1]);
    assert.equal(report.sentBytes + report.skippedBytes, report.totalBytes);
    assert.deepEqual(world.store.tags("nine-minds/base/chart"), []);
    const moved = await push.tags({ taken: "refuse" });
    assert.deepEqual(
      moved.map(({ repository, tag, was }) => [repository, tag, was]),
      [
        ["nine-minds/base/chart", "0.1.0", null],
        ["nine-minds/base/image", "1.0.0", null],
      ],
    );
    world.seen.length = 0;
    const again = await world.open(sampleContent(), { base: "nine-minds" });
    const second = await again.content();
    assert.deepEqual([second.sentBytes, second.skippedBytes], [0, report.totalBytes]);
    await again.tags({ taken: "refuse" });
    assert.deepEqual(world.writes(), []);
  });

  it("sends children before their index, and an artifact before its signature", async () => {
    const world = pushWorld();
    const push = await world.open(sampleContent());
    await push.content();
    const { plan } = push;
    const levels = Object.fromEntries(plan.manifests.map((one) => [one.artifactType ?? "index", one.level]));
    assert.deepEqual([levels.x, levels.index, levels.signature], [0, 1, 2]);
    const puts = world.writes().filter((line) => line.startsWith("PUT /v2/base/image/manifests/"));
    const digests = puts.map((line) => line.slice(line.lastIndexOf("/") + 1));
    const last = plan.manifests.filter(({ level }) => level > 0).map(({ descriptor }) => descriptor.digest);
    assert.deepEqual(digests.slice(-2), last);
  });

  it("says what it would do, and writes nothing", async () => {
    const world = pushWorld();
    const push = await world.open(sampleContent());
    const report = await push.dryRun();
    assert.deepEqual([report.blobs.sent, report.manifests.sent, report.sentBytes], [6, 5, report.totalBytes]);
    assert.deepEqual(
      (await push.tagStates()).map(({ was }) => was),
      [null, null],
    );
    assert.deepEqual(world.writes(), []);
  });

  it("refuses content that is not whole before anything is sent", async () => {
    const content = sampleContent();
    const source = storeContent(content);
    const gone = digestOf("c");
    const world = pushWorld();
    const push = await world.open({ ...source, has: async (digest) => digest !== gone && source.has(digest) });
    await assert.rejects(push.content(), { code: "oci/not-found" });
    assert.deepEqual(world.writes(), []);
    const open = world.open({ ...source, bytes: async () => utf8("{}") });
    await assert.rejects(open, { code: "oci/bad-manifest" });
  });

  it("leaves a tag that names something else alone, unless it may move", async () => {
    const world = pushWorld();
    const first = await world.open(large(utf8("one")));
    await first.content();
    await first.tags({ taken: "refuse" });
    const second = await world.open(large(utf8("two")));
    await second.content();
    const before = world.store.manifest("a/b", "1.0.0")?.digest;
    await assert.rejects(second.tags({ taken: "refuse" }), { code: "oci/tag-taken" });
    assert.equal(world.store.manifest("a/b", "1.0.0")?.digest, before);
    await second.tags({ taken: "move" });
    assert.notEqual(world.store.manifest("a/b", "1.0.0")?.digest, before);
  });

  it("tells how far it is", async () => {
    const told: PushProgress[] = [];
    const push = await pushWorld().open(large(noise(9_000_000)), { onProgress: (progress) => told.push(progress) });
    await push.content();
    assert.deepEqual([...new Set(told.map(({ phase }) => phase))], ["looking", "sending", "reading back"]);
    const sent = told.map(({ sentBytes }) => sentBytes);
    assert.ok(new Set(sent).size >= 4, `${sent}`);
    assert.equal(told.at(-1)?.checkedBytes, told.at(-1)?.totalBytes);
    assert.ok(sent.every((bytes, at) => bytes >= (sent[at - 1] ?? 0)));
  });
});

describe("a large blob", () => {
  it("goes in one stream with its length; a small one in one PUT", async () => {
    const world = pushWorld();
    const push = await world.open(large(noise(9_000_000)));
    await push.content();
    const streams = world.seen.filter(({ method }) => method === "PATCH").map(({ headers }) => headers);
    assert.deepEqual(
      streams.map((headers) => [headers.get("content-range"), headers.get("content-length")]),
      [[null, "9000000"]],
    );
    assert.equal(world.writes().filter((line) => line.startsWith("PUT /v2/a/b/blobs")).length, 2);
  });

  it("obeys the smallest chunk that a registry wants, where it takes no stream", async () => {
    const world = pushWorld({ minChunkBytes: 5_000_000 });
    const push = await world.open(large(noise(11_000_000)), {}, (request) =>
      Number(request.headers.get("content-length")) > 5_000_000
        ? Promise.resolve(new Response(null, { status: 413 }))
        : undefined,
    );
    await push.content();
    const sizes = world.seen
      .filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers.get("content-length"));
    assert.deepEqual(sizes, ["11000000", "5000000", "5000000", "1000000"]);
  });

  it("is never in memory as a whole", async () => {
    const [sizeBytes, pieceBytes] = [40_000_000, 1_000_000];
    let [made, taken, most] = [0, 0, 0];
    const bytes = noise(sizeBytes);
    const source = storeContent(large(bytes));
    const world = pushWorld();
    const push = await world.open(
      {
        ...source,
        stream: (wanted) => {
          if (wanted.size < sizeBytes) return source.stream(wanted);
          return new ReadableStream<Uint8Array>(
            {
              pull: (controller) => {
                if (made >= sizeBytes) return controller.close();
                controller.enqueue(bytes.slice(made, made + pieceBytes));
                made += pieceBytes;
                most = Math.max(most, made - taken);
              },
            },
            { highWaterMark: 0 },
          );
        },
      },
      { verify: "sizes" },
      (request, next) => {
        if (request.method !== "PATCH" || request.body === null) return undefined;
        const count = new TransformStream<Uint8Array, Uint8Array>({
          transform: (chunk, controller) => {
            taken += chunk.length;
            controller.enqueue(chunk);
          },
        });
        return next(new Request(request, { body: request.body.pipeThrough(count) }));
      },
    );
    await push.content();
    assert.equal(taken, sizeBytes);
    assert.ok(most <= 5_000_000, `${most} bytes were read ahead`);
  });
});

describe("mounting", () => {
  const both = (): RegistryStore => {
    const store = large(noise(3_000), "a/b");
    pushArtifact(store, "a/c", { layers: [{ mediaType: "application/octet-stream", bytes: noise(3_000) }] });
    return store;
  };
  const uploads = (lines: readonly string[]): number =>
    lines.filter((line) => line.startsWith("PUT ") && line.includes("/blobs/")).length;

  it("sends a blob once and mounts it into the other repositories", async () => {
    const world = pushWorld();
    const report = await (await world.open(both())).content();
    assert.deepEqual(report.blobs, { total: 2, sent: 2, mounted: 2 });
    assert.equal(uploads(world.writes()), 2);
    assert.ok(world.store.blob("a/c", digestOf(noise(3_000))));
  });

  it("mounts from a repository that it was told of, with a login that may read there", async () => {
    const users = [{ username: "ann", password: "s3cret" }];
    const world = pushWorld({
      auth: { kind: "token", users },
      random: { bytes: (count) => noise(count, ++seed), uuid: () => `${++seed}`, fraction: () => 0 },
    });
    world.store.putBlob("old/place", noise(3_000));
    const credentials = { kind: "password", username: "ann", password: new Secret("s3cret") } as const;
    const report = await (
      await world.open(large(noise(3_000)), { credentials, mountFrom: () => ["old/place"] })
    ).content();
    assert.deepEqual(report.blobs, { total: 2, sent: 1, mounted: 1 });
    assert.equal(report.skippedBytes, 3_000);
  });
  let seed = 0;

  it("believes no registry that says it has mounted what it has not", async () => {
    const world = pushWorld();
    const push = await world.open(both(), {}, (request) => {
      const isMount = new URL(request.url).searchParams.has("mount");
      return isMount ? Promise.resolve(new Response(null, { status: 201 })) : undefined;
    });
    const report = await push.content();
    assert.deepEqual(report.blobs, { total: 2, sent: 4, mounted: 0 });
    assert.ok(world.store.blob("a/c", digestOf(noise(3_000))));
  });

  it("goes on with the upload that a registry begins instead", async () => {
    const world = pushWorld();
    const push = await world.open(both(), {}, (request, next) => {
      const url = new URL(request.url);
      return url.searchParams.has("mount") ? next(new Request(`${url.origin}${url.pathname}`, request)) : undefined;
    });
    assert.equal((await push.content()).blobs.mounted, 0);
    const begun = world.writes().filter((line) => line.startsWith("POST"));
    assert.equal(begun.length, 4);
  });
});

describe("the place of an upload", () => {
  const moved = (to: string) => async (request: Request, next: (request: Request) => Promise<Response>) => {
    const response = await next(request);
    const path = response.headers.get("location") ?? "";
    if (request.method === "POST") response.headers.set("location", `${to}${path}`);
    return response;
  };

  for (const place of [
    "http://other.test",
    "http://registry.test:81",
    "ftp://registry.test",
    "http://ann:pw@registry.test",
  ]) {
    it(`is refused at ${place}, and nothing goes there`, async () => {
      const world = pushWorld();
      const push = await world.open(large(utf8("x")), {}, moved(place));
      await assert.rejects(push.content(), { code: "oci/bad-redirect" });
      assert.deepEqual([...new Set(world.writes())], ["POST /v2/a/b/blobs/uploads/"]);
    });
  }

  it("is spoken to with TLS although a registry behind a proxy names itself without", async () => {
    const world = pushWorld();
    const origins = new Set<string>();
    const push = await world.open(large(utf8("x")), { plainHttp: false }, (request, next) => {
      origins.add(new URL(request.url).origin);
      return moved(`http://${HOST}`)(request, next);
    });
    await push.content();
    assert.deepEqual([...origins], ["https://registry.test"]);
  });

  it("gets no login by a redirect", async () => {
    const credentials = { kind: "password", username: "ann", password: new Secret("s3cret") } as const;
    const world = pushWorld({ auth: { kind: "basic", users: [{ username: "ann", password: "s3cret" }] } });
    const logins: string[] = [];
    const push = await world.open(large(utf8("x")), { credentials }, (request, next) => {
      const url = new URL(request.url);
      if (url.host !== HOST) logins.push(request.headers.get("authorization") ?? "none");
      const location = "https://elsewhere.test/steal";
      if (url.host !== HOST) return Promise.resolve(new Response(null, { status: 404 }));
      if (request.method === "PUT" || request.method === "HEAD") {
        return Promise.resolve(new Response(null, { status: 307, headers: { location } }));
      }
      return next(request);
    });
    await assert.rejects(push.content(), { code: "oci/bad-redirect" });
    assert.deepEqual([...new Set(logins)], ["none"]);
  });
});

describe("referrers", () => {
  const wanted = "signature";

  for (const referrers of [true, false]) {
    it(`are listed after a push ${referrers ? "by the API" : "by the fallback tag"}, also by their type`, async () => {
      const world = pushWorld({ referrers });
      await (await world.open(sampleContent())).content();
      const index = (await world.open(sampleContent())).plan.tags.find(({ tag }) => tag === "1.0.0");
      const digest = index?.manifest.descriptor.digest ?? assert.fail();
      const client = clientOver(world.fetch);
      const found = await client.referrers("base/image", digest, { artifactType: wanted });
      assert.deepEqual(
        [found.by, found.manifests.map((one) => one.artifactType)],
        [referrers ? "api" : "tag", [wanted]],
      );
      assert.deepEqual((await client.referrers("base/image", digest, { artifactType: "other" })).manifests, []);
      assert.deepEqual((await client.referrers("base/image", digestOf("nothing"))).manifests, []);
      assert.equal(world.store.tags("base/image")?.length, referrers ? 0 : 1);
    });
  }

  it("keep those that others have put on the list, also when two write at once", async () => {
    const world = pushWorld({ referrers: false });
    const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: digestOf("subject"), size: 7 };
    const signed = (by: string): RegistryStore => {
      const store = createMemoryStore();
      pushArtifact(store, "a/b", { artifactType: by, subject });
      return store;
    };
    const names = ["ann", "ben", "cid", "dot"];
    const pushes = await Promise.all(names.map((name) => world.open(signed(name))));
    await Promise.all(pushes.map((push) => push.content()));
    const { manifests } = await clientOver(world.fetch).referrers("a/b", subject.digest);
    assert.deepEqual(manifests.map((one) => one.artifactType).sort(), names);
  });

  it("are read in pages, filtered here where the registry does not, and never from another place", async () => {
    const page = (names: readonly string[], link?: string) =>
      Response.json(
        {
          schemaVersion: 2,
          mediaType: "application/vnd.oci.image.index.v1+json",
          manifests: names.map((artifactType) => ({
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            digest: digestOf(artifactType),
            size: 1,
            artifactType,
          })),
        },
        {
          headers: {
            "content-type": "application/vnd.oci.image.index.v1+json",
            ...(link === undefined ? {} : { link: `<${link}>; rel="next"` }),
          },
        },
      );
    const path = `/v2/a/b/referrers/${digestOf("x")}`;
    const pages: Readonly<Record<string, Response>> = {
      "": page([wanted, "other"], `${path}?page=2`),
      "2": page([wanted]),
    };
    const client = clientOver(async (request) =>
      (pages[new URL(request.url).searchParams.get("page") ?? ""] ?? assert.fail()).clone(),
    );
    assert.equal((await client.referrers("a/b", digestOf("x"))).manifests.length, 3);
    assert.equal((await client.referrers("a/b", digestOf("x"), { artifactType: wanted })).manifests.length, 2);
    for (const link of ["https://other.test/", "/v2/c/d/referrers/x", path]) {
      const hostile = clientOver(async () => page([wanted], link));
      await assert.rejects(hostile.referrers("a/b", digestOf("x")), { code: "oci/unexpected-answer" });
    }
    const endless = clientOver(async (request) => {
      const next = Number(new URL(request.url).searchParams.get("page") ?? 0) + 1;
      return page([wanted], `${path}?page=${next}`);
    });
    await assert.rejects(endless.referrers("a/b", digestOf("x")), { code: "oci/too-large" });
  });
});
