/**
 * Helm charts as OCI artifacts: packed from a folder, or taken as `helm package` left them, with the provenance beside it.
 *
 * The bytes depend on the content alone: no times, no owners, sorted by path. The rehearsal's sample packs with the same code.
 *
 * @see Helm v4.3 documentation, "Use OCI-based registries", "Helm Provenance and Integrity"
 */
import { dirname, join } from "node:path/posix";
import { type Digest, digestOf } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryStore } from "../oci/store.ts";
import { packTree } from "../oci/tar.ts";
import { assembleChart, type ChartFiles, type LoadedChart, loadChartArchive, loadChartFolder } from "./chart-files.ts";
import { badChart, type ChartMetadata, chartAnnotations, chartConfig } from "./chart-metadata.ts";

const CHART_CONFIG_TYPE = "application/vnd.cncf.helm.config.v1+json";
export const CHART_LAYER_TYPE = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const CHART_PROVENANCE_TYPE = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/** A chart that is ready to be pushed. */
export interface PackedChart {
  readonly name: string;
  /** As Chart.yaml spells it. */
  readonly version: string;
  /** Chart.yaml as JSON: the config blob. */
  readonly config: Uint8Array;
  /** The chart as `helm package` writes it. */
  readonly layer: Uint8Array;
  /** The signed `.prov` text of exactly these bytes. */
  readonly provenance?: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A packed chart of many values and files is far below this. */
const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;
const MAX_PROVENANCE_BYTES = 1024 * 1024;

/**
 * Packs the chart at a path: a folder is packed, a `.tgz` is taken byte for byte with the `.prov` beside it.
 *
 * @param what The path as release.yaml names it, for messages.
 * @throws {ApplianceError} build/bad-chart naming the chart and what is wrong with it.
 */
export async function packChartAt(deps: Pick<Deps, "files">, path: string, what: string): Promise<PackedChart> {
  const stat = await deps.files.stat(path);
  if (stat?.kind === "directory") return packed(await loadChartFolder(deps, path, what));
  if (stat?.kind !== "file" || !path.endsWith(".tgz")) {
    throw badChart(
      what,
      `${stat === undefined ? "there is nothing" : "it is another file"}, a chart folder or a .tgz is wanted`,
    );
  }
  const layer = (await deps.files.read(path, { maxBytes: MAX_ARCHIVE_BYTES })) ?? new Uint8Array();
  const { metadata } = loadChartArchive(layer, what);
  const provenance = await deps.files.read(`${path}.prov`, { maxBytes: MAX_PROVENANCE_BYTES });
  if (provenance !== undefined) checkProvenance(provenance, layer, what);
  return { ...described(metadata), layer, ...(provenance === undefined ? {} : { provenance }) };
}

/** Packs a chart whose files are in memory: path in the chart -> bytes. Throws build/bad-chart. */
export function packChartFiles(files: ChartFiles, what: string): PackedChart {
  return packed(assembleChart(files, what));
}

/** Pushes a chart under its version and returns the digest of its manifest. Safe to call again. */
export function pushChart(store: RegistryStore, repository: string, chart: PackedChart): Digest {
  const content = { mediaType: CHART_LAYER_TYPE, bytes: chart.layer };
  const layers =
    chart.provenance === undefined
      ? [content]
      : [content, { mediaType: CHART_PROVENANCE_TYPE, bytes: chart.provenance }];
  return pushArtifact(store, repository, {
    tag: chartTag(chart.version),
    config: { mediaType: CHART_CONFIG_TYPE, bytes: chart.config },
    // Helm sorts the layers by digest; a reader finds the chart by its media type.
    layers: layers.sort((a, b) => (digestOf(a.bytes) < digestOf(b.bytes) ? -1 : 1)),
    annotations: chart.annotations,
  });
}

/** A tag cannot hold the '+' of a version. @see Helm documentation, "Use OCI-based registries" */
export function chartTag(version: string): string {
  return version.replaceAll("+", "_");
}

function packed({ metadata, files }: LoadedChart): PackedChart {
  const layer = packTree([...files].map(([path, bytes]) => ({ path: join(metadata.name, path), bytes })));
  return { ...described(metadata), layer };
}

function described(metadata: ChartMetadata): Omit<PackedChart, "layer"> {
  const { name, version } = metadata;
  return { name, version, config: chartConfig(metadata), annotations: chartAnnotations(metadata) };
}

/** The signed text names the archive's digest; a file that belongs to other bytes would fail at every customer. */
function checkProvenance(provenance: Uint8Array, layer: Uint8Array, what: string): void {
  const text = new TextDecoder().decode(provenance);
  if (text.includes("-----BEGIN PGP SIGNED MESSAGE-----") && text.includes(digestOf(layer))) return;
  throw badChart(
    join(dirname(what), `${what.split("/").at(-1)}.prov`),
    "it is not the provenance of the archive, the file that helm package --sign wrote is wanted",
  );
}
