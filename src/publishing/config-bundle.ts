/**
 * The config bundle: the `flux/` tree of a release with every chart pinned, checked by building it, as a Flux artifact.
 *
 * The tree is edited as YAML documents, so comments and order stay. A chart is pinned where the tree names it: an OCIRepository
 * `alga-chart-<name>` gets address, tag and digest; in a tree of the older form the HelmRepository gets the address, and each
 * HelmRelease the version and, for people, an annotation with the digest.
 *
 * @see Flux v2.9, "OCI cheatsheet" (media types of an artifact); source-controller v1, "OCIRepository"
 */
import { gunzipSync } from "node:zlib";
import { type Document, isMap, parseAllDocuments } from "yaml";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { buildTree, type FileTree } from "../flux/tree.ts";
import { fieldAt, type KubeObject, listAt, textAt } from "../kube/model.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryStore } from "../oci/store.ts";
import { packTree } from "../oci/tar.ts";
import type { ComponentSpec } from "../release/components.ts";
import { chartTag } from "./chart.ts";

const FLUX_CONFIG_TYPE = "application/vnd.cncf.flux.config.v1+json";
const FLUX_CONTENT_TYPE = "application/vnd.cncf.flux.content.v1.tar+gzip";
export const CONFIG_REPOSITORY = "alga-appliance-config";
const CHART_DIGEST = "appliance.alga/chart-digest";

/** A chart as a release pins it. */
export interface PinnedChart {
  readonly version: string;
  /** Of the chart's manifest. */
  readonly digest: Digest;
}

export interface BundleInput {
  /** Path below `flux/` -> text: base/ and profiles/. */
  readonly tree: FileTree;
  /** Where the charts lie: "ghcr.io/nine-minds". */
  readonly place: string;
  readonly charts: ReadonlyMap<string, PinnedChart>;
  readonly profile: string;
  /** `<component>.<profile>.yaml` -> values, as the release manifest carries them. */
  readonly values: Readonly<Record<string, string>>;
  readonly components: readonly ComponentSpec[];
}

export interface ConfigBundle {
  /** Path -> text, as it stands in the artifact. */
  readonly files: FileTree;
  /** How the tree names its charts: by digest, or in the older form by version. */
  readonly chartSource: "OCIRepository" | "HelmRepository";
}

/**
 * Renders the bundle and checks it by building what the controllers of a box will build.
 *
 * @throws {ApplianceError} flux/bad-artifact naming the file and what kustomize or Flux would refuse.
 */
export function renderBundle(input: BundleInput): ConfigBundle {
  const { tree, profile } = input;
  const files = new Map<string, string>();
  for (const [path, text] of tree) {
    if (path.startsWith("base/")) files.set(path, path.endsWith(".yaml") ? pinned(path, text, input) : text);
    if (path.startsWith(`profiles/${profile}/`)) files.set(path, input.values[path.split("/").at(-1) ?? ""] ?? text);
  }
  const built = checkBundle(files, input);
  const isByDigest = built.every(
    (object) => object.kind !== "HelmRelease" || fieldAt(object, "spec", "chartRef") !== undefined,
  );
  return { files, chartSource: isByDigest ? "OCIRepository" : "HelmRepository" };
}

/** The bundle as a tar with gzip: the same files are always the same bytes. */
export function bundleLayer({ files }: Pick<ConfigBundle, "files">): Uint8Array {
  return packTree([...files].map(([path, text]) => ({ path, bytes: new TextEncoder().encode(text) })));
}

/** A Flux artifact: one layer, and what it was made from. */
export interface FluxArtifact {
  readonly tag: string;
  readonly layer: Uint8Array;
  /** RFC 3339. */
  readonly created: string;
  readonly sourceUrl?: string;
}

/** Pushes a Flux artifact as `flux push artifact` does, and returns the digest of its manifest. Safe to call again. */
export function pushFluxArtifact(store: RegistryStore, repository: string, artifact: FluxArtifact): Digest {
  const { tag, layer, created, sourceUrl } = artifact;
  const rootfs = { type: "layers", diff_ids: [digestOf(gunzipSync(layer))] };
  const config = canonicalJson({ architecture: "", os: "", config: {}, rootfs });
  return pushArtifact(store, repository, {
    tag: chartTag(tag),
    config: { mediaType: FLUX_CONFIG_TYPE, bytes: new TextEncoder().encode(config) },
    layers: [{ mediaType: FLUX_CONTENT_TYPE, bytes: layer }],
    annotations: {
      "org.opencontainers.image.created": created,
      "org.opencontainers.image.revision": tag,
      ...(sourceUrl === undefined ? {} : { "org.opencontainers.image.source": sourceUrl }),
    },
  });
}

