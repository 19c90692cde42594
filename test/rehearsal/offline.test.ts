/**
 * A whole installation without a network: a release is bundled, its registry is gone, and setup runs unchanged against what
 * `release serve` and the box's own store give.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { createDeps } from "../../src/platform/deps.ts";
import { createStage } from "../../src/rehearsal/faults.ts";
import { createApiServer } from "../../src/rehearsal/kubernetes/api-server.ts";
import { answerAsApplication, isApplicationServing } from "../../src/rehearsal/login-page.ts";
import { refusedConnection, rehearsedDeps } from "../../src/rehearsal/rehearsed-deps.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { openTheater } from "../../src/rehearsal/theater.ts";
import { DEFAULT_COMPONENTS } from "../../src/release/components.ts";
import { runWords, startWords } from "../support/command-line.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { freePort } from "../support/sockets.ts";
import { ANSWERS } from "./play.ts";

const root = mkdtempSync(join(tmpdir(), "alga-offline-"));
after(() => rmSync(root, { recursive: true, force: true }));
const real = createDeps(SILENT_LOG);
const SPEED = 50;

/** Publishes, bundles, and takes the publisher's registry away. */
async function bundled(version: string, file: string): Promise<void> {
  const { fetch, store } = createRegistryServer();
  const publisher = await serveFetch(fetch);
  const registry = `127.0.0.1:${publisher.port}`;
  buildSampleRelease(store, { registry, version, channels: ["stable"] });
  const words = ["release", "bundle", "--registry", registry, "--out", join(root, file), "-o", "json"];
  const { code, stdout } = await runWords(words, { root });
  assert.equal(code, 0, stdout);
  await publisher.close();
}

/** A cluster whose kubelet and Flux take everything from this registry. */
async function openCluster(registry: string) {
  const server = createApiServer(real);
  const api = await serveFetch(server.fetch);
  const kubeFor = (fieldManager: string): Kube =>
    createKube(real, { server: "http://embedded", fetch: server.fetch, headers: async () => ({}) }, { fieldManager });
  const stage = createStage(null);
  const theater = openTheater(real, {
    stage,
    speed: SPEED,
    registryHost: registry,
    registry: createRegistryClient({ ...real, fetch: real.transports.open() }, { registry, plainHttp: true }),
    components: DEFAULT_COMPONENTS,
    logs: server.logs,
    kubeFor,
  });
  const observer = kubeFor("application");
  const application: Fetch = async (request) => {
    if (!(await isApplicationServing(observer))) throw refusedConnection(request);
    return answerAsApplication(observer, request);
  };
  return {
    api: `http://127.0.0.1:${api.port}`,
    deps: rehearsedDeps(real, { stage, application }),
    close: async () => {
      await theater.close();
      server.stop();
      await api.close();
    },
  };
}

/** Runs the setup of a box against a registry and tells how it ended. */
async function setUp(box: string, registry: string): Promise<{ readonly state: string; readonly said: string }> {
  const cluster = await openCluster(registry);
  const kubeconfig = join(root, `${box}.kubeconfig`);
  const answers = join(root, `${box}.answers`);
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "box",
      contexts: [{ name: "box", context: { cluster: "box", user: "box" } }],
      clusters: [{ name: "box", cluster: { server: cluster.api } }],
      users: [{ name: "box", user: {} }],
    }),
  );
  writeFileSync(answers, JSON.stringify(ANSWERS));
  try {
    const words = [
      "setup",
      "run",
      "--answers",
      answers,
      "--kubeconfig",
      kubeconfig,
      "--registry",
      registry,
      "-o",
      "json",
    ];
    const { stdout, stderr, failure } = await runWords(words, {
      root: join(root, box),
      deps: cluster.deps,
      signal: AbortSignal.timeout(60_000),
    });
    return { state: JSON.parse(stdout).operation?.state ?? "none", said: `${stdout}${stderr}${failure ?? ""}` };
  } finally {
    await cluster.close();
  }
}

describe("the control plane", () => {
  it("serves the store of its box as the registry that it asks itself", { timeout: 60_000 }, async () => {
    await bundled("1.0.3", "own.tar");
    const box = join(root, "own-store");
    const port = await freePort();
    const registry = `127.0.0.1:${port}`;
    const words = ["serve", "--listen", "127.0.0.1", "--port", "0", "--store-listen", registry, "--registry", registry];
    const serving = await startWords([...words, "-o", "json"], { root: box });
    const resolve = () => runWords(["release", "resolve", "--registry", registry, "-o", "json"], { root: box });
    assert.equal(JSON.parse((await resolve()).stdout).error.code, "release/unknown-channel");
    assert.equal((await runWords(["release", "load", join(root, "own.tar")], { root: box })).code, 0);
    assert.equal(JSON.parse((await resolve()).stdout).version, "1.0.3");
    assert.equal((await serving.stop()).code, 0);
    const wrong = await runWords(["serve", "--port", "0", "--store-listen", "here", "-o", "json"], { root: box });
    assert.equal(JSON.parse(wrong.stdout).error.code, "config/invalid");
  });
});

describe("an installation without a network", () => {
  it("runs from a served bundle", { timeout: 120_000 }, async () => {
    await bundled("1.0.3", "media.tar");
    const served = await startWords(["release", "serve", join(root, "media.tar"), "--port", "0", "-o", "json"], {
      root,
    });
    const { state, said } = await setUp("from-bundle", String(served.first.registry));
    assert.equal(state, "done", said);
    await served.stop();
  });

  it("runs from the store of the box, and finds the next release there when its bundle is loaded", {
    timeout: 120_000,
  }, async () => {
    const box = join(root, "from-store");
    await runWords(["release", "load", join(root, "media.tar")], { root: box });
    const served = await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: box });
    const registry = String(served.first.registry);
    const { state, said } = await setUp("from-store", registry);
    assert.equal(state, "done", said);
    await bundled("1.0.4", "next.tar");
    const loaded = await runWords(["release", "load", join(root, "next.tar"), "-o", "json"], { root: box });
    assert.equal(loaded.code, 0, loaded.stdout);
    const resolved = await runWords(["release", "resolve", "--registry", registry, "-o", "json"], { root: box });
    assert.equal(JSON.parse(resolved.stdout).version, "1.0.4");
    await served.stop();
  });
});
