/**
 * The config bundle: the `flux/` tree of a release with every chart pinned, checked by building it, as a Flux artifact.
 *
 * The tree names charts by version in one HelmRepository, which is good to read and pins nothing. In the bundle each chart has
 * a source of its own, an OCIRepository with address, tag and digest, and its HelmReleases refer to that. The tree is edited as
 * YAML documents, so comments and order stay.
 *
 * @see Flux v2.9, "OCI cheatsheet" (media types of an artifact); source-controller v1, "OCIRepository"; helm-controller v2,
 *   "Chart reference"; docs/adr/0005
 */
import { gunzipSync } from "node:zlib";
import { type Document, isMap, parseAllDocuments, stringify } from "yaml";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { chartSourceName, FLUX_NAMESPACE } from "../flux/source.ts";
import { buildTree, type FileTree } from "../flux/tree.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryStore } from "../oci/store.ts";
import { packTree } from "../oci/tar.ts";
import type { ComponentSpec } from "../release/components.ts";
import { CHART_LAYER_TYPE, chartTag } from "./chart.ts";

const FLUX_CONFIG_TYPE = "application/vnd.cncf.flux.config.v1+json";
const FLUX_CONTENT_TYPE = "application/vnd.cncf.flux.content.v1.tar+gzip";
export const CONFIG_REPOSITORY = "alga-appliance-config";

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
  /** The release pins images of others: boxes of a mirror rename them by post renderers. */
  readonly renamesImages?: boolean;
}

/** A bundle, rendered and checked. */
export interface ConfigBundle {
  /** Path -> text, as it stands in the artifact. */
  readonly files: FileTree;
}

/** What a manifest says of a bundle of this form. */
export const CHART_SOURCE_KIND = "OCIRepository";

/**
 * Renders the bundle. `checkBundle` tells whether it is one.
 *
 * @throws {ApplianceError} flux/bad-artifact naming the file that is no YAML.
 */
export function renderBundle(input: BundleInput): ConfigBundle {
  const { tree, profile } = input;
  const files = new Map<string, string>();
  for (const [path, text] of tree) {
    if (path.startsWith("base/") && path !== CHARTS_FILE) files.set(path, rendered(path, text, input));
    if (path.startsWith(`profiles/${profile}/`)) files.set(path, input.values[path.split("/").at(-1) ?? ""] ?? text);
  }
  const charts = [...input.charts].sort(([a], [b]) => (a < b ? -1 : 1));
  files.set(CHARTS_FILE, charts.map(([chart, pin]) => chartSource(chart, pin, input.place)).join("---\n"));
  return { files };
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

/** In the tree it holds the HelmRepository of all charts; in the bundle the source of each. */
const CHARTS_FILE = "base/charts/sources.yaml";

/** @see source-controller v1, "OCIRepository": the digest decides, the tag is for people; a Helm chart is taken as it is */
function chartSource(chart: string, pin: PinnedChart, place: string): string {
  const source = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: CHART_SOURCE_KIND,
    metadata: { name: chartSourceName(chart), namespace: FLUX_NAMESPACE },
    spec: {
      interval: CHART_INTERVAL,
      timeout: "2m",
      url: `oci://${place}/charts/${chart}`,
      ref: { tag: chartTag(pin.version), digest: pin.digest },
      layerSelector: { mediaType: CHART_LAYER_TYPE, operation: "copy" },
    },
  };
  return stringify(source, { lineWidth: 0 });
}

/** What a digest names never changes; the look is for a registry that was away, or a login that was mended. */
const CHART_INTERVAL = "10m";

function rendered(path: string, text: string, input: BundleInput): string {
  // Reading YAML is most of the work, and only HelmReleases change.
  if (!path.endsWith(".yaml") || !text.includes("HelmRelease")) return text;
  const documents = parseAllDocuments(text, { uniqueKeys: true });
  if (!Array.isArray(documents)) return text;
  const problem = documents.flatMap((document) => document.errors)[0];
  if (problem !== undefined) throw bad(path, problem.message.split("\n", 1)[0]?.replace(/:$/, "") ?? "it is no YAML");
  const changed = documents.map((document) => refersToChart(document, input));
  return changed.includes(true) ? documents.map((document) => document.toString({ lineWidth: 0 })).join("") : text;
}

/** Turns `chart.spec` of a HelmRelease into a reference to the chart's own source; tells whether it did. */
function refersToChart(document: Document, { charts }: BundleInput): boolean {
  if (!isMap(document.contents) || document.getIn(["kind"]) !== "HelmRelease") return false;
  const chart = String(document.getIn(["spec", "chart", "spec", "chart"]));
  const spec = document.getIn(["spec"]);
  const at = isMap(spec) ? spec.items.findIndex((pair) => String(pair.key) === "chart") : -1;
  if (!isMap(spec) || at < 0 || !charts.has(chart)) return false;
  const name = chartSourceName(chart);
  const reference = { kind: CHART_SOURCE_KIND, name, namespace: FLUX_NAMESPACE };
  spec.items[at] = document.createPair("chartRef", reference);
  return true;
}

/**
 * Builds everything that the controllers of a box will build, and finds each component in it.
 *
 * @throws {ApplianceError} flux/bad-artifact naming the file and what kustomize or Flux would refuse.
 */
export function checkBundle({ files }: ConfigBundle, input: BundleInput): void {
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
    checkRelease(found, component, top);
    if (input.renamesImages === true && listAt(found, "spec", "postRenderers").length > 0) {
      throw bad(
        `HelmRelease ${component.name}`,
        "its own postRenderers would be replaced on boxes of a mirror, none is wanted",
      );
    }
  }
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

function checkRelease(release: KubeObject, component: ComponentSpec, top: readonly KubeObject[]): void {
  const { name, chart, valuesConfigMap, valuesKey } = component;
  const file = `HelmRelease ${name}`;
  const named = textAt(release, "spec", "chartRef", "name") ?? "";
  if (named !== chartSourceName(chart)) throw bad(file, `its chart is not ${chart}, which the component is made of`);
  if (!top.some((one) => one.kind === CHART_SOURCE_KIND && one.metadata.name === named)) {
    throw bad(file, `its source ${named} is not in base, an ${CHART_SOURCE_KIND} of that name is wanted`);
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
