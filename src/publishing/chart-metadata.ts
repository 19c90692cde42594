/**
 * `Chart.yaml`: what Helm knows of a chart, checked as Helm checks it, and written as the config blob that `helm push` writes.
 *
 * The config is the same bytes as Helm's (order of fields, left-out empties, escapes), so that two publishers of one chart do
 * not make two configs. Charts of apiVersion v1 are only taken as parts of others.
 *
 * @see Helm v4.3 documentation, "Charts", "The Chart.yaml File"; package pkg/registry ("generateChartOCIAnnotations")
 */
import semver from "semver";
import { stringify } from "yaml";
import { z } from "zod";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson, isPlainObject } from "../core/json.ts";
import { readYaml } from "../flux/yaml.ts";
import { fieldProblems } from "../release/field-problems.ts";

/** YAML reads `1.0` as a number where Helm wants text; Helm takes the number's text, and so do we. */
const loose = z.preprocess(
  (value) => (typeof value === "number" || typeof value === "boolean" ? String(value) : (value ?? undefined)),
  z
    .string()
    .max(64 * 1024)
    .optional(),
);
/** Helm turns white space into spaces and drops what cannot be printed. */
const text = loose.transform((value) =>
  value?.replace(/\p{White_Space}/gu, " ").replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, ""),
);
const flag = z.preprocess((value) => value ?? undefined, z.boolean().optional());
const list = <T extends z.ZodType>(one: T) =>
  z.preprocess((value) => value ?? undefined, z.array(one).max(1_000).optional());

const dependencySchema = z.object({
  name: text,
  version: text,
  repository: text,
  condition: text,
  tags: list(text),
  enabled: flag,
  "import-values": list(z.json()),
  alias: z
    .string()
    .regex(/^[a-zA-Z0-9_-]+$/, "letters, digits, '_' and '-' are wanted")
    .optional(),
});

const name = text.refine(
  (value) => /^[^/\\]+$/.test(value ?? "") && value !== "." && value !== "..",
  "a name without slashes is wanted",
);

const metadataSchema = z.object({
  name,
  home: text,
  sources: list(text),
  version: loose,
  description: text,
  keywords: list(text),
  maintainers: list(z.object({ name: text, email: text, url: text })),
  icon: text,
  apiVersion: loose,
  condition: text,
  tags: text,
  appVersion: text,
  deprecated: flag,
  annotations: z.preprocess((value) => value ?? undefined, z.record(z.string().max(1024), loose).optional()),
  kubeVersion: text,
  dependencies: list(dependencySchema),
  type: z.enum(["", "application", "library"]).nullish(),
});

type Fields = z.output<typeof metadataSchema>;
type Dependency = z.output<typeof dependencySchema>;

/** A chart's own description, checked. */
export interface ChartMetadata {
  readonly name: string;
  /** Semantic version without a leading "v". */
  readonly version: string;
  readonly apiVersion: "v1" | "v2";
  readonly fields: Fields;
}

/**
 * Reads and checks the text of a `Chart.yaml`.
 *
 * @param what For messages: "charts/sebastian".
 * @throws {ApplianceError} build/bad-chart naming the field that is wrong.
 */
export function readChartMetadata(source: string, what: string): ChartMetadata {
  const [document] = readYaml(source, { what: `Chart.yaml of "${what}"`, code: "build/bad-chart" });
  const parsed = metadataSchema.safeParse(document);
  if (!parsed.success) {
    const [problem] = fieldProblems(parsed.error, document);
    throw badChart(what, `${problem?.field} of Chart.yaml ${problem?.detail}`);
  }
  const { apiVersion = "v1", version, name: chartName = "" } = parsed.data;
  if (apiVersion !== "v1" && apiVersion !== "v2") throw badChart(what, `apiVersion is ${apiVersion}, v2 is wanted`);
  if (version === undefined || semver.valid(version) !== version.replace(/\+.*$/, "")) {
    throw badChart(what, `version is ${version ?? "absent"}, a semantic version like 1.0.3 is wanted`);
  }
  return { name: chartName, version, apiVersion, fields: { ...parsed.data, apiVersion } };
}

/** The config blob: Chart.yaml as JSON, the same bytes that `helm push` makes of it. */
export function chartConfig({ fields }: ChartMetadata): Uint8Array {
  const { dependencies, ...rest } = fields;
  const annotations = fields.annotations && Object.fromEntries(Object.entries(fields.annotations).sort(byKey));
  const ordered = Object.fromEntries(
    Object.keys(metadataSchema.shape).map((key) => {
      if (key === "dependencies") return [key, dependencies?.map(dependencyJson)];
      if (key === "annotations") return [key, annotations];
      return [key, rest[key as keyof typeof rest]];
    }),
  );
  return new TextEncoder().encode(goJson(withoutEmpty(ordered)));
}

