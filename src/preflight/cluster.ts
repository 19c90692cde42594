/** Preflight of the cluster: reachable, of a supported version, with a ready node, permissions and storage. */
import { isApplianceError } from "../core/errors.ts";
import { conditionOf, type KubeObject } from "../kube/model.ts";
import { isDefaultClass } from "../storage/facts.ts";
import { DEFAULT_MARK } from "../storage/objects.ts";
import type { Finding, PreflightCheck, PreflightContext } from "./check.ts";
import { missingPermissions } from "./permissions.ts";

export const CLUSTER_CHECKS: readonly PreflightCheck[] = [
  {
    code: "kube/unreachable",
    title: "Kubernetes answers",
    wrong: "Kubernetes does not answer",
    retrySafe: true,
    look: answers,
  },
  {
    code: "kube/unsupported-version",
    title: "Kubernetes has a supported version",
    wrong: "Kubernetes has a version that is not supported",
    retrySafe: false,
    look: version,
  },
  { code: "kube/node-not-ready", title: "A node is ready", wrong: "No node is ready", retrySafe: true, look: nodes },
  {
    code: "kube/permissions",
    title: "All permissions are there",
    wrong: "Permissions are missing",
    retrySafe: false,
    look: permissions,
  },
  {
    code: "storage/no-class",
    title: "Storage can be given to the database",
    wrong: "No storage can be given to the database",
    retrySafe: false,
    look: storage,
  },
];

/** The checks behind a silent API server cannot be told; the first check of this table says why. */
async function unlessSilent(look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/unreachable", "net/unreachable", "net/timeout")) {
      return { ok: true, evidence: [{ ref: "Kubernetes", text: "could not be asked" }] };
    }
    throw thrown;
  }
}

async function answers({ kube }: PreflightContext, signal: AbortSignal): Promise<Finding> {
  try {
    const { gitVersion } = await kube.version(signal);
    return { ok: true, evidence: [{ ref: kube.server, text: gitVersion }] };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return {
      ok: false,
      cause: `${thrown.message}.`,
      evidence: [{ ref: kube.server, text: thrown.code }],
      next: thrown.hint ?? "Look at the cluster on the machine: systemctl status k3s, journalctl -u k3s",
    };
  }
}

function version({ kube, requirements }: PreflightContext, signal: AbortSignal): Promise<Finding> {
  return unlessSilent(async () => {
    const { gitVersion, major, minor } = await kube.version(signal);
    const { min, max } = requirements.kubernetes;
    const evidence = [{ ref: kube.server, text: gitVersion }];
    if (major === 1 && minor >= min && minor <= max) return { ok: true, evidence };
    return {
      ok: false,
      cause: `The cluster runs ${gitVersion}; 1.${min} to 1.${max} are supported.`,
      evidence,
      next:
        major === 1 && minor < min
          ? "Update Kubernetes on this machine"
          : "Use an appliance that supports this version",
    };
  });
}

function nodes({ kube }: PreflightContext, signal: AbortSignal): Promise<Finding> {
  return unlessSilent(async () => {
    const { items } = await kube.list({ apiVersion: "v1", kind: "Node" }, { signal });
    const evidence = items.map((node) => ({ ref: `Node ${node.metadata.name}`, text: describeNode(node) }));
    if (items.some((node) => conditionOf(node, "Ready")?.status === "True" && pressureOf(node).length === 0)) {
      return { ok: true, evidence };
    }
    return {
      ok: false,
      cause: items.length === 0 ? "The cluster has no node." : `None of ${items.length} nodes is ready to take pods.`,
      evidence,
      next: "Look at the node: journalctl -u k3s, and kubectl describe node",
    };
  });
}

function pressureOf(node: KubeObject): readonly string[] {
  return ["DiskPressure", "MemoryPressure", "PIDPressure"].filter((type) => conditionOf(node, type)?.status === "True");
}

function describeNode(node: KubeObject): string {
  const ready = conditionOf(node, "Ready");
  const state =
    ready?.status === "True" ? "Ready" : `not Ready: ${ready?.reason ?? "no condition"} ${ready?.message ?? ""}`;
  return [state.trim(), ...pressureOf(node)].join(", ");
}

function permissions({ kube }: PreflightContext, signal: AbortSignal): Promise<Finding> {
  return unlessSilent(async () => {
    const missing = await missingPermissions(kube, signal);
    if (missing.length === 0) return { ok: true, evidence: [{ ref: "SelfSubjectAccessReview", text: "all allowed" }] };
    return {
      ok: false,
      cause: `${missing.length} permission${missing.length === 1 ? " is" : "s are"} missing: ${missing.slice(0, 3).join("; ")}${missing.length > 3 ? "; ..." : ""}.`,
      evidence: missing.map((rule) => ({ ref: "SelfSubjectAccessReview", text: `not allowed: ${rule}` })),
      next: "Give the service account of the control plane these rules: apply its manifest again",
    };
  });
}

function storage({ kube }: PreflightContext, signal: AbortSignal): Promise<Finding> {
  return unlessSilent(async () => {
    const { items } = await kube.list({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass" }, { signal });
    const evidence = items.map((item) => ({
      ref: `StorageClass ${item.metadata.name}`,
      text: isDefaultClass(item) ? "default" : "not the default",
    }));
    if (items.some(isDefaultClass)) return { ok: true, evidence };
    const { allowed } = await kube.canI(
      { verb: "create", group: "storage.k8s.io", resource: "storageclasses" },
      { signal },
    );
    if (allowed)
      return {
        ok: true,
        evidence: [...evidence, { ref: "StorageClass", text: "none is the default; one will be installed" }],
      };
    return {
      ok: false,
      cause: "No StorageClass is the default, and we may not make one.",
      evidence,
      next: `Make one the default: kubectl annotate storageclass <name> ${DEFAULT_MARK}=true`,
    };
  });
}
