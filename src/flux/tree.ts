/**
 * Building a folder of the config bundle into objects, as kustomize-controller does, for the part of kustomize that our
 * bundles use: resources, ConfigMaps from files without a hash suffix, and merge patches with a target.
 *
 * Any other field is refused rather than ignored, so that what this file builds and what the controller builds cannot
 * differ unseen. `test/contract/kustomize.test.ts` holds both to the same outcome.
 *
 * @see kustomize v5.8 API, "Kustomization Fields"
 */
import { join, normalize } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { asKubeObject, groupOf, type KubeObject, listAt, textAt, versionOf } from "../kube/model.ts";
import { readYaml } from "./yaml.ts";

/** Path -> YAML text. */
export type FileTree = ReadonlyMap<string, string>;

/** A merge patch and what it goes to, as `spec.patches` of a Flux Kustomization holds it. */
export interface Patch {
  readonly target: {
    readonly group?: string;
    readonly version?: string;
    readonly kind?: string;
    readonly name?: string;
  };
  /** YAML text of the changed fields. */
  readonly patch: string;
}

const BUILD_API = "kustomize.config.k8s.io/v1beta1";
const KNOWN_FIELDS = new Set(["apiVersion", "kind", "resources", "generatorOptions", "configMapGenerator"]);
/** Folders within folders; a bundle that refers to itself would otherwise never end. */
const MAX_DEPTH = 16;

/**
 * Builds one folder.
 *
 * @throws {ApplianceError} flux/bad-artifact when a file is missing, is no YAML, or uses what is not known here.
 */
export function buildTree(tree: FileTree, path: string, patches: readonly Patch[] = []): readonly KubeObject[] {
  const objects = buildFolder(tree, inside(path), 0);
  return objects.map((object) => patches.reduce(applyPatch, object));
}

function buildFolder(tree: FileTree, folder: string, depth: number): readonly KubeObject[] {
  if (depth > MAX_DEPTH) throw bad(folder, "its folders refer to each other in a circle");
  const file = join(folder, "kustomization.yaml");
  const [build] = readYaml(textOf(tree, file), { what: `file "${file}"`, code: "flux/bad-artifact" });
  if (!isPlainObject(build) || build.apiVersion !== BUILD_API) throw bad(file, `${BUILD_API} is wanted`);
  const unknown = Object.keys(build).find((field) => !KNOWN_FIELDS.has(field));
  if (unknown !== undefined) throw bad(file, `its field ${unknown} is not known here`);
  const resources = listAt(build, "resources").flatMap((entry) => {
    const target = inside(join(folder, String(entry)));
    return tree.has(target) ? objectsOf(tree, target) : buildFolder(tree, target, depth + 1);
  });
  return [...resources, ...generatedConfigMaps(tree, { folder, build })];
}

function objectsOf(tree: FileTree, file: string): readonly KubeObject[] {
  const what = `file "${file}"`;
  return readYaml(textOf(tree, file), { what, code: "flux/bad-artifact" }).map((value) => asKubeObject(value, what));
}

function generatedConfigMaps(
  tree: FileTree,
  at: { readonly folder: string; readonly build: Readonly<Record<string, unknown>> },
): readonly KubeObject[] {
  return listAt(at.build, "configMapGenerator").map((row) => {
    const options = at.build.generatorOptions;
    const plainNames = isPlainObject(options) && options.disableNameSuffixHash === true;
    const [name, namespace] = [textAt(row, "name"), textAt(row, "namespace")];
    if (!plainNames || name === undefined) throw bad(at.folder, "a generated ConfigMap with a plain name is wanted");
    const data = listAt(row, "files").map((entry) => {
      const path = String(entry);
      return [path.slice(path.lastIndexOf("/") + 1), textOf(tree, inside(join(at.folder, path)))] as const;
    });
    const metadata = { name, ...(namespace === undefined ? {} : { namespace }) };
    return { apiVersion: "v1", kind: "ConfigMap", metadata, data: Object.fromEntries(data) };
  });
}

function applyPatch(object: KubeObject, { target, patch }: Patch): KubeObject {
  const fits =
    (target.group === undefined || target.group === groupOf(object.apiVersion)) &&
    (target.version === undefined || target.version === versionOf(object.apiVersion)) &&
    (target.kind === undefined || target.kind === object.kind) &&
    (target.name === undefined || target.name === object.metadata.name);
  if (!fits) return object;
  const what = `patch of ${object.kind} "${object.metadata.name}"`;
  const [change] = readYaml(patch, { what, code: "flux/bad-artifact" });
  if (!isPlainObject(change)) throw bad(object.metadata.name, "a patch with fields is wanted");
  // kustomize wants names in a patch but keeps the object's own identity.
  const { apiVersion, kind, metadata } = object;
  const { name, namespace } = metadata;
  const merged = merge(object, change) as KubeObject;
  const identity = { name, ...(namespace === undefined ? {} : { namespace }) };
  return { ...merged, apiVersion, kind, metadata: { ...merged.metadata, ...identity } };
}

/** @see RFC 7396; kustomize merges objects it has no schema for in the same way */
function merge(base: unknown, change: unknown): unknown {
  if (!isPlainObject(change)) return change;
  const result: Record<string, unknown> = isPlainObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

function textOf(tree: FileTree, file: string): string {
  const text = tree.get(file);
  if (text === undefined) throw bad(file, "it is not in the bundle");
  return text;
}

/** A path below the root of the bundle. */
function inside(path: string): string {
  const clean = normalize(path).replace(/^\.\//, "").replace(/\/$/, "");
  if (clean.startsWith("../") || clean.startsWith("/") || clean === "..") throw bad(path, "it leaves the bundle");
  return clean;
}

function bad(file: string, is: string): ApplianceError {
  return new ApplianceError("flux/bad-artifact", `Cannot build "${file}" of the config bundle: ${is}`);
}
