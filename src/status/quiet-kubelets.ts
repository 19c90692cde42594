/** Which kubelets have been silent for so long that their node counts as lost, before Kubernetes itself says so. */
import type { KubeletObservation, Observations } from "./observation.ts";

/** Two renewals are missed, and a busy node had some seconds more. */
const QUIET_MS = 25_000;
/** One renewal is missed by half, and nothing listens where the kubelet tells its health: two witnesses. */
const REFUSING_MS = 15_000;

/** The silent ones by the name of their node. Nobody, while Kubernetes does not answer: then it is not the kubelet's silence. */
export function quietKubelets(
  seen: Pick<Observations, "kubelets" | "kubernetes">,
): ReadonlyMap<string, KubeletObservation> {
  if (seen.kubernetes.state !== "reachable") return new Map();
  const quiet = (seen.kubelets ?? []).filter(
    ({ quietMs, port }) => quietMs >= (port === "refuses" ? REFUSING_MS : QUIET_MS),
  );
  return new Map(quiet.map((one) => [one.node, one]));
}
