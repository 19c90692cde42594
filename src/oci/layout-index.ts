/**
 * `index.json` and `oci-layout` of an OCI image layout: from bytes to entries and back.
 *
 * Every entry is a root and carries its place below a registry as `org.opencontainers.image.ref.name`:
 * "<repository>:<tag>", or "<repository>@<digest>" for what has no tag. Skopeo, crane and umoci take exactly this text after
 * `oci:<folder>:`. The bytes are untrusted; the entries are checked in form, their content only when it is read.
 *
 * @see OCI image-spec v1.1.1, image-layout.md, "index.json file"; annotations.md, "org.opencontainers.image.ref.name"
 */
import { z } from "zod";
import { isDigest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson, isPlainObject, parseJson } from "../core/json.ts";
import { isIndexType, isManifestType, MEDIA } from "./media-types.ts";
import { type Descriptor, descriptorSchema, MAX_MANIFEST_BYTES } from "./model.ts";
import { isRepository, isTag } from "./reference.ts";

/** One root of a layout. */
export interface LayoutEntry {
  /** Relative to the base of a registry: "charts/sebastian", "alga-appliance-release". */
  readonly repository: string;
  /** Absent: reachable by digest only. */
  readonly tag?: string;
  readonly descriptor: Descriptor;
}

/** Bytes of `index.json`: ten thousand entries of 400 bytes fit. */
export const MAX_INDEX_BYTES = 8 * 1024 * 1024;
const MAX_ENTRIES = 10_000;
/** `{"imageLayoutVersion":"1.0.0"}` and some spaces. */
export const MAX_MARKER_BYTES = 4_096;

const REF_NAME = "org.opencontainers.image.ref.name";

const layoutIndexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.literal(MEDIA.index).optional(),
  manifests: z.array(descriptorSchema).max(MAX_ENTRIES),
});

/** The bytes of `oci-layout`. */
export function layoutMarker(): Uint8Array {
  return new TextEncoder().encode(canonicalJson({ imageLayoutVersion: "1.0.0" }));
}

/**
 * Checks the bytes of `oci-layout`; undefined: the file is not there.
 *
 * @throws {ApplianceError} oci/bad-layout when it is missing, is not JSON or names another version than 1.
 */
export function checkLayoutMarker(bytes: Uint8Array | undefined, what: string): void {
  if (bytes === undefined) throw badLayout(what, "it has no file oci-layout, so nobody has finished it");
  const version = isolated(what, "oci-layout", () => {
    const value = parseJson(bytes, { what: `"oci-layout" of "${what}"`, maxBytes: MAX_MARKER_BYTES, maxDepth: 4 });
    return isPlainObject(value) ? value.imageLayoutVersion : undefined;
  });
  if (typeof version === "string" && /^1\.\d{1,6}\.\d{1,6}$/.test(version)) return;
  throw badLayout(what, `its version is ${JSON.stringify(version)?.slice(0, 40)}, 1.0.0 is wanted`);
}

/** The bytes of `index.json`: the same entries always give the same bytes, in whatever order they come. */
export function formatLayoutIndex(entries: readonly LayoutEntry[]): Uint8Array {
  const named = entries.map((entry) => ({ name: refName(entry), descriptor: entry.descriptor }));
  named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const manifests = named.map(({ name, descriptor: { mediaType, digest, size, artifactType } }) => ({
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    annotations: { [REF_NAME]: name },
  }));
  return new TextEncoder().encode(canonicalJson({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
}

/** "<repository>:<tag>", or "<repository>@<digest>". */
export function refName(entry: LayoutEntry): string {
  return entry.tag === undefined
    ? `${entry.repository}@${entry.descriptor.digest}`
    : `${entry.repository}:${entry.tag}`;
}

/**
 * Reads the bytes of `index.json`; undefined: the file is not there.
 *
 * @throws {ApplianceError} oci/bad-layout when it is missing or has another form, when an entry has no usable name, is no
 *   manifest, or when two entries have one name.
 */
export function parseLayoutIndex(bytes: Uint8Array | undefined, what: string): readonly LayoutEntry[] {
  if (bytes === undefined) throw badLayout(what, "it has no file index.json");
  const value = isolated(what, "index.json", () =>
    parseJson(bytes, { what: `"index.json" of "${what}"`, maxBytes: MAX_INDEX_BYTES, maxDepth: 16 }),
  );
  const parsed = layoutIndexSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badLayout(what, `index.json: ${issue?.path.map(String).join(".")}: ${issue?.message ?? "another form"}`);
  }
  const entries = parsed.data.manifests.map((descriptor, at) => readEntry(descriptor, { what, at }));
  refuseTwins(entries, what);
  return entries;
}

function readEntry(descriptor: Descriptor, place: { readonly what: string; readonly at: number }): LayoutEntry {
  const name = descriptor.annotations?.[REF_NAME];
  const { mediaType, digest, size, artifactType } = descriptor;
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    throw badLayout(place.what, `entry ${place.at + 1} is "${mediaType}", a manifest or an index is wanted`);
  }
  if (size > MAX_MANIFEST_BYTES)
    throw badLayout(place.what, `entry ${place.at + 1} has ${size} bytes, which is too large`);
  const read = name === undefined ? undefined : readRefName(name, digest);
  if (read === undefined) {
    const is = name === undefined ? "no name" : `the name "${name.slice(0, 100)}"`;
    throw badLayout(place.what, `entry ${place.at + 1} has ${is}, one like charts/sebastian:1.0.3 is wanted`);
  }
  return { ...read, descriptor: { mediaType, digest, size, ...(artifactType === undefined ? {} : { artifactType }) } };
}

function readRefName(name: string, digest: string): Omit<LayoutEntry, "descriptor"> | undefined {
  const [named = "", ownDigest, ...more] = name.split("@");
  if (more.length > 0 || (ownDigest !== undefined && (!isDigest(ownDigest) || ownDigest !== digest))) {
    return undefined;
  }
  const colon = named.lastIndexOf(":");
  const repository = colon < 0 ? named : named.slice(0, colon);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (!isRepository(repository) || (tag !== undefined && (!isTag(tag) || ownDigest !== undefined))) return undefined;
  return tag === undefined ? { repository } : { repository, tag };
}

function refuseTwins(entries: readonly LayoutEntry[], what: string): void {
  const seen = new Set<string>();
  for (const entry of entries) {
    const name = refName(entry);
    if (seen.has(name)) throw badLayout(what, `index.json names "${name}" twice`);
    seen.add(name);
  }
}

/** Strict JSON has codes of its own, which say nothing of a layout. */
function isolated<T>(what: string, file: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isApplianceError(cause)) throw cause;
    throw badLayout(what, `${file} is not usable JSON (${cause.code})`, cause);
  }
}

/** The error for what is no layout. */
export function badLayout(what: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("oci/bad-layout", `Cannot use OCI layout "${what}": ${is}`, { cause });
}
