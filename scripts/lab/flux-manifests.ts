// Flux 2.9.5's own manifests as `flux install` would write them for the three controllers that the appliance needs, with
// the lab's images in the Deployments. Everything else (CRDs, RBAC, names, probes, limits) stays as published.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { fluxManifests } from "./tools.ts";

const FILES = [
  "rbac.yaml",
  "policies.yaml",
  "source-controller.yaml",
  "kustomize-controller.yaml",
  "helm-controller.yaml",
];
const CONTROLLERS = ["source-controller", "kustomize-controller", "helm-controller"];
const LABELS = {
  "app.kubernetes.io/instance": "flux-system",
  "app.kubernetes.io/part-of": "flux",
  "app.kubernetes.io/version": "v2.9.5",
};

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; namespace?: string };
  readonly subjects?: readonly { readonly name: string }[];
  readonly spec?: Record<string, unknown>;
}

export interface FluxOptions {
  /** Registry and base path that hold the controllers' images, for example `registry.alga.test:5443/fluxcd`. */
  readonly images: string;
}

/** One YAML text: the namespace first, then every object, each with its namespace. */
export function renderFlux(options: FluxOptions): string {
  const folder = fluxManifests();
  const objects = FILES.flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), "utf8"))).map(
    (document) => document.toJS() as Manifest,
  );
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "flux-system", labels: LABELS } };
  const all = [namespace, ...objects.map((object) => adapt(object, options))];
  return all.map((object) => stringify(object)).join("---\n");
}

function adapt(object: Manifest, options: FluxOptions): Manifest {
  const clusterWide = ["CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"].includes(object.kind);
  const placed = clusterWide ? object : { ...object, metadata: { ...object.metadata, namespace: "flux-system" } };
  if (object.kind === "ClusterRoleBinding") {
    return { ...placed, subjects: object.subjects?.filter((subject) => CONTROLLERS.includes(subject.name)) ?? [] };
  }
  return object.kind === "Deployment" ? adaptDeployment(placed, options) : placed;
}

interface PodSpec {
  containers: { image: string; args: string[] }[];
}

function adaptDeployment(object: Manifest, options: FluxOptions): Manifest {
  const copy = structuredClone(object) as Manifest & { spec: { template: { spec: PodSpec } } };
  const pod = copy.spec.template.spec;
  const [manager] = pod.containers;
  if (manager === undefined) throw new Error(`Cannot adapt Deployment "${object.metadata.name}": it has no container`);
  manager.image = manager.image.replace(/^fluxcd\//, `${options.images}/`);
  // There is no notification-controller, so events go nowhere, as `flux install` writes it in that case.
  const args = manager.args.map((argument) => (argument.startsWith("--events-addr=") ? "--events-addr=" : argument));
  // As large installations of Flux do it: by default half a minute passes before a dependency that is ready is noticed.
  const quick = [...args, "--requeue-dependency=5s"];
  manager.args = object.metadata.name === "kustomize-controller" ? quick : [object.metadata.name];
  return copy;
}
