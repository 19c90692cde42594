/** The box's store with releases whose images of others had other digests under the same tags. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runWords } from "../../test/support/command-line.ts";
import { serveFetch } from "../../test/support/serve-registry.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";

const root = mkdtempSync(join(tmpdir(), "alga-store-images-"));
const server = createRegistryServer();
const publisher = await serveFetch(server.fetch);
after(async () => {
  await publisher.close();
  rmSync(root, { recursive: true, force: true });
});

const BUSYBOX = "nine-minds/images/docker.io/library/busybox";

/** Publishes a release and bundles it, while the tags of others name what they name then. */
async function bundled(version: string, imageBytes: number): Promise<string> {
  const sample = { registry: "ghcr.io", version, imageBytes, channels: ["stable"], additional: "mirrored" as const };
  buildSampleRelease(server.store, sample);
  const file = `${version}.tar`;
  await words("release", "bundle", "--registry", `127.0.0.1:${publisher.port}`, "--out", file);
  return file;
}

async function words(...all: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout } = await runWords([...all, "-o", "json"], { root, env: { PWD: root } });
  assert.equal(code, 0, stdout);
  return JSON.parse(stdout);
}

const blobs = (): number => readdirSync(join(root, "var/lib/alga-appliance/store/blobs/sha256")).length;

test("a tag of others that names something new takes nothing from the release before", async () => {
  const old = await bundled("1.0.3", 4_000);
  const was = server.store.manifest(BUSYBOX, "1.37")?.digest;
  const next = await bundled("1.0.4", 5_000);
  assert.notEqual(server.store.manifest(BUSYBOX, "1.37")?.digest, was, "the owner has moved the tag");
  await words("release", "load", old);
  await words("release", "load", next);
  const both = await words("release", "check");
  assert.deepEqual(
    (both.releases as readonly { otherImages: number }[]).map((one) => one.otherImages),
    [7, 7],
  );
  assert.deepEqual([both.lacking, (both.releases as readonly unknown[]).length], [[], 2]);
  const before = blobs();
  await words("release", "load", next, "--keep", "2");
  assert.deepEqual((await words("release", "check")).lacking, []);
  assert.equal(blobs(), before, "of two kept releases nothing is swept away");
  await words("release", "load", next, "--keep", "1");
  const one = await words("release", "check");
  assert.deepEqual([one.lacking, (one.releases as readonly unknown[]).length], [[], 1]);
  assert.ok(blobs() < before, "what only the old release had is gone");
});
