/** A bundle before the real tools: skopeo reads the file, crane, helm, umoci and containerd what is served and unpacked from it. */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { promisify } from "node:util";
import { toolPath } from "../../scripts/lab/tools.ts";
import { pushArtifact } from "../../src/oci/artifact.ts";
import { MEDIA } from "../../src/oci/media-types.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { RELEASE_CONFIG_MEDIA_TYPE } from "../../src/release/model.ts";
import { runWords, startWords } from "../support/command-line.ts";
import { startDockerRegistry } from "../support/docker-registry.ts";
import { eventually } from "../support/eventually.ts";
import { describeWithTools, runTool, startDistribution3 } from "../support/real-tools.ts";
import { serveFetch } from "../support/serve-registry.ts";

const folder = mkdtempSync(join(tmpdir(), "alga-offline-tools-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const tar = join(folder, "media.tar");
const GUIDE = readFileSync(join(import.meta.dirname, "../../docs/offline.md"), "utf8");

/** Images of others, where a mirror and a bundle have them: Flux's, the storage provisioner's, a database's. */
const OTHERS = [
  "images/ghcr.io/fluxcd/source-controller:v2.9.0-sample",
  "images/docker.io/rancher/local-path-provisioner:v0.0.31",
  "images/docker.io/library/busybox:1.37",
  "images/docker.io/ankane/pgvector:v0.5.1",
];

async function makeBundle(): Promise<string> {
  const { fetch, store } = createRegistryServer();
  const publisher = await serveFetch(fetch);
  const registry = `127.0.0.1:${publisher.port}`;
  // The publisher's registry is a mirror of ghcr.io, so that images of others can be had here.
  const sample = { registry: "ghcr.io", version: "1.0.3", channels: ["stable"], additional: "mirrored" as const };
  const { digest } = buildSampleRelease(store, sample);
  const made = await runWords(["release", "bundle", "--registry", registry, "--out", tar, "-o", "json"], {
    root: folder,
  });
  assert.equal(made.code, 0, made.stdout);
  await publisher.close();
  return digest;
}

describeWithTools(["skopeo", "crane", "helm", "umoci"], "a bundle", () => {
  it("is an OCI archive for skopeo, and an OCI layout for it and umoci when tar has unpacked it", async () => {
    const digest = await makeBundle();
    const raw = await runTool("skopeo", ["inspect", "--raw", `oci-archive:${tar}:alga-appliance-release:stable`]);
    assert.ok(raw.includes("application/vnd.alga.appliance.release.v1"));
    mkdirSync(join(folder, "unpacked"));
    execFileSync("tar", ["-xf", tar, "-C", join(folder, "unpacked")]);
    const copied = [
      "copy",
      "--quiet",
      `oci:${join(folder, "unpacked")}:alga-psa-ee:1.0.3`,
      `dir:${join(folder, "image")}`,
    ];
    await runTool("skopeo", ["--insecure-policy", ...copied]);
    for (const other of OTHERS) {
      const image = JSON.parse(await runTool("skopeo", ["inspect", "--raw", `oci-archive:${tar}:${other}`]));
      assert.equal(image.layers.length, 1, other);
    }
    const tags = await runTool("umoci", ["ls", "--layout", join(folder, "unpacked")]);
    assert.ok(tags.split("\n").includes("alga-appliance-release:stable"), tags);
    assert.ok(digest.startsWith("sha256:"));
  });

  it("is served to crane, helm and skopeo as a registry", async () => {
    const digest = await makeBundle();
    const served = await startWords(["release", "serve", tar, "--port", "0", "-o", "json"], { root: folder });
    const host = `${served.first.registry}/nine-minds`;
    assert.equal(
      (await runTool("crane", ["digest", "--insecure", `${host}/alga-appliance-release:stable`])).trim(),
      digest,
    );
    assert.equal((await runTool("crane", ["ls", "--insecure", `${host}/alga-psa-ee`])).trim(), "1.0.3");
    await runTool("crane", ["pull", "--insecure", `${host}/alga-psa-ee:1.0.3`, join(folder, "image.tar")]);
    await runTool("crane", ["validate", "--insecure", "--remote", `${host}/alga-psa-ee:1.0.3`]);
    for (const other of OTHERS) await runTool("crane", ["validate", "--insecure", "--remote", `${host}/${other}`]);
    const pull = ["pull", `oci://${host}/charts/sebastian`, "--version", "0.1.0", "--plain-http", "-d", folder];
    await runTool("helm", pull, { env: { HOME: folder } });
    assert.ok(readdirSync(folder).includes("sebastian-0.1.0.tgz"));
    const copy = [
      "copy",
      "--quiet",
      "--src-tls-verify=false",
      `docker://${host}/alga-psa-ee:1.0.3`,
      `dir:${join(folder, "copied")}`,
    ];
    await runTool("skopeo", ["--insecure-policy", ...copy]);
    await served.stop();
  });
});

describeWithTools(["crane", "docker-registry", "distribution"], "a mirror in a registry of others", () => {
  for (const [name, start] of [
    ["docker-registry 2.8", startDockerRegistry],
    ["distribution 3", startDistribution3],
  ] as const) {
    it(`holds images of others in ${name}, and a bundle made from it asks nobody else`, {
      timeout: 120_000,
    }, async () => {
      const upstream = await serveFetch(upstreamRegistry().fetch);
      const host = `127.0.0.1:${upstream.port}`;
      const { publisher, registry, digest } = await publishNaming(`${host}/fluxcd`);
      const mirror = await start({ auth: { kind: "none" } });
      const to = `127.0.0.1:${mirror.port}/alga`;
      const says = async (...words: readonly string[]) => {
        const { code, stdout } = await runWords(["release", ...words, "-o", "json"], { root: folder });
        assert.equal(code, 0, stdout);
      };
      await says("copy", "stable", to, "--registry", registry);
      await upstream.close();
      await publisher.close();
      const place = `${to}/images/${host.replace(":", "_")}/fluxcd/source-controller:v1`;
      assert.equal((await runTool("crane", ["digest", "--insecure", place])).trim(), digest);
      const out = join(folder, `${mirror.port}.tar`);
      await says("bundle", "--registry", `127.0.0.1:${mirror.port}`, "--repository", "alga", "--out", out);
      await says("check", out);
      await mirror.stop();
    });
  }
});

/** A registry of somebody else with one image. */
function upstreamRegistry() {
  const server = createRegistryServer();
  pushArtifact(server.store, "fluxcd/source-controller", UPSTREAM_IMAGE);
  return server;
}

const UPSTREAM_IMAGE = {
  tag: "v1",
  config: { mediaType: MEDIA.config, bytes: new TextEncoder().encode('{"os":"linux","architecture":"amd64"}') },
  layers: [{ mediaType: MEDIA.layerTar, bytes: new TextEncoder().encode("layer ".repeat(1_000)) }],
};

/** A publisher whose release names the image of that registry. */
async function publishNaming(images: string) {
  const { fetch, store } = createRegistryServer();
  const publisher = await serveFetch(fetch);
  const registry = `127.0.0.1:${publisher.port}`;
  const { manifest } = buildSampleRelease(store, { registry, version: "1.0.3" });
  const digest = pushArtifact(createMemoryStore(), "any", UPSTREAM_IMAGE);
  const additionalImages = [{ reference: `${images}/source-controller:v1`, digest }];
  const config = {
    mediaType: RELEASE_CONFIG_MEDIA_TYPE,
    bytes: new TextEncoder().encode(JSON.stringify({ ...manifest, additionalImages })),
  };
  for (const tag of ["1.0.3", "stable"]) pushArtifact(store, "nine-minds/alga-appliance-release", { tag, config });
  return { publisher, registry, digest };
}

/** Why containerd cannot be asked here; undefined when it can. */
function containerdMissing(): string | undefined {
  const absent = ["containerd", "ctr"].filter((name) => !existsSync(toolPath(name)));
  if (absent.length > 0) return `${absent.join(", ")} not built (bun scripts/lab/tools.ts)`;
  return process.getuid?.() === 0 ? undefined : "containerd needs root";
}

it("a served bundle is pulled and unpacked by containerd", { skip: containerdMissing(), timeout: 60_000 }, async () => {
  await makeBundle();
  const served = await startWords(["release", "serve", tar, "--port", "0", "-o", "json"], { root: folder });
  const at = (name: string): string => join(folder, "containerd", name);
  const places = ["--root", at("root"), "--state", at("state"), "--address", at("sock")];
  const daemon = spawn(toolPath("containerd"), places, { stdio: "ignore" });
  const ctr = async (...words: readonly string[]): Promise<string> =>
    (await promisify(execFile)(toolPath("ctr"), ["--address", at("sock"), ...words])).stdout;
  try {
    await eventually("containerd answers", async () => (await ctr("version").catch(() => "")) !== "");
    const image = `${served.first.registry}/nine-minds/alga-psa-ee:1.0.3`;
    await ctr("images", "pull", "--plain-http", image);
    assert.match(await ctr("images", "check"), /alga-psa-ee:1\.0\.3 .* complete \(2\/2\) .* true/);
    // As docs/offline.md tells it: one file for each host, and the image keeps its own name.
    const [, written = ""] = /```toml\n([^`]*)```/.exec(GUIDE) ?? [];
    mkdirSync(at("certs.d/docker.io"), { recursive: true });
    const hosts = written.replace("10.0.0.5:5000", String(served.first.registry));
    assert.notEqual(hosts, written);
    writeFileSync(at("certs.d/docker.io/hosts.toml"), hosts);
    await ctr("images", "pull", "--hosts-dir", at("certs.d"), "docker.io/library/busybox:1.37");
    assert.match(await ctr("images", "check"), /docker\.io\/library\/busybox:1\.37 .* complete \(2\/2\) .* true/);
  } finally {
    const ended = new Promise((resolve) => daemon.once("exit", resolve));
    daemon.kill("SIGTERM");
    await ended;
    await served.stop();
  }
});
