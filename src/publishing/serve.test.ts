import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runWords, startWords } from "../../test/support/command-line.ts";
import { makeCertificates } from "../../test/support/tls.ts";
import { readCatalog } from "../oci/layout-catalog.ts";
import { writeLayoutTar } from "../oci/layout-tar-writer.ts";
import { createLayout, writeStore } from "../oci/layout-writer.ts";
import { createMemoryStore } from "../oci/store.ts";
import { createTransports } from "../platform/fetch.ts";
import { systemFiles as files } from "../platform/files.ts";
import { systemMachine as machine } from "../platform/machine.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";

const root = mkdtempSync(join(tmpdir(), "alga-serve-"));
after(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);

/** A release as a layout folder; its repositories are relative to the base. */
async function layoutOf(name: string, version: string, channels: readonly string[]): Promise<string> {
  const store = createMemoryStore();
  buildSampleRelease(store, { registry: "publisher.test", base: "", version, channels });
  const layout = await createLayout({ files }, at(name));
  await writeStore(store, layout);
  await layout.finish();
  return at(name);
}

const folder = await layoutOf("one", "1.0.3", ["stable"]);

test("a release is resolved from a served layout as from its registry, and nothing is written into it", async () => {
  const served = await startWords(["release", "serve", folder, "--port", "0", "-o", "json"], { root });
  const { registry } = served.first;
  assert.deepEqual(
    { ...served.first, url: "", registry: "" },
    {
      url: "",
      registry: "",
      base: "nine-minds",
      channels: ["stable"],
      versions: ["1.0.3"],
      repositories: served.first.repositories,
      missing: 0,
    },
  );
  const resolved = await runWords(["release", "resolve", "--registry", String(registry), "-o", "json"], { root });
  assert.equal(resolved.code, 0, resolved.stderr);
  const { version, missing, artifacts } = JSON.parse(resolved.stdout);
  assert.equal(version, "1.0.3");
  assert.deepEqual(missing, []);
  assert.ok(artifacts.length > 5);
  const put = await fetch(`${served.first.url}/v2/nine-minds/x/manifests/1`, { method: "PUT", body: "{}" });
  assert.equal(put.status, 405);
  const { code, stderr } = await served.stop();
  assert.equal(code, 0, stderr);
});

test("a tar is served over TLS to those that trust its certificate", async () => {
  const { ca, server } = makeCertificates();
  writeFileSync(at("tls.crt"), server.cert);
  writeFileSync(at("tls.key"), server.key);
  const layout = await createLayout({ files }, folder, { keepEntries: true });
  const catalog = await readCatalog(layout);
  const contents = new Map(
    [...catalog.repositories.values()]
      .flatMap((one) => [...one.manifests.values(), ...one.blobs.values()])
      .map((one) => [one.digest, one]),
  );
  await writeLayoutTar({ files, machine }, at("media.tar"), {
    entries: layout.entries(),
    contents: [...contents.values()],
    open: (wanted) => layout.stream(wanted),
    signal: new AbortController().signal,
  });
  const tls = ["--tls-cert", "tls.crt", "--tls-key", "tls.key"];
  const served = await startWords(["release", "serve", "media.tar", ...tls, "--port", "0", "-o", "json"], { root });
  const { port } = new URL(String(served.first.url));
  const trusting = createTransports().open({ ca, onlyCa: true });
  const answer = await trusting(new Request(`https://localhost:${port}/v2/nine-minds/charts/sebastian/tags/list`));
  assert.deepEqual(await answer.json(), { name: "nine-minds/charts/sebastian", tags: ["0.1.0"] });
  await assert.rejects(createTransports().open()(new Request(`https://localhost:${port}/v2/`)), { code: "net/tls" });
  assert.equal((await served.stop()).code, 0);
});

test("many readers get whole blobs at once", async () => {
  const served = await startWords(["release", "serve", folder, "--port", "0", "-o", "json"], { root });
  const url = `${served.first.url}/v2/nine-minds/alga-psa-ee`;
  const accept = { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } };
  const manifest = (await (await fetch(`${url}/manifests/1.0.3`, accept)).json()) as {
    layers: { digest: string; size: number }[];
  };
  const [layer] = manifest.layers;
  const sizes = await Promise.all(
    Array.from(
      { length: 100 },
      async () => (await (await fetch(`${url}/blobs/${layer?.digest}`)).arrayBuffer()).byteLength,
    ),
  );
  assert.ok(sizes.every((size) => size === layer?.size));
  await served.stop();
});

test("the box's store is served before there is one, and shows what comes into it", async () => {
  const box = at("box");
  const served = await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: box });
  assert.equal(served.first.repositories, 0);
  const list = `${served.first.url}/v2/nine-minds/alga-appliance-release/tags/list`;
  assert.equal((await fetch(list)).status, 404);
  await layoutOf("box/var/lib/alga-appliance/store", "1.0.4", ["nightly"]);
  assert.deepEqual(((await (await fetch(list)).json()) as { tags: string[] }).tags, ["1.0.4", "nightly"]);
  await served.stop();
});

test("two layouts are served as one; the first one's names count", async () => {
  const other = await layoutOf("two", "1.0.4", ["stable", "nightly"]);
  const served = await startWords(["release", "serve", other, folder, "--port", "0", "-o", "json"], { root });
  assert.deepEqual(served.first.versions, ["1.0.3", "1.0.4"]);
  const registry = String(served.first.registry);
  const resolved = await runWords(["release", "resolve", "--registry", registry, "-o", "json"], { root: at("three") });
  assert.equal(JSON.parse(resolved.stdout).version, "1.0.4");
  await served.stop();
});

for (const [name, words, code, says] of [
  ["nothing", ["none.tar"], 2, /there is nothing of that name/],
  ["a key without a certificate", [folder, "--tls-key", "tls.key"], 2, /wanted together/],
  ["a certificate that is none", [folder, "--tls-key", "tls.key", "--tls-cert", "tls.key"], 5, /cannot be used/],
  ["a port that is none", [folder, "--port", "70000"], 2, /a number from 0 to 65535/],
] as const) {
  test(`${name} is refused with a next step`, async () => {
    const result = await runWords(["release", "serve", ...words], { root });
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, says);
  });
}
