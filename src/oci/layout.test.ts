import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Digest, digestOf } from "../core/digest.ts";
import { type ErrorCode, isApplianceError } from "../core/errors.ts";
import { systemFiles as files } from "../platform/files.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { pushArtifact, pushIndex } from "./artifact.ts";
import { openLayout } from "./layout.ts";
import { createLayout, writeStore } from "./layout-writer.ts";
import { MEDIA } from "./media-types.ts";
import { createMemoryStore, type RegistryStore } from "./store.ts";

const root = mkdtempSync(join(tmpdir(), "alga-layout-"));
after(() => rmSync(root, { recursive: true, force: true }));
const code = (wanted: ErrorCode) => (thrown: unknown) => isApplianceError(thrown, wanted);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const streamOf = (...pieces: readonly string[]): ReadableStream<Uint8Array> =>
  new Blob(pieces.map((piece) => piece as BlobPart)).stream();
const blobAt = (folder: string, digest: Digest): string => join(folder, "blobs/sha256", digest.slice(7));

/** A chart with two tags, an index over two platforms, and a signature that refers to it. */
function sampleStore(): { readonly store: RegistryStore; readonly chart: Digest; readonly index: Digest } {
  const store = createMemoryStore();
  const layer = (text: string) => ({ mediaType: MEDIA.layerTar, bytes: bytesOf(text) });
  const chart = pushArtifact(store, "charts/one", { tag: "1.0.0", layers: [layer("chart")] });
  store.tag("charts/one", "stable", chart);
  const platforms = ["amd64", "arm64"].map((architecture) => ({
    digest: pushArtifact(store, "image", { layers: [layer(architecture)] }),
    platform: { os: "linux", architecture },
  }));
  const index = pushIndex(store, "image", { tag: "2", entries: platforms });
  const subject = { mediaType: MEDIA.index, digest: index, size: store.manifest("image", index)?.bytes.length ?? 0 };
  pushArtifact(store, "image", { artifactType: "application/x.signature", subject });
  return { store, chart, index };
}

async function sampleLayout(name: string): Promise<string> {
  const folder = join(root, name);
  const layout = await createLayout({ files }, folder);
  await writeStore(sampleStore().store, layout);
  await layout.finish();
  return folder;
}

test("a store becomes a layout with its roots in order, and reads back as it was", async () => {
  const { store, chart, index } = sampleStore();
  const layout = await openLayout({ files }, await sampleLayout("a"));
  const names = layout.entries().map(({ repository, tag }) => `${repository}:${tag ?? "-"}`);
  assert.deepEqual(names, ["charts/one:1.0.0", "charts/one:stable", "image:2", "image:-"]);
  assert.equal(layout.entries()[0]?.descriptor.digest, chart);
  const [, , entry, signature] = layout.entries();
  assert.equal(signature?.descriptor.artifactType, "application/x.signature");
  assert.ok(entry !== undefined && entry.descriptor.digest === index && entry.descriptor.mediaType === MEDIA.index);
  assert.deepEqual(await layout.bytes(entry.descriptor), store.manifest("image", index)?.bytes);
  for (const { digest, bytes } of store.blobs("image")) {
    assert.ok(await layout.has(digest));
    assert.equal(await layout.size(digest), bytes.length);
    assert.deepEqual(await layout.bytes({ digest, size: bytes.length }), bytes);
  }
});

test("the same content gives the same bytes in every file", async () => {
  const [one, two] = [await sampleLayout("same-1"), await sampleLayout("same-2")];
  const all = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => `${entry.name} ${digestOf(readFileSync(join(entry.parentPath, entry.name)))}`)
      .sort();
  assert.deepEqual(all(one), all(two));
  assert.equal(readFileSync(join(one, "oci-layout"), "utf8"), '{"imageLayoutVersion":"1.0.0"}');
});

