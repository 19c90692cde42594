/**
 * The objects of a smoke test: one claim and one pod under a name of their own, in a namespace that holds nothing else.
 *
 * The pod is not root, has no capability and no token; the volume opens to it by its group alone, as it must to the product's.
 */
import type { V1PodSpec } from "@kubernetes/client-node";
import type { KubeObject, ObjectRef } from "../kube/model.ts";
import { PART_OF, PRODUCT } from "./objects.ts";

/** @see embed/control-plane/namespace.yaml */
export const SMOKE_NAMESPACE = "alga-storage-smoke";

const LABELS = { [PART_OF]: PRODUCT };
const USER = 10_001;
/** Seconds after which the pod ends by itself, also when nobody looks any more. */
const POD_SECONDS = 600;
const SIZE = "16Mi";

/** Of a shell alone, where there is no more: writes, reads the same again, and says with its last words what df says of the volume. */
const SCRIPT = `set -eu
cd /volume
echo "$NONCE" > probe
if command -v sync > /dev/null; then sync; fi
read -r found < probe
if [ "$found" != "$NONCE" ]; then echo "read something else than was written" >&2; exit 1; fi
rm probe
if command -v df > /dev/null; then df -Pk . > /dev/termination-log; fi
`;

/** A namespace in which a pod may do nothing but compute. */
export function smokeNamespace(): KubeObject {
  const labels = { ...LABELS, "pod-security.kubernetes.io/enforce": "restricted" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: SMOKE_NAMESPACE, labels } };
}

/** Names the pod of a test; the claim has the same name. */
export function smokeRef(kind: "Pod" | "PersistentVolumeClaim", name: string): ObjectRef {
  return { apiVersion: "v1", kind, namespace: SMOKE_NAMESPACE, name };
}

/** The claim and the pod. @param test.nonce What is written and read again. */
export function smokeObjects(test: {
  readonly name: string;
  readonly nonce: string;
  readonly className: string;
  readonly image: string;
}): { readonly claim: KubeObject; readonly pod: KubeObject } {
  const metadata = { name: test.name, namespace: SMOKE_NAMESPACE, labels: LABELS };
  const claimSpec = {
    accessModes: ["ReadWriteOnce"],
    storageClassName: test.className,
    resources: { requests: { storage: SIZE } },
  };
  return {
    claim: { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec: claimSpec },
    pod: { apiVersion: "v1", kind: "Pod", metadata, spec: podSpec(test) },
  };
}

function podSpec(test: { readonly name: string; readonly nonce: string; readonly image: string }): V1PodSpec {
  return {
    restartPolicy: "Never",
    activeDeadlineSeconds: POD_SECONDS,
    terminationGracePeriodSeconds: 1,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [
      {
        name: "smoke",
        image: test.image,
        imagePullPolicy: "IfNotPresent",
        command: ["sh", "-c", SCRIPT],
        env: [{ name: "NONCE", value: test.nonce }],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        },
        resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "64Mi" } },
        terminationMessagePolicy: "FallbackToLogsOnError",
        volumeMounts: [{ name: "volume", mountPath: "/volume" }],
      },
    ],
    volumes: [{ name: "volume", persistentVolumeClaim: { claimName: test.name } }],
  };
}
