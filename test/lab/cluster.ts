// Reading the box's cluster from outside, as its administrator: what the suite compares with what was promised.

import assert from "node:assert/strict";
import { inBox, kubectl } from "../../scripts/lab/box.ts";

export interface KubeObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly managedFields?: readonly { readonly manager: string; readonly operation: string }[];
  };
  readonly spec: Record<string, unknown>;
  readonly data?: Readonly<Record<string, string>>;
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly [key: string]: unknown;
  };
}

/** @throws {Error} when the object is absent */
export function object(kind: string, namespace: string, name: string): KubeObject {
  const found = kubectl(["-n", namespace, "get", kind, name, "-o", "json", "--show-managed-fields"]);
  assert.equal(found.code, 0, found.stderr);
  return JSON.parse(found.stdout);
}

export function exists(kind: string, namespace: string, name: string): boolean {
  return kubectl(["-n", namespace, "get", kind, name]).code === 0;
}

/** @throws {Error} when the cluster does not answer */
export function objects(kind: string, namespace: string): KubeObject[] {
  const found = kubectl(["-n", namespace, "get", kind, "-o", "json"]);
  assert.equal(found.code, 0, found.stderr);
  return JSON.parse(found.stdout).items;
}

/** Changes the cluster as its administrator. @throws {Error} when it refuses */
export function administers(...argv: readonly string[]): void {
  const { code, stderr } = kubectl(argv);
  assert.equal(code, 0, `kubectl ${argv.join(" ")}: ${stderr}`);
}

/** The values of a Secret, decoded. */
export function secretValues(namespace: string, name: string): Record<string, string> {
  const data = object("secret", namespace, name).data ?? {};
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]),
  );
}

export function isReady(found: KubeObject): boolean {
  return found.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

/** Names of those who own fields of an object. */
export function owners(found: KubeObject): string[] {
  return [...new Set(found.metadata.managedFields?.map((entry) => entry.manager) ?? [])];
}

/** The control plane's processes inside the box. */
export function controlPlanePids(): number[] {
  return inBox(["pgrep", "-f", "alga-appliance serve"]).stdout.split("\n").filter(Boolean).map(Number);
}
