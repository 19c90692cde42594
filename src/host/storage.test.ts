/** The host's side of the storage: the folder, the step of a bootstrap, and the two commands, over a cluster in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createFakeHost, type FakeHost } from "../../test/crash/fake-host.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { commandContext, type Said } from "../../test/support/command-context.ts";
import { kubeOver, memoryKube } from "../../test/support/kubernetes.ts";
import { createStorageWorld, IMAGES, type StorageWorld } from "../../test/support/storage-world.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps, Exec, FileStat, Files } from "../core/ports.ts";
import type { Kube } from "../kube/client.ts";
import { listAt, textAt } from "../kube/model.ts";
import { STORAGE_LEASE } from "../storage/lease.ts";
import { CONFIGURATION, HOST_FOLDER, PROVISIONER, provisionerObjects, storageClass } from "../storage/objects.ts";
import { runBootstrap } from "./bootstrap.ts";
import { commands } from "./storage-command.ts";
import { lookAtFolder, putFolderRight } from "./storage-folder.ts";

const K3S_FOLDER = "/var/lib/rancher/k3s/storage";
const signal = new AbortController().signal;

/** Files whose folders have these modes, and programs that are only noted. */
function folders(modes: Readonly<Record<string, number | FileStat["kind"]>>) {
  const files = createMemoryFiles();
  const ran: string[][] = [];
  const known = new Map(Object.entries(modes));
  const exec: Exec = async (argv) => {
    ran.push([...argv]);
    if (argv[0] === "chmod") known.set(argv[2] ?? "", Number.parseInt(argv[1] ?? "", 8));
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const stat: Files["stat"] = async (path) => {
    const found = known.get(path);
    if (found === undefined) return await files.stat(path);
    const kind = typeof found === "number" ? "directory" : found;
    return { kind, sizeBytes: 0, mode: typeof found === "number" ? found : 0o777, modifiedMs: 0 };
  };
  const makeDirectory: Files["makeDirectory"] = async (path, options) => {
    known.set(path, options?.mode ?? 0o750);
  };
  const space = async () => ({ freeBytes: 60e9, totalBytes: 100e9 });
  return { deps: { files: { ...files, stat, makeDirectory, space }, exec }, ran };
}

describe("the folder of the volumes", () => {
  it("is made for root alone where there is none", async () => {
    const { deps, ran } = folders({});
    assert.deepEqual(await putFolderRight({ deps, signal }, "/"), [`made ${HOST_FOLDER}`]);
    assert.deepEqual([(await lookAtFolder(deps, "/")).state, (await lookAtFolder(deps, "/")).mode], ["closed", 0o700]);
    assert.deepEqual([await putFolderRight({ deps, signal }, "/"), ran], [[], []]);
  });
  it("is closed when an older box left it open, that of k3s too, and both are told with their modes", async () => {
    const { deps, ran } = folders({ [HOST_FOLDER]: 0o777, [K3S_FOLDER]: 0o1777 });
    assert.equal((await lookAtFolder(deps, "/")).state, "open");
    assert.deepEqual(await putFolderRight({ deps, signal }, "/"), [
      `closed ${HOST_FOLDER} to others (it had mode 0777)`,
      `closed ${K3S_FOLDER} to others (it had mode 1777)`,
    ]);
    assert.deepEqual(
      ran.filter(([program]) => program === "chmod"),
      [
        ["chmod", "0700", HOST_FOLDER],
        ["chmod", "0700", K3S_FOLDER],
      ],
    );
    assert.deepEqual(await putFolderRight({ deps, signal }, "/"), []);
  });
  it("is refused when something else stands there, and nothing is run", async () => {
    const { deps, ran } = folders({ [HOST_FOLDER]: "other" });
    await assert.rejects(putFolderRight({ deps, signal }, "/"), (thrown) =>
      isApplianceError(thrown, "storage/bad-folder"),
    );
    assert.deepEqual(ran, []);
  });
});

describe("the step of a bootstrap", () => {
  const scene = (): FakeHost => createFakeHost(createFakeBox({ instant: true }));
  const storageStep = async (host: FakeHost) => {
    const view = await runBootstrap({ deps: host.deps(), settings: host.settings() }, { signal });
    assert.equal(view.state, "done");
    return view.steps.find(({ id }) => id === "storage");
  };
  const volume = (kube: Kube) =>
    kube.create({
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: "pvc-1", annotations: { "pv.kubernetes.io/provisioned-by": "rancher.io/local-path" } },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity: { storage: "1Gi" },
        persistentVolumeReclaimPolicy: "Delete",
        claimRef: { namespace: "msp", name: "db", uid: "1" },
      },
    });

  it("keeps the volumes of k3s at the first boot, and leaves the installation to the setup, which has the images", async () => {
    const host = scene();
    await volume(host.kube);
    const step = await storageStep(host);
    assert.match(step?.detail ?? "", /told 1 volume to stay when their claims go/);
    const found = await host.kube.get({ apiVersion: "v1", kind: "PersistentVolume", name: "pvc-1" });
    assert.equal(textAt(found, "spec", "persistentVolumeReclaimPolicy"), "Retain");
    assert.equal(await host.kube.get(PROVISIONER), undefined);
  });
  it("installs the provisioner and its class when their images are on the node, and waits for nothing", async () => {
    const host = scene();
    for (const image of Object.values(IMAGES)) host.state.images.add(image);
    assert.match((await storageStep(host))?.detail ?? "", /installed the provisioner, made local-path/);
    assert.notEqual(await host.kube.get(PROVISIONER), undefined);
    const [name = ""] = [storageClass().metadata.name];
    const made = await host.kube.get({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", name });
    assert.equal(textAt(made, "reclaimPolicy"), "Retain");
  });
  it("keeps the images of a mirror that setup gave the provisioner, also while that does not run yet", async () => {
    const host = scene();
    for (const image of Object.values(IMAGES)) host.state.images.add(image);
    const mirrored = { provisioner: "harbor.example/p@sha256:1", helper: "harbor.example/h@sha256:2" };
    for (const object of provisionerObjects(mirrored)) await host.kube.apply(object);
    await storageStep(host);
    const found = await host.kube.get(PROVISIONER);
    const [container] = listAt(found, "spec", "template", "spec", "containers");
    assert.equal(textAt(container, "image"), mirrored.provisioner);
    const template = textAt(await host.kube.get(CONFIGURATION), "data", "helperPod.yaml") ?? "";
    assert.ok(template.includes(mirrored.helper), template);
  });
  it("does not stop a boot when the storage cannot be put in order, and says why", async () => {
    const host = scene();
    for (const name of ["a", "b"]) {
      const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
      const metadata = { name, annotations };
      await host.kube.create({
        apiVersion: "storage.k8s.io/v1",
        kind: "StorageClass",
        metadata,
        provisioner: "x.org/d",
      });
    }
    const step = await storageStep(host);
    assert.equal(step?.state, "skipped");
    assert.match(step?.detail ?? "", /left for later: Cannot choose a StorageClass: 2 are the default/);
  });
  it("does not wait long for a setup that is at work on it", async () => {
    const host = scene();
    const { namespace, name, ...kind } = STORAGE_LEASE;
    await host.kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const spec = { holderIdentity: "pod/1", leaseDurationSeconds: 300 };
    await host.kube.create({ ...kind, metadata: { namespace, name }, spec });
    assert.match((await storageStep(host))?.detail ?? "", /"pod" is at work on it/);
  });
});

interface Desk {
  readonly kube: Kube;
  readonly world: StorageWorld;
  readonly files: Files;
  type(verb: "check" | "install", flags?: Readonly<Record<string, string | boolean>>): Promise<Said & { code: number }>;
}

const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://memory.invalid"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;

/** A person at a box whose folder has this mode. */
function desk(change: { readonly mode?: number; readonly freeBytes?: number } = {}): Desk {
  const { server } = memoryKube();
  const kube = kubeOver(server.fetch, "test-world");
  const world = createStorageWorld(kube);
  const box = createFakeBox({ instant: true });
  const { deps: host } = folders({ [`/box${HOST_FOLDER}`]: change.mode ?? 0o700 });
  const memory = createMemoryFiles();
  memory.garble("/kubeconfig", KUBECONFIG);
  const space = async () => ({ freeBytes: change.freeBytes ?? 60e9, totalBytes: 100e9 });
  const files: Files = {
    ...memory,
    stat: async (path, options) => (await memory.stat(path)) ?? host.files.stat(path, options),
    space,
  };
  const sleep = async (ms: number, stop?: AbortSignal): Promise<void> => {
    await world.turn();
    await box.clock.sleep(ms, stop);
  };
  const deps: Partial<Deps> = {
    files,
    exec: host.exec,
    clock: { ...box.clock, sleep },
    random: box.random,
    transports: { open: () => server.fetch },
  };
  return {
    kube,
    world,
    files,
    type: async (verb, flags = {}) => {
      const command = commands.find(({ path }) => path.at(-1) === verb);
      const { context, said } = commandContext({ deps, flags: { kubeconfig: "/kubeconfig", ...flags } });
      const code = await command?.run(context);
      return { ...said, code: code ?? -1 };
    },
  };
}

describe("host storage", () => {
  it("check names what k3s left, with next steps, and ends with 3; install mends it; then check ends with 0", async () => {
    const { world, type } = desk({ mode: 0o777 });
    await world.bringBundled();
    await world.bringData("data-db-0", "tables");
    const before = await type("check");
    assert.equal(before.code, 3);
    const { state, findings } = before.value as { state: string; findings: { code: string; state: string }[] };
    assert.equal(state, "failed");
    assert.deepEqual(
      findings.map((one) => `${one.code} ${one.state}`),
      ["class failed", "provisioner failed", "volumes failed", "folder failed", "capacity ok"],
    );
    assert.match(
      before.text,
      /^failed {3}The default class local-path \(rancher\.io\/local-path\) is not the appliance's/,
    );
    assert.match(before.text, /PersistentVolume pvc-\S+: claimed by msp\/data-db-0, reclaim policy Delete\n/);
    assert.match(
      before.text,
      /local-path-provisioner: mode 0777\n {9}Bring it in order: alga-appliance host storage install/,
    );

    const planned = await type("install", { "dry-run": true });
    assert.match(
      planned.text,
      /^1\. close .*\n2\. tell pvc-\S+ to stay .*\n3\. stop the provisioner of k3s\n4\. make StorageClass/,
    );
    assert.equal((await type("check")).text, before.text, "a dry run changed something");

    const installed = await type("install");
    assert.equal(installed.code, 0);
    assert.match(installed.text, /^closed .* \(it had mode 0777\)\ntold 1 volume to stay/);
    assert.match(installed.text, /\nlocal-path \(rancher\.io\/local-path\) is the default, and proven$/);
    const after = await type("check");
    assert.deepEqual([after.code, (after.value as { state: string }).state], [0, "ok"]);
    assert.equal([...world.disk.values()].includes("tables"), true);
  });
  it("check tells a cluster that does not answer, and what the folder says all the same", async () => {
    const { type } = desk({ mode: 0o777 });
    const { code, text } = await type("check", { kubeconfig: "/nowhere" });
    assert.equal(code, 3);
    assert.match(
      text,
      /^failed {3}The cluster does not say how its storage is: .*\n(?:.*\n)*failed {3}Others than root may look/,
    );
  });
  it("check explains an image that does not come, with the pod's words", async () => {
    const { world, type } = desk();
    await type("install");
    world.images.clear();
    await world.turn();
    await world.turn();
    const { code, text } = await type("check");
    assert.equal(code, 3);
    assert.match(text, /The provisioner does not run: ImagePullBackOff Back-off pulling image/);
    assert.match(text, /alga-appliance host image import <archive>/);
  });
  it("check says that the disk is full; install refuses to put volumes on it", async () => {
    const { type, kube } = desk({ freeBytes: 300e6 });
    assert.match((await type("check")).text, /failed {3}The disk of the volumes is full: 300 MB of 100 GB are free/);
    await assert.rejects(type("install"), (thrown) => isApplianceError(thrown, "file/disk-full"));
    assert.equal(await kube.get(PROVISIONER), undefined);
  });
  it("check says who is at work", async () => {
    const { type, kube } = desk();
    await type("install");
    await kube.patch(STORAGE_LEASE, { spec: { holderIdentity: "pod/1" } });
    assert.match((await type("check")).text, /ok {7}The pod is at work on the storage now\./);
  });
});