test("a folder is no layout before its writer has finished it, and a second writer goes on", async () => {
  const folder = join(root, "midway");
  const first = await createLayout({ files }, folder);
  const { digest } = await first.putBlob(bytesOf("kept"));
  writeFileSync(join(folder, "blobs/sha256/.x.0123456789ab.tmp"), "half");
  writeFileSync(join(folder, ".index.json.0123456789ab.tmp"), "half");
  await assert.rejects(openLayout({ files }, folder), code("oci/bad-layout"));
  const second = await createLayout({ files }, folder);
  assert.ok(await second.has(digest));
  let asked = false;
  const untouched = new ReadableStream<Uint8Array>(
    {
      pull: () => {
        asked = true;
      },
    },
    { highWaterMark: 0 },
  );
  await second.putStream({ digest, size: 4 }, untouched);
  assert.equal(asked, false, "what is there is not fetched again");
  await second.finish();
  assert.deepEqual((await openLayout({ files }, folder)).entries(), []);
});

test("entries of an earlier run stay only when that is wanted", async () => {
  const folder = await sampleLayout("entries");
  const more = await createLayout({ files }, folder, { keepEntries: true });
  assert.equal(more.entries().length, 4);
  const none = await createLayout({ files }, folder);
  assert.equal(none.entries().length, 0);
});

test("a stream that is wrong leaves nothing behind", async () => {
  const folder = join(root, "wrong-streams");
  const layout = await createLayout({ files }, folder);
  const digest = digestOf("hello");
  await assert.rejects(layout.putStream({ digest, size: 5 }, streamOf("hel", "l0")), code("oci/digest-mismatch"));
  await assert.rejects(layout.putStream({ digest, size: 5 }, streamOf("hell")), code("oci/short-body"));
  await assert.rejects(layout.putStream({ digest, size: 5 }, streamOf("hello", "!")), code("oci/long-body"));
  const broken = new ReadableStream<Uint8Array>({
    start: (controller) => {
      controller.enqueue(bytesOf("he"));
    },
    pull: () => Promise.reject(new Error("the wire broke")),
  });
  await assert.rejects(layout.putStream({ digest, size: 5 }, broken), /the wire broke/);
  assert.deepEqual(readdirSync(join(folder, "blobs/sha256")), []);
  await layout.putStream({ digest, size: 5 }, streamOf("hel", "lo"));
  assert.deepEqual(await layout.bytes({ digest, size: 5 }), bytesOf("hello"));
});

test("content is checked when it is read, also from a byte on", async () => {
  const folder = join(root, "checked");
  const layout = await createLayout({ files }, folder);
  const text = "x".repeat(3 * 1024 * 1024);
  const wanted = { ...(await layout.putBlob(bytesOf(text))) };
  const rest = await new Response(layout.stream(wanted, { fromByte: wanted.size - 3 })).text();
  assert.equal(rest, "xxx");
  assert.equal(await new Response(layout.part(wanted.digest, { fromByte: 1, bytes: 2 })).text(), "xx");
  await assert.rejects(layout.bytes(wanted, { maxBytes: 10 }), code("oci/too-large"));
  await assert.rejects(layout.bytes({ ...wanted, size: 1 }), code("oci/size-mismatch"));
  await assert.rejects(layout.bytes({ digest: digestOf("none"), size: 4 }), code("oci/not-found"));
  writeFileSync(blobAt(folder, wanted.digest), `${text.slice(1)}y`);
  await assert.rejects(layout.bytes(wanted), code("oci/digest-mismatch"));
  await assert.rejects(
    new Response(layout.stream(wanted, { fromByte: wanted.size - 1 })).bytes(),
    code("oci/digest-mismatch"),
    "what lies before the first byte counts too",
  );
  const stopped = AbortSignal.abort();
  await assert.rejects(new Response(layout.stream(wanted, { signal: stopped })).bytes(), code("internal/aborted"));
});

test("links in a layout are not followed", async () => {
  const secret = join(root, "secret");
  writeFileSync(secret, "secret");
  const folder = await sampleLayout("links");
  const digest = digestOf("secret");
  symlinkSync(secret, blobAt(folder, digest));
  const layout = await openLayout({ files }, folder);
  assert.equal(await layout.has(digest), false);
  await assert.rejects(layout.bytes({ digest, size: 6 }), code("file/unreadable"));
  const linked = join(root, "linked");
  mkdirSync(linked);
  for (const name of ["index.json", "oci-layout"]) writeFileSync(join(linked, name), readFileSync(join(folder, name)));
  symlinkSync(join(folder, "blobs"), join(linked, "blobs"));
  await assert.rejects(openLayout({ files }, linked), code("oci/bad-layout"));
  rmSync(join(linked, "index.json"));
  symlinkSync(join(folder, "index.json"), join(linked, "index.json"));
  await assert.rejects(openLayout({ files }, linked), code("file/unreadable"));
});

