/**
 * The host beneath a bootstrap, in memory: systemd with a k3s that starts, containerd with its images, an API server whose
 * Deployment becomes ready when its image is there and good, and a port 8080 that answers then.
 */
import { ApplianceError } from "../../src/core/errors.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import type { Exec, ExecResult, Fetch } from "../../src/core/ports.ts";
import type { BootstrapDeps, BootstrapSettings } from "../../src/host/bootstrap-context.ts";
import { CONTROL_PLANE } from "../../src/host/control-plane-facts.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { listAt, textAt } from "../../src/kube/model.ts";
import { type ApiServer, createApiServer } from "../../src/rehearsal/kubernetes/api-server.ts";
import type { FakeBox } from "./fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "./memory-files.ts";

export const BAKED = "localhost/alga-appliance-control-plane:baked";
export const RECOVERED = "localhost/alga-appliance-control-plane:recovered";
export const ARCHIVE = "/opt/alga-appliance/control-plane/images/control-plane.tar";
const AIRGAP = "/opt/alga-appliance/images/k3s-airgap-images-amd64.tar.zst";

const K3S_UNIT = "/etc/systemd/system/k3s.service";

/** As k3s writes it. */
export const KUBECONFIG = `apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "http://127.0.0.1:6443"}}]
users: [{name: default, user: {token: admin}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;

/** What a test changes of a host while it runs. */
export interface HostState {
  k3s: "inactive" | "activating" | "active" | "deactivating" | "failed";
  /** Started, but its API does not answer and its journal says this. */
  k3sSays: string | undefined;
  /** It runs, and its API answers nobody until it is started anew: its certificate has expired meanwhile. */
  hangs: boolean;
  readonly images: Set<string>;
  /** Images whose control plane never becomes healthy. */
  readonly bad: Set<string>;
  /** Images that the node can pull. */
  readonly pullable: Set<string>;
  /** Ports on which somebody else listens, with what `ss` says of it. */
  readonly foreign: Map<number, string>;
  freeBytes: number;
  addresses: readonly string[];
  atBoot: "enabled" | "disabled" | "masked";
  /** What find(1) says of files in the state folder that are not the control plane's; chown makes it empty. */
  strangers: string;
}

export interface FakeHost {
  readonly files: MemoryFiles;
  readonly state: HostState;
  readonly api: ApiServer;
  readonly kube: Kube;
  /** Every program that was run, in order. */
  readonly ran: string[][];
  /** The ports as one process sees them. */
  deps(process?: ReturnType<FakeBox["spawn"]>): BootstrapDeps;
  settings(change?: Partial<BootstrapSettings>): BootstrapSettings;
  copy(): FakeHost;
}

interface Kept {
  readonly files: MemoryFiles;
  readonly state: HostState;
  readonly api: ApiServer;
}

const ENDED: ExecResult = { code: 0, stdout: "", stderr: "", truncated: false };

/** A fresh box: the payload is laid down, nothing has run. */
export function createFakeHost(box: FakeBox): FakeHost {
  const files = createMemoryFiles(() => 0);
  files.garble(ARCHIVE, "control plane");
  files.garble(AIRGAP, "pause, coredns");
  files.garble("/opt/alga-appliance/bin/k3s", "the program k3s");
  files.garble("/usr/local/bin/alga-appliance", "this executable");
  files.garble("/run/systemd/system/.keep", "");
  files.garble("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
  const state: HostState = {
    k3s: "inactive",
    k3sSays: undefined,
    hangs: false,
    images: new Set(),
    bad: new Set(),
    pullable: new Set(),
    foreign: new Map(),
    freeBytes: 50e9,
    addresses: ["192.0.2.10"],
    atBoot: "enabled",
    strangers: "",
  };
  return hostOf(box, { files, state, api: createApiServer(box) });
}

function hostOf(box: FakeBox, kept: Kept): FakeHost {
  const { files, state, api } = kept;
  const ran: string[][] = [];
  const direct = createKube(
    { ...box, log: SILENT_LOG },
    { server: "http://api", fetch: api.fetch, headers: async () => ({}) },
    { fieldManager: "host" },
  );
  const exec: Exec = async (argv) => {
    ran.push([...argv]);
    return { ...ENDED, ...(await answer(argv, kept, direct)) };
  };
  const wire: Fetch = async (request) => {
    const { port, pathname } = new URL(request.url);
    if (port === "6443") return cluster(kept, direct, request);
    if (port === "8080" && (await isServing(kept, direct))) return Response.json({ ok: true, mode: "setup" });
    if (port === "8080" && state.foreign.has(8080)) return new Response("<h1>It works</h1>");
    throw new ApplianceError("net/unreachable", `Cannot reach "${pathname}": connection refused`);
  };
  const network: Pick<BootstrapDeps["network"], "isListening" | "addresses"> = {
    isListening: async (port: number) => state.foreign.has(port) || (port === 6443 && state.k3s === "active"),
    addresses: async () => state.addresses,
  };
  return {
    files,
    state,
    api,
    kube: direct,
    ran,
    deps: (process = box.spawn()) => ({
      clock: box.clock,
      random: box.random,
      machine: box.machineOf(process),
      log: SILENT_LOG,
      files: { ...files, space: async () => ({ freeBytes: state.freeBytes, totalBytes: 100e9 }) },
      exec,
      transports: { open: () => wire },
      network: network as BootstrapDeps["network"],
    }),
    settings: (change = {}) => ({
      paths: statePaths("/"),
      hostFiles: { "/usr/lib/systemd/system/alga.service": "[Service]\n" },
      manifests: MANIFESTS,
      follows: async () => ({
        registry: { place: { registry: "registry.test", base: "b" } },
        ref: { channel: "stable" },
      }),
      askMs: 1_000,
      port: 8080,
      version: "1.0.3",
      ...change,
    }),
    copy: () => {
      const other = createApiServer(box);
      other.restore(api.snapshot());
      const { images, bad, pullable, foreign } = state;
      const sets = {
        images: new Set(images),
        bad: new Set(bad),
        pullable: new Set(pullable),
        foreign: new Map(foreign),
      };
      return hostOf(box, { files: files.copy(), state: { ...state, ...sets }, api: other });
    },
  };
}

const MANIFESTS = {
  "all.yaml": `apiVersion: v1
