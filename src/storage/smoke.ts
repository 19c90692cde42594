/**
 * The proof that the storage works: a claim and a pod of their own get a volume, write, read the same again, and go, volume and all.
 *
 * Nothing else is ever touched: the volume that is taken away must be claimed by exactly this claim, by its UID, and the API server
 * itself checks that in the same request. What a killed test left is taken away by the next one, by the same rule.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { conditionOf, type KubeObject, listAt, refOf, textAt } from "../kube/model.ts";
import type { Progress } from "../operation/step.ts";
import { gatherStorage, goesWithClaim } from "./facts.ts";
import { ensureNamespace } from "./namespace.ts";
import { SMOKE_NAMESPACE, smokeNamespace, smokeObjects, smokeRef } from "./smoke-objects.ts";

const SMOKE_MS = 5 * 60_000;
const GONE_MS = 2 * 60_000;
const NAME_BYTES = 4;

export interface SmokeOptions {
  readonly className: string;
  readonly image: string;
  readonly pollMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What the volume's own file system said. */
export interface Proof {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

type SmokeDeps = Pick<Deps, "clock" | "random" | "log"> & { readonly kube: Kube };

/**
 * Proves a class. Safe to call again, also after being killed anywhere.
 *
 * @returns the room of the volume's disk; undefined when the pod could not say it.
 * @throws {ApplianceError} storage/unproven with what the pod said.
 */
export async function proveStorage(deps: SmokeDeps, options: SmokeOptions): Promise<Proof | undefined> {
  const name = `smoke-${hex(deps.random.bytes(NAME_BYTES))}`;
  const nonce = hex(deps.random.bytes(16));
  await ensureNamespace(deps.kube, smokeNamespace(), options.signal);
  await clearSmoke(deps, options);
  const { claim, pod } = smokeObjects({ name, nonce, className: options.className, image: options.image });
  try {
    await deps.kube.create(claim, { signal: options.signal });
    await deps.kube.create(pod, { signal: options.signal });
    return proofOf(await ended(deps, name, options));
  } finally {
    await clearSmoke(deps, options).catch((thrown: unknown) => {
      // The next test takes it away; the first failure is the one to tell.
      deps.log.warn("the smoke test of the storage left something behind", { error: thrown });
    });
  }
}

/**
 * Takes away what smoke tests left: pods, claims, and volumes that only they claimed. Safe to call again.
 * @throws {ApplianceError} storage/unproven when a volume does not go.
 */
async function clearSmoke(
  deps: Pick<SmokeDeps, "clock" | "kube">,
  { pollMs, signal }: Pick<SmokeOptions, "pollMs" | "signal">,
): Promise<void> {
  const { kube, clock } = deps;
  const endsAt = clock.monotonic() + GONE_MS;
  for (;;) {
    const pods = await listed(kube, "Pod", signal);
    for (const pod of pods) await kube.delete(refOf(pod), { signal });
    const { smokeVolumes } = await gatherStorage(kube, signal);
    // Before the claim goes: afterwards a volume that is kept would be nobody's to remove.
    for (const volume of smokeVolumes) if (!goesWithClaim(volume)) await letGo(kube, volume, signal);
    const claims = await listed(kube, "PersistentVolumeClaim", signal);
    for (const claim of claims) await kube.delete(refOf(claim), { signal });
    const left = [...pods, ...claims, ...smokeVolumes];
    if (left.length === 0) return;
    if (clock.monotonic() >= endsAt) throw stays(left);
    await clock.sleep(pollMs, signal);
  }
}

/** Lets the provisioner remove a volume with its claim. The API server refuses when it is claimed by anybody else. */
async function letGo(kube: Kube, volume: KubeObject, signal: AbortSignal): Promise<void> {
  const uid = textAt(volume, "spec", "claimRef", "uid");
  if (uid === undefined) return;
  const patch = [
    { op: "test", path: "/spec/claimRef/namespace", value: SMOKE_NAMESPACE },
    { op: "test", path: "/spec/claimRef/uid", value: uid },
    { op: "replace", path: "/spec/persistentVolumeReclaimPolicy", value: "Delete" },
  ];
  try {
    await kube.patch(refOf(volume), patch, { type: "json", signal });
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/not-found", "kube/conflict")) throw thrown;
  }
}

async function listed(
  kube: Kube,
  kind: "Pod" | "PersistentVolumeClaim",
  signal: AbortSignal,
): Promise<readonly KubeObject[]> {
  return (await kube.list({ apiVersion: "v1", kind, namespace: SMOKE_NAMESPACE }, { signal })).items;
}

/** Waits for the pod's end. */
async function ended(deps: SmokeDeps, name: string, options: SmokeOptions): Promise<KubeObject> {
  const endsAt = deps.clock.monotonic() + SMOKE_MS;
  for (;;) {
    const pod = await deps.kube.get(smokeRef("Pod", name), { signal: options.signal });
    const phase = textAt(pod, "status", "phase");
    if (pod !== undefined && phase === "Succeeded") return pod;
    const why = pod === undefined ? "its pod was taken away" : whyNot(pod);
    if (pod === undefined || phase === "Failed" || deps.clock.monotonic() >= endsAt) throw unproven(why);
    options.progress(`Proves the storage with a volume of its own${why === WAITS ? "" : `: ${why}`}`);
    await deps.clock.sleep(options.pollMs, options.signal);
  }
}

const WAITS = "its pod did not end in time";

/** The pod's own last words, else what keeps it from starting. Untrusted, bounded. */
function whyNot(pod: KubeObject): string {
  const status = listAt(pod, "status", "containerStatuses")[0];
  const said =
    textAt(status, "state", "terminated", "message") ??
    textAt(status, "state", "waiting", "message") ??
    (conditionOf(pod, "PodScheduled")?.status === "False" ? conditionOf(pod, "PodScheduled")?.message : undefined) ??
    textAt(pod, "status", "message") ??
    "";
  const line = said.trim().split("\n").at(-1) ?? "";
  return line === "" ? WAITS : line.slice(0, 200).replace(/\.$/, "");
}

/** The last line of df: source, 1024-blocks, used, available, part, place. */
function proofOf(pod: KubeObject): Proof | undefined {
  const status = listAt(pod, "status", "containerStatuses")[0];
  const words = (textAt(status, "state", "terminated", "message") ?? "").trim().split(/\s+/);
  const [total, , free] = words.slice(-5).map(Number);
  if (total === undefined || free === undefined || !(total > 0) || !(free >= 0)) return undefined;
  return { totalBytes: total * 1_024, freeBytes: free * 1_024 };
}

function unproven(why: string): ApplianceError {
  const evidence: readonly Evidence[] = [{ ref: `Pod of the smoke test in ${SMOKE_NAMESPACE}`, text: why }];
  return new ApplianceError(
    "storage/unproven",
    `Cannot prove the storage: a pod could not write to a volume of its own and read it again (${why}), both are wanted`,
    {
      hint: "Run alga-appliance host storage check on the box; mend what it names, then try again",
      details: { evidence, retrySafe: true },
    },
  );
}

function stays(left: readonly KubeObject[]): ApplianceError {
  const names = left.map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  return new ApplianceError(
    "storage/unproven",
    `Cannot take away what a smoke test left: ${names.slice(0, 3).join(", ")} ${names.length === 1 ? "does" : "do"} not go, none is wanted`,
    {
      hint: "Look at the storage provisioner: kubectl -n local-path-storage logs deploy/local-path-provisioner",
      details: { retrySafe: true },
    },
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
