/**
 * What recover sees of a box before it does anything: each part within a time, and "not known" where a part cannot be asked.
 *
 * Reads only. A kubeconfig that is not this box's is never used.
 */
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { numberAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import { bakedArchives } from "./baked-images.ts";
import { type BootstrapContext, openCluster } from "./bootstrap-context.ts";
import { hasImage, listImages } from "./containerd.ts";
import type { ControlPlaneFacts } from "./control-plane-choice.ts";
import { CONTROL_PLANE, gatherControlPlaneFacts } from "./control-plane-facts.ts";
import { isControlPlane, machineFaults } from "./host-checks.ts";
import { judgeKubeconfig, type KubeconfigState } from "./kubeconfig-own.ts";
import { settingsFileFault } from "./recover-settings.ts";
import { inspectState, type StateFault } from "./recover-state.ts";

/** Where the units look for it. @see systemd/ */
export const EXECUTABLE = "/usr/local/bin/alga-appliance";
const LOOK_MS = 10_000;
const PROGRAM_MS = 10_000;

/** Everything that counts for the diagnosis. */
export interface Seen {
  /** false: another root than "/", of which only files can be seen. */
  readonly isBox: boolean;
  /** By which others reach it; undefined: another root. */
  readonly addresses: readonly string[] | undefined;
  /** The executable where the units look for it. */
  readonly executable: { readonly path: string; readonly isThere: boolean };
  readonly payload: { readonly folder: string; readonly archives: number; readonly controlPlaneArchives: number };
  readonly k3s: {
    readonly path: string;
    /** none: neither installed nor in the payload. */
    readonly program: "installed" | "payload" | "none";
    /** As systemd says it: active, inactive, failed, activating. */
    readonly unit: string;
    /** enabled, disabled, masked, not-found. */
    readonly atBoot: string;
  };
  /** What is wrong with the settings file; undefined: nothing. */
  readonly settingsFile: { readonly path: string; readonly why: string } | undefined;
  /** What keeps Kubernetes from starting whatever is done to it; none for another root. */
  readonly machine: readonly ApplianceError[];
  readonly kubeconfig: KubeconfigState;
  readonly cluster: { readonly state: "ready" | "waiting" | "silent" | "not-asked"; readonly why: string };
  /** undefined: containerd was not asked or does not answer. */
  readonly images: ReadonlySet<string> | undefined;
  readonly controlPlane: {
    readonly answers: boolean;
    /** Somebody else listens on its port. */
    readonly portTaken: boolean;
    /** null: there is none; undefined: not known. */
    readonly running: (NonNullable<ControlPlaneFacts["running"]> & { readonly replicas: number }) | null | undefined;
  };
  readonly state: readonly StateFault[];
  /** What the cluster knows and the state folder does not: names of documents. */
  readonly lost: readonly string[];
}

/** Names of the documents that could be made anew from the cluster and are not there. */
export type LostDocuments = (kube: Kube, signal: AbortSignal) => Promise<readonly string[]>;

/** What is looked with: the channel is not asked. */
type LookContext = Pick<BootstrapContext, "deps"> & {
  readonly settings: Omit<BootstrapContext["settings"], "follows">;
};

/** Looks at the box. @throws The reason of the signal; nothing else. */
export async function lookAtBox(
  context: LookContext,
  options: { readonly signal: AbortSignal; readonly lost: LostDocuments },
): Promise<Seen> {
  const { deps, settings } = context;
  const { paths } = settings;
  const { signal } = options;
  const isBox = paths.root === "/";
  const archives = await bakedArchives(deps, paths);
  const kubeconfig = await judgeKubeconfig(deps, paths);
  const unit = isBox ? await word(context, ["systemctl", "is-active", "k3s.service"], signal) : "not-asked";
  const atBoot = isBox ? await word(context, ["systemctl", "is-enabled", "k3s.service"], signal) : "not-asked";
  const kube = isBox && kubeconfig.state === "own" ? await openCluster(context).catch(() => undefined) : undefined;
  const cluster = await askCluster(context, kube, signal);
  const reachable = cluster.state === "ready" || cluster.state === "waiting" ? kube : undefined;
  const images = isBox ? await askImages(context, signal) : undefined;
  return {
    isBox,
    addresses: isBox ? await deps.network.addresses() : undefined,
    executable: { path: EXECUTABLE, isThere: (await deps.files.stat(EXECUTABLE)) !== undefined },
    payload: {
      folder: paths.payload,
      archives: archives.length,
      controlPlaneArchives: archives.filter((path) => path.includes("/control-plane/images/")).length,
    },
    k3s: { path: paths.k3s, program: await k3sProgram(context), unit, atBoot },
    settingsFile: await settingsFileFault(deps, paths),
    machine: isBox ? await machineFaults(context) : [],
    kubeconfig,
    cluster,
    images,
    controlPlane: await askControlPlane(context, { isBox, kube: reachable, images, signal }),
    state: await inspectState(deps, paths, signal),
    lost: reachable === undefined ? [] : ((await quietly(options.lost(reachable, signal), signal)) ?? []),
  };
}

async function k3sProgram({ deps, settings }: LookContext): Promise<Seen["k3s"]["program"]> {
  const { k3s, payload } = settings.paths;
  if ((await deps.files.stat(k3s)) !== undefined) return "installed";
  return (await deps.files.stat(`${payload}/bin/k3s`)) === undefined ? "none" : "payload";
}

async function word({ deps }: LookContext, argv: readonly [string, ...string[]], signal: AbortSignal): Promise<string> {
  const result = await quietly(deps.exec(argv, { timeoutMs: PROGRAM_MS, signal }), signal);
  const said = (result?.stdout.trim() ?? "").split("\n")[0] ?? "";
  return /^[a-z-]{1,30}$/.test(said) ? said : "unknown";
}

async function askCluster(
  { deps }: LookContext,
  kube: Kube | undefined,
  signal: AbortSignal,
): Promise<Seen["cluster"]> {
  if (kube === undefined) return { state: "not-asked", why: "there is no kubeconfig of this box that could be used" };
  try {
    const work = (limit: AbortSignal) => kube.list({ apiVersion: "v1", kind: "Node" }, { signal: limit });
    const { items } = await withDeadline(deps.clock, LOOK_MS, { what: "Kubernetes", parent: signal, work });
    const waiting = items.map((node) => readinessOf(node)).find(({ state }) => state !== "ready");
    if (items.length > 0 && waiting === undefined) return { state: "ready", why: "its node is ready" };
    return { state: "waiting", why: waiting?.message ?? "it has no node yet" };
  } catch (thrown) {
    signal.throwIfAborted();
    if (!(thrown instanceof ApplianceError)) throw thrown;
    // Credentials that it refuses are those of another one, or older than its database.
    return { state: "silent", why: thrown.message };
  }
}

async function askImages({ deps, settings }: LookContext, signal: AbortSignal): Promise<Seen["images"]> {
  return await quietly(listImages(deps, settings.paths, signal), signal);
}

/** Tells whether a program that is not ours listens on the control plane's port; one of ours that hangs is not a stranger. */
async function isTaken({ deps, settings }: LookContext, signal: AbortSignal): Promise<boolean> {
  const { port } = settings;
  if ((await quietly(deps.network.isListening(port), signal)) !== true) return false;
  const argv = ["ss", "-Hltnp", `sport = :${port}`] as const;
  const said = await quietly(deps.exec(argv, { timeoutMs: PROGRAM_MS, maxBytes: 4_096, signal }), signal);
  return !isHeldByUs(said?.stdout ?? "");
}

/** Reads the words of ss(8). Pure. */
export function isHeldByUs(said: string): boolean {
  return /\(\(\\?"alga-appliance\\?"/.test(said);
}

/** The facts put a damaged record aside where they find one: not while somebody only looks. */
function onlyLooking<D extends Pick<Deps, "files">>(deps: D): D {
  return { ...deps, files: { ...deps.files, rename: async () => {} } };
}

async function askControlPlane(
  context: LookContext,
  about: {
    readonly isBox: boolean;
    readonly kube: Kube | undefined;
    readonly images: Seen["images"];
    readonly signal: AbortSignal;
  },
): Promise<Seen["controlPlane"]> {
  const { deps, settings } = context;
  const { isBox, kube, images, signal } = about;
  if (!isBox) return { answers: false, portTaken: false, running: undefined };
  const { paths, port } = settings;
  const answers = await isControlPlane(deps, { port, signal });
  const portTaken = !answers && (await isTaken(context, signal));
  if (kube === undefined) return { answers, portTaken, running: undefined };
  const follows = { problem: "it was not asked" };
  const asked = { paths, kube, images: images ?? new Set<string>(), follows, askMs: LOOK_MS, signal };
  const running = await quietly(
    gatherControlPlaneFacts(onlyLooking(deps), asked).then((facts) => ({ found: facts.running })),
    signal,
  );
  if (running === undefined) return { answers, portTaken, running: undefined };
  if (running.found === null) return { answers, portTaken, running: null };
  const deployment = await quietly(kube.get(CONTROL_PLANE, { signal }), signal);
  return { answers, portTaken, running: { ...running.found, replicas: numberAt(deployment, "spec", "replicas") ?? 1 } };
}

/** Tells whether the node has the image of the control plane that is set; undefined where that is not known. */
export function hasRunningImage({ images, controlPlane }: Seen): boolean | undefined {
  if (images === undefined || controlPlane.running === undefined || controlPlane.running === null) return undefined;
  return hasImage(images, controlPlane.running.image);
}

/** What could be learned, undefined where it could not. */
async function quietly<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await work;
  } catch (thrown) {
    signal.throwIfAborted();
    if (!isApplianceError(thrown)) throw thrown;
    return undefined;
  }
}
