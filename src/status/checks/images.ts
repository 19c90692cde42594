/** Checks of images: one per kind of cause, because each has another next step. */

import { listAt, textAt } from "../../kube/model.ts";
import { ageText } from "../age.ts";
import { evidence, oneLine } from "../evidence.ts";
import { type ContainerFacts, nameOf, namespaceOf } from "../facts.ts";
import { shortImage } from "../image-name.ts";
import { type PullProblem, pullProblemOf } from "../pull-problem.ts";
import type { PodFacts, View } from "../view.ts";
import { isProvisioner, NO_PROVISIONER } from "./pod-check.ts";
import { type CheckRule, type Explains, type Finding, type RuleWords, wordsOf } from "./rule.ts";

const WAITING_REASONS = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "RegistryUnavailable",
  "ImageInspectError",
  "SignatureValidationFailed",
]);

const NO_IMAGE: readonly Explains[] = [
  { codes: ["pod/*"], where: "same-pod" },
  { codes: ["workload/*", "flux/*", "bootstrap/*", "login/*"], where: "same-component" },
  { codes: ["pod/*", "workload/*", "flux/*", "bootstrap/*", "login/*"], where: "lower-tier" },
  { codes: ["flux/kustomization-health", "operation/*"], where: "any" },
  NO_PROVISIONER,
];

/** Causes that are mended by another release, where the image is one of it. */
const OF_THE_RELEASE: ReadonlySet<PullProblem> = new Set(["not-found", "unauthorized", "invalid", "other"]);

interface ImageRow extends RuleWords {
  readonly kind: PullProblem;
  readonly next: string;
  /** Where no release was installed before. */
  readonly nextInSetup?: string;
  readonly label: string;
  /** The cause as a clause after "one image of release 1.0.3". */
  readonly people: string;
  /** With the short name: the whole reference is in the evidence. */
  readonly says: (image: string) => string;
}

const ROWS: readonly ImageRow[] = [
  {
    kind: "disk-full",
    code: "image/disk-full",
    title: "The disk has room for images",
    about: "An image cannot be unpacked because the disk is full.",
    next: "Make room on the disk of the box; the image is then pulled by itself",
    retrySafe: true,
    label: "Disk full",
    people: "does not fit on the disk",
    says: (image) => `The disk has no room for image ${image}.`,
  },
  {
    kind: "digest",
    code: "image/digest",
    title: "Every image has the promised digest",
    about: "The registry sent other bytes than the release promises; they are not used.",
    next: "Do not go on: the registry or a mirror in between changes images. Tell whoever runs it",
    retrySafe: false,
    label: "Wrong digest",
    people: "has another digest than it should",
    says: (image) => `The registry sends wrong bytes for image ${image}.`,
  },
  {
    kind: "rate-limited",
    code: "image/rate-limited",
    title: "The registry does not slow us down",
    about: "The registry asks to come back later.",
    next: "Wait, it goes on by itself; or use credentials or a mirror with a higher limit",
    retrySafe: true,
    label: "Waits for registry",
    people: "has to wait: the registry asks to come back later",
    says: (image) => `The registry asks to come back later for image ${image}.`,
  },
  {
    kind: "not-found",
    code: "image/not-found",
    title: "Every image is in the registry",
    about: "The registry has no such repository, tag or digest.",
    next: "Go back to the previous release, or choose a release whose images are complete. Trying again will not help",
    nextInSetup:
      "Choose another release, and tell the publisher that this one is not complete. Trying again will not help before that",
    retrySafe: false,
    label: "Image missing",
    people: "is missing",
    says: (image) => `The image ${image} does not exist in the registry.`,
  },
  {
    kind: "unauthorized",
    code: "image/unauthorized",
    title: "The registry gives us every image",
    about: "The registry denies an image: credentials are missing, wrong, or not allowed to pull it.",
    next: "Put in registry credentials that may pull this image. Trying again will not help",
    retrySafe: false,
    label: "Image denied",
    people: "is denied by the registry",
    says: (image) => `The registry does not give out image ${image}.`,
  },
  {
    kind: "certificate",
    code: "image/certificate",
    title: "The registry's certificate is trusted",
    about: "The node does not trust the certificate of the registry.",
    next: "Install the registry's certificate authority on the box, then restart Kubernetes: systemctl restart k3s",
    retrySafe: true,
    label: "Registry not trusted",
    people: "cannot be pulled: the registry's certificate is not trusted",
    says: (image) => `The certificate of the registry of image ${image} is not trusted.`,
  },
  {
    kind: "name",
    code: "image/registry-name",
    title: "The registry's name resolves on the node",
    about: "The name servers of the node do not know the registry.",
    next: "Look at the name servers of the box: resolvectl query <registry>",
    retrySafe: true,
    label: "Registry not found",
    people: "cannot be pulled: the name of the registry does not resolve",
    says: (image) => `The name of the registry of image ${image} does not resolve on the node.`,
  },
  {
    kind: "network",
    code: "image/network",
    title: "Images arrive from the registry",
    about: "The registry cannot be reached from the node, or the connection breaks.",
    next: "Check the way to the registry: cable, firewall, proxy. The pull is tried again by itself",
    retrySafe: true,
    label: "Registry away",
    people: "cannot be pulled: the registry does not answer",
    says: (image) => `The image ${image} cannot be pulled: the registry does not answer.`,
  },
  {
    kind: "invalid",
    code: "image/invalid-name",
    title: "Every image has a name that can be used",
    about: "The release names an image in a form that Kubernetes cannot use.",
    next: "Choose another release and tell its publisher. Trying again will not help",
    retrySafe: false,
    label: "Bad image name",
    people: "has a name that cannot be used",
    says: (image) => `The image name ${image} cannot be used.`,
  },
  {
    kind: "other",
    code: "image/pull-failed",
    title: "Images can be pulled",
    about: "An image cannot be pulled, for a cause that is not one of the known ones.",
    next: "Read the evidence; the pull is tried again by itself",
    retrySafe: true,
    label: "Image not pulled",
    people: "cannot be pulled",
    says: (image) => `The image ${image} cannot be pulled.`,
  },
];

