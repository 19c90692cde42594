/**
 * The files of a chart as `helm package` chooses them: `.helmignore` applied, parts in `charts/` unpacked, nothing missing.
 *
 * The folder is the publisher's own; an archive in `charts/` came from elsewhere and is read as untrusted.
 *
 * @see Helm v4.3 documentation, "Charts", "The Chart File Structure", "Managing Dependencies manually via the charts/ directory"
 */
import { join } from "node:path/posix";
import { parseAllDocuments } from "yaml";
import { parseJson } from "../core/json.ts";
import type { Deps, Files } from "../core/ports.ts";
import { readTarGz } from "../oci/tar.ts";
import { isIgnored, readIgnoreRules } from "./chart-ignore.ts";
import {
  badChart,
  type ChartMetadata,
  chartYaml,
  dependenciesOf,
  readChartLock,
  readChartMetadata,
} from "./chart-metadata.ts";
import { readFolder } from "./folder.ts";

/** Path in the chart -> bytes. */
export type ChartFiles = ReadonlyMap<string, Uint8Array>;

export interface LoadedChart {
  readonly metadata: ChartMetadata;
  /** With the files of its parts under `charts/<name>/`. */
  readonly files: ChartFiles;
}

/** Helm refuses larger files and charts when it reads an archive. @see Helm v4.3, package pkg/chart/loader/archive */
const MAX_FILE_BYTES = 5 * 1024 * 1024;
const MAX_CHART_BYTES = 100 * 1024 * 1024;
const MAX_FILES = 5_000;
/** Charts in charts. */
const MAX_PARTS_DEPTH = 8;

/**
 * Loads a chart from its folder. Symbolic links are followed, as Helm does.
 *
 * @param what For messages: "charts/sebastian".
 * @throws {ApplianceError} build/bad-chart when a part is missing, a file is wrong, or Helm would not read it back; what
 *   `readFolder` throws.
 */
export async function loadChartFolder(deps: Pick<Deps, "files">, folder: string, what: string): Promise<LoadedChart> {
  const ignore = await readText(deps.files, join(folder, ".helmignore"));
  const rules = readIgnoreRules(ignore ?? "", `.helmignore of "${what}"`);
  const files = await readFolder(deps, folder, {
    what,
    maxBytes: MAX_CHART_BYTES,
    skip: (path, isFolder) => isIgnored(rules, path, isFolder),
  });
  return assembleChart(new Map([...files].map(([path, bytes]) => [path, withoutMark(bytes)])), what);
}

/**
 * Loads a chart from an archive as `helm package` writes it.
 *
 * @throws {ApplianceError} build/bad-chart as `loadChartFolder` does; oci/bad-archive, oci/unsafe-archive or oci/too-large
 *   when the archive itself is wrong.
 */
export function loadChartArchive(bytes: Uint8Array, what: string): LoadedChart {
  return assembleChart(archiveFiles(bytes, what), what);
}

/** Checks the files of a chart and unpacks its parts. Throws build/bad-chart. */
export function assembleChart(given: ChartFiles, what: string, depth = 0): LoadedChart {
  if (depth > MAX_PARTS_DEPTH) throw badChart(what, "charts lie in charts too deep, at most 8 are wanted");
  const chartFile = given.get("Chart.yaml");
  if (chartFile === undefined) throw badChart(what, "there is no Chart.yaml, one is wanted");
  const metadata = readChartMetadata(decode(chartFile), what);
  if (depth === 0 && metadata.apiVersion !== "v2") {
    throw badChart(what, `apiVersion is ${metadata.apiVersion}, v2 is wanted`);
  }
  checkValues(given, what);
  const files = new Map([...given].filter(([path]) => isOwnFile(path, metadata)));
  for (const [path, bytes] of files) {
    if (bytes.length > MAX_FILE_BYTES)
      throw badChart(what, `"${path}" has ${bytes.length} bytes, at most ${MAX_FILE_BYTES} are wanted`);
  }
  files.set("Chart.yaml", chartYaml(metadata));
  const parts = partsOf(given, what, depth);
  checkParts(given, { metadata, parts, what });
  for (const part of parts) {
    for (const [path, bytes] of part.files) files.set(`charts/${part.metadata.name}/${path}`, bytes);
  }
  return { metadata, files };
}

