/**
 * A whole installation without a network: a release is bundled, its registry is gone, and setup runs unchanged against what
 * `release serve` and the box's own store give.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, describe, it } from "node:test";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { type RunningWords, runWords, startWords } from "../support/command-line.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { freePort } from "../support/sockets.ts";
import { bundleSample } from "./bundles.ts";
import { openOfflineBox } from "./offline-box.ts";

const root = mkdtempSync(join(tmpdir(), "alga-offline-"));
after(() => rmSync(root, { recursive: true, force: true }));

const bundled = (version: string, file: string): Promise<void> => bundleSample(version, { root, file });

interface Installed {
  readonly state: string;
  readonly said: string;
  readonly images: readonly string[];
}

/** Runs the setup of a box against a registry and tells how it ended. */
async function setUp(name: string, registry: string): Promise<Installed> {
  const folder = join(root, name);
  mkdirSync(folder, { recursive: true });
  const box = await openOfflineBox(folder, registry);
  try {
    const words = ["setup", "run", "--answers", box.answers, "--kubeconfig", box.kubeconfig, "--registry", registry];
    const { stdout, stderr, failure } = await runWords([...words, "-o", "json"], {
      root: folder,
      deps: box.deps,
      signal: AbortSignal.timeout(60_000),
    });
    const said = `${stdout}${stderr}${failure ?? ""}`;
    return { state: JSON.parse(stdout).operation?.state ?? "none", said, images: await box.images() };
  } finally {
    await box.close();
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
    const registry = String(served.first.registry);
    const { state, said, images } = await setUp("from-bundle", registry);
    assert.equal(state, "done", said);
    await served.stop();
    const foreign = images.filter((image) => !image.startsWith(`${registry}/nine-minds/`));
    assert.deepEqual(foreign, [], "every image of the box is pulled from the bundle");
    for (const controller of ["source-controller", "kustomize-controller", "helm-controller"]) {
      const found = images.find((image) => image.includes(`/fluxcd/${controller}@`));
      assert.match(found ?? "", /\/nine-minds\/images\/ghcr\.io\/fluxcd\/[a-z-]+@sha256:[0-9a-f]{64}$/);
    }
    assert.ok(
      images.some((image) => image.startsWith(`${registry}/nine-minds/sample-base@sha256:`)),
      images.join(" "),
    );
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

const GUIDE = readFileSync(resolve(import.meta.dirname, "../../docs/offline.md"), "utf8");

describe("docs/offline.md", () => {
  const typed = [...GUIDE.matchAll(/```sh\n([^`]*)```/g)].flatMap(([, block = ""]) => block.trim().split("\n"));

  it("has commands that run as they are written, one after the other", { timeout: 120_000 }, async () => {
    const folder = join(root, "guide");
    mkdirSync(folder);
    const { fetch, store } = createRegistryServer();
    const publisher = await serveFetch(fetch);
    const publisherHost = `127.0.0.1:${publisher.port}`;
    const sample = { registry: "ghcr.io", additional: "mirrored" as const };
    buildSampleRelease(store, { ...sample, version: "1.0.4", channels: ["nightly"] });
    buildSampleRelease(store, { ...sample, version: "1.0.3", channels: ["stable"] });
    const port = await freePort();
    const box = await openOfflineBox(folder, `127.0.0.1:${port}`);
    const options = {
      root: folder,
      deps: box.deps,
      env: {
        PWD: folder,
        ALGA_APPLIANCE_REGISTRY_HOST: publisherHost,
        ALGA_APPLIANCE_KUBECONFIG: box.kubeconfig,
        ALGA_APPLIANCE_PORT: "0",
      },
    };
    let serving: RunningWords | undefined;
    for (const line of typed) {
      const here = line.replaceAll("10.0.0.5", "127.0.0.1").replaceAll("5000", String(port));
      const [, command = "", file] = /^alga-appliance (.*?)(?: > (\S+))?$/.exec(here) ?? [];
      const words = command.split(" ").map((word) => (word === "answers.yaml" ? box.answers : word));
      if (words.includes("serve")) {
        await serving?.stop();
        serving = await startWords([...words, "-o", "json"], options);
        continue;
      }
      const { code, stdout, stderr, failure } = await runWords(words, options);
      assert.equal(code, 0, `${line}: ${stdout}${stderr}${failure ?? ""}`);
      if (file !== undefined) writeFileSync(join(folder, file), stdout);
    }
    const resolved = await runWords(
      ["release", "resolve", "--version", "1.0.4", "--registry", `127.0.0.1:${port}`, "-o", "json"],
      options,
    );
    assert.equal(JSON.parse(resolved.stdout).version, "1.0.4", "the update is in the store that is served");
    await serving?.stop();
    await box.close();
    await publisher.close();
    assert.ok(typed.length >= 9, `${typed.length} commands`);
  });
});
