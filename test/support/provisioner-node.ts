/**
 * A node for the real local-path provisioner on the real kube-apiserver: its process runs where a Deployment wants it, with a token of
 * that Deployment's own account, and a folder stands for the host's root, so that volumes are real folders with real files. The
 * kubelet, the scheduler and the volume controller are played: scripts of pods run in a shell.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Kube } from "../../src/kube/client.ts";
import { fieldAt, type KubeObject, listAt, refOf, textAt } from "../../src/kube/model.ts";
import { BUNDLED } from "../../src/storage/facts.ts";
import { CONFIGURATION, DRIVER, PROVISIONER } from "../../src/storage/objects.ts";
import { SMOKE_NAMESPACE } from "../../src/storage/smoke-objects.ts";
import type { RealKube } from "./kube-apiserver.ts";

const NODE = "box";
const POD = { apiVersion: "v1", kind: "Pod" } as const;
const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" } as const;
const VOLUME = { apiVersion: "v1", kind: "PersistentVolume" } as const;
const CHOSEN = "volume.kubernetes.io/selected-node";
const MADE_BY = ["volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"];

/** The provisioner as the lab builds it; undefined where it has not. */
export function findProvisioner(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const base = environment.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const tools = join(environment.ALGA_LAB_CACHE ?? join(base, "alga-appliance-lab"), "tools");
  const folders = existsSync(tools) ? readdirSync(tools) : [];
  return folders
    .filter((name) => name.startsWith("local-path-provisioner-"))
    .map((name) => join(tools, name, "local-path-provisioner"))
    .find((path) => existsSync(path));
}

export interface ProvisionerNode {
  /** Stands for the root of the host. */
  readonly root: string;
  /** Everything that provisioners said. */
  readonly said: string[];
  /** Helper pods and smoke pods that ran, as they were asked for. */
  readonly ran: KubeObject[];
  /** Moves everything on by one step. */
  turn(): Promise<void>;
  stop(): void;
}

interface Own extends ProvisionerNode {
  readonly real: RealKube;
  readonly kube: Kube;
  readonly program: string;
  readonly running: Map<string, ChildProcess>;
}

/** Makes the node and its object. */
export async function createProvisionerNode(real: RealKube, program: string): Promise<ProvisionerNode> {
  const root = mkdtempSync(join(tmpdir(), "alga-node-"));
  const kube = real.kube("test-node");
  const metadata = { name: NODE, labels: { "kubernetes.io/hostname": NODE } };
  await kube.create({ apiVersion: "v1", kind: "Node", metadata });
  const own: Own = {
    root,
    said: [],
    ran: [],
    real,
    kube,
    program,
    running: new Map(),
    turn: () => turn(own),
    stop: () => {
      for (const child of own.running.values()) child.kill("SIGKILL");
      rmSync(root, { recursive: true, force: true });
    },
  };
  return own;
}

async function turn(own: Own): Promise<void> {
  for (const place of [BUNDLED, PROVISIONER]) await playDeployment(own, place);
  const pods = (await own.kube.list(POD)).items;
  const volumes = (await own.kube.list(VOLUME)).items;
  const claims = (await own.kube.list(CLAIM)).items;
  for (const pod of pods) {
    if (pod.metadata.name.startsWith("helper-pod-")) await playHelper(own, pod);
    if (pod.metadata.namespace === SMOKE_NAMESPACE) await playSmoke(own, pod, volumes);
  }
  for (const claim of claims) await playClaim(own, claim, { pods, volumes });
  for (const volume of volumes) await playVolume(own, volume, claims);
}

async function playDeployment(own: Own, place: typeof BUNDLED | typeof PROVISIONER): Promise<void> {
  const { kube, running } = own;
  const deployment = await kube.get(place);
  const ref = { ...POD, namespace: place.namespace, name: `${place.name}-1` };
  const wanted = deployment !== undefined && fieldAt(deployment, "spec", "replicas") !== 0;
  if (!wanted && running.has(place.namespace)) {
    running.get(place.namespace)?.kill("SIGKILL");
    running.delete(place.namespace);
    await kube.delete(ref, { gracePeriodSeconds: 0 });
  }
  if (deployment === undefined || (wanted && running.has(place.namespace))) return;
  if (wanted) {
    const template = fieldAt(deployment, "spec", "template");
    running.set(place.namespace, await start(own, place.namespace, template));
    const metadata = { name: ref.name, namespace: ref.namespace, labels: { app: place.name } };
    const containers = listAt(template, "spec", "containers").map((one) => ({
      name: "p",
      image: textAt(one, "image"),
    }));
    await kube.create({ ...POD, metadata, spec: { containers } });
    await kube.patch(ref, { status: { phase: "Running" } }, { subresource: "status" });
  }
  const count = wanted ? 1 : 0;
  const counts = { replicas: count, updatedReplicas: count, readyReplicas: count, availableReplicas: count };
  const status = { observedGeneration: deployment.metadata.generation, ...counts };
  await kube.patch(place, { status }, { subresource: "status" });
}

