/** The release selection: what is chosen for this cluster, as the application and support read it. Pure. */
import type { KubeObject } from "../kube/model.ts";
import type { ResolvedRelease } from "../release/resolved.ts";

const NAMESPACE = "alga-system";
const SELECTION = "appliance-release-selection";
const LABELS = { "app.kubernetes.io/part-of": "alga-appliance" };

/**
 * The ConfigMap of a release.
 *
 * @param channel Under which it was found; null when it was named exactly.
 */
export function selectionObject(
  release: Omit<ResolvedRelease, "artifacts" | "missing" | "resolvedAt" | "roundTrips">,
  channel: string | null,
): KubeObject {
  const { manifest } = release;
  const { images } = manifest;
  const values = {
    releaseVersion: manifest.version,
    selectedChannel: channel ?? "",
    appVersion: images.algaCore ?? "",
    registryHost: release.registry,
    repository: release.repository,
    manifestDigest: release.digest,
    algaCoreTag: images.algaCore ?? "",
    workflowWorkerTag: images.workflowWorker ?? "",
    emailServiceTag: images.emailService ?? "",
    temporalWorkerTag: images.temporalWorker ?? "",
    controlPlaneTag: manifest.controlPlane ?? "",
    supportAgent: manifest.supportAgent ?? "",
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: SELECTION, namespace: NAMESPACE, labels: LABELS },
    data: values,
  };
}