test("a folder with anything else in it is not made into a layout", async () => {
  const folder = join(root, "taken");
  mkdirSync(folder);
  writeFileSync(join(folder, "thesis.txt"), "years of work");
  await assert.rejects(createLayout({ files }, folder), code("oci/bad-layout"));
});

test("a manifest of another form, repository or tag is refused", async () => {
  const layout = await createLayout({ files: createMemoryFiles() }, "/layout");
  const bytes = bytesOf(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [] }));
  const put = (more: object) =>
    layout.putManifest({ repository: "a", tag: "1", mediaType: MEDIA.index, bytes, ...more });
  await assert.rejects(put({ repository: "../a" }), code("oci/bad-reference"));
  await assert.rejects(put({ tag: "a/b" }), code("oci/bad-reference"));
  await assert.rejects(put({ mediaType: MEDIA.manifest }), code("oci/media-type"));
  assert.equal(await put({}), digestOf(bytes));
});

const entry = (name: string | undefined, more: object = {}): object => ({
  mediaType: MEDIA.manifest,
  digest: digestOf("x"),
  size: 1,
  ...(name === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": name } }),
  ...more,
});

const INDEXES: readonly (readonly [string, unknown])[] = [
  ["text", "no json"],
  ["a list", []],
  ["another version", { schemaVersion: 1, manifests: [] }],
  ["another media type", { schemaVersion: 2, mediaType: MEDIA.manifest, manifests: [] }],
  ["an entry without a name", { schemaVersion: 2, manifests: [entry(undefined)] }],
  ["a path as a name", { schemaVersion: 2, manifests: [entry("../../etc/passwd:1")] }],
  ["the digest of another", { schemaVersion: 2, manifests: [entry(`a@${digestOf("y")}`)] }],
  ["a path as a digest", { schemaVersion: 2, manifests: [entry("a:1", { digest: "sha256:../../etc/passwd" })] }],
  ["a blob as a root", { schemaVersion: 2, manifests: [entry("a:1", { mediaType: "text/plain" })] }],
  ["a huge manifest", { schemaVersion: 2, manifests: [entry("a:1", { size: 5 * 1024 * 1024 })] }],
  ["a name twice", { schemaVersion: 2, manifests: [entry("a:1"), entry("a:1", { digest: digestOf("z") })] }],
  ["too many entries", { schemaVersion: 2, manifests: Array.from({ length: 10_001 }, (_, n) => entry(`a:${n}`)) }],
  ["bytes without end", { schemaVersion: 2, manifests: [], padding: "x".repeat(9 * 1024 * 1024) }],
];

for (const [name, value] of INDEXES) {
  test(`an index.json with ${name} is refused`, async () => {
    const folder = join(root, `index-${INDEXES.findIndex(([one]) => one === name)}`);
    mkdirSync(join(folder, "blobs/sha256"), { recursive: true });
    writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion": "1.0.0"}');
    writeFileSync(join(folder, "index.json"), typeof value === "string" ? value : JSON.stringify(value));
    await assert.rejects(openLayout({ files }, folder), code("oci/bad-layout"));
  });
}

for (const [name, marker] of [
  ["no version", "{}"],
  ["a later version", '{"imageLayoutVersion":"2.0.0"}'],
  ["no JSON", "1.0.0"],
  ["bytes without end", "x".repeat(5_000)],
] as const) {
  test(`an oci-layout with ${name} is refused`, async () => {
    const folder = await sampleLayout(`marker-${name}`);
    writeFileSync(join(folder, "oci-layout"), marker);
    await assert.rejects(openLayout({ files }, folder), code("oci/bad-layout"));
  });
}
