/** The name of this installation to services outside: stable, and not made of anything the operator may change. */
import { createHash } from "node:crypto";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";

/**
 * `appliance-` and 16 hex digits: of the machine id, or of the cluster's own identity where a pod sees no machine id.
 */
export async function applianceId(
  deps: Pick<Deps, "machine"> & { readonly kube: Pick<Kube, "get"> },
  signal: AbortSignal,
): Promise<string> {
  const machineId = await deps.machine.machineId();
  if (machineId !== undefined) return `appliance-${machineId.slice(0, 16)}`;
  const system = await deps.kube.get({ apiVersion: "v1", kind: "Namespace", name: "kube-system" }, { signal });
  const uid = system?.metadata.uid ?? (await deps.machine.hostName());
  return `appliance-${createHash("sha256").update(uid).digest("hex").slice(0, 16)}`;
}
