import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Digest, digestOf } from "../core/digest.ts";
import type { Fetch } from "../core/ports.ts";
import { systemFiles as files } from "../platform/files.ts";
import { pushArtifact, pushIndex } from "./artifact.ts";
import { readCatalog } from "./layout-catalog.ts";
import { createLayoutRegistry } from "./layout-registry.ts";
import { createLayout, writeStore } from "./layout-writer.ts";
import { ACCEPT_MANIFESTS, MEDIA } from "./media-types.ts";
import { createRegistryServer } from "./registry-server.ts";
import { createMemoryStore } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "alga-layout-registry-"));
after(() => rmSync(root, { recursive: true, force: true }));

const store = createMemoryStore();
const layer = { mediaType: MEDIA.layerTar, bytes: new TextEncoder().encode("0123456789") };
const chart = pushArtifact(store, "charts/one", { tag: "1.0.0", layers: [layer] });
for (const tag of ["stable", "nightly", "a"]) store.tag("charts/one", tag, chart);
const platforms = ["amd64", "arm64"].map((architecture) => ({
  digest: pushArtifact(store, "image", { layers: [{ ...layer, bytes: new TextEncoder().encode(architecture) }] }),
  platform: { os: "linux", architecture },
}));
const index = pushIndex(store, "image", { tag: "2", entries: platforms });
const subject = { mediaType: MEDIA.index, digest: index, size: store.manifest("image", index)?.bytes.length ?? 0 };
for (const kind of ["signature", "sbom"]) {
  pushArtifact(store, "image", { artifactType: `application/x.${kind}`, subject, annotations: { kind } });
}

const layout = await createLayout({ files }, join(root, "layout"));
await writeStore(store, layout);
await layout.finish();
const catalog = await readCatalog(layout);
const ours = createLayoutRegistry(layout, catalog);
const strict = createRegistryServer({ store }).fetch;

interface Seen {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function ask(fetch: Fetch, path: string, init: RequestInit = {}): Promise<Seen> {
  const headers = { accept: ACCEPT_MANIFESTS, ...init.headers };
  const response = await fetch(new Request(`http://registry.test${path}`, { ...init, headers }));
  return { status: response.status, headers: Object.fromEntries(response.headers), body: await response.text() };
}

const blob = digestOf(layer.bytes);
const none = digestOf("none");
const PATHS: readonly (readonly [string, RequestInit?])[] = [
  ["/v2/"],
  ["/v2"],
  ["/elsewhere"],
  ["/v2/charts/one/manifests/1.0.0"],
  ["/v2/charts/one/manifests/1.0.0", { headers: { accept: "text/plain" } }],
  [`/v2/charts/one/manifests/${chart}`],
  [`/v2/charts/one/manifests/${none}`],
  ["/v2/charts/one/manifests/none"],
  ["/v2/charts/one/manifests/sha256:short"],
  ["/v2/charts/one/manifests/..%2f..%2fetc"],
  ["/v2/charts/one/manifests/%zz"],
  ["/v2/UPPER/manifests/1.0.0"],
  ["/v2/nowhere/manifests/1.0.0"],
  ["/v2/image/manifests/2"],
  ...platforms.map(({ digest }) => [`/v2/image/manifests/${digest}`] as const),
  [`/v2/charts/one/manifests/${index}`],
  [`/v2/charts/one/blobs/${blob}`],
  [`/v2/image/blobs/${blob}`],
  [`/v2/charts/one/blobs/${blob}`, { headers: { range: "bytes=3-5" } }],
  [`/v2/charts/one/blobs/${blob}`, { headers: { range: "bytes=7-" } }],
  [`/v2/charts/one/blobs/${blob}`, { headers: { range: "bytes=7-700" } }],
  [`/v2/charts/one/blobs/${blob}`, { headers: { range: "bytes=10-" } }],
  [`/v2/charts/one/blobs/${blob}`, { headers: { range: "lines=1-2" } }],
  [`/v2/charts/one/blobs/${none}`],
  ["/v2/charts/one/blobs/none"],
  ["/v2/charts/one/tags/list"],
  ["/v2/charts/one/tags/list?n=2"],
  ["/v2/charts/one/tags/list?n=2&last=a"],
  ["/v2/charts/one/tags/list?n=x"],
  ["/v2/nowhere/tags/list"],
  [`/v2/image/referrers/${index}`],
  [`/v2/image/referrers/${index}?artifactType=application/x.sbom`],
  [`/v2/image/referrers/${none}`],
  ["/v2/image/referrers/none"],
];

/** A list of referrers has no order that the specification asks for. */
function comparable(seen: Seen): unknown {
  if (!seen.body.includes('"manifests"') || !seen.body.includes("application/x.")) return seen;
  const { manifests, ...rest } = JSON.parse(seen.body) as { manifests: { digest: string }[] };
  return { ...seen, body: { ...rest, manifests: manifests.sort((a, b) => (a.digest < b.digest ? -1 : 1)) } };
}

for (const method of ["GET", "HEAD"]) {
  for (const [path, init] of PATHS) {
    test(`${method} ${path} ${JSON.stringify(init?.headers ?? "")} is answered as by the registry in memory`, async () => {
      const [is, wanted] = [await ask(ours, path, { ...init, method }), await ask(strict, path, { ...init, method })];
      assert.deepEqual(comparable(is), comparable(wanted));
    });
  }
}

test("nothing is written", async () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    for (const path of ["/v2/charts/one/blobs/uploads/", "/v2/charts/one/manifests/new", `/v2/image/blobs/${blob}`]) {
      assert.equal((await ask(ours, path, { method })).status, 405, `${method} ${path}`);
    }
  }
});

test("a base stands before every repository", async () => {
  const based = createLayoutRegistry(layout, catalog, { base: "nine-minds" });
  assert.equal((await ask(based, "/v2/nine-minds/charts/one/manifests/1.0.0")).status, 200);
  assert.equal((await ask(based, "/v2/charts/one/manifests/1.0.0")).status, 404);
  const page = await ask(based, "/v2/nine-minds/charts/one/tags/list?n=1");
  assert.match(page.headers.link ?? "", /^<\/v2\/nine-minds\/charts\/one\/tags\/list\?n=1&last=1.0.0>; rel="next"$/);
});

test("what is missing or damaged is not given away", async () => {
  const bad = await createLayout({ files }, join(root, "bad"));
  await writeStore(store, bad);
  await bad.finish();
  const at = (digest: Digest): string => join(root, "bad/blobs/sha256", digest.slice(7));
  rmSync(at(platforms[1]?.digest ?? none));
  const arm = digestOf("arm64");
  const found = await readCatalog(bad);
  assert.deepEqual(
    found.missing.map(({ repository, descriptor, kind }) => [repository, descriptor.digest, kind]),
    [["image", platforms[1]?.digest, "child"]],
  );
  const fetch = createLayoutRegistry(bad, found);
  assert.equal((await ask(fetch, `/v2/image/manifests/${platforms[1]?.digest}`)).status, 404);
  assert.equal((await ask(fetch, `/v2/image/blobs/${arm}`)).status, 404, "only what a manifest names is shown");
  writeFileSync(at(blob), "012345678X");
  await assert.rejects(ask(fetch, `/v2/charts/one/blobs/${blob}`), /digest/);
  writeFileSync(at(blob), "012");
  assert.equal((await ask(fetch, `/v2/charts/one/blobs/${blob}`)).status, 404);
  assert.equal((await readCatalog(bad)).missing.length, 2);
  writeFileSync(at(chart), "{}");
  assert.deepEqual((await readCatalog(bad)).missing[0]?.kind, "root");
});
