/**
 * What `release build` writes, before the real tools: skopeo, crane and umoci read the layout on disk; published into
 * docker-registry 2.8 and distribution 3, helm pulls, shows and renders every chart, and crane finds nothing wrong.
 */
import assert from "node:assert/strict";
import { appendFileSync, cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { toolPath } from "../../scripts/lab/tools.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { pushStore } from "../../src/oci/push.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../../src/oci/store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { runWords } from "../support/command-line.ts";
import { dockerRegistryMissing, startDockerRegistry } from "../support/docker-registry.ts";
import { ROOT } from "../support/executable.ts";
import { describeWithTools, runTool } from "../support/real-tools.ts";
import { serveFetch } from "../support/serve-registry.ts";

const root = mkdtempSync(join(tmpdir(), "alga-build-tools-"));
after(() => rmSync(root, { recursive: true, force: true }));
const layout = join(root, "layout");

/** The application's images, a chart of others, Flux's manifests and a control plane: what lies in a registry before. */
function seed(store: RegistryStore): void {
  const { fluxDigest } = buildSampleRelease(store, {
    registry: "ghcr.io",
    version: "0.9.0",
    imageTag: "62cdce38",
    additional: "mirrored",
  });
  store.tag("nine-minds/flux-manifests", "v2.9.5", fluxDigest);
}

async function words(...typed: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runWords([...typed, "-o", "json"], { root });
  assert.equal(code, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout);
}

async function built(): Promise<Record<string, unknown>> {
  if (existsSync(layout)) return {};
  const { fetch, store } = createRegistryServer();
  seed(store);
  const registry = await serveFetch(fetch);
  const source = join(root, "source");
  cpSync(join(ROOT, "examples/release"), source, { recursive: true });
  appendFileSync(join(source, "release.yaml"), "controlPlane: { tag: 62cdce38 }\n");
  await words("release", "lock", source, "--registry", `127.0.0.1:${registry.port}`);
  await registry.close();
  return await words("release", "build", source, "--out", layout);
}

describeWithTools(["skopeo", "crane", "umoci"], "the layout of a build", () => {
  it("is read by skopeo, crane and umoci", async () => {
    const { artifacts } = await built();
    const tags = (await runTool("umoci", ["ls", "--layout", layout])).trim().split("\n");
    for (const { repository, tag } of artifacts as { repository: string; tag: string }[]) {
      assert.ok(tags.includes(`${repository}:${tag}`), tags.join(" "));
      const raw = await runTool("skopeo", ["inspect", "--raw", `oci:${layout}:${repository}:${tag}`]);
      assert.equal(JSON.parse(raw).schemaVersion, 2);
    }
    const { fetch, store } = createRegistryServer();
    const registry = await serveFetch(fetch);
    const host = `127.0.0.1:${registry.port}/from-crane`;
    await runTool("crane", ["push", "--insecure", "--index", layout, `${host}:all`]);
    assert.ok((store.manifests("from-crane") ?? []).length > tags.length);
    await registry.close();
  });
});

const REGISTRIES = [
  { name: "docker-registry 2.8", missing: dockerRegistryMissing(), program: undefined },
  {
    name: "distribution 3",
    missing: existsSync(toolPath("distribution")) ? undefined : "distribution is not built",
    program: toolPath("distribution"),
  },
];

describeWithTools(["helm", "crane"], "a published build", () => {
  for (const { name, missing, program } of REGISTRIES) {
    if (missing !== undefined) {
      process.stdout.write(`skipped: ${missing}\n`);
      continue;
    }
    it(`gives its charts to helm from ${name}`, { timeout: 120_000 }, async () => {
      const server = await startDockerRegistry({
        auth: { kind: "none" },
        ...(program === undefined ? {} : { program }),
      });
      try {
        const registry = `127.0.0.1:${server.port}`;
        const before = createMemoryStore();
        seed(before);
        const wire = { clock: systemClock, random: systemRandom, log: SILENT_LOG, fetch: createTransports().open() };
        await pushStore(before, wire, { registry });
        await built();
        await words("release", "publish", layout, "--registry", registry, "--channel", "nightly", "--by", "ann");
        await readByTools(`${registry}/nine-minds`);
      } finally {
        await server.stop();
      }
    });
  }
});

async function readByTools(base: string): Promise<void> {
  for (const [chart, version] of Object.entries(CHARTS)) {
    const at = [`oci://${base}/charts/${chart}`, "--version", version, "--plain-http"];
    assert.match(await runTool("helm", ["show", "chart", ...at]), new RegExp(`^name: ${chart}$`, "m"));
    assert.match(await runTool("helm", ["template", "one", ...at]), /^kind: /m);
    await runTool("helm", ["pull", ...at, "--destination", root]);
    await runTool("crane", ["validate", "--insecure", "--remote", `${base}/charts/${chart}:${version}`, "--fast"]);
  }
  const config = await runTool("crane", ["config", "--insecure", `${base}/alga-appliance-release:nightly`]);
  assert.equal(JSON.parse(config).version, "1.0.3");
}

/** Of the example. */
const CHARTS = {
  sebastian: "0.0.1",
  pgbouncer: "0.1.0",
  temporal: "0.1.0",
  "temporal-worker": "0.1.0",
  "workflow-worker": "0.1.0",
  "email-service": "0.1.0",
};
