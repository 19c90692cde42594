/**
 * Fetching images onto the node before they are used, with nothing but the Kubernetes API.
 *
 * One pod with one container for each image. The kubelet pulls the image of a container before it starts it, and what
 * these are told to start is in no image: nothing ever runs. A container that could not be started has its image; the pod
 * is deleted then. It lives in a namespace of its own, with no token, no rights and no limits to speak of.
 *
 * @see Kubernetes documentation, "Images" (IfNotPresent); kubelet, "StartError", "ErrImagePull"
 */
import type { Digest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Kube } from "../kube/calls.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";

const NAMESPACE = "alga-appliance-prefetch";
const LABELS = { "app.kubernetes.io/part-of": "alga-appliance", "app.kubernetes.io/component": "prefetch" };
/** Stands in no image. */
const NEVER = "/alga-appliance/never-started";
/** Seconds after which Kubernetes ends a pod that was left behind. */
const LIMIT_SECONDS = 7_200;
/** Containers of one pod at most; a release has about a dozen images. */
const MAX_IMAGES = 64;

/** Namespace and pod. The same images of the same release make the same pod. */
function prefetchObjects(release: Digest, images: readonly string[]): readonly [KubeObject, KubeObject] {
  const name = podName(release);
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels: namespaceLabels() } },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name,
        namespace: NAMESPACE,
        labels: LABELS,
        annotations: { "appliance.alga/release-digest": release },
      },
      spec: {
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: 0,
        activeDeadlineSeconds: LIMIT_SECONDS,
        tolerations: [{ operator: "Exists" }],
        securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: "RuntimeDefault" } },
        containers: images.slice(0, MAX_IMAGES).map(containerOf),
      },
    },
  ];
}

function namespaceLabels(): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/part-of": "alga-appliance", "pod-security.kubernetes.io/enforce": "restricted" };
}

function podName(release: Digest): string {
  return `prefetch-${release.slice("sha256:".length, "sha256:".length + 12)}`;
}

function containerOf(image: string, index: number) {
  return {
    name: `image-${index}`,
    image,
    imagePullPolicy: "IfNotPresent",
    command: [NEVER],
    resources: { requests: { cpu: "1m", memory: "1Mi" }, limits: { memory: "16Mi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
  };
}

/** How one image is. */
export interface Pulled {
  readonly image: string;
  readonly state: "there" | "coming" | "refused";
  /** Why it does not come, in the kubelet's words. */
  readonly text: string;
  /** What the node has, as `name@sha256:...`; empty while it is not known. */
  readonly imageId: string;
}

/** Reads from the pod how each image is. Pure; an absent status is an image that is coming. */
export function pulledImages(pod: KubeObject | undefined, images: readonly string[]): readonly Pulled[] {
  const statuses = listAt(pod, "status", "containerStatuses");
  return images.slice(0, MAX_IMAGES).map((image, index) => {
    const status = statuses.find((one) => textAt(one, "name") === `image-${index}`);
    const reason = textAt(status, "state", "waiting", "reason") ?? "";
    const text = textAt(status, "state", "waiting", "message") ?? reason;
    const imageId = textAt(status, "imageID") ?? "";
    return { image, state: stateOf(status, reason), text: text.slice(0, 500), imageId };
  });
}

/** Ended without a start, or refused by the step after the pull: the image is on the node. */
const AFTER_THE_PULL: ReadonlySet<string> = new Set([
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
  "CrashLoopBackOff",
]);
const REFUSED: ReadonlySet<string> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "ImageInspectError",
  "RegistryUnavailable",
  "SignatureValidationFailed",
]);

function stateOf(status: unknown, reason: string): Pulled["state"] {
  const state = (status as { readonly state?: Readonly<Record<string, unknown>> } | undefined)?.state ?? {};
  // A pod that was put off the node says so of containers whose image never came.
  if (textAt(status, "state", "terminated", "reason") === "ContainerStatusUnknown") return "coming";
  if ("terminated" in state || "running" in state || AFTER_THE_PULL.has(reason)) return "there";
  return REFUSED.has(reason) ? "refused" : "coming";
}

/** Why no node takes the pod; undefined when one does. */
export function unscheduled(pod: KubeObject | undefined): string | undefined {
  const condition = listAt(pod, "status", "conditions").find(
    (one) => textAt(one, "type") === "PodScheduled" && textAt(one, "status") === "False",
  );
  return condition === undefined ? undefined : (textAt(condition, "message") ?? "no node takes it").slice(0, 500);
}

type PodKube = Pick<Kube, "get" | "apply" | "create" | "delete">;

/**
 * Makes the pod where it is not there, or makes it anew where it has come to its end, and reads it. Safe to call again.
 *
 * @throws what the Kubernetes API throws.
 */
export async function openPrefetch(
  kube: PodKube,
  what: { readonly release: Digest; readonly images: readonly string[]; readonly signal: AbortSignal },
): Promise<KubeObject | undefined> {
  const { signal } = what;
  const [namespace, pod] = prefetchObjects(what.release, what.images);
  const ref = podRef(what.release);
  const found = await kube.get(ref, { signal });
  if (found !== undefined && found.metadata.deletionTimestamp === undefined && !wasPutOff(found)) return found;
  if (found !== undefined) {
    await closePrefetch(kube, what.release, signal);
    return undefined;
  }
  await kube.apply(namespace, { signal });
  try {
    return await kube.create(pod, { signal });
  } catch (thrown) {
    // Another process of ours was faster.
    if (!isApplianceError(thrown, "kube/conflict")) throw thrown;
    return undefined;
  }
}

/** Evicted, or over its time: what it has not fetched it never will. */
function wasPutOff(pod: KubeObject): boolean {
  return textAt(pod, "status", "phase") === "Failed" && textAt(pod, "status", "reason") !== undefined;
}

/** @see kubelet, events "Pulled": since Kubernetes 1.30 with the size of the image in bytes */
const CAME = /^Successfully pulled image .*Image size: (\d+) bytes/;
const PRESENT = /already present on machine/;

/** Reads from the pod's events how many bytes of images came, undefined where no size is told, and how many images were there. */
export async function fetchedImages(
  kube: Pick<Kube, "list">,
  release: Digest,
  signal: AbortSignal,
): Promise<{ readonly came: number | undefined; readonly present: number }> {
  const { items } = await kube.list(
    { apiVersion: "v1", kind: "Event", namespace: NAMESPACE },
    { fieldSelector: `involvedObject.kind=Pod,involvedObject.name=${podName(release)}`, limit: 500, signal },
  );
  const messages = items.map((event) => textAt(event, "message") ?? "");
  const sizes = messages.flatMap((message) => CAME.exec(message)?.[1] ?? []).map(Number);
  return {
    came: sizes.length === 0 ? undefined : sizes.reduce((sum, size) => sum + size, 0),
    present: messages.filter((message) => PRESENT.test(message)).length,
  };
}

/** Takes the pod away. Safe to call again. */
export async function closePrefetch(kube: PodKube, release: Digest, signal?: AbortSignal): Promise<void> {
  await kube.delete(podRef(release), { gracePeriodSeconds: 0, ...(signal === undefined ? {} : { signal }) });
}

function podRef(release: Digest) {
  return { apiVersion: "v1", kind: "Pod", namespace: NAMESPACE, name: podName(release) };
}
