/**
 * Promoting in Debian's docker-registry with the command line, read back by the real skopeo.
 *
 * Runs where both are installed; elsewhere it says so and passes nothing off as tested.
 */
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { SILENT_LOG } from "../../src/core/log.ts";
import { pushStore } from "../../src/oci/push.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { dockerRegistryMissing, startDockerRegistry } from "../support/docker-registry.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RELEASES = "nine-minds/alga-appliance-release";
const missing =
  dockerRegistryMissing() ?? (spawnSync("skopeo", ["--version"]).status === 0 ? undefined : "skopeo is not installed");

if (missing === undefined) it("promotes in docker-registry what skopeo then reads", { timeout: 60_000 }, cycle);
else process.stdout.write(`skipped: ${missing}\n`);

async function cycle(): Promise<void> {
  const server = await startDockerRegistry({ auth: { kind: "none" } });
  const box = mkdtempSync(join(tmpdir(), "promote-"));
  try {
    const registry = `127.0.0.1:${server.port}`;
    const digest = await publishTwo(registry);
    const verb = (name: string, words: readonly string[]): Promise<Record<string, unknown>> =>
      command(["release", name, "--registry", registry, ...words, "-o", "json"], box);
    const difference = await verb("diff", ["stable", "nightly"]);
    assert.ok(Array.isArray(difference.changes) && difference.changes.length > 0);
    const move = ["--from", "nightly", "--to", "stable", "--by", "ann"];
    assert.equal((await verb("promote", [...move, "--dry-run"])).outcome, "would-move");
    assert.equal((await verb("promote", move)).outcome, "moved");
    assert.equal((await verb("promote", move)).outcome, "already");
    assert.equal(skopeo(`${registry}/${RELEASES}:stable`).Digest, digest);
    assert.deepEqual(skopeo(`${registry}/${RELEASES}-history:stable`).RepoTags, ["stable"]);
    assert.deepEqual((await verb("diff", ["stable", "1.0.4"])).changes, []);
  } finally {
    rmSync(box, { recursive: true });
    await server.stop();
  }
}

/** Publishes 1.0.3 as stable and 1.0.4 as nightly; returns the digest of the second one. */
async function publishTwo(registry: string): Promise<string> {
  const store = createMemoryStore();
  buildSampleRelease(store, { registry, version: "1.0.3", channels: ["stable"] });
  const { digest } = buildSampleRelease(store, { registry, version: "1.0.4", channels: ["nightly"] });
  const deps = { clock: systemClock, random: systemRandom, log: SILENT_LOG, fetch: createTransports().open() };
  await pushStore(store, deps, { registry });
  return digest;
}

/** Not synchronous: the registry's log goes through this process, and a full pipe would hold the registry up. */
async function command(words: readonly string[], box: string): Promise<Record<string, unknown>> {
  const env = { PATH: process.env.PATH, ALGA_APPLIANCE_ROOT: box };
  const { stdout } = await promisify(execFile)(process.execPath, ["src/main.ts", ...words], { cwd: ROOT, env });
  return JSON.parse(stdout);
}

/** Reads it as the real tool sees it. */
function skopeo(reference: string): { readonly Digest?: string; readonly RepoTags?: readonly string[] } {
  const raw = execFileSync("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${reference}`]);
  const digest = execFileSync("skopeo", ["manifest-digest", "/dev/stdin"], { input: raw, encoding: "utf8" }).trim();
  const tags = execFileSync(
    "skopeo",
    ["list-tags", "--tls-verify=false", `docker://${reference.slice(0, reference.lastIndexOf(":"))}`],
    { encoding: "utf8" },
  );
  return { Digest: digest, RepoTags: JSON.parse(tags).Tags };
}
