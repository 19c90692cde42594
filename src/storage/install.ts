/**
 * Storage that works, whatever a cluster has now: found, or installed, with what k3s brought moved over, and proven.
 *
 * One engine for setup's step in the pod, for bootstrap and for `host storage install` on the host. What is there decides what is
 * done, so a run that was killed anywhere is gone on with by the next one, here or there; a lease keeps two from working at once.
 *
 * Moving over loses nothing by its order: first every volume is told to stay when its claim goes, then the provisioner of k3s is
 * stopped and its class taken away (a class holds no data; claims that are bound do not need it), then ours begins. No volume, no
 * claim and no folder is ever removed but those of the smoke test.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import type { Deps } from "../core/ports.ts";
import { applySet } from "../kube/apply-set.ts";
import type { Kube } from "../kube/calls.ts";
import { fieldAt, type KubeObject, listAt, refOf, textAt } from "../kube/model.ts";
import type { Progress } from "../operation/step.ts";
import { problemOf } from "../operation/step.ts";
import { capacityOf } from "./capacity.ts";
import {
  BUNDLED,
  describeClass,
  gatherStorage,
  goesWithClaim,
  imagesNow,
  isRunning,
  type StorageFacts,
} from "./facts.ts";
import { takeStorageLease } from "./lease.ts";
import { PART_OF, PRODUCT, PROVISIONER, provisionerObjects, type StorageImages, storageClass } from "./objects.ts";
import { situationOf } from "./situation.ts";
import { type Proof, proveStorage } from "./smoke.ts";

/** Milliseconds for pods of k3s' provisioner to end. */
const STOP_MS = 2 * 60_000;

export type StorageDeps = Pick<Deps, "clock" | "random" | "log"> & { readonly kube: Kube };