/** Parts come in by their own files; of an apiVersion v2 chart the old requirements files are dropped. */
function isOwnFile(path: string, { apiVersion }: ChartMetadata): boolean {
  if (path.startsWith("charts/")) return path.endsWith(".prov");
  if (path === "Chart.lock") return apiVersion === "v2";
  return apiVersion === "v1" || !/^requirements\.(yaml|lock)$/.test(path);
}

function partsOf(given: ChartFiles, what: string, depth: number): readonly LoadedChart[] {
  const groups = new Map<string, Map<string, Uint8Array>>();
  for (const [path, bytes] of given) {
    if (!path.startsWith("charts/") || path.endsWith(".prov")) continue;
    const [name = "", ...inner] = path.slice("charts/".length).split("/");
    // Helm passes over what begins with a dot or an underscore.
    if (/^[._]/.test(name)) continue;
    const group = groups.get(name) ?? new Map<string, Uint8Array>();
    groups.set(name, group.set(inner.join("/"), bytes));
  }
  return [...groups].map(([name, files]) => {
    const place = `${what}/charts/${name}`;
    const archive = files.get("");
    if (archive === undefined) return assembleChart(files, place, depth + 1);
    if (!name.endsWith(".tgz")) throw badChart(what, `charts/${name} is no chart, a folder or a .tgz is wanted`);
    return assembleChart(archiveFiles(archive, place), place, depth + 1);
  });
}

/** Without the folder that all files of an archive lie in. */
function archiveFiles(bytes: Uint8Array, what: string): ChartFiles {
  const files = readTarGz(bytes, { what: `chart "${what}"`, maxBytes: MAX_CHART_BYTES, maxFiles: MAX_FILES });
  return new Map([...files].map(([path, content]) => [path.replace(/^[^/]+\//, ""), withoutMark(content)]));
}

function checkParts(
  given: ChartFiles,
  at: { readonly metadata: ChartMetadata; readonly parts: readonly LoadedChart[]; readonly what: string },
): void {
  const { metadata, parts, what } = at;
  const missing = dependenciesOf(metadata).find((one) => !parts.some((part) => part.metadata.name === one.name));
  if (missing !== undefined) {
    throw badChart(
      what,
      `its dependency ${missing.name} is not in charts/, the output of helm dependency update is wanted`,
    );
  }
  const lock = given.get("Chart.lock");
  if (lock === undefined || metadata.apiVersion !== "v2") return;
  for (const [name, version] of readChartLock(decode(lock), metadata, what)) {
    const part = parts.find((one) => one.metadata.name === name);
    if (part !== undefined && part.metadata.version !== version) {
      throw badChart(what, `charts/${name} has version ${part.metadata.version}, Chart.lock wants ${version}`);
    }
  }
}

/** Helm reads both when it loads a chart, and refuses to load what it cannot read. */
function checkValues(given: ChartFiles, what: string): void {
  const values = given.get("values.yaml");
  const problem = values === undefined ? undefined : parseAllDocuments(decode(values)).flatMap((one) => one.errors)[0];
  if (problem !== undefined) throw badChart(what, `values.yaml is no YAML (${problem.message.split("\n", 1)[0]})`);
  const schema = given.get("values.schema.json");
  if (schema !== undefined) parseJson(schema, { what: `values.schema.json of "${what}"`, maxBytes: MAX_FILE_BYTES });
}

/** Helm takes the byte order mark away from every file. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

async function readText(files: Pick<Files, "read">, path: string): Promise<string | undefined> {
  const bytes = await files.read(path, { maxBytes: MAX_FILE_BYTES });
  return bytes === undefined ? undefined : decode(bytes);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
