/** What is right and what is wrong with the storage, each with its cause and the next step: the words of `host storage check`. Pure. */
import { isApplianceError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import { humanBytes } from "../core/quantity.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { capacityOf, type Disk } from "./capacity.ts";
import {
  defaultClasses,
  describeClass,
  goesWithClaim,
  imageOf,
  isRunning,
  isStopped,
  type StorageFacts,
} from "./facts.ts";
import { DRIVER } from "./objects.ts";
import { type StorageSituation, situationOf } from "./situation.ts";

export interface StorageFinding {
  readonly code: "cluster" | "class" | "provisioner" | "volumes" | "at-work" | "smoke-test" | "folder" | "capacity";
  readonly state: "ok" | "warning" | "failed";
  /** One sentence. */
  readonly title: string;
  /** What to do; null where nothing is to be done. */
  readonly next: string | null;
  readonly evidence: readonly Evidence[];
}

/** What the host alone sees: the folder of the volumes and its disk. */
export interface FolderFacts {
  readonly path: string;
  /** "open": others than root may look or write into it; "none": it is not there yet; "foreign": it is no folder. */
  readonly state: "closed" | "open" | "none" | "foreign";
  /** Octal permission bits; null where there is no folder. */
  readonly mode: number | null;
  readonly disk: Disk;
}

export interface ClusterStorage {
  readonly facts: StorageFacts;
  /** Why the provisioner does not run, from its pods. */
  readonly says: readonly Evidence[];
  /** Who is at work on the storage now: "host" or "pod". */
  readonly holder: string | undefined;
}

const INSTALL = "Bring it in order: alga-appliance host storage install";

/** All findings, in the order of reading. */
export function findingsOf(cluster: ClusterStorage, host: FolderFacts): readonly StorageFinding[] {
  return [...ofCluster(cluster), ...findingsOfHost(host, cluster.facts.claims)];
}

/** What the host alone says. @param claims None where the cluster does not answer. */
export function findingsOfHost(host: FolderFacts, claims: readonly KubeObject[]): readonly StorageFinding[] {
  return [ofFolder(host), ofCapacity(claims, host.disk)];
}

function ofFolder({ path, state, mode }: FolderFacts): StorageFinding {
  const evidence = mode === null ? [] : [{ ref: path, text: `mode ${mode.toString(8).padStart(4, "0")}` }];
  if (state === "closed") return ok("folder", `The folder of the volumes is root's alone (${path}).`, evidence);
  if (state === "none") {
    return found("folder", "warning", `The folder of the volumes is not there yet (${path}).`, {
      next: INSTALL,
      evidence,
    });
  }
  if (state === "open") {
    const title = `Others than root may look into the folder of the volumes (${path}): a database's files are in it.`;
    return found("folder", "failed", title, { next: INSTALL, evidence });
  }
  const title = `Where the folder of the volumes should be is something else (${path}).`;
  const next = "Mount the disk there itself, or move what is there away; then: alga-appliance host storage install";
  return found("folder", "failed", title, { next, evidence });
}

function ofCluster({ facts, says, holder }: ClusterStorage): readonly StorageFinding[] {
  const situation = judged(facts);
  const atWork = holder === undefined ? [] : [ok("at-work", `The ${holder} is at work on the storage now.`)];
  if ("code" in situation) return [situation, ...atWork];
  if (situation.kind === "foreign") {
    const name = describeClass(situation.storageClass);
    return [
      ok("class", `Claims get volumes from ${name}, which is not the appliance's and is not touched.`),
      ...atWork,
    ];
  }
  return [ofClass(facts, situation), ofProvisioner(facts, says), ofVolumes(facts), ...ofSmoke(facts), ...atWork];
}

/** @returns the finding of a cluster about which nobody can decide. */
function judged(facts: StorageFacts): StorageSituation | StorageFinding {
  try {
    return situationOf(facts);
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return found("class", "failed", `${thrown.message}.`, { next: thrown.hint ?? null });
  }
}

function ofClass(facts: StorageFacts, { replace }: Extract<StorageSituation, { kind: "own" }>): StorageFinding {
  const [first] = defaultClasses(facts.classes);
  const evidence = facts.classes.map((one) => ({
    ref: `StorageClass ${one.metadata.name}`,
    text: `${textAt(one, "provisioner") ?? "no provisioner"}, ${textAt(one, "reclaimPolicy") ?? "Delete"}`,
  }));
  if (first === undefined) {
    const title = "No StorageClass is the default, so claims get no volume.";
    return found("class", "failed", title, { next: `${INSTALL}; before the setup, the setup does it`, evidence });
  }
  if (replace !== undefined) {
    const title = `The default class ${describeClass(first)} is not the appliance's: its volumes go with their claims.`;
    return found("class", "failed", title, { next: `${INSTALL}; no volume is removed`, evidence });
  }
  return ok("class", `Claims get volumes from ${describeClass(first)}, which stay when their claims go.`, evidence);
}

function ofProvisioner({ provisioner, bundled }: StorageFacts, says: readonly Evidence[]): StorageFinding {
  if (bundled !== undefined && !isStopped(bundled)) {
    const title = `The provisioner of k3s runs${provisioner === undefined ? "" : " beside that of the appliance"}.`;
    const next = "Let a bootstrap turn it off and move its volumes over: systemctl restart alga-appliance-bootstrap";
    return found("provisioner", "failed", title, { next });
  }
  if (provisioner === undefined) {
    return found("provisioner", "failed", `There is no provisioner (${DRIVER}) that makes volumes.`, { next: INSTALL });
  }
  const image = imageOf(provisioner) ?? "unknown image";
  if (isRunning(provisioner)) return ok("provisioner", `The provisioner runs (${image}).`);
  const why = says[0] === undefined ? "it has not said why" : (says[0].text.split("\n", 1)[0] ?? "").slice(0, 200);
  return found("provisioner", "failed", `The provisioner does not run: ${why.replace(/\.$/, "")}.`, {
    next: `Let the node have its image (${image}): alga-appliance host image import <archive>, or give it a registry`,
    evidence: says,
  });
}

function ofVolumes({ volumes }: StorageFacts): StorageFinding {
  const count = `${volumes.length} volume${volumes.length === 1 ? "" : "s"}`;
  const going = volumes.filter(goesWithClaim);
  if (going.length === 0) {
    return ok(
      "volumes",
      volumes.length === 0 ? "There is no volume yet." : `${count}, all of which stay when their claims go.`,
    );
  }
  const title = `${going.length} of ${count} would be deleted with ${going.length === 1 ? "its claim" : "their claims"}, data and all.`;
  return found("volumes", "failed", title, { next: INSTALL, evidence: going.slice(0, 10).map(evidenceOf) });
}

function evidenceOf(volume: KubeObject): Evidence {
  const claim = `${textAt(volume, "spec", "claimRef", "namespace")}/${textAt(volume, "spec", "claimRef", "name")}`;
  return { ref: `PersistentVolume ${volume.metadata.name}`, text: `claimed by ${claim}, reclaim policy Delete` };
}

function ofSmoke({ smokeVolumes }: StorageFacts): readonly StorageFinding[] {
  if (smokeVolumes.length === 0) return [];
  const title = `A smoke test was stopped before it had taken its volume away (${smokeVolumes[0]?.metadata.name}).`;
  return [
    found("smoke-test", "warning", title, { next: "Let the next one do it: alga-appliance host storage install" }),
  ];
}

function ofCapacity(claims: readonly KubeObject[], disk: Disk): StorageFinding {
  const { state, sentence, next } = capacityOf(claims, disk);
  const evidence = [{ ref: "disk", text: `${humanBytes(disk.freeBytes)} of ${humanBytes(disk.totalBytes)} free` }];
  const states = { fits: "ok", exceeds: "warning", full: "failed" } as const;
  return { code: "capacity", state: states[state], title: `${sentence}.`, next: next ?? null, evidence };
}

function ok(code: StorageFinding["code"], title: string, evidence: readonly Evidence[] = []): StorageFinding {
  return { code, state: "ok", title, next: null, evidence };
}

function found(
  code: StorageFinding["code"],
  state: "warning" | "failed",
  title: string,
  more: { readonly next: string | null; readonly evidence?: readonly Evidence[] },
): StorageFinding {
  return { code, state, title, next: more.next, evidence: more.evidence ?? [] };
}

/** The sentence for a cluster that does not answer. */
export function ofSilentCluster(message: string, hint: string | undefined): StorageFinding {
  const next = hint ?? "Look at Kubernetes first: systemctl status k3s";
  return found("cluster", "failed", `The cluster does not say how its storage is: ${message}.`, { next });
}
