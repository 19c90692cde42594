/**
 * A Deployment of the control plane that ours cannot be applied over: one of another selector, which never changes, or with containers
 * that ours does not have, which an apply would leave beside ours. It is taken away first.
 *
 * Nothing is taken away before the API server has said that it would accept ours; what is taken away is kept on the disk and in the
 * record; and ours begins when the last pod of the other has ended, because two must not share a state folder and a port. Killed
 * anywhere, the next run finds either the old one, or none.
 */
import { join } from "node:path/posix";
import { isDeepStrictEqual } from "node:util";
import type { Kube } from "../kube/calls.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../kube/model.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { CONTROL_PLANE } from "./control-plane-facts.ts";
import { rememberReplaced } from "./control-plane-record.ts";

const LOOK_MS = 1_000;
/** The last one that was taken away, as it was. */
const KEPT = "control-plane-replaced.json";
/** A role of older boxes that could do almost everything. @see reference/host-service.md section 21 */
const OLD_ROLE = "appliance-control-plane-setup-admin";
const RBAC = "rbac.authorization.k8s.io/v1";

/**
 * Takes away what ours cannot be applied over. Safe to call again.
 *
 * @param wanted Ours.
 * @returns why, in words for the operator; undefined when nothing had to go.
 * @throws {ApplianceError} kube/invalid when the API server would not accept ours: then everything stays as it is.
 */
export async function makeWay(call: BootstrapCall, kube: Kube, wanted: KubeObject): Promise<string | undefined> {
  const { signal } = call;
  const live = await kube.get(CONTROL_PLANE, { signal });
  if (live === undefined) {
    // Also after a run that was killed when the former one had just gone.
    await removeOldRole(kube, signal);
    return undefined;
  }
  const why = whyNotOver(live, wanted);
  if (why === undefined) return undefined;
  const image = textAt(listAt(live, "spec", "template", "spec", "containers")[0], "image") ?? null;
  if (live.metadata.deletionTimestamp === undefined) {
    const trial = { ...wanted, metadata: { ...wanted.metadata, name: `${CONTROL_PLANE.name}-trial` } };
    await kube.apply(trial, { dryRun: true, signal });
    await keep(call, live);
    await rememberReplaced(call.deps, { image, why }, call.settings.paths);
    call.deps.log.warn("Deployment of the control plane is replaced", { image, why });
    await kube.delete(CONTROL_PLANE, { propagation: "Foreground", signal });
  }
  for (;;) {
    const left = await kube.get(CONTROL_PLANE, { signal });
    if (left === undefined || left.metadata.uid !== live.metadata.uid) break;
    call.progress(`Waits for the pods of the former one to end: ${why}`);
    await call.deps.clock.sleep(LOOK_MS, signal);
  }
  await removeOldRole(kube, signal);
  return `the former Deployment${image === null ? "" : ` (${image})`} was replaced: ${why}`;
}

/** Why an apply would fail, or would leave something of the other; undefined when it would not. Pure. */
function whyNotOver(live: KubeObject, wanted: KubeObject): string | undefined {
  if (live.metadata.deletionTimestamp !== undefined) return "it is being deleted";
  const selector = (one: KubeObject): unknown => fieldAt(one, "spec", "selector");
  if (!isDeepStrictEqual(selector(live), selector(wanted))) return "it had another selector, which cannot be changed";
  const ours = namesOf(wanted);
  const strange = namesOf(live).filter((name) => !ours.includes(name));
  return strange.length === 0 ? undefined : `it had other containers (${strange.join(", ").slice(0, 200)})`;
}

function namesOf(deployment: KubeObject): readonly string[] {
  const inside = (list: string): readonly unknown[] => listAt(deployment, "spec", "template", "spec", list);
  return [...inside("initContainers"), ...inside("containers")].map((one) => textAt(one, "name") ?? "");
}

/** Root's alone: its environment may hold what is nobody else's. */
async function keep({ deps, settings }: BootstrapCall, live: KubeObject): Promise<void> {
  await deps.files.makeDirectory(settings.paths.host, { mode: 0o700 });
  const { managedFields: _fields, ...metadata } = live.metadata;
  const text = `${JSON.stringify({ ...live, metadata }, undefined, 2)}\n`;
  await deps.files.write(join(settings.paths.host, KEPT), text, { mode: 0o600 });
}

/** With its bindings, by which the account that ours runs as would keep it. */
async function removeOldRole(kube: Kube, signal: AbortSignal): Promise<void> {
  const { items } = await kube.list({ apiVersion: RBAC, kind: "ClusterRoleBinding" }, { signal });
  for (const binding of items.filter((one) => textAt(one, "roleRef", "name") === OLD_ROLE)) {
    await kube.delete({ apiVersion: RBAC, kind: "ClusterRoleBinding", name: binding.metadata.name }, { signal });
  }
  await kube.delete({ apiVersion: RBAC, kind: "ClusterRole", name: OLD_ROLE }, { signal });
}
