/** Contract cases: lists in pages, selectors, watches that are resumed, bookmarks, versions that are too old. */
import assert from "node:assert/strict";
import type { KindRef, WatchEvent } from "../../src/kube/model.ts";
import { type Case, configMap, refTo } from "./kubernetes-suite.ts";

const MAPS = (namespace: string): KindRef => ({ apiVersion: "v1", kind: "ConfigMap", namespace });

/** Reads events until the predicate says enough. */
async function take(
  events: AsyncIterable<WatchEvent>,
  enough: (seen: readonly WatchEvent[]) => boolean,
): Promise<readonly WatchEvent[]> {
  const seen: WatchEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (enough(seen)) break;
  }
  return seen;
}

const told = (events: readonly WatchEvent[]): string[] =>
  events.filter((event) => event.type !== "BOOKMARK").map((event) => `${event.type} ${event.object.metadata.name}`);

const real = (count: number) => (seen: readonly WatchEvent[]) => told(seen).length >= count;

export const WATCH_CASES: readonly Case[] = [
  [
    "a list comes in pages that show one state",
    async ({ kube, raw }, namespace) => {
      for (let index = 0; index < 7; index += 1) await kube().create(configMap(namespace, `m${index}`, {}));
      const path = `/api/v1/namespaces/${namespace}/configmaps?limit=3`;
      const first = (await (await raw(path)).json()) as {
        items: unknown[];
        metadata: { continue: string; resourceVersion: string; remainingItemCount: number };
      };
      assert.equal(first.items.length, 3);
      assert.ok(first.metadata.remainingItemCount >= 4);
      await kube().create(configMap(namespace, "m9", {}));
      const second = (await (
        await raw(`${path}&continue=${encodeURIComponent(first.metadata.continue)}`)
      ).json()) as typeof first;
      assert.equal(second.metadata.resourceVersion, first.metadata.resourceVersion);
      assert.equal(second.items.length, 3);
      const all = await kube().list(MAPS(namespace));
      assert.ok(all.items.length >= 8);
      assert.ok(all.items.every((item) => item.kind === "ConfigMap" && item.apiVersion === "v1"));
    },
  ],
  [
    "label and field selectors choose",
    async ({ kube, raw }, namespace) => {
      const make = (name: string, labels: Record<string, string>) =>
        kube().create({ ...configMap(namespace, name, {}), metadata: { name, namespace, labels } });
      await make("a", { tier: "core", track: "x" });
      await make("b", { tier: "core" });
      await make("c", { tier: "login" });
      const chosen = async (options: { labelSelector?: string; fieldSelector?: string }): Promise<string> =>
        (await kube().list(MAPS(namespace), options)).items.map((item) => item.metadata.name).join();
      assert.equal(await chosen({ labelSelector: "tier=core" }), "a,b");
      assert.equal(await chosen({ labelSelector: "tier in (login,other)" }), "c");
      assert.equal(await chosen({ labelSelector: "tier=core,!track" }), "b");
      assert.equal(await chosen({ labelSelector: "tier,tier!=core" }), "c");
      assert.equal(await chosen({ fieldSelector: "metadata.name=b" }), "b");
      const answer = await raw(`/api/v1/namespaces/${namespace}/configmaps?fieldSelector=data.a%3Db`);
      assert.equal(answer.status, 400);
    },
  ],
  [
    "metadata alone can be asked for",
    async ({ kube }, namespace) => {
      await kube().create(configMap(namespace, "a", { big: "x".repeat(1000) }));
      const list = await kube().list(MAPS(namespace), { metadataOnly: true });
      const found = list.items.find((item) => item.metadata.name === "a");
      assert.deepEqual([found?.kind, found?.data], ["ConfigMap", undefined]);
    },
  ],
  [
    "a watch from a list sees each later change once, in order",
    async ({ kube }, namespace) => {
      await kube().create(configMap(namespace, "old", {}));
      const { resourceVersion } = await kube().list(MAPS(namespace));
      const watching = take(kube().watch(MAPS(namespace), { resourceVersion, timeoutSeconds: 30 }), real(3));
      await kube().create(configMap(namespace, "new", {}));
      await kube().patch(refTo(namespace, "new"), { data: { a: "1" } });
      await kube().delete(refTo(namespace, "new"));
      assert.deepEqual(told(await watching), ["ADDED new", "MODIFIED new", "DELETED new"]);
    },
  ],
  [
    "a watch is resumed after the last version seen",
    async ({ kube }, namespace) => {
      const { resourceVersion } = await kube().list(MAPS(namespace));
      await kube().create(configMap(namespace, "a", {}));
      const [first] = await take(kube().watch(MAPS(namespace), { resourceVersion, timeoutSeconds: 30 }), real(1));
      await kube().create(configMap(namespace, "b", {}));
      const from = first?.object.metadata.resourceVersion ?? "";
      const rest = await take(kube().watch(MAPS(namespace), { resourceVersion: from, timeoutSeconds: 30 }), real(1));
      assert.deepEqual(told(rest), ["ADDED b"]);
    },
  ],
  [
    "the event of a deletion carries a version to go on from",
    async ({ kube }, namespace) => {
      const made = await kube().create(configMap(namespace, "a", {}));
      const resourceVersion = made.metadata.resourceVersion ?? "";
      await kube().delete(refTo(namespace, "a"));
      const [event] = await take(kube().watch(MAPS(namespace), { resourceVersion, timeoutSeconds: 30 }), real(1));
      assert.equal(event?.type, "DELETED");
      assert.ok(Number(event?.object.metadata.resourceVersion) > Number(resourceVersion));
    },
  ],
  [
    "a bookmark comes before a watch ends by its time",
    async ({ kube }, namespace) => {
      const { resourceVersion } = await kube().list(MAPS(namespace));
      const isMarked = (seen: readonly WatchEvent[]): boolean =>
        seen.some(
          (event) =>
            event.type === "BOOKMARK" && Number(event.object.metadata.resourceVersion) > Number(resourceVersion),
        );
      const watching = take(kube().watch(MAPS(namespace), { resourceVersion, timeoutSeconds: 8 }), isMarked);
      // A change that this watch does not see.
      await kube().create(configMap("default", namespace, {}));
      const seen = await watching;
      const mark = seen.findLast((event) => event.type === "BOOKMARK");
      assert.ok(mark !== undefined, "a bookmark is wanted");
      assert.ok(Number(mark.object.metadata.resourceVersion) > Number(resourceVersion));
      assert.deepEqual(told(seen), []);
    },
  ],
  [
    "an object that leaves the selection is deleted for the watcher, one that enters is added",
    async ({ kube }, namespace) => {
      const labelled = (value: string) => ({ metadata: { labels: { tier: value } } });
      await kube().create(configMap(namespace, "a", {}));
      const { resourceVersion } = await kube().list(MAPS(namespace));
      const options = { resourceVersion, labelSelector: "tier=core", timeoutSeconds: 30 };
      const watching = take(kube().watch(MAPS(namespace), options), real(2));
      await kube().patch(refTo(namespace, "a"), labelled("core"));
      await kube().patch(refTo(namespace, "a"), labelled("login"));
      assert.deepEqual(told(await watching), ["ADDED a", "DELETED a"]);
    },
  ],
  [
    "a wrong continue token is refused",
    async ({ raw }, namespace) => {
      const answer = await raw(`/api/v1/namespaces/${namespace}/configmaps?limit=1&continue=nonsense`);
      assert.ok([400, 410].includes(answer.status), `status ${answer.status}`);
    },
  ],
];