export interface InstallStorageOptions {
  /** "host" or "pod": what the other side reads while it waits. */
  readonly holder: string;
  /**
   * Names of images for a cluster whose provisioner does not run; undefined leaves the installation to whoever knows them.
   * @param there Those of a provisioner that does not run, or not yet.
   */
  readonly images: (there: StorageImages | undefined) => Promise<StorageImages | undefined>;
  /** Waits until the provisioner runs, and proves the class by a volume. */
  readonly prove: boolean;
  /** Milliseconds to wait for another one who is at work. */
  readonly busyMs: number;
  /** Milliseconds between looks. */
  readonly pollMs: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface StorageOutcome {
  readonly kind: "own" | "foreign" | "left";
  /** What claims get; null when there is none yet. */
  readonly storageClass: string | null;
  /** What was changed, in words, in order. */
  readonly done: readonly string[];
  /** What a person should know. */
  readonly warnings: readonly string[];
  readonly proof: Proof | null;
}

interface Work extends InstallStorageOptions {
  readonly deps: StorageDeps;
  readonly done: string[];
}

/**
 * Brings the storage up. Safe to call again, at any time and by two at once.
 *
 * @throws {ApplianceError} storage/busy, storage/several-defaults, storage/name-taken, storage/unproven, operation/lease-lost, and
 *   what `Kube` throws. Waits for a provisioner that does not start until the signal fires, and tells why meanwhile.
 */
export async function installStorage(deps: StorageDeps, options: InstallStorageOptions): Promise<StorageOutcome> {
  const found = situationOf(await gatherStorage(deps.kube, options.signal));
  // Nothing is changed, so nobody needs to wait for anybody.
  if (found.kind === "foreign") return outcome({ ...options, deps, done: [] }, "foreign", found);
  const onWait = (holder: string): void => options.progress(`Waits for the ${holder}, which is at work on the storage`);
  const lease = await takeStorageLease(deps, { ...options, onWait });
  try {
    return await bringUp({ ...options, deps: { ...deps, kube: lease.kube }, done: [] });
  } finally {
    await lease.release();
  }
}

/**
 * What an installation would do now, in words, in order. Changes nothing; the API server is asked what an apply would change.
 * Throws as `installStorage` does for a cluster about which nobody can decide.
 */
export async function planStorage(
  deps: StorageDeps,
  { images, signal }: Pick<InstallStorageOptions, "images" | "signal">,
): Promise<readonly string[]> {
  const facts = await gatherStorage(deps.kube, signal);
  const situation = situationOf(facts);
  if (situation.kind === "foreign") return [`use ${describeClass(situation.storageClass)} as it is`];
  const chosen = await imagesFor(facts, images);
  const kept = situation.keep.map(({ metadata }) => metadata.name);
  // A class that is made anew cannot be asked about while the old one is there.
  const classes = situation.replace === undefined ? [storageClass()] : [];
  const objects = chosen === undefined ? [] : [...provisionerObjects(chosen), ...classes];
  const { created, changed } = await applySet(deps, objects, { force: true, dryRun: true, signal });
  return [
    ...(kept.length === 0 ? [] : [`tell ${kept.join(", ")} to stay when their claims go`]),
    ...(situation.stop === undefined ? [] : ["stop the provisioner of k3s"]),
    ...(situation.replace === undefined
      ? []
      : [`make StorageClass ${situation.replace.metadata.name} anew: no volume is touched`]),
    ...(chosen === undefined
      ? []
      : [
          `apply the provisioner and its class: ${created} new, ${changed} changed objects`,
          "prove it by a volume of its own",
        ]),
  ];
}

/** What runs is not changed; else whoever installs says the names, else those of a Deployment that does not run yet stay. */
async function imagesFor(
  facts: StorageFacts,
  images: InstallStorageOptions["images"],
): Promise<StorageImages | undefined> {
  const there = imagesNow(facts);
  return isRunning(facts.provisioner) && there !== undefined ? there : ((await images(there)) ?? there);
}

async function bringUp(work: Work): Promise<StorageOutcome> {
  const { deps, done, signal } = work;
  const facts = await gatherStorage(deps.kube, signal);
  const situation = situationOf(facts);
  if (situation.kind === "foreign") return outcome(work, "foreign", situation);
  await keepVolumes(work, situation.keep);
  if (situation.stop !== undefined) await stopBundled(work, situation.stop);
  if (situation.replace !== undefined) await removeClass(work, situation.replace);
  const images = await imagesFor(facts, work.images);
  if (images === undefined) return outcome(work, "left", {});
  await applyProvisioner(work, facts, images);
  const other = work.prove ? await untilRunning(work) : undefined;
  if (other !== undefined) return outcome(work, "foreign", { storageClass: other });
  const applied = await applySet(deps, [storageClass()], { force: true, signal });
  if (applied.unchanged === 0) done.push(`made ${describeClass(storageClass())} the default class`);
  // Volumes that came while the class of k3s was still there.
  await keepVolumes(work, (await gatherStorage(deps.kube, signal)).volumes.filter(goesWithClaim));
  if (!work.prove) return outcome(work, "own", { storageClass: storageClass() });
  const smoke = { ...work, className: storageClass().metadata.name, image: images.helper };
  const proof = await proveStorage(deps, smoke);
  done.push("proved it by a volume of its own, which is gone again");
  return outcome(work, "own", { storageClass: storageClass(), proof });
}

async function outcome(
  { deps, done, signal }: Work,
  kind: StorageOutcome["kind"],
  made: { readonly storageClass?: KubeObject; readonly proof?: Proof | undefined },
): Promise<StorageOutcome> {
  const { proof } = made;
  const capacity = proof && capacityOf((await gatherStorage(deps.kube, signal)).claims, proof);
  return {
    kind,
    storageClass: made.storageClass === undefined ? null : describeClass(made.storageClass),
    done,
    warnings: capacity === undefined || capacity.state === "fits" ? [] : [capacity.sentence],
    proof: proof ?? null,
  };
}

/** Tells volumes to stay when their claims go. A volume that is gone or changed meanwhile is looked at again by the next run. */
async function keepVolumes({ deps, done, signal }: Work, volumes: readonly KubeObject[]): Promise<void> {
  const kept: string[] = [];
  for (const volume of volumes) {
    const spec = { persistentVolumeReclaimPolicy: "Retain" };
    try {
      await deps.kube.patch(refOf(volume), { spec }, { signal });
      kept.push(volume.metadata.name);
    } catch (thrown) {
      if (!isApplianceError(thrown, "kube/not-found")) throw thrown;
    }
  }
  if (kept.length > 0) {
    done.push(`told ${kept.length} volume${kept.length === 1 ? "" : "s"} to stay when their claims go`);
    deps.log.info("volumes are kept from now on", { volumes: kept });
  }
}

/** Stops the provisioner of k3s and waits until none of its pods is left: two at once would make each volume twice. */
async function stopBundled({ deps, done, pollMs, progress, signal }: Work, bundled: KubeObject): Promise<void> {
  const { kube, clock } = deps;
  progress("Stops the storage provisioner of k3s");
  try {
    await kube.patch(refOf(bundled), { spec: { replicas: 0 } }, { signal });
  } catch (thrown) {
    // k3s takes it away by itself when its configuration says so.
    if (!isApplianceError(thrown, "kube/not-found")) throw thrown;
  }
  const endsAt = clock.monotonic() + STOP_MS;
  const kind = { apiVersion: "v1", kind: "Pod", namespace: BUNDLED.namespace };
  for (;;) {
    const { items } = await kube.list(kind, { labelSelector: `app=${BUNDLED.name}`, signal });
    if (items.length === 0) break;
    if (clock.monotonic() >= endsAt) throw doesNotStop();
    await clock.sleep(pollMs, signal);
  }
  done.push("stopped the provisioner of k3s");
}

/** Takes exactly the class away that was judged; one that somebody made anew meanwhile stays. */
async function removeClass({ deps, done, signal }: Work, found: KubeObject): Promise<void> {
  const { uid, resourceVersion } = found.metadata;
  const preconditions = {
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  const isGone = await deps.kube.delete(refOf(found), { preconditions, signal });
  if (isGone)
    done.push(`took StorageClass ${found.metadata.name} away, whose volumes would have gone with their claims`);
}

async function applyProvisioner(work: Work, facts: StorageFacts, images: StorageImages): Promise<void> {
  const { deps, done, signal } = work;
  await adopt(work, facts.provisioner, images);
  const { created, changed } = await applySet(deps, provisionerObjects(images), { force: true, signal });
  if (created + changed > 0)
    done.push(facts.provisioner === undefined ? "installed the provisioner" : "put the provisioner right");
}

/** Gives a Deployment of another origin our template whole: an apply alone would leave the other's fields beside ours. */
async function adopt({ deps, signal }: Work, found: KubeObject | undefined, images: StorageImages): Promise<void> {
  if (found === undefined || found.metadata.labels?.[PART_OF] === PRODUCT) return;
  const wanted = provisionerObjects(images).find(({ kind }) => kind === PROVISIONER.kind);
  const patch = [
    { op: "test", path: "/metadata/uid", value: found.metadata.uid },
    { op: "replace", path: "/spec/template", value: fieldAt(wanted, "spec", "template") },
    { op: "replace", path: "/spec/strategy", value: fieldAt(wanted, "spec", "strategy") },
  ];
  await deps.kube.patch(PROVISIONER, patch, { type: "json", signal });
}

/** @returns the class that somebody else made the default meanwhile; undefined when ours runs. */
async function untilRunning({ deps, pollMs, progress, signal }: Work): Promise<KubeObject | undefined> {
  for (;;) {
    const facts = await gatherStorage(deps.kube, signal);
    const situation = situationOf(facts);
    if (situation.kind === "foreign") return situation.storageClass;
    if (isRunning(facts.provisioner)) return undefined;
    const evidence = await provisionerSays(deps.kube, signal);
    progress("Waits for the storage provisioner", evidence.length === 0 ? undefined : problemOf(notReady(evidence)));
    await deps.clock.sleep(pollMs, signal);
  }
}

/** Why the provisioner does not run, from its pods; empty when it only needs time. */
export async function provisionerSays(kube: Kube, signal: AbortSignal): Promise<readonly Evidence[]> {
  const { namespace } = PROVISIONER;
  const selector = { labelSelector: `app=${PROVISIONER.name}`, limit: 20, signal };
  const { items } = await kube.list({ apiVersion: "v1", kind: "Pod", namespace }, selector);
  return items.flatMap((pod) =>
    listAt(pod, "status", "containerStatuses").flatMap((status): Evidence[] => {
      const reason = textAt(status, "state", "waiting", "reason");
      if (reason === undefined || reason === "ContainerCreating" || reason === "PodInitializing") return [];
      const message = textAt(status, "state", "waiting", "message") ?? "";
      return [{ ref: `Pod ${namespace}/${pod.metadata.name}`, text: `${reason} ${message}`.trim().slice(0, 500) }];
    }),
  );
}

/** The error of a provisioner that does not start, with what its pods say. */
function notReady(evidence: readonly Evidence[]): ApplianceError {
  const said = (evidence[0]?.text.split("\n", 1)[0] ?? "").slice(0, 200).replace(/\.$/, "");
  return new ApplianceError(
    "storage/not-ready",
    `Cannot give volumes to claims: the storage provisioner does not start (${said}), and no other StorageClass is the default`,
    {
      hint: "Make a StorageClass the default, or let the node pull the image of the provisioner",
      details: { evidence, retrySafe: true },
    },
  );
}

function doesNotStop(): ApplianceError {
  return new ApplianceError(
    "storage/not-ready",
    "Cannot stop the storage provisioner of k3s: its pod does not end, none is wanted beside that of the appliance",
    { hint: "Look at the node: kubectl describe node; kubectl -n kube-system get pods", details: { retrySafe: true } },
  );
}
