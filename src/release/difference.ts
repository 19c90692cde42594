/**
 * What is another in a second release: images, charts, values and every other field, and what a box would download.
 *
 * Pure. Both releases are resolved before, so a tag that was moved shows by its digest. Values are compared by their
 * paths, not by their text: another order or another comment is no difference.
 */
import { parseDocument } from "yaml";
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson, isPlainObject } from "../core/json.ts";
import { additionalImages } from "./additional-images.ts";
import { DEFAULT_PLACE } from "./location.ts";
import type { ReleaseManifest } from "./model.ts";
import type { MissingArtifact, ResolvedArtifact, ResolvedRelease } from "./resolved.ts";

/** One side of a change; null: this side does not have it. */
export type Side = string | number | boolean | null;

export interface Change {
  readonly kind: "artifact" | "values" | "field";
  /** "image algaCore", "chart sebastian", "alga-core.single-node.yaml server.replicaCount", "minimumControlPlane". */
  readonly name: string;
  readonly from: Side;
  readonly to: Side;
}

export interface ReleaseDifference {
  readonly from: { readonly version: string; readonly digest: Digest };
  readonly to: { readonly version: string; readonly digest: Digest };
  readonly changes: readonly Change[];
  /** What the first release did not have by the same digest. Layers that two images share are counted in both. */
  readonly downloads: readonly ResolvedArtifact[];
  readonly downloadBytes: number;
  /** Images of the second release that the registry does not show: their sizes are not in `downloadBytes`. */
  readonly unknown: readonly MissingArtifact[];
}

/**
 * Compares two releases.
 *
 * @throws {ApplianceError} release/invalid-manifest when values of one of them are no YAML.
 */
export function differenceOf(from: ResolvedRelease, to: ResolvedRelease): ReleaseDifference {
  const had = new Set(from.artifacts.map((artifact) => artifact.digest));
  const downloads = to.artifacts.filter((artifact) => !had.has(artifact.digest));
  return {
    from: { version: from.manifest.version, digest: from.digest },
    to: { version: to.manifest.version, digest: to.digest },
    changes: [
      ...changesOf("artifact", artifactsOf(from), artifactsOf(to)),
      ...changesOf("values", valuesOf(from.manifest), valuesOf(to.manifest)),
      ...changesOf("field", fieldsOf(from.manifest), fieldsOf(to.manifest)),
    ],
    downloads,
    downloadBytes: downloads.reduce((sum, artifact) => sum + artifact.sizeBytes, 0),
    unknown: to.missing,
  };
}

type Sides = ReadonlyMap<string, Side>;

function changesOf(kind: Change["kind"], from: Sides, to: Sides): readonly Change[] {
  const names = [...new Set([...from.keys(), ...to.keys()])].sort();
  return names
    .map((name) => ({ kind, name, from: from.get(name) ?? null, to: to.get(name) ?? null }))
    .filter((change) => change.from !== change.to);
}

/** Name -> `tag@digest`; of what the registry does not show only the tag is known. Images of others are pinned by the release. */
function artifactsOf(release: ResolvedRelease): Sides {
  const others = additionalImages(release.manifest, DEFAULT_PLACE).map(
    ({ title, tag, digest }) => [title, tag === undefined ? digest : `${tag}@${digest}`] as const,
  );
  const shown = release.artifacts.map((one) => [one.name, pinned(one.reference, one.digest)] as const);
  const missing = release.missing.map((one) => [one.name, tagOf(one.reference)] as const);
  return new Map([...shown, ...missing, ...others]);
}

function pinned(reference: string, digest: Digest): string {
  const tag = tagOf(reference);
  return tag === "" ? digest : `${tag}@${digest}`;
}

function tagOf(reference: string): string {
  const named = reference.split("@", 1)[0] ?? "";
  const colon = named.lastIndexOf(":");
  return colon > named.lastIndexOf("/") ? named.slice(colon + 1) : "";
}

function valuesOf({ profileValues }: ReleaseManifest): Sides {
  return new Map(
    Object.entries(profileValues).flatMap(([file, text]) =>
      leavesOf(parsedValues(file, text), file).map(([path, value]) => [path, value] as const),
    ),
  );
}

/** Aliases that one document may expand: our own files use none, and a bomb must not go off here. */
const MAX_ALIASES = 20;

function parsedValues(file: string, text: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true });
  try {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw new ApplianceError("release/invalid-manifest", `Cannot compare values "${file}": they are no YAML`, {
      cause,
      hint: "Tell the publisher of the release",
    });
  }
}

/** Values at the ends of the paths; a list is one value, because its entries have no names. */
function leavesOf(value: unknown, path: string): readonly (readonly [string, Side])[] {
  const entries = isPlainObject(value) ? Object.entries(value) : [];
  const joint = path.endsWith(".yaml") ? " " : ".";
  if (entries.length > 0) return entries.flatMap(([key, inner]) => leavesOf(inner, `${path}${joint}${key}`));
  return [[path, sideOf(value)]];
}

/** A null of the values is a value, unlike a side that does not have it. */
function sideOf(value: unknown): Side {
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isPlain ? value : canonicalJson(value ?? null);
}

/** Told by the artifacts and values, or other in every release. */
const TOLD_ELSEWHERE = new Set([
  "version",
  "channel",
  "createdAt",
  "images",
  "imageDigests",
  "controlPlane",
  "config",
  "flux",
  "charts",
  "chartDigests",
  "additionalImages",
  "profileValues",
]);

/** All other fields, also those that a newer publisher has added. */
function fieldsOf(manifest: ReleaseManifest): Sides {
  const rows = Object.entries(manifest).filter(([key, value]) => !TOLD_ELSEWHERE.has(key) && value !== undefined);
  return new Map(rows.map(([key, value]) => [key, sideOf(value)]));
}
