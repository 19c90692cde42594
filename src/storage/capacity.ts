/** Whether what claims ask for fits on the disk: local-path gives every claim the whole disk, so nobody else says it. Pure. */
import { humanBytes } from "../core/quantity.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { CLASS_NAME } from "./objects.ts";

/** Below this a database stops in the middle of a write. */
export const MIN_FREE_BYTES = 1024 * 1024 * 1024;

export interface Disk {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

export interface Capacity {
  /** Sum of what claims of the appliance's class ask for. */
  readonly claimedBytes: number;
  readonly claims: number;
  readonly state: "fits" | "exceeds" | "full";
  /** One sentence without a final period. */
  readonly sentence: string;
  readonly next: string | undefined;
}

/** Compares. A claim that names no class counts as one of the appliance's. */
export function capacityOf(claims: readonly KubeObject[], disk: Disk): Capacity {
  const own = claims.filter((claim) => (textAt(claim, "spec", "storageClassName") ?? CLASS_NAME) === CLASS_NAME);
  const claimedBytes = own.reduce(
    (sum, claim) => sum + (quantityBytes(textAt(claim, "spec", "resources", "requests", "storage") ?? "") ?? 0),
    0,
  );
  const asked = `${own.length} claim${own.length === 1 ? " asks" : "s ask"} for ${humanBytes(claimedBytes)}`;
  const room = `the disk of the volumes has ${humanBytes(disk.totalBytes)}, of which ${humanBytes(disk.freeBytes)} are free`;
  const base = { claimedBytes, claims: own.length };
  if (disk.freeBytes < MIN_FREE_BYTES) {
    return {
      ...base,
      state: "full",
      sentence: `The disk of the volumes is full: ${humanBytes(disk.freeBytes)} of ${humanBytes(disk.totalBytes)} are free, ${humanBytes(MIN_FREE_BYTES)} are wanted`,
      next: "Make room on that disk or make it larger: journalctl --vacuum-size=200M, alga-appliance host facts shows the disks",
    };
  }
  if (claimedBytes > disk.totalBytes) {
    return {
      ...base,
      state: "exceeds",
      sentence: `${asked}, and ${room}: it is full before they are`,
      next: `Make the disk larger by ${humanBytes(claimedBytes - disk.totalBytes)}, or watch it: the status warns before it is full`,
    };
  }
  const sentence = own.length === 0 ? room.replace(/^t/, "T") : `${asked}, and ${room}`;
  return { ...base, state: "fits", sentence, next: undefined };
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Bytes of a Kubernetes quantity: "50Gi", "1.5T", "1e9"; undefined for what is none. @see Kubernetes API reference, "Quantity" */
export function quantityBytes(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)(?:[eE](\d{1,2})|([KMGTPE]i|[kMGTPE])?)$/.exec(text);
  if (found === null) return undefined;
  const [, digits = "", exponent, unit = ""] = found;
  const factor = exponent === undefined ? UNITS[unit] : 10 ** Number(exponent);
  return factor === undefined ? undefined : Number(digits) * factor;
}
