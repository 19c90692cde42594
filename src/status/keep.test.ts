/** What is kept of watched objects: enough for every verdict, and nothing of what is large or secret. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, describe, it } from "node:test";
import { kubeDeps, kubeOver, memoryKube } from "../../test/support/kubernetes.ts";
import { situationOf } from "../../test/support/situations.ts";
import type { Network } from "../core/ports.ts";
import { foldStatus } from "./fold.ts";
import { keepNeeded } from "./keep.ts";
import { LIST_KINDS, type ListKey, type ListObservation, NAMES_ONLY, type Observations } from "./observation.ts";
import { createStatusEngine, type StatusEngine } from "./observer.ts";

const NAMES = readdirSync(new URL("./situations/", import.meta.url))
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.replace(/\.yaml$/, ""));
const engines: StatusEngine[] = [];
after(() => {
  for (const engine of engines) engine.stop();
});

function kept(lists: Observations["lists"]): Observations["lists"] {
  const entries = Object.entries(lists) as [ListKey, ListObservation][];
  return Object.fromEntries(entries.map(([key, list]) => [key, { ...list, items: list.items.map(keepNeeded) }]));
}

describe("keepNeeded()", () => {
  it("changes no verdict: every recorded situation is told the same by what is kept", () => {
    for (const name of NAMES) {
      const { observations, nowMs } = situationOf(name);
      const whole = foldStatus(observations, nowMs);
      assert.deepEqual(foldStatus({ ...observations, lists: kept(observations.lists) }, nowMs), whole, name);
    }
  });

  it("has a shape for every kind that is watched, and drops what nobody reads", () => {
    for (const key of Object.keys(LIST_KINDS) as ListKey[]) {
      const metadata = { name: "x", namespace: "n", managedFields: [{}], annotations: { large: "x".repeat(9_000) } };
      const spec = { template: { spec: { containers: [{ name: "a", image: "b", env: [{ value: "secret" }] }] } } };
      const object = { ...LIST_KINDS[key], metadata, spec, data: { password: "secret" }, status: {} };
      const text = JSON.stringify(keepNeeded(object));
      assert.doesNotMatch(text, /secret|managedFields|xxxx/, key);
      assert.match(text, /"name":"x"/, key);
    }
  });

  it("keeps of names nothing but the name", () => {
    for (const key of NAMES_ONLY) {
      const metadata = { name: "x", namespace: "n", resourceVersion: "1", uid: "u", labels: { a: "b" } };
      const { metadata: left, ...rest } = keepNeeded({ ...LIST_KINDS[key], metadata });
      assert.deepEqual([left, rest], [{ name: "x", namespace: "n", resourceVersion: "1" }, { ...LIST_KINDS[key] }]);
    }
  });
});

describe("the engine", () => {
  it("asks for the names of Secrets and ConfigMaps and never for what is in them", async () => {
    const { server, kube } = memoryKube();
    const metadata = { name: "s", namespace: "default" };
    await kube.create({ apiVersion: "v1", kind: "Secret", metadata, data: { password: "aHVudGVyMg==" } });
    const asked: { readonly url: string; readonly accept: string | null }[] = [];
    const watched = kubeOver(async (request) => {
      if (/\/(?:secrets|configmaps)\?/.test(request.url)) {
        asked.push({ url: request.url, accept: request.headers.get("accept") });
      }
      return await server.fetch(request);
    });
    const engine = createStatusEngine(
      { ...kubeDeps, network: {} as Network },
      {
        kube: watched,
        box: async () => ({
          appliance: { id: "a", name: "box", version: "1", addresses: [], rehearsal: false },
          claimed: true,
          installed: null,
          bootstrap: null,
          urls: { login: null, setup: null },
        }),
        login: { outside: () => new Promise(() => {}) },
      },
    );
    engines.push(engine);
    await engine.observe();
    assert.ok(asked.length >= 2, `${asked.length} requests`);
    for (const { url, accept } of asked) assert.match(accept ?? "", /as=PartialObjectMetadata/, url);
  });
});
