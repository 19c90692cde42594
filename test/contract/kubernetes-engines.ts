/** Contract cases: what stands on the client, applied sets and watch caches, on either server. */
import assert from "node:assert/strict";
import { applySet } from "../../src/kube/apply-set.ts";
import { createWatchCache } from "../../src/kube/watch-cache.ts";
import { eventually } from "../support/eventually.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { definition } from "./kubernetes-custom.ts";
import { type Case, configMap } from "./kubernetes-suite.ts";

export const ENGINE_CASES: readonly Case[] = [
  [
    "a set with its own definitions and namespaces is applied in one go, and a second time without a change",
    async ({ kube }, namespace) => {
      const group = `${namespace}.example.org`;
      const place = `${namespace}-inner`;
      const source = { url: "oci://example.org/a", interval: "1m" };
      const set = [
        { apiVersion: `${group}/v1`, kind: "Source", metadata: { name: "a", namespace: place }, spec: source },
        configMap(place, "c", { a: "1" }),
        { apiVersion: "v1", kind: "Namespace", metadata: { name: place } },
        definition(group),
      ];
      const deps = { ...kubeDeps, kube: kube() };
      const foreseen = await applySet(deps, set, { dryRun: true });
      assert.equal(foreseen.created, 4);
      const first = await applySet(deps, set);
      assert.deepEqual([first.created, first.changed, first.unchanged], [4, 0, 0]);
      const second = await applySet(deps, set);
      assert.deepEqual([second.created, second.changed, second.unchanged], [0, 0, 4]);
    },
  ],
  [
    "a watch cache follows a kind that comes, changes and goes",
    async ({ kube }, namespace) => {
      const group = `${namespace}.example.org`;
      const kind = { apiVersion: `${group}/v1`, kind: "Source", namespace };
      const cache = createWatchCache(kube(), [{ key: "sources", ...kind }], kubeDeps);
      try {
        await cache.settled();
        assert.equal(cache.list("sources").state, "absent");
        const object = {
          ...kind,
          metadata: { name: "a", namespace },
          spec: { url: "oci://example.org/a", interval: "1m" },
        };
        const { namespace: _place, ...source } = object;
        await applySet({ ...kubeDeps, kube: kube() }, [definition(group), source]);
        const items = () => cache.list("sources").items;
        await eventually("the object is seen", () => items().length === 1, 20_000);
        assert.equal(cache.list("sources").state, "synced");
        await kube().patch({ ...kind, name: "a" }, { spec: { interval: "2m" } });
        await eventually("the change is seen", () => items()[0]?.metadata.generation === 2);
        await kube().delete({ ...kind, name: "a" });
        await eventually("the deletion is seen", () => items().length === 0);
      } finally {
        cache.stop();
      }
    },
  ],
];
