/** What may go wrong while a release becomes one file: the registry dies, its storage rots, two write at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClock, testDeps } from "../../test/support/oci.ts";
import { died } from "../../test/support/push.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryClient } from "../oci/client.ts";
import { openLayoutTar } from "../oci/layout-tar.ts";
import { writeLayoutTar } from "../oci/layout-tar-writer.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { systemMachine as machine } from "../platform/machine.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { planBundle } from "./bundle.ts";

const HOST = "registry.test";
const signal = new AbortController().signal;

async function world() {
  const server = createRegistryServer();
  buildSampleRelease(server.store, { registry: HOST, version: "1.0.3", channels: ["stable"], imageBytes: 4_000 });
  const files = createMemoryFiles();
  await files.makeDirectory("/out");
  const run = async (wire: Fetch = server.fetch) => {
    const deps = { ...testDeps(fakeClock()), fetch: wire };
    const client = createRegistryClient(deps, { registry: HOST, retry: { attempts: 1, baseMs: 1, maxMs: 1 } });
    const place = { base: "nine-minds", repository: "nine-minds/alga-appliance-release", running: "1.0.0" };
    const plan = await planBundle({ files }, client, { ...place, ref: { channel: "stable" }, signal });
    return writeLayoutTar({ files, machine }, "/out/media.tar", { ...plan.tar, signal });
  };
  const names = () => files.list("/out");
  const bytes = async () => Buffer.from((await files.read("/out/media.tar", { maxBytes: 1e9 })) ?? "");
  return { server, files, run, names, bytes };
}

test("a registry that dies at any request leaves no bundle; the next run goes on with what came, and ends with the same bytes", async () => {
  const whole = await world();
  let requests = 0;
  await whole.run((request) => {
    requests += 1;
    return whole.server.fetch(request);
  });
  const wanted = await whole.bytes();
  assert.ok(requests > 50, `${requests}`);
  const { run, files, names, bytes, server } = await world();
  let keptBytes = 0;
  for (let dies = 1; dies <= requests; dies += 1) {
    let seen = 0;
    const dead: Fetch = (request) => (++seen >= dies ? Promise.reject(died()) : server.fetch(request));
    await assert.rejects(
      run(dead),
      (thrown) => isApplianceError(thrown, "net/reset"),
      `request ${dies} of ${requests}`,
    );
    assert.ok(!(await names()).includes("media.tar"), `request ${dies}`);
    // Each run gets further than the last one, because it does not ask again for what is there: soon all of it is.
    const [partial] = await names();
    keptBytes = partial === undefined ? 0 : ((await files.stat(`/out/${partial}`))?.sizeBytes ?? 0);
    if (keptBytes > wanted.length / 2) break;
  }
  assert.ok(keptBytes > 0);
  const end = await run();
  assert.ok(end.keptBytes > 0 && end.keptBytes <= keptBytes);
  assert.deepEqual(await bytes(), wanted);
  assert.deepEqual(await names(), ["media.tar"]);
});

test("a blob that is altered in place in the registry is refused by name, and gets into no bundle", async () => {
  const { server, run, names, bytes, files } = await world();
  const image = "nine-minds/email-service";
  const [blob] = server.store.blobs(image).filter(({ bytes: content }) => content.length > 1_000);
  assert.ok(blob?.bytes[0] !== undefined);
  blob.bytes[0] ^= 1;
  await assert.rejects(run(), (thrown: Error) => {
    return isApplianceError(thrown, "oci/digest-mismatch") && thrown.message.includes(blob.digest);
  });
  assert.ok(!(await names()).includes("media.tar"));
  blob.bytes[0] ^= 1;
  await run();
  const opened = await openLayoutTar({ files }, "/out/media.tar");
  assert.ok((await opened.bytes({ digest: blob.digest, size: blob.bytes.length })).length > 0);
  assert.ok((await bytes()).length > 0);
});
