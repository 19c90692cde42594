/**
 * The real local-path provisioner with our objects alone: its rights are enough on the real kube-apiserver, and its helper pods, its
 * volumes and its removal are what our objects say. The kubelet is played: it runs the script of each helper pod in a shell.
 * Skipped, and said so, when the binaries are not there.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { applySet } from "../../src/kube/apply-set.ts";
import type { Kube } from "../../src/kube/client.ts";
import { fieldAt, type KubeObject, listAt, refOf, textAt } from "../../src/kube/model.ts";
import {
  CLASS_NAME,
  CONFIGURATION,
  DRIVER,
  HOST_FOLDER,
  PROVISIONER,
  provisionerObjects,
  storageClass,
} from "../../src/storage/objects.ts";
import { eventually } from "../support/eventually.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../support/kube-apiserver.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { IMAGES } from "../support/storage-world.ts";

const PATIENCE_MS = 60_000;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "default", name: "data" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;

const binaries = findBinaries(process.env);
const program = findProvisioner();
const missing =
  "missing" in binaries ? binaries.missing : program === undefined ? "no local-path-provisioner" : undefined;

function findProvisioner(): string | undefined {
  const base = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const tools = join(process.env.ALGA_LAB_CACHE ?? join(base, "alga-appliance-lab"), "tools");
  const folders = existsSync(tools)
    ? readdirSync(tools).filter((name) => name.startsWith("local-path-provisioner-"))
    : [];
  return folders.map((name) => join(tools, name, "local-path-provisioner")).find((path) => existsSync(path));
}

/** A kubeconfig with a token of the provisioner's own account, and its configuration as its pod sees it. */
async function prepare(real: RealKube, kube: Kube, folder: string): Promise<void> {
  const { namespace, name } = PROVISIONER;
  const path = `${real.server}/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } };
  const headers = { "content-type": "application/json" };
  const answer = await real.fetch(new Request(path, { method: "POST", headers, body: JSON.stringify(body) }));
  const token = textAt(await answer.json(), "status", "token");
  assert.ok(token !== undefined, "no token");
  writeFileSync(join(folder, "ca.pem"), real.certificates.ca);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: real.server, "certificate-authority": join(folder, "ca.pem") } }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(config));
  const data = (await kube.get(CONFIGURATION))?.data as Readonly<Record<string, string>>;
  for (const [file, text] of Object.entries(data)) writeFileSync(join(folder, file), text);
}

function start(folder: string, said: string[]): ChildProcess {
  const flags = ["--kubeconfig", join(folder, "kubeconfig"), "--config", join(folder, "config.json")];
  const env = { POD_NAMESPACE: PROVISIONER.namespace, SERVICE_ACCOUNT_NAME: PROVISIONER.name, HOME: folder };
  const child = spawn(program ?? "", ["start", ...flags], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (bytes: Buffer) => said.push(bytes.toString()));
  return child;
}

/** Runs the helper pods that wait, each with its own script below a folder that stands for the host's root. */
async function playKubelet(kube: Kube, folder: string): Promise<readonly KubeObject[]> {
  const pods = (await kube.list({ apiVersion: "v1", kind: "Pod", namespace: PROVISIONER.namespace })).items;
  for (const pod of pods.filter((one) => textAt(one, "status", "phase") === "Pending")) {
    const [container] = listAt(pod, "spec", "containers");
    const [, script = ""] = listAt(container, "command") as readonly string[];
    const values = listAt(container, "env") as readonly { readonly name: string; readonly value: string }[];
    const volume = join(folder, values.find(({ name }) => name === "VOL_DIR")?.value ?? "none");
    const ran = spawnSync("sh", [join(folder, script.replace("/script/", ""))], {
      env: { ...process.env, VOL_DIR: volume },
    });
    const phase = ran.status === 0 ? "Succeeded" : "Failed";
    await kube.patch(refOf(pod), { status: { phase } }, { subresource: "status" });
  }
  return pods;
}

/** As the scheduler and the volume controller mark it. */
async function claim(kube: Kube): Promise<void> {
  await kube.create({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "box", labels: { "kubernetes.io/hostname": "box" } },
  });
  const { namespace, name, ...kind } = CLAIM;
  const annotations = {
    "volume.kubernetes.io/selected-node": "box",
    "volume.kubernetes.io/storage-provisioner": DRIVER,
    "volume.beta.kubernetes.io/storage-provisioner": DRIVER,
  };
  await kube.create({
    ...kind,
    metadata: { namespace, name, annotations },
    spec: { accessModes: ["ReadWriteOnce"], storageClassName: CLASS_NAME, resources: { requests: { storage: "1Gi" } } },
  });
}

async function liveThrough(real: RealKube, folder: string, said: string[]): Promise<void> {
  const kube = real.kube();
  const volumes = async () => (await kube.list(VOLUME)).items;
  await claim(kube);
  let helper: KubeObject | undefined;
  const moves = async (what: string, isThere: () => Promise<boolean>): Promise<void> =>
    await eventually(
      what,
      async () => {
        const [pod] = await playKubelet(kube, folder);
        helper = pod ?? helper;
        return await isThere();
      },
      PATIENCE_MS,
    );
  await moves("a volume is made", async () => (await volumes()).length === 1);
  const [volume] = await volumes();
  assert.ok(volume !== undefined);
  const path = textAt(volume, "spec", "local", "path") ?? "";
  assert.ok(path.startsWith(`${HOST_FOLDER}/pvc-`) && path.endsWith("_default_data"), path);
  assert.equal(textAt(volume, "spec", "persistentVolumeReclaimPolicy"), "Retain");
  assert.equal(statSync(join(folder, path)).mode & 0o7777, 0o770);
  const [container] = listAt(helper, "spec", "containers");
  assert.deepEqual(
    [textAt(container, "image"), fieldAt(container, "securityContext", "readOnlyRootFilesystem")],
    [IMAGES.helper, true],
  );
  assert.equal(fieldAt(helper, "spec", "automountServiceAccountToken"), false);

  // As the smoke test ends: its volume, and only its, is let go.
  const spec = { persistentVolumeReclaimPolicy: "Delete" };
  await kube.patch(refOf(volume), { spec, metadata: { finalizers: null } });
  await kube.delete(CLAIM);
  await kube.patch(CLAIM, { metadata: { finalizers: null } }).catch(() => undefined);
  await kube.patch(refOf(volume), { status: { phase: "Released" } }, { subresource: "status" });
  await moves("the volume is removed", async () => (await volumes()).length === 0);
  assert.ok(!existsSync(join(folder, path)), "its folder stays");
  assert.doesNotMatch(said.join(""), /is forbidden|cannot (?:get|list|watch|create|update|patch|delete) resource/);
}

if (missing !== undefined || "missing" in binaries) {
  console.log(`skipped: the real local-path provisioner: ${missing}`);
  test("local-path-provisioner", { skip: missing ?? true }, () => {});
} else {
  test("the real provisioner makes and removes a volume with the rights and the scripts that we give it", {
    timeout: 180_000,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "alga-provisioner-"));
    const real = await startKubeApiServer(binaries);
    const said: string[] = [];
    let child: ChildProcess | undefined;
    try {
      const kube = real.kube();
      await applySet({ ...kubeDeps, kube }, [...provisionerObjects(IMAGES), storageClass()]);
      await prepare(real, kube, folder);
      child = start(folder, said);
      await liveThrough(real, folder, said);
    } catch (thrown) {
      console.log(said.join(""));
      throw thrown;
    } finally {
      child?.kill("SIGKILL");
      await real.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
