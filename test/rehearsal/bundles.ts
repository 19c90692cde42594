/** A bundle of the sample release, made from a registry that is gone afterwards. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { runWords } from "../support/command-line.ts";
import { serveFetch } from "../support/serve-registry.ts";

/** Publishes a version as channel stable, bundles it into a file of the folder, and takes the publisher's registry away. */
export async function bundleSample(
  version: string,
  to: { readonly root: string; readonly file: string },
): Promise<void> {
  const { fetch, store } = createRegistryServer();
  const publisher = await serveFetch(fetch);
  const registry = `127.0.0.1:${publisher.port}`;
  // The publisher's registry is a mirror: so the images of others can be had without a network too.
  buildSampleRelease(store, { registry: "ghcr.io", version, channels: ["stable"], additional: "mirrored" });
  const words = ["release", "bundle", "--registry", registry, "--out", join(to.root, to.file), "-o", "json"];
  const { code, stdout } = await runWords(words, { root: to.root });
  assert.equal(code, 0, stdout);
  await publisher.close();
}