function pinned(path: string, text: string, input: BundleInput): string {
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  if (!Array.isArray(documents)) return text;
  const problem = documents.flatMap((document) => document.errors)[0];
  if (problem !== undefined) throw bad(path, problem.message.split("\n", 1)[0]?.replace(/:$/, "") ?? "it is no YAML");
  const changed = documents.map((document) => pinDocument(document, input));
  return changed.includes(true) ? documents.map((document) => document.toString({ lineWidth: 0 })).join("") : text;
}

/** Changes one document; tells whether it did. */
function pinDocument(document: Document, input: BundleInput): boolean {
  if (!isMap(document.contents)) return false;
  const kind = String(document.getIn(["kind"]));
  const name = String(document.getIn(["metadata", "name"]));
  if (kind === "HelmRepository") {
    document.setIn(["spec", "url"], `oci://${input.place}/charts`);
    return true;
  }
  const isOfChart = kind === "OCIRepository" && name.startsWith(CHART_SOURCE);
  const chart = isOfChart
    ? name.slice(CHART_SOURCE.length)
    : String(document.getIn(["spec", "chart", "spec", "chart"]));
  const pin = input.charts.get(chart);
  if (pin === undefined) return false;
  if (isOfChart) {
    document.setIn(["spec", "url"], `oci://${input.place}/charts/${chart}`);
    document.setIn(["spec", "ref"], { tag: chartTag(pin.version), digest: pin.digest });
  } else if (kind === "HelmRelease") {
    document.setIn(["spec", "chart", "spec", "version"], pin.version);
    document.setIn(["metadata", "annotations", CHART_DIGEST], pin.digest);
  }
  return true;
}

/** Name of the OCIRepository of a chart, before the chart's own name. */
const CHART_SOURCE = "alga-chart-";

/** Builds everything that a box will build, and finds each component in it. */
function checkBundle(files: FileTree, input: BundleInput): readonly KubeObject[] {
  const top = built(files, "base");
  const children = top.filter((object) => object.kind === "Kustomization" && object.apiVersion.includes("fluxcd"));
  const groups = new Map(
    children.map((child) => [child.metadata.name, built(files, textAt(child, "spec", "path") ?? "")]),
  );
  if (files.has(`profiles/${input.profile}/kustomization.yaml`)) built(files, `profiles/${input.profile}`);
  for (const component of input.components) {
    const found = groups
      .get(`alga-${component.group}`)
      ?.find((one) => one.kind === "HelmRelease" && one.metadata.name === component.name);
    if (found === undefined)
      throw bad(`base/${component.group}`, `it has no HelmRelease ${component.name}, one is wanted`);
    checkRelease(found, component, { top, charts: input.charts });
  }
  return [...top, ...[...groups.values()].flat()];
}

/** kustomize refuses to build the same object twice. */
function built(files: FileTree, path: string): readonly KubeObject[] {
  const objects = buildTree(files, path);
  const seen = new Set<string>();
  for (const { apiVersion, kind, metadata } of objects) {
    const id = `${apiVersion} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
    if (seen.has(id)) throw bad(path, `${kind} ${metadata.name} stands in it twice, once is wanted`);
    seen.add(id);
  }
  return objects;
}

function checkRelease(
  release: KubeObject,
  component: ComponentSpec,
  known: { readonly top: readonly KubeObject[]; readonly charts: ReadonlyMap<string, PinnedChart> },
): void {
  const { name, chart, valuesConfigMap, valuesKey } = component;
  const file = `HelmRelease ${name}`;
  const named = textAt(release, "spec", "chartRef", "name");
  const used =
    named?.startsWith(CHART_SOURCE) === true
      ? named.slice(CHART_SOURCE.length)
      : textAt(release, "spec", "chart", "spec", "chart");
  if (used !== chart) throw bad(file, `its chart is ${used ?? "absent"}, ${chart} is wanted`);
  if (named !== undefined && !known.top.some((one) => one.kind === "OCIRepository" && one.metadata.name === named)) {
    throw bad(file, `its source ${named} is not in base, an OCIRepository of that name is wanted`);
  }
  const takes = listAt(release, "spec", "valuesFrom").some(
    (from) => textAt(from, "name") === valuesConfigMap && textAt(from, "valuesKey") === valuesKey,
  );
  if (!takes) throw bad(file, `it does not take its values from ${valuesConfigMap}, key ${valuesKey}`);
}

function bad(file: string, is: string): ApplianceError {
  return new ApplianceError("flux/bad-artifact", `Cannot build "${file}" of the config bundle: ${is}`, {
    hint: "Mend the flux tree of the release, then build again",
  });
}
