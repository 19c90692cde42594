/** Checks of volumes: a class that gives them, claims that are bound, claims that exist. */
import { fieldAt, type KubeObject, textAt } from "../../kube/model.ts";
import { evidence, oneLine } from "../evidence.ts";
import { createdMs, nameOf, namespaceOf, refText } from "../facts.ts";
import type { View } from "../view.ts";
import { helmAgain, nextInSetup } from "./next-step.ts";
import type { CheckRule, Explains, Finding } from "./rule.ts";

const NO_VOLUME: readonly Explains[] = [
  { codes: ["pod/unschedulable", "pod/mount-failed"], where: "same-claim" },
  { codes: ["workload/*", "flux/*", "bootstrap/*", "login/*", "operation/*", "pod/*"], where: "any" },
];
/** The provisioner needs a moment, also on a slow disk. */
const PATIENCE_MS = 180_000;

export const STORAGE_CHECKS: readonly CheckRule[] = [
  {
    code: "storage/no-default-class",
    tier: "platform",
    title: "Kubernetes has a default storage class",
    about: "Claims that name no class get no volume unless one class is marked as the default.",
    next: "Mark a storage class as the default one: kubectl annotate storageclass <name> storageclass.kubernetes.io/is-default-class=true",
    retrySafe: true,
    needs: ["storageClasses", "claims"],
    explains: [{ codes: ["storage/claim-unbound"], where: "any" }, ...NO_VOLUME],
    find: findNoDefault,
  },
  {
    code: "storage/class-missing",
    tier: "platform",
    title: "Every claim names a storage class that exists",
    about: "A claim names a class that the cluster does not have, so nobody makes its volume.",
    next: "Create the storage class, or change the storage class in the values of the component",
    retrySafe: true,
    needs: ["storageClasses", "claims"],
    explains: [{ codes: ["storage/claim-unbound"], where: "same-claim" }, ...NO_VOLUME],
    find: findClassMissing,
  },
  {
    code: "storage/claim-unbound",
    tier: "platform",
    title: "Every claim has its volume",
    about: "A claim stays without a volume; the check gives the provisioner's reason.",
    next: "Ask on the box what is wrong with the storage: alga-appliance host storage check",
    retrySafe: true,
    needs: ["claims"],
    explains: NO_VOLUME,
    find: findUnbound,
  },
  {
    code: "storage/claim-lost",
    tier: "platform",
    title: "No volume was lost",
    about: "The volume of a claim does not exist any more; its data may be gone.",
    next: "Bring the volume back or restore a backup before anything else: trying again does not help",
    retrySafe: false,
    needs: ["claims"],
    explains: NO_VOLUME,
    find: findLost,
  },
  {
    code: "storage/claim-missing",
    tier: "platform",
    title: "Every claim that a pod wants exists",
    about: "A pod mounts a claim that nobody created, or that was removed.",
    next: "If it held data, restore a backup first; then let Helm make it again: force its HelmRelease",
    retrySafe: true,
    needs: ["claims", "pods"],
    explains: NO_VOLUME,
    find: findMissing,
  },
];

interface ClaimFacts {
  readonly object: KubeObject;
  readonly id: string;
  readonly ref: string;
  readonly phase: string;
  /** undefined: the default class is asked; "": no class is wanted. */
  readonly className: string | undefined;
}

function productClaims(view: View): ClaimFacts[] {
  const namespaces = new Set(view.seen.components.map((component) => component.targetNamespace));
  return view
    .items("claims")
    .filter((claim) => namespaces.has(namespaceOf(claim)))
    .map((object) => ({
      object,
      id: `${namespaceOf(object)}/${nameOf(object)}`,
      ref: refText("PersistentVolumeClaim", namespaceOf(object), nameOf(object)),
      phase: textAt(object, "status", "phase") ?? "",
      className: textAt(object, "spec", "storageClassName"),
    }));
}

const pending = (claim: ClaimFacts): boolean => claim.phase === "Pending" || claim.phase === "";

const DEFAULT_MARKS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];

