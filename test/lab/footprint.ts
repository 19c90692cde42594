// What an update may touch, as it stands: who compares two of them sees whether anything was written, restarted or made anew.

import assert from "node:assert/strict";
import { kubectl } from "../../scripts/lab/box.ts";

const NAMESPACES: ReadonlySet<string> = new Set(["msp", "alga-system", "flux-system"]);
/** Their status changes all the time: a generation counts what was asked of them. */
const BY_GENERATION =
  "deployments,statefulsets,services,persistentvolumeclaims,helmreleases,kustomizations,ocirepositories";
const BY_VERSION = "configmaps,secrets";
/** The control plane tells the status there. */
const MIRROR = "appliance-status";

interface Listed {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly generation?: number;
    readonly resourceVersion: string;
    readonly ownerReferences?: readonly { readonly kind: string }[];
  };
  readonly spec?: unknown;
  readonly data?: unknown;
  readonly status?: { readonly containerStatuses?: readonly { readonly restartCount: number }[] };
}

/** Kind and name -> who it is and how often it was changed; for pods how often they were started. */
export type Footprint = Readonly<Record<string, string>>;

/** Everything that belongs to the product. @throws {Error} when the cluster does not answer */
export function footprint(): Footprint {
  const objects = [...listed(BY_GENERATION), ...listed(BY_VERSION).filter(({ metadata }) => metadata.name !== MIRROR)];
  // The pod of the bootstrap job is taken away when its time has come.
  const pods = listed("pods").filter(({ metadata }) => metadata.ownerReferences?.[0]?.kind !== "Job");
  return Object.fromEntries([
    ...objects.map((one) => row(one, versionOf(one))),
    ...pods.map((one) => row(one, starts(one))),
  ]);
}

/** What the product consists of, without how often it was changed: the same after a way there and back. */
export function productFootprint(): Footprint {
  const kinds = "deployments,statefulsets,persistentvolumeclaims,helmreleases,kustomizations,ocirepositories";
  const values = listed("configmaps").filter(({ metadata }) => metadata.namespace === "alga-system");
  const objects = [...listed(kinds), ...values.filter(({ metadata }) => metadata.name !== MIRROR)];
  return Object.fromEntries(objects.map((one) => row(one, JSON.stringify([one.spec, one.data]))));
}

function listed(kinds: string): Listed[] {
  const { code, stdout, stderr } = kubectl(["get", kinds, "-A", "-o", "json"]);
  assert.equal(code, 0, stderr);
  return (JSON.parse(stdout).items as Listed[]).filter(({ metadata }) => NAMESPACES.has(metadata.namespace));
}

function row({ kind, metadata }: Listed, what: string): [string, string] {
  return [`${kind} ${metadata.namespace}/${metadata.name}`, `${metadata.uid} ${what}`];
}

function versionOf({ kind, metadata }: Listed): string {
  const isVersioned = kind === "ConfigMap" || kind === "Secret";
  return isVersioned ? `version ${metadata.resourceVersion}` : `generation ${metadata.generation ?? 0}`;
}

function starts({ status }: Listed): string {
  return `restarts ${status?.containerStatuses?.map(({ restartCount }) => restartCount).join(",") ?? ""}`;
}
