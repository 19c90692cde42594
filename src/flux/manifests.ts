/**
 * Flux's own manifests: from the artifact that a release pins to the objects that make a cluster reconcile.
 *
 * The bytes had the right digest before they get here; what is in them is still checked: only kinds that Flux consists
 * of, only in Flux's namespace, and complete. Of the artifact we take the controllers that we use. The official artifact
 * leaves namespaces out, as it is meant to be built; ours is filled in.
 *
 * @see Flux v2.9, "Flux manifests" (files per controller, rbac.yaml, policies.yaml)
 */
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { asKubeObject, type KubeObject, listAt, textAt } from "../kube/model.ts";
import type { RegistryClient } from "../oci/client.ts";
import { readTarGz } from "../oci/tar.ts";
import { locate, publishedPlace, type RegistryPlace } from "../release/location.ts";
import type { ReleaseManifest } from "../release/model.ts";
import { withImagesOf } from "./images.ts";
import { FLUX_NAMESPACE } from "./source.ts";
import { readLongYaml } from "./yaml.ts";

/** The controllers that reconcile us. Notifications and image automation are not used. */
export const FLUX_CONTROLLERS = ["source-controller", "kustomize-controller", "helm-controller"] as const;

const GROUPS = ["source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"];

/** Kinds that Flux consists of -> whether they live in a namespace. */
const KINDS: Readonly<Record<string, boolean>> = {
  CustomResourceDefinition: false,
  Namespace: false,
  ClusterRole: false,
  ClusterRoleBinding: false,
  ServiceAccount: true,
  Role: true,
  RoleBinding: true,
  ResourceQuota: true,
  NetworkPolicy: true,
  Service: true,
  Deployment: true,
};

/** The official artifact has 70 KiB of gzip and 15 files. */
const MAX_LAYER_BYTES = 8 * 1024 * 1024;
const MAX_TREE_BYTES = 32 * 1024 * 1024;
const MAX_FILES = 200;

/**
 * Pulls the artifact that a release pins. Its controllers' images are named where this appliance pulls them.
 *
 * @returns undefined when the release brings no Flux: the cluster must have it.
 * @throws {ApplianceError} flux/bad-artifact as `readFluxObjects` says, and what the registry client throws.
 */
export async function pullFluxObjects(
  deps: Pick<Deps, "clock">,
  registry: RegistryClient,
  release: { readonly manifest: ReleaseManifest; readonly place: RegistryPlace; readonly signal?: AbortSignal },
): Promise<readonly KubeObject[] | undefined> {
  const { flux } = release.manifest;
  if (flux === undefined) return undefined;
  const whole = locate(flux.repository, { published: publishedPlace(release.manifest), place: release.place });
  const repository = whole.slice(whole.indexOf("/") + 1);
  const call = release.signal === undefined ? {} : { signal: release.signal };
  const { manifest } = await registry.manifest(repository, flux.digest, call);
  const layer = manifest.layers[0];
  if (layer === undefined) throw bad("it has no layer");
  const bytes = await registry.blob(repository, layer, { ...call, maxBytes: MAX_LAYER_BYTES });
  return withImagesOf(await readFluxObjects(deps, bytes), release);
}

/**
 * Reads the artifact's layer.
 *
 * Lets others run meanwhile: the definitions are half a megabyte of YAML, and the server must answer.
 *
 * @param bytes A gzip-compressed tar of YAML files, digest checked.
 * @throws {ApplianceError} flux/bad-artifact naming the file, when it is no YAML, holds something that is not Flux, or
 *   misses a controller.
 */
export async function readFluxObjects(deps: Pick<Deps, "clock">, bytes: Uint8Array): Promise<readonly KubeObject[]> {
  const files = readTarGz(bytes, { what: "Flux manifests", maxFiles: MAX_FILES, maxBytes: MAX_TREE_BYTES });
  const objects: KubeObject[] = [];
  for (const [path, content] of files) {
    if (!/\.ya?ml$/.test(path)) continue;
    const what = `file "${path}" of the Flux manifests`;
    const values = await readLongYaml(deps, new TextDecoder().decode(content), { what, code: "flux/bad-artifact" });
    objects.push(...objectsOf(values, path, what));
  }
  return completed(objects);
}

function objectsOf(values: readonly unknown[], path: string, what: string): readonly KubeObject[] {
  return values
    .filter((value) => !isBuildFile(value))
    .map((value) => asKubeObject(value, what))
    .filter(isWanted)
    .map((object) => placed(object, path));
}

/** kustomize's own file says how the others are put together; here that is done by hand. */
function isBuildFile(value: unknown): boolean {
  return isPlainObject(value) && String(value.apiVersion).startsWith("kustomize.config.k8s.io/");
}

/** Leaves out definitions and workloads of the controllers that we do not use. */
function isWanted(object: KubeObject): boolean {
  if (object.kind === "CustomResourceDefinition") return GROUPS.includes(textAt(object, "spec", "group") ?? "");
  if (!["Deployment", "Service", "ServiceAccount"].includes(object.kind)) return true;
  return FLUX_CONTROLLERS.some((name) => name === object.metadata.name);
}

function placed(object: KubeObject, path: string): KubeObject {
  const isNamespaced = KINDS[object.kind];
  if (isNamespaced === undefined) throw bad(`file "${path}" holds a ${object.kind}, which Flux does not consist of`);
  const { namespace } = object.metadata;
  const elsewhere = object.kind === "Namespace" ? object.metadata.name : namespace;
  if (elsewhere !== undefined && elsewhere !== FLUX_NAMESPACE) {
    throw bad(`file "${path}" has an object in namespace "${elsewhere}", ${FLUX_NAMESPACE} is wanted`);
  }
  const home = isNamespaced ? { ...object, metadata: { ...object.metadata, namespace: FLUX_NAMESPACE } } : object;
  return home.kind === "Deployment" ? withoutEvents(home) : home;
}

/** Events would go to notification-controller, which is not there, and fill the log with failures. */
function withoutEvents(deployment: KubeObject): KubeObject {
  const copy = structuredClone(deployment) as KubeObject & { spec: { template: { spec: { containers: unknown[] } } } };
  for (const container of listAt(copy, "spec", "template", "spec", "containers")) {
    if (!isPlainObject(container) || !Array.isArray(container.args)) continue;
    container.args = container.args.map((arg) => (String(arg).startsWith("--events-addr=") ? "--events-addr=" : arg));
  }
  return copy;
}

/** Adds the namespace, and refuses an artifact without one of the controllers or without definitions. */
function completed(objects: readonly KubeObject[]): readonly KubeObject[] {
  for (const name of FLUX_CONTROLLERS) {
    const isThere = objects.some((object) => object.kind === "Deployment" && object.metadata.name === name);
    if (!isThere) throw bad(`it has no Deployment "${name}"`);
  }
  for (const group of GROUPS) {
    const isThere = objects.some((object) => textAt(object, "spec", "group") === group);
    if (!isThere) throw bad(`it defines no kind of ${group}`);
  }
  return objects.some((object) => object.kind === "Namespace") ? objects : [fluxNamespace(), ...objects];
}

function fluxNamespace(): KubeObject {
  const labels = { "app.kubernetes.io/part-of": "flux", "pod-security.kubernetes.io/warn": "restricted" };
  return { apiVersion: "v1", kind: "Namespace", metadata: { name: FLUX_NAMESPACE, labels } };
}

function bad(is: string): ApplianceError {
  return new ApplianceError("flux/bad-artifact", `Cannot use the Flux manifests of the release: ${is}`, {
    hint: "Choose another version of the release, and tell its publisher",
  });
}
