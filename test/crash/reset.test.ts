/** Reset on a host in memory: it takes what is ours and nothing else, goes on after every kill, and a fresh setup works afterwards. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Digest } from "../../src/core/digest.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import type { Deps, Fetch } from "../../src/core/ports.ts";
import { runBootstrap } from "../../src/host/bootstrap.ts";
import type { BootstrapContext, BootstrapDeps } from "../../src/host/bootstrap-context.ts";
import { runReset } from "../../src/host/reset.ts";
import { commands } from "../../src/host/reset-command.ts";
import { listOwned, volumeFolder } from "../../src/host/reset-owned.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import type { KubeObject } from "../../src/kube/model.ts";
import { createFileStore } from "../../src/operation/file-store.ts";
import { acquireLease } from "../../src/operation/lease.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { readReleaseManifest } from "../../src/release/model.ts";
import { keepPrevious } from "../../src/update/previous.ts";
import { commandContext, newSaid } from "../support/command-context.ts";
import { bringToEnd, openBench } from "./bench.ts";
import { createFakeBox, FOREVER_MS } from "./fake-box.ts";
import { BAKED, createFakeHost, type FakeHost, KUBECONFIG } from "./fake-host.ts";
import { createMemoryFiles } from "./memory-files.ts";
import { cutAt, watchMoments } from "./moments.ts";
import { absent, NO_NETWORK } from "./no-network.ts";
import { comparableFiles } from "./remains.ts";
import { createSampleRegistry, createStage, type Stage } from "./stage.ts";

const PATHS = statePaths("/");
const forever = new AbortController().signal;
const DATA = "/var/mnt/alga-data/local-path-provisioner/pvc-1_msp_db";
const DIGEST = `sha256:${"ab".repeat(32)}`;

type Place = readonly [namespace: string | undefined, name: string];

/** Writes an object as somebody would. */
async function put(kube: Kube, [apiVersion, kind]: readonly [string, string], place: Place, rest: object = {}) {
  const [namespace, name] = place;
  const { metadata = {}, ...more } = rest as { metadata?: object };
  await kube.apply({
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ...metadata },
    ...more,
  } as KubeObject);
}