/** Starts its process with a token of its own account and the configuration of its namespace. */
async function start(own: Own, namespace: string, template: unknown): Promise<ChildProcess> {
  const account = textAt(template, "spec", "serviceAccountName") ?? "default";
  const folder = join(own.root, "etc", namespace);
  mkdirSync(folder, { recursive: true });
  const path = `${own.real.server}/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3_600 } };
  const headers = { "content-type": "application/json" };
  const answer = await own.real.fetch(new Request(path, { method: "POST", headers, body: JSON.stringify(body) }));
  const token = textAt(await answer.json(), "status", "token");
  assert.ok(token !== undefined, "no token");
  writeFileSync(join(folder, "ca.pem"), own.real.certificates.ca);
  const cluster = { server: own.real.server, "certificate-authority": join(folder, "ca.pem") };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user: { token } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(config));
  const found = await own.kube.get({ ...CONFIGURATION, namespace });
  for (const [name, text] of Object.entries((found?.data ?? {}) as Record<string, string>))
    writeFileSync(join(folder, name), text);
  const flags = ["--kubeconfig", join(folder, "kubeconfig"), "--config", join(folder, "config.json")];
  const env = { POD_NAMESPACE: namespace, SERVICE_ACCOUNT_NAME: account, HOME: folder };
  const child = spawn(own.program, ["start", ...flags], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (bytes: Buffer) => own.said.push(String(bytes)));
  return child;
}

/** Runs the script of a helper pod with the folder of its volume below our root. */
async function playHelper(own: Own, pod: KubeObject): Promise<void> {
  if (textAt(pod, "status", "phase") !== "Pending") return;
  own.ran.push(pod);
  const [container] = listAt(pod, "spec", "containers");
  const values = listAt(container, "env") as readonly { readonly name: string; readonly value: string }[];
  const folder = join(own.root, values.find(({ name }) => name === "VOL_DIR")?.value ?? "none");
  const script = String(listAt(container, "command")[1]).replace(
    "/script",
    join(own.root, "etc", pod.metadata.namespace ?? ""),
  );
  const { status } = spawnSync("sh", [script], { env: { ...process.env, VOL_DIR: folder } });
  await kubeletSays(own, pod, { phase: status === 0 ? "Succeeded" : "Failed" });
}

/** Runs the script of a smoke test in the folder of its volume. */
async function playSmoke(own: Own, pod: KubeObject, volumes: readonly KubeObject[]): Promise<void> {
  const volume = volumes.find((one) => textAt(one, "spec", "claimRef", "name") === pod.metadata.name);
  if (volume === undefined || textAt(pod, "status", "phase") !== "Pending") return;
  own.ran.push(pod);
  const [container] = listAt(pod, "spec", "containers");
  const words = join(own.root, "termination-log");
  const script = String(listAt(container, "command")[2])
    .replace("/volume", join(own.root, textAt(volume, "spec", "local", "path") ?? "none"))
    .replace("/dev/termination-log", words);
  const nonce = textAt(listAt(container, "env")[0], "value") ?? "";
  const { status } = spawnSync("sh", ["-c", script], { env: { ...process.env, NONCE: nonce } });
  const message = existsSync(words) ? readFileSync(words, "utf8") : "";
  const state = { terminated: { exitCode: status ?? 1, reason: "Completed", message } };
  const said = { name: "smoke", image: "", imageID: "", ready: false, restartCount: 0, state };
  await kubeletSays(own, pod, { phase: status === 0 ? "Succeeded" : "Failed", containerStatuses: [said] });
}

async function kubeletSays({ kube }: Own, pod: KubeObject, status: object): Promise<void> {
  await kube.patch(refOf(pod), { status }, { subresource: "status" }).catch(() => undefined);
}

async function playClaim(
  { kube }: Own,
  claim: KubeObject,
  { pods, volumes }: { readonly pods: readonly KubeObject[]; readonly volumes: readonly KubeObject[] },
): Promise<void> {
  const { namespace, name, uid } = claim.metadata;
  const isUsed = pods.some(
    ({ metadata, spec }) =>
      metadata.namespace === namespace &&
      listAt({ spec }, "spec", "volumes").some((one) => textAt(one, "persistentVolumeClaim", "claimName") === name),
  );
  if (claim.metadata.deletionTimestamp !== undefined) {
    if (!isUsed) await kube.patch(refOf(claim), { metadata: { finalizers: null } });
    return;
  }
  if (!isUsed || textAt(claim, "status", "phase") === "Bound") return;
  const volume = volumes.find((one) => textAt(one, "spec", "claimRef", "uid") === uid);
  if (volume !== undefined) {
    await kube.patch(refOf(claim), { spec: { volumeName: volume.metadata.name } });
    await kube.patch(refOf(claim), { status: { phase: "Bound" } }, { subresource: "status" });
    await kube.patch(refOf(volume), { status: { phase: "Bound" } }, { subresource: "status" });
  } else if (claim.metadata.annotations?.[CHOSEN] === undefined) {
    const annotations = Object.fromEntries([[CHOSEN, NODE], ...MADE_BY.map((mark) => [mark, DRIVER])]);
    await kube.patch(refOf(claim), { metadata: { annotations } });
  }
}

async function playVolume({ kube }: Own, volume: KubeObject, claims: readonly KubeObject[]): Promise<void> {
  if (volume.metadata.deletionTimestamp !== undefined) {
    await kube.patch(refOf(volume), { metadata: { finalizers: null } }).catch(() => undefined);
    return;
  }
  const isClaimed = claims.some(({ metadata }) => metadata.uid === textAt(volume, "spec", "claimRef", "uid"));
  if (isClaimed || textAt(volume, "status", "phase") === "Released") return;
  await kube.patch(refOf(volume), { status: { phase: "Released" } }, { subresource: "status" });
}