function findNoDefault(view: View): Finding[] {
  const classes = view.items("storageClasses");
  if (classes.some((one) => DEFAULT_MARKS.some((mark) => fieldAt(one, "metadata", "annotations", mark) === "true"))) {
    return [];
  }
  const waiting = productClaims(view).filter((claim) => pending(claim) && claim.className === undefined);
  const blocked = view.seen.operation?.problem?.code === "storage/not-ready";
  if (waiting.length === 0 && !blocked) return [];
  const names = classes.map(nameOf).join(", ");
  return [
    {
      scope: {},
      headline: "Kubernetes has no default storage class",
      title: "Kubernetes has no default storage class.",
      cause: `${waiting.length === 0 ? "Setup" : oneLine(waiting.map((claim) => claim.id).join(", "))} waits for a volume that nobody makes.`,
      evidence: [evidence("StorageClasses", names === "" ? "There are none." : `${names}; none is marked as default.`)],
      ...nextInSetup(
        view,
        "Mark a storage class as the default one, or wait: setup installs the storage of the appliance",
      ),
    },
  ];
}

function findClassMissing(view: View): Finding[] {
  const known = new Set(view.items("storageClasses").map(nameOf));
  return productClaims(view)
    .filter((claim) => pending(claim) && claim.className !== undefined && claim.className !== "")
    .filter((claim) => !known.has(claim.className ?? ""))
    .map((claim) => ({
      scope: { claim: claim.id },
      headline: `storage class ${oneLine(claim.className ?? "", 60)} does not exist`,
      title: `Storage class ${oneLine(claim.className ?? "", 60)} does not exist.`,
      cause: `Claim ${oneLine(claim.id, 120)} asks for it, so nobody makes its volume.`,
      label: "No volume",
      evidence: [evidence(claim.ref, lastWarning(view, claim) ?? `storageClassName: ${claim.className}`)],
      sinceMs: createdMs(claim.object),
    }));
}

function findUnbound(view: View): Finding[] {
  return productClaims(view)
    .filter(pending)
    .flatMap((claim) => {
      const warning = lastWarning(view, claim);
      const ageMs = view.nowMs - (createdMs(claim.object) ?? view.nowMs);
      if (warning === undefined && (ageMs < 30_000 || !isMounted(view, claim))) return [];
      return [
        {
          scope: { claim: claim.id },
          headline: "a volume cannot be made",
          title: `Claim ${oneLine(claim.id, 120)} has no volume yet.`,
          cause:
            warning === undefined
              ? "The storage provisioner has not answered."
              : `${oneLine(warning)}.`.replace(/\.\.$/, "."),
          label: "No volume",
          evidence: [evidence(claim.ref, warning ?? `phase: ${claim.phase}`)],
          sinceMs: createdMs(claim.object),
          state: warning !== undefined || ageMs > PATIENCE_MS ? ("failed" as const) : ("progressing" as const),
        },
      ];
    });
}

/** A claim of a class that waits for its first consumer is fine until a pod wants it. */
function isMounted(view: View, claim: ClaimFacts): boolean {
  return view.pods.some((pod) => pod.claims.some((name) => `${pod.namespace}/${name}` === claim.id));
}

function lastWarning(view: View, claim: ClaimFacts): string | undefined {
  const found = view.events.find(
    (event) => event.kind === "PersistentVolumeClaim" && `${event.namespace}/${event.name}` === claim.id,
  );
  return found === undefined ? undefined : `${found.reason}: ${found.message}`;
}

function findLost(view: View): Finding[] {
  return productClaims(view)
    .filter((claim) => claim.phase === "Lost")
    .map((claim) => ({
      scope: { claim: claim.id },
      headline: "a volume with data is gone",
      title: `The volume of claim ${oneLine(claim.id, 120)} is gone.`,
      cause: "Kubernetes does not find the volume that the claim was bound to.",
      label: "Volume lost",
      evidence: [
        evidence(claim.ref, `phase: Lost, volume: ${textAt(claim.object, "spec", "volumeName") ?? "unknown"}`),
      ],
    }));
}

function findMissing(view: View): Finding[] {
  const known = new Set(view.items("claims").map((claim) => `${namespaceOf(claim)}/${nameOf(claim)}`));
  return view.pods.flatMap((pod) =>
    pod.claims
      .map((name) => `${pod.namespace}/${name}`)
      .filter((id) => !known.has(id) && pod.node === "")
      .map((id) => ({
        scope: { claim: id, pod: pod.ref, component: pod.component },
        tier: pod.tier,
        headline: `claim ${oneLine(id, 80)} does not exist`,
        title: `Claim ${oneLine(id, 120)} does not exist.`,
        cause: `${oneLine(pod.ref, 120)} wants its volume and cannot start without it.`,
        label: "No volume",
        evidence: [evidence(pod.ref, pod.scheduled?.message ?? "The pod is not scheduled.")],
        ...helmAgain(view, pod.component, "If it held data, restore a backup first; then let Helm make it again"),
        sinceMs: pod.createdMs,
      })),
  );
}