const CRD = (group: string, kind: string, plural: string) => ({
  spec: {
    group,
    scope: "Namespaced",
    names: { kind, plural, singular: kind.toLowerCase() },
    versions: [
      {
        name: group.startsWith("helm") ? "v2" : "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

const OURS = { metadata: { labels: { "app.kubernetes.io/part-of": "alga-appliance" } } };
const FLUX = { metadata: { labels: { "app.kubernetes.io/part-of": "flux" } } };

/** A box that is installed, beside things of others. @param options.sharedFlux Others use Flux too. */
async function installed(options: { readonly sharedFlux?: boolean } = {}) {
  const box = createFakeBox({ instant: true });
  const host = createFakeHost(box);
  assert.equal((await runBootstrap(contextOf(host), { signal: forever })).state, "done");
  const { product, others } = hands(box, host);
  for (const name of ["msp", "alga-system"]) await put(product, ["v1", "Namespace"], [undefined, name], OURS);
  await put(product, ["v1", "Namespace"], [undefined, "flux-system"], FLUX);
  await put(product, ["v1", "Namespace"], [undefined, "local-path-storage"], OURS);
  for (const [group, kind, plural] of [
    ["kustomize.toolkit.fluxcd.io", "Kustomization", "kustomizations"],
    ["helm.toolkit.fluxcd.io", "HelmRelease", "helmreleases"],
  ] as const) {
    const name = `${plural}.${group}`;
    await put(product, ["apiextensions.k8s.io/v1", "CustomResourceDefinition"], [undefined, name], {
      ...FLUX,
      ...CRD(group, kind, plural),
    });
  }
  const held = { metadata: { finalizers: ["finalizers.fluxcd.io"] } };
  await put(product, ["kustomize.toolkit.fluxcd.io/v1", "Kustomization"], ["flux-system", "alga-appliance"], {
    ...held,
    spec: {},
  });
  await put(product, ["helm.toolkit.fluxcd.io/v2", "HelmRelease"], ["alga-system", "alga-core"], { ...held, spec: {} });
  await put(product, ["rbac.authorization.k8s.io/v1", "ClusterRole"], [undefined, "alga-tools"], {
    ...OURS,
    rules: [],
  });
  await put(product, ["storage.k8s.io/v1", "StorageClass"], [undefined, "local-path"], {
    ...OURS,
    provisioner: "rancher.io/local-path",
  });
  await volume(product, "pvc-1", { namespace: "msp", claim: "db", path: DATA });
  await put(product, ["v1", "ConfigMap"], ["msp", "settings"], { data: { a: "b" } });
  await put(product, ["v1", "Secret"], ["msp", "db-credentials"], { data: { DB_PASSWORD: "cw==" } });
  await put(product, ["v1", "Secret"], ["msp", "sh.helm.release.v1.alga-core.v1"], { type: "helm.sh/release.v1" });
  await put(others, ["v1", "Namespace"], [undefined, "shop"], {});
  await put(others, ["v1", "Secret"], ["shop", "till"], { data: { key: "cw==" } });
  await put(others, ["rbac.authorization.k8s.io/v1", "ClusterRole"], [undefined, "shop-reader"], { rules: [] });
  await put(others, ["storage.k8s.io/v1", "StorageClass"], [undefined, "fast"], { provisioner: "disk.example.com" });
  await volume(others, "pvc-2", {
    namespace: "shop",
    claim: "till",
    path: "/var/mnt/alga-data/local-path-provisioner/pvc-2_shop_till",
  });
  if (options.sharedFlux === true)
    await put(others, ["kustomize.toolkit.fluxcd.io/v1", "Kustomization"], ["shop", "till"], { spec: {} });
  const { files, state } = host;
  const release = { channel: "stable", version: "1.0.3", digest: DIGEST, verifiedBy: "none", answersDigest: DIGEST };
  const place = {
    registry: "registry.test",
    repository: "b/alga-appliance-release",
    appUrl: "https://psa.example.com",
    installedAt: null,
  };
  files.garble(PATHS.release, JSON.stringify({ schema: "alga.appliance.installed/v1", ...release, ...place }));
  files.garble(`${PATHS.store}/blobs/sha256/aa`, "content");
  files.garble(PATHS.adminCredential, "{}");
  files.garble(`${DATA}/pgdata`, "rows");
  files.garble("/var/mnt/alga-data/local-path-provisioner/pvc-2_shop_till/till.db", "rows of others");
  files.garble("/etc/alga-appliance/config.yaml", "name: Box of the shop\n");
  files.garble("/srv/shop/letter.txt", "dear");
  state.images.add("registry.test/b/alga-psa-ee:1.0.3");
  state.images.add("docker.io/library/shop:1");
  state.images.add("registry.test/shop/till:1");
  host.ran.length = 0;
  return { box, host, product, others };
}

/** Two clients of one API: the product, and somebody else. */
function hands(box: ReturnType<typeof createFakeBox>, host: FakeHost) {
  const connection = { server: "http://api", fetch: host.api.fetch, headers: async () => ({}) };
  const deps = { ...box, log: SILENT_LOG };
  return { product: createKube(deps, connection), others: createKube(deps, connection, { fieldManager: "kubectl" }) };
}

async function volume(
  kube: Kube,
  name: string,
  about: { readonly namespace: string; readonly claim: string; readonly path: string },
) {
  await put(kube, ["v1", "PersistentVolumeClaim"], [about.namespace, about.claim], {
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, volumeName: name },
  });
  await put(kube, ["v1", "PersistentVolume"], [undefined, name], {
    spec: {
      capacity: { storage: "1Gi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Delete",
      claimRef: { namespace: about.namespace, name: about.claim },
      hostPath: { path: about.path },
    },
  });
}

function contextOf(host: FakeHost, deps: BootstrapDeps = host.deps()): BootstrapContext {
  return { deps, settings: host.settings() };
}

const reset = (host: FakeHost, keepData = false): Promise<OperationView> =>
  runReset(contextOf(host), { signal: forever, keepData });
const exists = async (kube: Kube, [apiVersion, kind]: readonly [string, string], [namespace, name]: Place) =>
  (await kube.get({ apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) })) !== undefined;
const state = (host: FakeHost): string[] =>
  [...host.files.snapshot().keys()].filter((path) => path.startsWith(`${PATHS.state}/`));

const NAMESPACE = ["v1", "Namespace"] as const;
const VOLUME = ["v1", "PersistentVolume"] as const;
const CLASS = ["storage.k8s.io/v1", "StorageClass"] as const;
const ROLE = ["rbac.authorization.k8s.io/v1", "ClusterRole"] as const;
const DEFINITION = ["apiextensions.k8s.io/v1", "CustomResourceDefinition"] as const;

describe("what goes and what stays", () => {
  it("takes exactly what is ours", async () => {
    const { host, others } = await installed();
    const view = await reset(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    for (const name of ["msp", "alga-system", "flux-system", "local-path-storage", "alga-appliance-control-plane"])
      assert.equal(await exists(others, NAMESPACE, [undefined, name]), false, name);
    assert.equal(await exists(others, VOLUME, [undefined, "pvc-1"]), false);
    assert.equal(await exists(others, ROLE, [undefined, "alga-tools"]), false);
    assert.equal(await exists(others, CLASS, [undefined, "local-path"]), false);
    assert.equal(await exists(others, DEFINITION, [undefined, "helmreleases.helm.toolkit.fluxcd.io"]), false);
    assert.deepEqual(state(host), []);
    assert.equal(host.files.snapshot().get(`${DATA}/pgdata`), undefined);
    assert.ok(!host.state.images.has("registry.test/b/alga-psa-ee:1.0.3"));
  });
  it("touches nothing that is another's", async () => {
    const { host, others } = await installed();
    await reset(host);
    assert.ok(await exists(others, NAMESPACE, [undefined, "shop"]));
    assert.ok(await exists(others, ["v1", "Secret"], ["shop", "till"]));
    assert.ok(await exists(others, VOLUME, [undefined, "pvc-2"]));
    assert.ok(await exists(others, ROLE, [undefined, "shop-reader"]));
    assert.ok(await exists(others, CLASS, [undefined, "fast"]));
    const files = host.files.snapshot();
    assert.equal(files.get("/var/mnt/alga-data/local-path-provisioner/pvc-2_shop_till/till.db"), "rows of others");
    assert.equal(files.get("/srv/shop/letter.txt"), "dear");
    assert.equal(files.get("/etc/alga-appliance/config.yaml"), "name: Box of the shop\n");
    for (const image of ["docker.io/library/shop:1", "registry.test/shop/till:1", BAKED])
      assert.ok(host.state.images.has(image), image);
    assert.ok(files.has("/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml"));
  });
  it("leaves Flux where others use it, and takes only our objects out of it", async () => {
    const { host, others } = await installed({ sharedFlux: true });
    const owned = await listOwned(others, { keepData: false, signal: forever });
    assert.match(owned.stays.join("\n"), /Flux: 1 objects of others use it, such as Kustomization shop\/till/);
    await reset(host);
    assert.ok(await exists(others, NAMESPACE, [undefined, "flux-system"]));
    assert.ok(await exists(others, DEFINITION, [undefined, "kustomizations.kustomize.toolkit.fluxcd.io"]));
    const kind = ["kustomize.toolkit.fluxcd.io/v1", "Kustomization"] as const;
    assert.ok(await exists(others, kind, ["shop", "till"]));
    assert.equal(await exists(others, kind, ["flux-system", "alga-appliance"]), false);
  });
  it("keeps volumes, claims and secrets with --keep-data, and nothing that runs", async () => {
    const { host, others } = await installed();
    const view = await reset(host, true);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    assert.ok(await exists(others, ["v1", "PersistentVolumeClaim"], ["msp", "db"]));
    assert.ok(await exists(others, ["v1", "Secret"], ["msp", "db-credentials"]));
    assert.equal(await exists(others, ["v1", "Secret"], ["msp", "sh.helm.release.v1.alga-core.v1"]), false);
    assert.equal(await exists(others, ["v1", "ConfigMap"], ["msp", "settings"]), false);
    const kept = (await others.get({ apiVersion: "v1", kind: "PersistentVolume", name: "pvc-1" })) as {
      readonly spec?: { readonly persistentVolumeReclaimPolicy: string };
    };
    assert.equal(kept.spec?.persistentVolumeReclaimPolicy, "Retain");
    assert.equal(host.files.snapshot().get(`${DATA}/pgdata`), "rows");
    assert.ok(await exists(others, CLASS, [undefined, "local-path"]));
    assert.deepEqual(state(host), []);
  });
  it("takes only images that its releases name where they lie at the root of a registry of the house", async () => {
    const { host } = await installed();
    const release = host.files.snapshot().get(PATHS.release) ?? "";
    host.files.garble(PATHS.release, release.replace("b/alga-appliance-release", "alga-appliance-release"));
    const before = { ...JSON.parse(host.files.snapshot().get(PATHS.release) ?? "{}"), version: "1.0.2" };
    const manifest = readReleaseManifest({
      version: "1.0.2",
      images: { algaCore: "1.0.2" },
      additionalImages: [{ reference: "docker.io/library/postgres:17", digest: DIGEST }],
      config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
    });
    const kept = { digest: DIGEST as Digest, installed: before, manifest, values: [], parts: [] };
    await keepPrevious(createFileStore(host.deps(), PATHS), kept);
    const stay = ["registry.test/till:1", "docker.io/library/postgres:17", BAKED];
    for (const image of [...stay, "registry.test/alga-psa-ee:1.0.2"]) host.state.images.add(image);
    assert.equal((await reset(host)).state, "done");
    assert.ok(!host.state.images.has("registry.test/alga-psa-ee:1.0.2"));
    for (const image of stay) assert.ok(host.state.images.has(image), image);
  });
  it("removes a folder only where volumes lie, whatever a volume says", () => {
    assert.equal(volumeFolder(DATA), DATA);
    for (const path of [
      "/",
      "/var",
      "/etc/passwd",
      "/var/mnt/alga-data/local-path-provisioner",
      `${DATA}/..`,
      `${DATA}/../../..`,
      "/var/mnt/alga-data/local-path-provisioner/../../../etc",
      "var/x",
      undefined,
      "/var/lib/rancher/k3s/storage/..",
    ])
      assert.equal(volumeFolder(path), null, String(path));
  });
});

describe("asking", () => {
  const run = (host: FakeHost, flags: Readonly<Record<string, string | boolean>>, askLine?: () => Promise<string>) => {
    const said = newSaid();
    const command = commands.find(({ path }) => path.join(" ") === "reset");
    const deps = host.deps() as Partial<Deps>;
    const asked = askLine === undefined ? {} : { askLine };
    const { context } = commandContext({ deps, flags, said, env: { ALGA_APPLIANCE_ROOT: "/" }, ...asked });
    return { said, end: command?.run(context) ?? Promise.reject(new Error("there is no such command")) };
  };
  it("wants the name of the appliance typed, and changes nothing for another", async () => {
    const { host } = await installed();
    const before = new Map(host.files.snapshot());
    const wrong = run(host, {}, async () => "box");
    await assert.rejects(wrong.end, { code: "cli/usage", message: /"box" was typed, "Box of the shop" is wanted/ });
    await assert.rejects(run(host, { yes: true, name: "box" }).end, { message: /"Box of the shop" is wanted/ });
    await assert.rejects(run(host, { yes: true }).end, { code: "cli/usage", message: /--yes and --name/ });
    await assert.rejects(run(host, {}).end, { code: "cli/usage" });
    assert.deepEqual(new Map(host.files.snapshot()), before);
    assert.match(wrong.said.notices.join("\n"), /Namespaces with everything in them: .*msp/);
    const right = run(host, {}, async () => "Box of the shop");
    assert.equal(await right.end, 0);
    assert.match(right.said.text, /the console shows a new setup token/);
  });
  it("lists what would go and touches nothing with --dry-run", async () => {
    const { host, others } = await installed();
    const { said, end } = run(host, { "dry-run": true });
    assert.equal(await end, 0);
    assert.match(said.text, /pvc-1 \(msp\/db, 1Gi\) in \/var\/mnt\/alga-data\/local-path-provisioner\/pvc-1_msp_db/);
    assert.doesNotMatch(said.text, /shop\//);
    assert.ok(await exists(others, NAMESPACE, [undefined, "msp"]));
  });
  it("refuses while an operation of the control plane runs, and while another cluster is named", async () => {
    const { box, host } = await installed();
    const pod = host.deps(box.spawn("pid:[2]"));
    const store = createFileStore(pod, PATHS);
    await host.files.makeDirectory(PATHS.journal);
    host.files.garble(
      `${PATHS.journal}/0001-update.ndjson`,
      `{"kind":"planned","schema":"alga.appliance.journal/v1","operation":"update","bootId":"boot-1","steps":[{"id":"a","title":"A"}],"plan":{},"seq":1,"at":"2026-11-20T09:00:00.000Z","uptimeMs":1}\n`,
    );
    const lease = await acquireLease({ ...pod, store });
    await assert.rejects(reset(host), { code: "operation/busy", message: /"0001-update" is running/ });
    await lease?.release();
    host.files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG.replace("127.0.0.1:6443", "cluster.example.com"));
    const refused = await reset(host);
    assert.equal(refused.problem?.code, "kube/config");
    assert.ok(state(host).length > 0);
  });
});

it("killed before and after each of its effects, goes on by itself or with the next boot", {
  timeout: 120_000,
}, async () => {
  const { box, host } = await installed();
  const { deps, moments } = watchMoments(host, { stateFolder: PATHS.host });
  assert.equal((await runReset(contextOf(host, deps), { signal: forever, keepData: false })).state, "done");
  assert.ok(moments.length > 60, `only ${moments.length} moments were seen`);
  const begun = moments.findIndex(({ name }) => name.startsWith("before append step-started"));
  for (const [index, moment] of moments.entries()) {
    const { name, world } = moment;
    cutAt(moment, index, box);
    // The boot brings one that has begun to its end; one that was not yet written down is asked for again.
    const end =
      index % 2 === 0 && index > begun ? await runBootstrap(contextOf(world), { signal: forever }) : await reset(world);
    assert.equal(end.state, "done", `killed ${name}: ${JSON.stringify(end.problem)}`);
    const { others } = hands(box, world);
    assert.equal(await exists(others, NAMESPACE, [undefined, "msp"]), false, name);
    assert.ok(await exists(others, NAMESPACE, [undefined, "shop"]), name);
    assert.deepEqual(
      state(world).filter((path) => !path.includes("/lease/")),
      end.kind === "reset" ? [] : [PATHS.setupToken],
      name,
    );
  }
});

for (const keepData of [false, true]) {
  const name = `lets a fresh setup come to the same end as the first${keepData ? ", with the keys of the data that was kept" : ""}`;
  it(name, { timeout: 60_000 }, async () => {
    const box = createFakeBox({ instant: true });
    const registry = createSampleRegistry("registry.test:5000", "hashed");
    const files = createMemoryFiles(() => box.clock.now());
    const stage = await createStage(box);
    const first = await setUp({ box, files, stage, registry });
    files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG);
    const host = createFakeHost(box);
    const open = (): Fetch => stage.kube;
    const deps: BootstrapDeps = { ...host.deps(), files, transports: { open } };
    host.state.k3s = "active";
    host.files.garble("/etc/systemd/system/k3s.service", "[Service]\n");
    const view = await runReset(contextOf(host, deps), { signal: forever, keepData });
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    const left = [...files.snapshot().keys()].filter((path) => path.startsWith(`${PATHS.state}/`));
    assert.deepEqual(left, []);
    const second = await setUp({ box, files, stage, registry });
    assert.deepEqual([...second.objects.keys()].sort(), [...first.objects.keys()].sort());
    assert.deepEqual([...second.files.keys()].sort(), [...first.files.keys()].sort());
    const keys = stage.replaced.filter((one) => one.startsWith("msp/alga-psa-shared"));
    assert.equal(keys.length > 0, !keepData, keys.join(" "));
  });
}

interface World {
  readonly box: ReturnType<typeof createFakeBox>;
  readonly files: ReturnType<typeof createMemoryFiles>;
  readonly stage: Stage;
  readonly registry: Fetch;
}

async function setUp({ box, files, stage, registry }: World) {
  const process = box.spawn();
  const deps: Deps = {
    clock: box.clock,
    random: box.random,
    files,
    transports: { open: () => registry },
    network: NO_NETWORK,
    machine: box.machineOf(process),
    exec: absent,
    log: SILENT_LOG,
  };
  const license: Fetch = async () =>
    Response.json({
      tenant_id: "tenant-1",
      edition: "premium",
      first_jwt: "a.b.c",
      appliance_credential: "credential-1",
    });
  const bench = openBench(deps, {
    root: "/",
    registry: "registry.test:5000",
    kube: { server: "http://api", fetch: stage.kube },
    license: { url: "http://license", fetch: license },
    followMs: FOREVER_MS,
  });
  const end = await bringToEnd(bench);
  await bench.operations.stop();
  box.kill(process);
  assert.equal(end, "done", JSON.stringify(bench.operations.current()?.problem));
  const ours = [...files.snapshot()].filter(([path]) => path.startsWith(`${PATHS.state}/`));
  return { objects: await stage.objects(), files: comparableFiles(new Map(ours)) };
}