export const IMAGE_CHECKS: readonly CheckRule[] = ROWS.map((row) => ({
  ...wordsOf(row),
  tier: "full",
  needs: ["pods"],
  explains: NO_IMAGE,
  find: (view) => findImages(view, row),
}));

function findImages(view: View, row: ImageRow): Finding[] {
  return view.pods.flatMap((pod) => {
    const container = pod.silent ? undefined : pod.containers.find((one) => waitsForImage(one));
    if (container === undefined || kindOf(view, pod, container) !== row.kind) return [];
    return [finding(view, row, { pod, container })];
  });
}

const waitsForImage = (container: ContainerFacts): boolean => WAITING_REASONS.has(container.waiting?.reason ?? "");

/** The back-off message names no cause; the event of the pull before it does. */
function said(view: View, pod: PodFacts, container: ContainerFacts): string {
  const own = container.waiting?.message ?? "";
  if (container.waiting?.reason !== "ImagePullBackOff" || pullProblemOf(own) !== "other") return own;
  const failed = view.events.find(
    (event) =>
      event.kind === "Pod" &&
      event.namespace === pod.namespace &&
      event.name === pod.name &&
      event.reason === "Failed" &&
      event.message.includes(container.image) &&
      event.message.includes("pull"),
  );
  return failed?.message ?? own;
}

function kindOf(view: View, pod: PodFacts, container: ContainerFacts): PullProblem {
  return container.waiting?.reason === "InvalidImageName" ? "invalid" : pullProblemOf(said(view, pod, container));
}

/** The provisioner's image is no part of a release: another release brings no other, but a class of the operator's own does without. */
function nextOf(
  view: View,
  row: ImageRow,
  of: { readonly provisioner: boolean; readonly image: string },
): Pick<Finding, "next" | "retrySafe"> {
  if (of.provisioner && OF_THE_RELEASE.has(row.kind)) {
    const next = `Let the node pull ${of.image}, or mark a storage class as the default one; then it goes on by itself`;
    return { next, retrySafe: true };
  }
  return row.nextInSetup === undefined || view.seen.operation?.kind !== "setup" ? {} : { next: row.nextInSetup };
}

/** The first pull secret that the pod names and nobody has made; undefined when all are there, or their names may not be read. */
function missingPullSecret(view: View, pod: PodFacts): string | undefined {
  if (view.doubt("secrets") !== undefined) return undefined;
  const there = new Set(view.items("secrets").map((one) => `${namespaceOf(one)}/${nameOf(one)}`));
  const names = listAt(pod.object, "spec", "imagePullSecrets").flatMap((one) => textAt(one, "name") ?? []);
  const missing = names.find((name) => !there.has(`${pod.namespace}/${name}`));
  return missing === undefined ? undefined : oneLine(`${pod.namespace}/${missing}`, 120);
}

/** What was said, with the whole reference where it does not name it. */
function seenOf({ image, waiting }: ContainerFacts, words: string): string {
  const text = words || (waiting?.reason ?? "");
  return text.includes(image) ? text : `Image ${image}: ${text}`;
}

function finding(view: View, row: ImageRow, at: { pod: PodFacts; container: ContainerFacts }): Finding {
  const { pod, container } = at;
  const image = oneLine(container.image, 200);
  const release = view.seen.installed?.version;
  const waited = ageText(view.nowMs - (pod.createdMs ?? view.nowMs));
  const firstTry = container.waiting?.reason === "ErrImagePull";
  const provisioner = isProvisioner(pod);
  const secret = row.kind === "unauthorized" ? missingPullSecret(view, pod) : undefined;
  const whose = release === undefined ? "the release" : `release ${oneLine(release, 40)}`;
  return {
    scope: { pod: pod.ref, component: pod.component, node: pod.node, ...(provisioner ? { provisioner } : {}) },
    tier: pod.tier,
    state: firstTry && row.retrySafe ? "progressing" : "failed",
    headline: `${provisioner ? "the image of the storage provisioner" : `one image of ${whose}`} ${row.people}`,
    title: row.says(shortImage(container.image)),
    cause: `${oneLine(pod.ref, 120)} has waited ${waited} for it.${secret === undefined ? "" : ` Its pull secret ${secret} does not exist.`}`,
    label: row.label,
    ...nextOf(view, row, { provisioner, image }),
    ...(secret === undefined
      ? {}
      : { next: `Create the pull secret ${secret}; the image is then pulled by itself`, retrySafe: true }),
    evidence: [evidence(pod.ref, seenOf(container, said(view, pod, container)))],
    sinceMs: pod.createdMs,
  };
}
