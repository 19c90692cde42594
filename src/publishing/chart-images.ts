/**
 * Images that a chart names, as far as they can be read without Helm: in its values, and in lines of its templates.
 *
 * Templates are not rendered. A line `image: ...` is read when it is plain text or takes its parts from values; anything else is told
 * as unread, so that a person looks. What is read too much (a part that is switched off) costs a line in a warning; what is
 * read too little would be found out by a box without a network.
 */
import { parse } from "yaml";
import { isPlainObject } from "../core/json.ts";
import { imageText, readImageName } from "../release/image-name.ts";
import type { ChartFiles } from "./chart-files.ts";

export interface ChartImages {
  /** Whole and normal, each once: "docker.io/library/postgres:16". */
  readonly images: readonly string[];
  /** "templates/db.yaml: {{ include ... }}": lines that only Helm can read. */
  readonly unread: readonly string[];
}

type Values = Readonly<Record<string, unknown>>;

/** A chart or one of its parts, with what its templates see. */
interface Scope {
  readonly files: ChartFiles;
  readonly values: Values;
  readonly appVersion: string;
}

/** Aliases that one document may expand: charts use a handful, and a bomb must not go off here. */
const MAX_ALIASES = 100;
/** Charts in charts. */
const MAX_DEPTH = 8;

/**
 * Reads the images of a chart and of the charts in it.
 *
 * @param given.overlay What a release sets, over the chart's own values.
 */
export function imagesOfChart(given: { readonly files: ChartFiles; readonly overlay: Values }): ChartImages {
  const images = new Set<string>();
  const unread = new Set<string>();
  for (const scope of scopesOf(given.files, given.overlay, 0)) {
    for (const text of [...valueImages(scope.values, scope.appVersion), ...templateImages(scope, unread)]) {
      const image = normal(text);
      if (image !== undefined) images.add(image);
    }
  }
  return { images: [...images].sort(), unread: [...unread].sort() };
}

/** Merges as Helm does: maps into one another, everything else replaced. */
function mergeValues(base: unknown, over: unknown): Values {
  const merged: Record<string, unknown> = isPlainObject(base) ? { ...base } : {};
  for (const [key, value] of Object.entries(isPlainObject(over) ? over : {})) {
    merged[key] = isPlainObject(value) ? mergeValues(merged[key], value) : value;
  }
  return merged;
}

/** Values as an object; nothing for what is none. */
export function readValues(text: string): Values {
  try {
    const value: unknown = parse(text, { maxAliasCount: MAX_ALIASES });
    return isPlainObject(value) ? value : {};
  } catch {
    return {};
  }
}

/** The chart, and each part below `charts/` with its values under its own name. */
function scopesOf(files: ChartFiles, overlay: Values, depth: number): readonly Scope[] {
  const own = new Map([...files].filter(([path]) => !path.startsWith("charts/")));
  const values = mergeValues(readValues(textOf(own, "values.yaml")), overlay);
  const version = readValues(textOf(own, "Chart.yaml")).appVersion;
  const scope = { files: own, values, appVersion: version === undefined ? "" : String(version) };
  if (depth >= MAX_DEPTH) return [scope];
  const parts = Map.groupBy(
    [...files].filter(([path]) => /^charts\/[^/]+\/./.test(path)),
    ([path]) => path.split("/")[1] ?? "",
  );
  const below = [...parts].flatMap(([name, entries]) => {
    const inner = new Map(entries.map(([path, bytes]) => [path.slice(`charts/${name}/`.length), bytes]));
    const passed = mergeValues({ global: values.global }, values[name]);
    return scopesOf(inner, passed, depth + 1);
  });
  return [scope, ...below];
}

function textOf(files: ChartFiles, path: string): string {
  return new TextDecoder().decode(files.get(path) ?? new Uint8Array());
}

/** Objects with a repository and a tag or digest, and texts under a key that ends with "image". */
function valueImages(value: unknown, appVersion: string, key = ""): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one) => valueImages(one, appVersion, key));
  if (typeof value === "string") return /image$/i.test(key) && /[/:@]/.test(value) ? [value] : [];
  if (!isPlainObject(value)) return [];
  const whole = partsImage(value, { appVersion, isImage: /image$/i.test(key) });
  const inner = Object.entries(value).flatMap(([name, one]) => valueImages(one, appVersion, name));
  return whole === undefined ? inner : [whole, ...inner];
}