/** Chart.yaml as Helm writes it into an archive: only the fields that it knows, text as text, in the order of their names. */
export function chartYaml(metadata: ChartMetadata): Uint8Array {
  const { dependencies, ...rest } = metadata.fields;
  const fields = metadata.apiVersion === "v1" ? rest : { ...rest, dependencies };
  const document: unknown = JSON.parse(new TextDecoder().decode(chartConfig({ ...metadata, fields })));
  return new TextEncoder().encode(stringify(document, { sortMapEntries: true, lineWidth: 0 }));
}

/**
 * Annotations of the chart's manifest, as Helm writes them but for the time of creation: the manifest of a chart is made of
 * its content alone, so that two releases with the same chart pin the same digest.
 */
export function chartAnnotations({ fields, name: title, version }: ChartMetadata): Readonly<Record<string, string>> {
  const own = {
    "org.opencontainers.image.description": fields.description,
    "org.opencontainers.image.title": title,
    "org.opencontainers.image.version": version,
    "org.opencontainers.image.url": fields.home,
    "org.opencontainers.image.source": fields.sources?.[0],
    "org.opencontainers.image.authors": fields.maintainers
      ?.map((one) => `${one.name ?? ""}${one.email === undefined ? "" : ` (${one.email})`}`)
      .join(", "),
  };
  const fixed = ["org.opencontainers.image.title", "org.opencontainers.image.version"];
  const given = Object.entries(fields.annotations ?? {}).filter(([key]) => !fixed.includes(key));
  const all = [...Object.entries(own).filter(([, value]) => (value ?? "").trim() !== ""), ...given];
  return Object.fromEntries(all.map(([key, value]) => [key, value ?? ""]));
}

/** What a chart needs: the names that must lie in its `charts/`. */
export function dependenciesOf(metadata: ChartMetadata): readonly { readonly name: string }[] {
  return (metadata.fields.dependencies ?? []).map((one) => ({ name: one.name ?? "" }));
}

const lockSchema = z.looseObject({ digest: z.string(), dependencies: list(dependencySchema) });

/**
 * Checks `Chart.lock` against what Chart.yaml asks for.
 *
 * @returns Name -> the version that is locked.
 * @throws {ApplianceError} build/bad-chart when the lock was made from other dependencies.
 * @see Helm v4.3, package internal/resolver ("HashReq")
 */
export function readChartLock(source: string, metadata: ChartMetadata, what: string): ReadonlyMap<string, string> {
  const [document] = readYaml(source, { what: `Chart.lock of "${what}"`, code: "build/bad-chart" });
  const parsed = lockSchema.safeParse(document);
  if (!parsed.success)
    throw badChart(what, "Chart.lock has no digest and dependencies, the file that helm writes is wanted");
  const locked = parsed.data.dependencies ?? [];
  const wanted = lockDigest(metadata.fields.dependencies, locked);
  if (parsed.data.digest !== wanted) {
    throw badChart(
      what,
      "Chart.lock does not belong to the dependencies of Chart.yaml, the output of helm dependency update is wanted",
    );
  }
  return new Map(locked.map((one) => [one.name ?? "", one.version ?? ""]));
}

function lockDigest(wanted: readonly Dependency[] | undefined, locked: readonly Dependency[]): Digest {
  return digestOf(goJson([wanted?.map(dependencyJson) ?? null, locked.map(dependencyJson)]));
}

/** A dependency as Go writes it: name and repository always, the rest where it is set. */
function dependencyJson(one: Dependency): Readonly<Record<string, unknown>> {
  const { name: own = "", version, repository = "", condition, tags, enabled, alias } = one;
  const optional = withoutEmpty({
    condition,
    tags,
    enabled,
    "import-values": one["import-values"]?.map(sorted),
    alias,
  });
  return { name: own, ...withoutEmpty({ version }), repository, ...optional };
}

/** Go writes the keys of a map in order. */
function sorted(value: unknown): unknown {
  return JSON.parse(canonicalJson(value));
}

/** @see Go, encoding/json, "omitempty" */
function withoutEmpty(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isEmpty = (one: unknown): boolean =>
    one === undefined ||
    one === null ||
    one === "" ||
    one === false ||
    (Array.isArray(one) && one.length === 0) ||
    (isPlainObject(one) && Object.keys(one).length === 0);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => !isEmpty(one))
      .map(([key, one]) => [key, key === "maintainers" && Array.isArray(one) ? one.map(withoutEmpty) : one]),
  );
}

/** JSON as Go writes it: `<`, `>` and `&` are escaped. @see Go, encoding/json, "Marshal" */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A chart that cannot be packed, and what is wrong with it. */
export function badChart(what: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("build/bad-chart", `Cannot pack chart "${what.slice(0, 200)}": ${is}`, { cause });
}
