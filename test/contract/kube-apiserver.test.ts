/**
 * The contract suite on the real kube-apiserver v1.36, and random histories and the manifests of Flux on both servers, whose
 * answers must be the same. Skipped, and said so, when the binaries are not there.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { inApplyOrder } from "../../src/kube/apply-set.ts";
import type { Kube } from "../../src/kube/client.ts";
import { createWatchCache } from "../../src/kube/watch-cache.ts";
import { eventually } from "../support/eventually.ts";
import { fluxManifests } from "../support/flux-manifests.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../support/kube-apiserver.ts";
import { kubeDeps, kubeOver, memoryKube } from "../support/kubernetes.ts";
import { CASES } from "./kubernetes-cases.ts";
import { checkCredentials } from "./kubernetes-credentials.ts";
import { historyOf, outcomeOf, type Step } from "./kubernetes-histories.ts";
import { contract } from "./kubernetes-suite.ts";

const SEEDS = [3, 5, 51, 114, 117, 164, 290, 301, 302, 303];
const binaries = findBinaries(process.env);
let running: Promise<RealKube> | undefined;

after(async () => {
  await (await running)?.stop();
});

if ("missing" in binaries) {
  console.log(`skipped: the Kubernetes contract on the real kube-apiserver: ${binaries.missing}`);
  test("kube-apiserver", { skip: binaries.missing }, () => {});
} else {
  const started = (): Promise<RealKube> => {
    running ??= startKubeApiServer(binaries);
    return running;
  };
  contract("kube-apiserver", CASES, async () => {
    const real = await started();
    return {
      kube: real.kube,
      nobody: real.nobody,
      raw: (path, init) => real.fetch(new Request(`${real.server}${path}`, init)),
      // The watch cache of a kind that was just made does not reach back to the first write.
      ancientVersion: async () => "1",
    };
  });
  for (const seed of SEEDS) {
    test(`both servers answer history ${seed} alike`, { timeout: 60_000 }, async () => {
      const real = await started();
      const memory = memoryKube();
      await playBoth(historyOf(seed, "default"), historyOf(seed, "default"), { real, memory });
    });
  }
  test("kubeconfig credentials reach the server, wrong ones do not", { timeout: 60_000 }, async () => {
    await checkCredentials(await started());
  });
  testFlux(started);
  testRestart(started);
}

async function playBoth(
  first: readonly Step[],
  second: readonly Step[],
  servers: { readonly real: RealKube; readonly memory: ReturnType<typeof memoryKube> },
): Promise<void> {
  const told: string[] = [];
  for (const [index, step] of first.entries()) {
    const twin = second[index] ?? step;
    told.push(step.text);
    const wanted = await outcomeOf(step, servers.real.kube(step.manager));
    const seen = await outcomeOf(twin, kubeOver(servers.memory.server.fetch, twin.manager));
    assert.deepEqual(seen, wanted, told.join("\n"));
  }
}

/** Last, because all others need the server. */
function testRestart(started: () => Promise<RealKube>): void {
  test("a watch cache says stale while the server is away, and is current again after it", {
    timeout: 90_000,
  }, async () => {
    const real = await started();
    const kube = real.kube();
    const kind = { apiVersion: "v1", kind: "ConfigMap", namespace: "default" };
    const made = (name: string) => ({ ...kind, metadata: { name, namespace: "default" } });
    await kube.create({ apiVersion: "v1", kind: "ConfigMap", metadata: made("before").metadata });
    const cache = createWatchCache(kube, [{ key: "maps", ...kind }], kubeDeps);
    const has = (name: string): boolean => cache.list("maps").items.some((item) => item.metadata.name === name);
    try {
      await cache.settled();
      await real.killServer();
      await eventually("it is stale", () => cache.list("maps").state === "stale", 20_000);
      assert.ok(has("before"), "the last known objects stay");
      assert.equal(cache.list("maps").problem?.code, "kube/unreachable");
      await real.startServer();
      await kube.create({ apiVersion: "v1", kind: "ConfigMap", metadata: made("after").metadata });
      await eventually("it is current", () => cache.list("maps").state === "synced" && has("after"), 40_000);
    } finally {
      cache.stop();
    }
  });
}

function testFlux(started: () => Promise<RealKube>): void {
  const found = fluxManifests(process.env);
  if ("missing" in found) {
    console.log(`skipped: the manifests of Flux on both Kubernetes servers: ${found.missing}`);
    test("the manifests of Flux", { skip: found.missing }, () => {});
    return;
  }
  test("both servers take the definitions of Flux alike", { timeout: 120_000 }, async () => {
    const real = (await started()).kube();
    const memory = memoryKube().kube;
    const definitions = inApplyOrder(found.objects).filter((one) => one.kind === "CustomResourceDefinition");
    assert.ok(definitions.length >= 7, `${definitions.length} definitions`);
    for (const object of definitions) {
      const step: Step = { text: object.metadata.name, manager: "flux", play: (kube) => kube.apply(object) };
      assert.deepEqual(await outcomeOf(step, memory), await outcomeOf(step, real), step.text);
    }
    await playFluxObjects(real, memory);
  });
}

/** What Flux' schemas accept, complete and refuse. */
async function playFluxObjects(real: Kube, memory: Kube): Promise<void> {
  const digest = `sha256:${"0".repeat(64)}`;
  const oci = { interval: "5m", url: "oci://registry.example.org/x", ref: { digest } };
  const reference = { kind: "OCIRepository", name: "alga-appliance" };
  const chart = { spec: { chart: "x", sourceRef: { kind: "HelmRepository", name: "c" } } };
  const rows: readonly (readonly [apiVersion: string, kind: string, spec: unknown])[] = [
    ["source.toolkit.fluxcd.io/v1", "OCIRepository", oci],
    ["source.toolkit.fluxcd.io/v1", "OCIRepository", { ...oci, url: "https://registry.example.org/x" }],
    ["source.toolkit.fluxcd.io/v1", "OCIRepository", { url: oci.url }],
    ["source.toolkit.fluxcd.io/v1", "HelmRepository", { type: "oci", url: "oci://registry.example.org/charts" }],
    [
      "kustomize.toolkit.fluxcd.io/v1",
      "Kustomization",
      { interval: "5m", prune: true, sourceRef: reference, path: "./x", dependsOn: [{ name: "a" }] },
    ],
    ["kustomize.toolkit.fluxcd.io/v1", "Kustomization", { interval: "5x", sourceRef: { kind: "No", name: "a" } }],
    [
      "helm.toolkit.fluxcd.io/v2",
      "HelmRelease",
      { interval: "5m", chart, values: { a: { b: [1, "2"] } }, install: { remediation: { retries: 3 } } },
    ],
    ["helm.toolkit.fluxcd.io/v2", "HelmRelease", { chart: { spec: { chart: "x" } } }],
    ["helm.toolkit.fluxcd.io/v2", "HelmRelease", { interval: "5m", chart, unknown: 1 }],
  ];
  for (const [index, [apiVersion, kind, spec]] of rows.entries()) {
    const object = { apiVersion, kind, metadata: { name: `row-${index}`, namespace: "default" }, spec };
    const step: Step = { text: `${kind} ${index}`, manager: "flux", play: (kube) => kube.apply(object) };
    await eventually(
      `${kind} is served`,
      () =>
        real.list(object).then(
          () => true,
          () => false,
        ),
      20_000,
    );
    assert.deepEqual(await outcomeOf(step, memory), await outcomeOf(step, real), step.text);
  }
}
