// What a reset may take and what it must leave: objects of the cluster by name and number, things of others beside ours, and the list
// that reset makes before it begins.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BOX, inBox, kubectl } from "../../scripts/lab/box.ts";
import { BASE } from "../../scripts/lab/publish.ts";
import { REGISTRY } from "../../scripts/lab/registry.ts";
import { exists } from "./cluster.ts";

/** Without a namespace of their own. */
const KINDS =
  "namespaces,persistentvolumes,clusterroles,clusterrolebindings,storageclasses,customresourcedefinitions,priorityclasses";

/** "Kind name" -> uid. */
export type Listed = ReadonlyMap<string, string>;

/** @throws {Error} when the cluster does not answer */
export function existing(): Listed {
  const each = '{range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\\n"}{end}';
  const { code, stdout, stderr } = kubectl(["get", KINDS, "-o", `jsonpath=${each}`]);
  assert.equal(code, 0, stderr);
  const rows = stdout.trim().split("\n");
  return new Map(rows.map((row) => [row.slice(0, row.lastIndexOf(" ")), row.slice(row.lastIndexOf(" ") + 1)]));
}

/** What was there and is not any more, or was made anew. */
export function gone(before: Listed, after: Listed): readonly string[] {
  return [...before].filter(([name, uid]) => after.get(name) !== uid).map(([name]) => name);
}

interface ResetList {
  readonly owned: {
    readonly namespaces: readonly string[];
    readonly volumes: readonly { readonly name: string }[];
    readonly cluster: readonly { readonly kind: string; readonly name: string }[];
  };
}

/** What a reset says that it will take, in the words of `existing`. */
export function planned({ owned: { namespaces, volumes, cluster } }: ResetList): readonly string[] {
  return [
    ...namespaces.map((name) => `Namespace ${name}`),
    ...volumes.map(({ name }) => `PersistentVolume ${name}`),
    ...cluster.map(({ kind, name }) => `${kind} ${name}`),
  ];
}

const FOREIGN_FILES = ["home/keep.txt", "srv/shop/data.txt", "var/mnt/alga-data/theirs.txt"];
const FOREIGN_OBJECTS = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: prices, namespace: shop}
data: {apple: "3"}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: shop}
spec:
  storageClassName: ""
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: /srv/shop}
`;
/** In the words of `existing`. */
export const FOREIGN = ["Namespace shop", "PersistentVolume shop"];

/** Things of somebody else who uses the box too. */
export function layForeign(): void {
  for (const file of FOREIGN_FILES.map((path) => join(BOX.tree, path))) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "theirs");
  }
  const { code, stderr } = kubectl(["apply", "-f", "-"], { input: FOREIGN_OBJECTS });
  assert.equal(code, 0, stderr);
}

/** @throws {Error} when a thing of somebody else is gone */
export function assertForeign(): void {
  for (const file of FOREIGN_FILES) assert.ok(existsSync(join(BOX.tree, file)), `${file} of somebody else is gone`);
  assert.ok(exists("configmap", "shop", "prices"), "the ConfigMap of somebody else is gone");
}

/** @throws {Error} when something of the appliance is left beside its cluster objects: volumes, images */
export function assertNothingLeft(): void {
  const volumes = join(BOX.tree, "var/mnt/alga-data/local-path-provisioner");
  assert.deepEqual(existsSync(volumes) ? readdirSync(volumes) : [], [], "volumes are left");
  const images = inBox(["k3s", "ctr", "images", "list", "-q"]).stdout.split("\n");
  const ours = images.filter((name) => name.startsWith(`${REGISTRY.host}/${BASE}/`));
  assert.deepEqual(
    ours.filter((name) => !name.includes("/alga-appliance-control-plane")),
    [],
    "images of the product are left",
  );
}
