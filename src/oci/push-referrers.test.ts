/** Lists of referrers under the fallback tag, written by several publishers at once, in time that is made for the test. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clientOver, testDeps } from "../../test/support/oci.ts";
import { HOST } from "../../test/support/push.ts";
import { digestOf } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { pushArtifact } from "./artifact.ts";
import { storeContent } from "./content.ts";
import { openPush, type PushReport } from "./push.ts";
import { fallbackTag } from "./referrers.ts";
import { createRegistryServer } from "./registry-server.ts";
import { createMemoryStore } from "./store.ts";

/** Numbers from 0 up to 1 that are the same in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Time that goes on to the next waiter when everybody waits: hours pass in no time, and always alike. Whoever works has to be
 * entered, because nobody else can tell work from waiting on a busy machine.
 */
function virtualTime() {
  let nowMs = 0;
  const waiting: { readonly atMs: number; readonly wake: () => void }[] = [];
  const workers = new Set<{ sleeping: number }>();
  const enter = async <T>(work: (clock: Clock) => Promise<T>): Promise<T> => {
    const worker = { sleeping: 0 };
    workers.add(worker);
    const sleep = async (ms: number): Promise<void> => {
      worker.sleeping += 1;
      await new Promise<void>((wake) => waiting.push({ atMs: nowMs + ms, wake }));
      worker.sleeping -= 1;
    };
    const clock = { now: () => nowMs, monotonic: () => nowMs, sleep, after: () => () => {} };
    return work(clock).finally(() => workers.delete(worker));
  };
  /** Lets time pass until the work is done. */
  const run = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const end = work.finally(() => {
      isOver = true;
    });
    end.catch(() => {});
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = waiting.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || [...workers].some(({ sleeping }) => sleeping === 0)) continue;
      waiting.splice(waiting.indexOf(next), 1);
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
      // The one that wakes counts itself out first.
      await Promise.resolve();
    }
    return end;
  };
  return { enter, run };
}

const INDEX = "application/vnd.oci.image.index.v1+json";
const SUBJECT = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: digestOf("subject"), size: 7 };

/** A registry without the referrers API, and publishers who need `slowestMs` at most for each way of a request. */
function world(seed: number) {
  const server = createRegistryServer({ referrers: false });
  const time = virtualTime();
  const fraction = seeded(seed);
  const publisher = (name: string, slowestMs: number, options: { readonly dryRun?: boolean } = {}) =>
    time.enter(async (clock): Promise<PushReport> => {
      const wire: Fetch = async (request) => {
        await clock.sleep(fraction() * slowestMs);
        const response = await server.fetch(request);
        const isOfList = request.url.includes("/manifests/sha256-");
        if (isOfList && request.method === "PUT") onWritten();
        if (isOfList && request.method === "GET") onRead();
        await clock.sleep(fraction() * slowestMs);
        return response;
      };
      const store = createMemoryStore();
      pushArtifact(store, "a/b", { artifactType: name, subject: SUBJECT });
      const random = { ...testDeps().random, fraction };
      const deps = { ...testDeps(clock), random, fetch: wire };
      const push = await openPush(storeContent(store), deps, { registry: HOST, concurrency: 1 });
      return options.dryRun === true ? push.dryRun() : push.content();
    });
  /** Called when the list was written or read, in the same moment. */
  let [onWritten, onRead] = [(): void => {}, (): void => {}];
  /** Writes a list as somebody does who keeps no rule. */
  const overwrite = (manifests: readonly unknown[] = []): void => {
    const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
    const digest = digestOf(text);
    server.store.putManifest("a/b", digest, new TextEncoder().encode(text), INDEX);
    server.store.tag("a/b", fallbackTag(SUBJECT.digest), digest);
  };
  const entries = (): readonly { readonly digest: string }[] => {
    const list = server.store.manifest("a/b", fallbackTag(SUBJECT.digest));
    return list === undefined ? [] : JSON.parse(new TextDecoder().decode(list.bytes)).manifests;
  };
  const listed = async (): Promise<readonly (string | undefined)[]> =>
    (await clientOver(server.fetch).referrers("a/b", SUBJECT.digest)).manifests.map((one) => one.artifactType).sort();
  const whenWritten = (call: () => void): void => {
    onWritten = call;
  };
  const whenRead = (call: () => void): void => {
    onRead = call;
  };
  return { server, time, publisher, listed, overwrite, entries, whenWritten, whenRead };
}

describe("a list of referrers that many write at once", () => {
  for (const writers of [2, 5, 12]) {
    it(`keeps the entries of all of ${writers} writers, whoever overwrites whom`, async () => {
      let overwritten = 0;
      for (let seed = 1; seed <= 12; seed += 1) {
        const { time, publisher, listed, entries, whenWritten } = world(seed);
        const names = Array.from({ length: writers }, (_, index) => `writer-${String(index).padStart(2, "0")}`);
        let before = 0;
        whenWritten(() => {
          const now = entries().length;
          if (now <= before) overwritten += 1;
          before = now;
        });
        const reports = await time.run(Promise.all(names.map((name) => publisher(name, 50))));
        assert.deepEqual(await listed(), names, `seed ${seed}`);
        assert.ok(reports.every(({ referrerLists }) => referrerLists === 1));
      }
      assert.ok(overwritten > 0, "nobody was in anybody's way, so this shows nothing");
    });
  }

  it("puts back what it has seen of others, and not what was taken away with its manifest", async () => {
    for (const isDeleted of [false, true]) {
      const { server, time, publisher, listed, overwrite, entries, whenWritten } = world(7);
      await time.run(publisher("ann", 5));
      const ann = entries()[0]?.digest ?? assert.fail();
      whenWritten(() => {
        whenWritten(() => {});
        overwrite();
        if (isDeleted) server.store.deleteManifest("a/b", ann);
      });
      await time.run(publisher("ben", 5));
      assert.deepEqual(await listed(), isDeleted ? ["ben"] : ["ann", "ben"]);
    }
  });

  it("loses without notice only what a much slower writer overwrites; a dry run tells, the next run puts it back", async () => {
    let lost = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const { time, publisher, listed, whenRead } = world(seed);
      const quick = Promise.withResolvers<unknown>();
      whenRead(() => {
        whenRead(() => {});
        quick.resolve(publisher("quick", 5));
      });
      await time.run(Promise.all([publisher("slow", 5_000), quick.promise]));
      const left = await listed();
      assert.ok(left.includes("slow"));
      if (left.includes("quick")) continue;
      lost += 1;
      assert.equal((await time.run(publisher("quick", 5, { dryRun: true }))).referrerLists, 1);
      await time.run(publisher("quick", 5));
      assert.deepEqual(await listed(), ["quick", "slow"]);
      assert.equal((await time.run(publisher("quick", 5, { dryRun: true }))).referrerLists, 0);
    }
    assert.ok(lost > 0, "the window that is documented was not met");
  });

  it("gives up on somebody who overwrites it for ever, and says so", async () => {
    const { time, publisher, overwrite, whenWritten } = world(3);
    whenWritten(overwrite);
    await assert.rejects(time.run(publisher("ann", 5)), (thrown) => isApplianceError(thrown, "oci/tag-moved"));
  });
});