kind: Namespace
metadata: {name: ${CONTROL_PLANE.namespace}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${CONTROL_PLANE.name}, namespace: ${CONTROL_PLANE.namespace}}
spec:
  replicas: 1
  selector: {matchLabels: {app: cp}}
  template:
    metadata: {labels: {app: cp}}
    spec: {containers: [{name: control-plane, image: unset}]}
`,
};

async function answer(argv: readonly string[], kept: Kept, kube: Kube): Promise<Partial<ExecResult>> {
  const { state } = kept;
  const [program = "", ...words] = argv;
  if (program.endsWith("/k3s")) return containerd(words, kept);
  if (program === "systemctl") return systemd(words, kept, kube);
  if (program === "journalctl") return { stdout: state.k3sSays ?? "" };
  if (program === "systemd-tmpfiles") await kept.files.makeDirectory("/var/lib/alga-appliance");
  if (program === "rm") {
    const folder = `${words.at(-1)}/`;
    for (const path of kept.files.snapshot().keys()) if (path.startsWith(folder)) await kept.files.remove(path);
  }
  if (program === "find") return { stdout: state.strangers };
  if (program === "chown" && words.includes("/var/lib/alga-appliance")) state.strangers = "";
  if (program === "ss") return { stdout: [...state.foreign.values()].join("\n") };
  return {};
}

async function systemd([verb, ...units]: readonly string[], kept: Kept, kube: Kube): Promise<Partial<ExecResult>> {
  const { state } = kept;
  if (!units.includes("k3s.service")) return {};
  const said = (word: string, wanted: string) => ({ stdout: `${word}\n`, code: word === wanted ? 0 : 3 });
  if (verb === "is-active") return said(state.k3s, "active");
  if (verb === "is-enabled") return said(state.atBoot, "enabled");
  if (verb === "unmask" && state.atBoot === "masked") await unmask(kept);
  if (verb === "enable") return enable(kept);
  if (verb === "try-restart" && state.k3s === "active") {
    kept.files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG);
    state.hangs = false;
  }
  if (verb === "start") await startK3s(kept, kube);
  return {};
}

/** A mask is a link to nothing in the place of the unit; what it took the place of does not come back with it. */
export function maskK3s({ files, state }: Pick<FakeHost, "files" | "state">): void {
  files.garble(K3S_UNIT, "");
  state.atBoot = "masked";
}

async function unmask({ files, state }: Kept): Promise<void> {
  if (files.snapshot().get(K3S_UNIT) === "") await files.remove(K3S_UNIT);
  state.atBoot = "disabled";
}

function enable({ files, state }: Kept): Partial<ExecResult> {
  if (state.atBoot === "masked") return { code: 1, stderr: "Failed to enable unit: Unit file is masked." };
  if (!files.snapshot().has(K3S_UNIT)) return { code: 1, stderr: "Failed to enable unit: Unit file does not exist." };
  state.atBoot = "enabled";
  return {};
}

async function startK3s({ state, files }: Kept, kube: Kube): Promise<void> {
  if (state.atBoot === "masked" || !["inactive", "activating"].includes(state.k3s)) return;
  state.k3s = "active";
  files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG);
  await kube.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "box" } });
  const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }];
  await kube.patch(
    { apiVersion: "v1", kind: "Node", name: "box" },
    { status: { conditions } },
    { subresource: "status" },
  );
}

function containerd(words: readonly string[], { state, files }: Kept): Partial<ExecResult> {
  if (words[0] === "--version") return { stdout: "k3s version v1.36.3+k3s1 (abc)\n" };
  if (state.k3s !== "active") return { code: 1, stderr: "ctr: failed to dial containerd: connection refused" };
  const [first, , verb] = words;
  if (first === "crictl") {
    const image = words[2] ?? "";
    if (!state.pullable.has(image)) return { code: 1, stderr: "failed to pull and unpack image: connection refused" };
    state.images.add(image);
    return {};
  }
  if (verb === "list") return { stdout: `${[...state.images].join("\n")}\n` };
  if (verb === "rm") {
    for (const name of words.slice(3)) state.images.delete(name);
    return {};
  }
  const archive = words.at(-1) ?? "";
  if (files.snapshot().get(archive) === "cut off") return { code: 1, stderr: "ctr: unexpected EOF" };
  const own = archive.endsWith("/recovered.tar") ? RECOVERED : undefined;
  const name = own ?? (archive === ARCHIVE ? BAKED : "docker.io/rancher/mirrored-pause:3.6");
  state.images.add(name);
  // As containerd 2.4 writes it: a blank for each hyphen, cut to its column.
  const shown = name.replaceAll("-", " ").slice(0, 39);
  return { stdout: `${shown}\tsaved\t\napplication/vnd.oci.image.manifest.v1+json sha256:${"a".repeat(64)}\n` };
}

/** The API of k3s, with the controllers of a Deployment as one actor. */
async function cluster({ state, api }: Kept, kube: Kube, request: Request): Promise<Response> {
  // A process that is told to stop answers until it ends.
  if (!["active", "deactivating"].includes(state.k3s) || state.k3sSays !== undefined) {
    throw new ApplianceError("net/unreachable", "Cannot reach the API: connection refused");
  }
  if (state.hangs) throw new ApplianceError("net/tls", "Cannot trust the API: its certificate has expired");
  const { pathname } = new URL(request.url);
  const answered = await api.fetch(request);
  if (request.method === "PATCH" && answered.ok && pathname.endsWith(`/deployments/${CONTROL_PLANE.name}`)) {
    await rollOut(state, kube);
  }
  return answered;
}

async function rollOut(state: HostState, kube: Kube): Promise<void> {
  const deployment = await kube.get(CONTROL_PLANE);
  const image = imageOf(deployment);
  const observedGeneration = deployment?.metadata.generation ?? 1;
  const good = { observedGeneration, replicas: 1, updatedReplicas: 1, availableReplicas: 1, conditions: [] };
  const late = { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "it is late" };
  const status =
    state.images.has(image) && !state.bad.has(image) ? good : { ...good, availableReplicas: 0, conditions: [late] };
  await kube.patch(CONTROL_PLANE, { status }, { subresource: "status" });
}

/** The image that the Deployment of the control plane names; "" without one. */
export async function runningImage({ kube }: Pick<FakeHost, "kube">): Promise<string> {
  return imageOf(await kube.get(CONTROL_PLANE));
}

function imageOf(deployment: unknown): string {
  return textAt(listAt(deployment, "spec", "template", "spec", "containers")[0], "image") ?? "";
}

async function isServing({ state }: Kept, kube: Kube): Promise<boolean> {
  const image = imageOf(await kube.get(CONTROL_PLANE));
  return state.k3s === "active" && state.images.has(image) && !state.bad.has(image);
}