/** Charts write an image in parts: registry, repository or name, tag or digest. No tag is the version of the application. */
function partsImage(
  value: Values,
  { appVersion, isImage }: { readonly appVersion: string; readonly isImage: boolean },
): string | undefined {
  const at = (key: string): string => (["string", "number"].includes(typeof value[key]) ? String(value[key]) : "");
  const isInParts = isImage ? "tag" in value || "digest" in value : "tag" in value && "repository" in value;
  const name = at("repository") || (isImage ? at("name") : "");
  if (!isInParts || name === "") return undefined;
  const [registry, tag, digest] = [at("registry"), at("tag") || appVersion, at("digest")];
  const suffix = `${tag === "" ? "" : `:${tag}`}${digest === "" ? "" : `@${digest}`}`;
  return `${registry === "" ? "" : `${registry}/`}${name}${suffix}`;
}

/** A longer line is data. */
const MAX_LINE = 2_000;

/** What stands behind `image:` in the lines of a template. */
function imageLines(bytes: Uint8Array): readonly string[] {
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines.flatMap((line) => {
    const written = line.length > MAX_LINE ? undefined : /^\s*(?:- )?image:(.*)$/.exec(line)?.[1]?.trim();
    return written === undefined || written === "" ? [] : [written];
  });
}

function templateImages(scope: Scope, unread: Set<string>): readonly string[] {
  return [...scope.files].flatMap(([path, bytes]) => {
    if (!path.startsWith("templates/") || !/\.(ya?ml|tpl)$/.test(path)) return [];
    return imageLines(bytes).flatMap((written) => {
      const text = rendered(written, scope);
      if (text !== undefined) return [text];
      unread.add(`${path}: ${written.slice(0, 200)}`);
      return [];
    });
  });
}

/** The text of a line with its actions replaced; undefined when one of them is more than a value. */
function rendered(written: string, scope: Scope): string | undefined {
  let isRead = true;
  const plain = written.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_whole, action: string) => {
    const value = actionValue(action, scope);
    isRead &&= value !== undefined;
    return value ?? "";
  });
  return isRead ? plain.replace(/\s+#.*$/, "").replace(/^(["'])(.*)\1$/, "$2") : undefined;
}

const PIPES = /\s*\|\s*(?:quote|squote|toString|trim)\s*/g;
const PLACE = String.raw`(\.Values(?:\.[A-Za-z0-9_-]+)+|\.Chart\.AppVersion)`;
const DEFAULT = String.raw`(?:"([^"]*)"|(\.Values(?:\.[A-Za-z0-9_-]+)+|\.Chart\.AppVersion))`;

/** `.Values.a.b`, `.Chart.AppVersion`, with `default` before or behind. */
function actionValue(action: string, scope: Scope): string | undefined {
  const plain = action.replace(PIPES, "");
  const behind = new RegExp(`^${PLACE}(?:\\s*\\|\\s*default\\s+${DEFAULT})?$`).exec(plain);
  const before = new RegExp(`^default\\s+${DEFAULT}\\s+${PLACE}$`).exec(plain);
  const [place, text, other] = behind ? behind.slice(1) : before ? [before[3], before[1], before[2]] : [];
  if (place === undefined) return undefined;
  const found = valueAt(place, scope);
  if (found !== undefined && found !== "") return found;
  return text ?? (other === undefined ? found : valueAt(other, scope));
}

function valueAt(place: string, { values, appVersion }: Scope): string | undefined {
  if (place === ".Chart.AppVersion") return appVersion;
  const found = place
    .split(".")
    .slice(2)
    .reduce<unknown>((inner, key) => (isPlainObject(inner) ? inner[key] : undefined), values);
  return typeof found === "string" || typeof found === "number" ? String(found) : undefined;
}

/** Undefined for what is no image's name: a text under such a key may be anything. */
function normal(text: string): string | undefined {
  try {
    return imageText(readImageName(text));
  } catch {
    return undefined;
  }
}
