import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { CLOCK, sourceTree, TREE, world } from "../../test/support/source-tree.ts";
import { createLayout, writeStore } from "../oci/layout-writer.ts";
import type { RegistryStore } from "../oci/store.ts";
import { readTarGz } from "../oci/tar.ts";
import { createMemoryFiles, type MemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { type BuildInput, type BuiltRelease, buildRelease } from "./build.ts";
import { type LockOptions, lockSource } from "./lock.ts";

const build = (files: MemoryFiles, given: Partial<BuildInput> = {}): Promise<BuiltRelease> =>
  buildRelease(
    { files, clock: CLOCK },
    { folder: TREE, platforms: async () => [], embeddedTree: FLUX_TEMPLATES, ...given },
  );

/** Everything in a store: the digests of all manifests and tags. */
const contentOf = (store: RegistryStore) =>
  store.repositories().map((name) => [
    name,
    store
      .manifests(name)
      .map((one) => one.digest)
      .sort(),
    (store.tags(name) ?? []).map((tag) => [tag, store.manifest(name, tag)?.digest]),
  ]);

test("locks once: the second time asks nobody and writes nothing", async () => {
  const files = await sourceTree();
  const { options, requests } = world();
  const first = await lockSource({ files, clock: CLOCK }, TREE, options());
  assert.ok(first.hasChanged && first.pins.every((pin) => pin.outcome === "new"));
  assert.equal(first.pins.length, 14);
  const [before, asked] = [files.snapshot(), requests()];
  const second = await lockSource({ files, clock: CLOCK }, TREE, options({ now: "2027-01-01T00:00:00Z" }));
  assert.deepEqual([second.hasChanged, requests()], [false, asked]);
  assert.deepEqual(files.snapshot(), before);
});

test("a tag that moves stays locked until it is asked for, by name", async () => {
  const files = await sourceTree();
  const { options, store } = world();
  await lockSource({ files, clock: CLOCK }, TREE, options());
  const other = store.manifest("nine-minds/email-service", "62cdce38")?.digest;
  assert.ok(other !== undefined);
  const moved = buildSampleRelease(store, {
    registry: "ghcr.io",
    version: "0.9.1",
    imageTag: "62cdce38",
    imageBytes: 9,
  });
  assert.equal((await lockSource({ files, clock: CLOCK }, TREE, options())).hasChanged, false);
  const updated = await lockSource(
    { files, clock: CLOCK },
    TREE,
    options({ update: ["algaCore"], now: "2026-12-01T00:00:00Z" }),
  );
  assert.deepEqual(
    updated.pins.filter((pin) => pin.outcome === "changed").map((pin) => [pin.name, pin.digest]),
    [["image algaCore", moved.imageDigests.algaCore]],
  );
  assert.equal(updated.lockedAt, "2026-12-01T00:00:00Z");
  await assert.rejects(lockSource({ files, clock: CLOCK }, TREE, options({ update: ["nobody"] })), {
    code: "build/bad-source",
  });
});

test("what was fetched for an older lock does not stay", async () => {
  const files = await sourceTree();
  const { options, store } = world();
  const blobs = () => [...files.snapshot().keys()].filter((path) => path.includes("/vendor/blobs/")).length;
  await lockSource({ files, clock: CLOCK }, TREE, options());
  const before = blobs();
  const other = { registry: "ghcr.io", base: "other", version: "0.9.1", imageTag: "62cdce38" };
  buildSampleRelease(store, other);
  const document = store.manifest("other/charts/temporal", "0.1.0");
  assert.ok(document !== undefined);
  for (const { bytes } of store.blobs("other/charts/temporal")) store.putBlob("nine-minds/charts/temporal", bytes);
  store.putManifest("nine-minds/charts/temporal", "0.1.0", document.bytes, document.mediaType);
  const updated = await lockSource({ files, clock: CLOCK }, TREE, options({ update: ["temporal"] }));
  assert.deepEqual(updated.pins.filter((pin) => pin.outcome === "changed").length, 1);
  assert.equal(blobs(), before);
  await build(files);
});

test("a dry run of the lock writes nothing", async () => {
  const files = await sourceTree();
  const before = files.snapshot();
  const report = await lockSource({ files, clock: CLOCK }, TREE, world().options({ dryRun: true }));
  assert.ok(report.hasChanged);
  assert.deepEqual(files.snapshot(), before);
});

test("a tag that is not there fails the lock by its reference, and the old lock stays", async () => {
  const files = await sourceTree();
  const { options, store } = world();
  await lockSource({ files, clock: CLOCK }, TREE, options());
  const before = files.snapshot().get(`${TREE}/release.lock.yaml`);
  store.deleteManifest("nine-minds/alga-psa-ee", "62cdce38");
  await assert.rejects(lockSource({ files, clock: CLOCK }, TREE, options({ update: ["all"] })), {
    code: "oci/not-found",
    message: /alga-psa-ee:62cdce38/,
  });
  assert.equal(files.snapshot().get(`${TREE}/release.lock.yaml`), before);
});

test("a registry that gives other bytes than its manifest promises locks nothing", async () => {
  const files = await sourceTree();
  const { options, store } = world();
  const document = JSON.parse(new TextDecoder().decode(store.manifest("nine-minds/charts/temporal", "0.1.0")?.bytes));
  const { digest } = document.layers[0];
  const blob = store.blob("nine-minds/charts/temporal", digest);
  assert.ok(blob !== undefined);
  blob[blob.length - 1] = (blob.at(-1) ?? 0) ^ 1;
  await assert.rejects(lockSource({ files, clock: CLOCK }, TREE, options()), { code: "oci/digest-mismatch" });
  const left = [...files.snapshot().keys()].filter((path) => path.includes("lock") || path.endsWith("oci-layout"));
  assert.deepEqual(left, []);
  blob[blob.length - 1] = (blob.at(-1) ?? 0) ^ 1;
  assert.ok((await lockSource({ files, clock: CLOCK }, TREE, options())).hasChanged);
});

test("a lock that was killed while it fetched goes on with what it has", async () => {
  const files = await sourceTree();
  const { options, requests } = world();
  let left = 6;
  const dying: LockOptions["open"] = async (reference, source) => {
    left -= 1;
    if (left === 0) throw new Error("killed");
    return await options().open(reference, source);
  };
  await assert.rejects(lockSource({ files, clock: CLOCK }, TREE, options({ open: dying })), /killed/);
  assert.equal(files.snapshot().get(`${TREE}/release.lock.yaml`), undefined);
  const asked = requests();
  assert.ok((await lockSource({ files, clock: CLOCK }, TREE, options())).hasChanged);
  assert.ok(requests() > asked);
  await build(files);
});

async function locked(change?: (text: string) => string): Promise<MemoryFiles> {
  const files = await sourceTree(change);
  await lockSource({ files, clock: CLOCK }, TREE, world().options());
  return files;
}

test("builds everything that the manifest names, pinned by digest", async () => {
  const built = await build(await locked());
  const { manifest, store } = built;
  assert.deepEqual(store.repositories(), [
    "alga-appliance-config",
    "alga-appliance-release",
    "charts/email-service",
    "charts/pgbouncer",
    "charts/sebastian",
    "charts/temporal",
    "charts/temporal-worker",
    "charts/workflow-worker",
    "flux-manifests",
  ]);
  assert.equal(manifest.createdAt, "2026-11-21T00:00:00Z");
  assert.equal(store.manifest("alga-appliance-config", "1.0.3")?.digest, manifest.config.digest);
  assert.equal(store.manifest("flux-manifests", "v2.9.5")?.digest, manifest.flux?.digest);
  for (const [name, version] of Object.entries(manifest.charts)) {
    assert.equal(store.manifest(`charts/${name}`, version)?.digest, manifest.chartDigests?.[name], name);
  }
  assert.deepEqual(Object.keys(manifest.imageDigests ?? {}).sort(), Object.keys(manifest.images).sort());
  assert.match(manifest.controlPlane ?? "", /^ghcr\.io\/nine-minds\/alga-appliance-control-plane:62cdce38@sha256:/);
});

test("the bundle pins every chart, and holds the values of the release", async () => {
  const { manifest, store } = await build(await locked());
  const document = JSON.parse(new TextDecoder().decode(store.manifest("alga-appliance-config", "1.0.3")?.bytes));
  const layer = store.blob("alga-appliance-config", document.layers[0].digest) ?? new Uint8Array();
  const text = [...readTarGz(layer).values()].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
  for (const digest of Object.values(manifest.chartDigests ?? {})) assert.ok(text.includes(digest));
  assert.match(manifest.profileValues["pgbouncer.single-node.yaml"] ?? "", /^# The same as the profile/);
  assert.match(text, /# The same as the profile/);
});

test("two builds are the same bytes; another time changes no chart", async () => {
  const files = await locked();
  const [one, two] = [await build(files), await build(files.copy())];
  assert.deepEqual(contentOf(one.store), contentOf(two.store));
  const later = await build(files, { createdSeconds: 1_800_000_000 });
  assert.notEqual(later.digest, one.digest);
  assert.deepEqual(later.charts, one.charts);
});

test("the layout of a build holds every part", async () => {
  const files = createMemoryFiles();
  const { store } = await build(await locked());
  const layout = await createLayout({ files }, "/out");
  await writeStore(store, layout);
  await layout.finish();
  const roots = layout.entries().map((entry) => `${entry.repository}:${entry.tag}`);
  assert.ok(roots.includes("alga-appliance-release:1.0.3") && roots.includes("charts/temporal:0.1.0"));
});

test("published elsewhere, all addresses are there", async () => {
  const files = await sourceTree((text) => text.replace(/^registry: .*$/m, "registry: harbor.example.com/alga/one"));
  const { options } = world();
  const open: LockOptions["open"] = async (reference, source) => {
    const repository = reference.repository.replace(/^alga\/one\//, "nine-minds/");
    return { ...(await options().open(reference, source)), repository };
  };
  await lockSource({ files, clock: CLOCK }, TREE, options({ open }));
  const { manifest } = await build(files);
  assert.match(manifest.config.repository, /^harbor\.example\.com\/alga\/one\//);
  assert.match(
    manifest.profileValues["alga-core.single-node.yaml"] ?? "",
    /harbor\.example\.com\/alga\/one\/alga-psa-ee/,
  );
});

const BROKEN: readonly (readonly [
  name: string,
  path: string,
  change: (text: string) => string,
  code: string,
  says: RegExp,
])[] = [
  [
    "a changed release.yaml",
    "release.yaml",
    (text) => text.replace("1.0.3", "1.0.4"),
    "build/stale-lock",
    /version is 1\.0\.4/,
  ],
  [
    "a chart of another name",
    "charts/pgbouncer/Chart.yaml",
    (text) => text.replace("name: pgbouncer", "name: other"),
    "build/bad-chart",
    /its name is other/,
  ],
  ["a chart that is no chart", "charts/pgbouncer/Chart.yaml", () => "nothing", "build/bad-chart", /charts\/pgbouncer/],
  ["values that are no YAML", "values/pgbouncer.yaml", () => "a: [", "flux/bad-values", /pgbouncer/],
  ["a vendored blob that was altered", "blob", (text) => `${text} `, "oci/size-mismatch", /sha256/],
];

for (const [name, path, change, code, says] of BROKEN) {
  test(`refuses ${name}`, async () => {
    const files = await locked();
    const blobs = [...files.snapshot().keys()].filter((one) => one.includes("/vendor/blobs/"));
    const target = path === "blob" ? (blobs[0] ?? "") : join(TREE, path);
    files.garble(target, change(files.snapshot().get(target) ?? ""));
    await assert.rejects(build(files), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, code, thrown.message);
      return says.test(thrown.message);
    });
  });
}

test("refuses a tree whose vendored parts are gone, with the command that brings them", async () => {
  const files = await locked();
  const tree = await sourceTree();
  await tree.write(`${TREE}/release.lock.yaml`, files.snapshot().get(`${TREE}/release.lock.yaml`) ?? "");
  await assert.rejects(build(tree), { code: "build/missing-input", hint: /release lock/ });
});

test("a fresh checkout with its lock gets what the lock pins, and the lock stays as it is", async () => {
  const [files, tree, { options }] = [await locked(), await sourceTree(), world()];
  const lock = files.snapshot().get(`${TREE}/release.lock.yaml`) ?? "";
  await tree.write(`${TREE}/release.lock.yaml`, lock);
  assert.equal((await lockSource({ files: tree, clock: CLOCK }, TREE, options())).hasChanged, false);
  assert.equal(tree.snapshot().get(`${TREE}/release.lock.yaml`), lock);
  assert.equal((await build(tree)).digest, (await build(files)).digest);
});

const TREE_FAULTS: readonly (readonly [name: string, path: string, change: (text: string) => string, says: RegExp])[] =
  [
    [
      "a resource that is not there",
      "base/core/kustomization.yaml",
      (text) => text.replace("pgbouncer.yaml", "gone.yaml"),
      /gone/,
    ],
    [
      "a resource that stands twice",
      "base/core/kustomization.yaml",
      (text) => `${text}  - ../releases/pgbouncer.yaml\n`,
      /stands in it twice/,
    ],
    [
      "a field of kustomize that is not known",
      "base/kustomization.yaml",
      (text) => `${text}helmCharts: []\n`,
      /helmCharts/,
    ],
    ["no YAML", "base/releases/pgbouncer.yaml", () => "a: [", /pgbouncer\.yaml/],
    [
      "a component without its HelmRelease",
      "base/releases/pgbouncer.yaml",
      (text) => text.replace("name: pgbouncer", "name: other"),
      /no HelmRelease pgbouncer/,
    ],
    [
      "values from elsewhere",
      "base/releases/pgbouncer.yaml",
      (text) => text.replace("appliance-values-pgbouncer", "other"),
      /does not take its values/,
    ],
    [
      "post renderers of its own, where images of others are renamed by them",
      "base/releases/pgbouncer.yaml",
      (text) => text.replace(/^spec:$/m, "spec:\n  postRenderers: [{ kustomize: { images: [] } }]"),
      /postRenderers would be replaced/,
    ],
  ];

for (const [name, path, change, says] of TREE_FAULTS) {
  test(`refuses a flux tree with ${name}`, async () => {
    const text = FLUX_TEMPLATES[path] ?? "";
    assert.notEqual(change(text), text);
    const embeddedTree = { ...FLUX_TEMPLATES, [path]: change(text) };
    await assert.rejects(build(await locked(), { embeddedTree }), { code: "flux/bad-artifact", message: says });
  });
}

test("a lock without the images of its Flux manifests, or with those of others, is stale", async () => {
  const files = await sourceTree();
  await lockSource({ files, clock: CLOCK }, TREE, world().options());
  const path = `${TREE}/release.lock.yaml`;
  const locked = files.snapshot().get(path) ?? assert.fail();
  await files.write(path, locked.replace(/ {2}flux image .*helm-controller.*\n.*\n.*\n/, ""));
  await assert.rejects(build(files), {
    code: "build/stale-lock",
    message: /flux image ghcr\.io\/fluxcd\/helm-controller:\S+ is new/,
  });
  await files.write(path, locked.replaceAll("fluxcd/helm-controller", "fluxcd/other-controller"));
  await assert.rejects(build(files), { code: "build/stale-lock", message: /\(and 1 more\)/ });
  assert.ok((await lockSource({ files, clock: CLOCK }, TREE, world().options())).hasChanged, "and a lock mends it");
  await build(files);
});

test("the manifest pins the images of others and of Flux once each, and a release without any has no such field", async () => {
  const files = await sourceTree();
  await lockSource({ files, clock: CLOCK }, TREE, world().options());
  const { manifest } = await build(files);
  const references = manifest.additionalImages?.map((one) => one.reference.replace(/:[^:]*$/, ""));
  assert.deepEqual(references, [
    "docker.io/ankane/pgvector",
    "docker.io/library/busybox",
    "docker.io/rancher/local-path-provisioner",
    "ghcr.io/fluxcd/helm-controller",
    "ghcr.io/fluxcd/kustomize-controller",
    "ghcr.io/fluxcd/source-controller",
    "ghcr.io/nine-minds/sample-base",
  ]);
  const plain = await sourceTree((text) =>
    text.replace(/^additionalImages:\n(?: {2}- .*\n)+/m, "").replace(/^flux: .*\n/m, ""),
  );
  await lockSource({ files: plain, clock: CLOCK }, TREE, world().options());
  assert.ok(!("additionalImages" in (await build(plain)).manifest));
});

test("killed at any question, also for an image of others or of Flux, a lock leaves none, and the next run ends as one that lived", async () => {
  const whole = await sourceTree();
  await lockSource({ files: whole, clock: CLOCK }, TREE, world().options());
  const wanted = whole.snapshot().get(`${TREE}/release.lock.yaml`);
  const { options } = world();
  const asked: string[] = [];
  for (let dies = 1; dies < 100; dies += 1) {
    const files = await sourceTree();
    let count = 0;
    const open: LockOptions["open"] = async (reference, source) => {
      count += 1;
      if (count === dies) {
        asked.push(reference.repository);
        throw new Error("killed");
      }
      return await options().open(reference, source);
    };
    const isOver = await lockSource({ files, clock: CLOCK }, TREE, options({ open })).then(
      () => true,
      () => false,
    );
    if (isOver) break;
    assert.equal(files.snapshot().get(`${TREE}/release.lock.yaml`), undefined, `dies at ${dies}`);
    await lockSource({ files, clock: CLOCK }, TREE, options());
    assert.equal(files.snapshot().get(`${TREE}/release.lock.yaml`), wanted, `dies at ${dies}`);
  }
  for (const repository of ["library/busybox", "fluxcd/source-controller", "nine-minds/flux-manifests"]) {
    assert.ok(asked.includes(repository), `${repository} in ${asked.join(" ")}`);
  }
});
