/**
 * Descriptors, manifests and indexes: registry bytes become these types only here, bounded and checked.
 *
 * Unknown fields are dropped; whoever needs the whole document has its bytes. Bytes are untrusted as text: the caller
 * has compared their digest before, the form is checked here.
 *
 * @see OCI image-spec v1.1.1, descriptor.md, manifest.md, image-index.md
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import { bareMediaType, isIndexType, isManifestType } from "./media-types.ts";

/** Layers of one manifest. containerd stops at 127 for images; artifacts of files may have more. */
const MAX_LAYERS = 1_000;
/** Entries of one index. */
const MAX_INDEX_ENTRIES = 1_000;
/** Bytes of a manifest or config: what registries accept. @see OCI distribution-spec v1.1.1, "Pushing Manifests" */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

const annotationsSchema = z.record(z.string(), z.string());

const platformSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
});

/** A descriptor as every document carries it. */
export const descriptorSchema = z.object({
  mediaType: z.string().min(1).max(255),
  /** Only sha256 is accepted. */
  digest: z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted"),
  /** Bytes. */
  size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  annotations: annotationsSchema.optional(),
  artifactType: z.string().optional(),
  platform: platformSchema.optional(),
  /** The content itself in base64, checked like any other before use. */
  data: z.string().optional(),
});

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema),
  subject: descriptorSchema.optional(),
  annotations: annotationsSchema.optional(),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  manifests: z.array(descriptorSchema),
  subject: descriptorSchema.optional(),
  annotations: annotationsSchema.optional(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;
export type Platform = z.infer<typeof platformSchema>;
/** A manifest whose media type is known, from the document or else from the answer that carried it. */
export type ManifestDocument = z.infer<typeof manifestSchema> & { readonly mediaType: string };
export type IndexDocument = z.infer<typeof indexSchema> & { readonly mediaType: string };
export type ParsedDocument =
  | { readonly kind: "manifest"; readonly manifest: ManifestDocument }
  | { readonly kind: "index"; readonly index: IndexDocument };

/**
 * Reads manifest bytes as what their media type says.
 *
 * @param options.contentType The type the registry announced; it must agree with the document's own.
 * @param options.what Reference, for messages.
 * @throws {ApplianceError} oci/media-type when the types disagree or are not known; oci/bad-manifest for another form,
 *   a `json/*` code for unsafe JSON; oci/bad-digest for another algorithm; oci/too-many-layers and oci/too-large.
 */
export function parseDocument(
  bytes: Uint8Array,
  options: { readonly contentType: string; readonly what: string },
): ParsedDocument {
  const value = parseJson(bytes, { what: `manifest of "${options.what}"`, maxBytes: MAX_MANIFEST_BYTES, maxDepth: 32 });
  if (!isPlainObject(value)) throw badManifest(options.what, "it is not a JSON object");
  const mediaType = agreedMediaType(value.mediaType, options);
  boundLists(value, options.what);
  if (isIndexType(mediaType)) {
    if (value.config !== undefined || value.layers !== undefined) throw badManifest(options.what, MIXED);
    return { kind: "index", index: { ...checked(indexSchema, value, options.what), mediaType } };
  }
  if (value.manifests !== undefined) throw badManifest(options.what, MIXED);
  return { kind: "manifest", manifest: { ...checked(manifestSchema, value, options.what), mediaType } };
}

/** A document that reads as both kinds has tricked clients into seeing two different things (CVE-2021-41190). */
const MIXED = "it has the fields of a manifest and of an index";

function agreedMediaType(own: unknown, options: { readonly contentType: string; readonly what: string }): string {
  const announced = bareMediaType(options.contentType);
  const mediaType = typeof own === "string" ? own : announced;
  if (own !== undefined && typeof own !== "string") throw badManifest(options.what, "its mediaType is not a text");
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
    throw mediaTypeError(options.what, `it is "${mediaType.slice(0, 100)}", a manifest or an index is wanted`);
  }
  if (announced !== mediaType) {
    throw mediaTypeError(options.what, `the answer says "${announced.slice(0, 100)}", the document "${mediaType}"`);
  }
  return mediaType;
}

function boundLists(value: Readonly<Record<string, unknown>>, what: string): void {
  const layers = Array.isArray(value.layers) ? value.layers.length : 0;
  if (layers > MAX_LAYERS) {
    throw new ApplianceError(
      "oci/too-many-layers",
      `Cannot use manifest of "${what}": it has ${layers} layers, at most ${MAX_LAYERS} are read`,
    );
  }
  const entries = Array.isArray(value.manifests) ? value.manifests.length : 0;
  if (entries > MAX_INDEX_ENTRIES) {
    throw new ApplianceError(
      "oci/too-large",
      `Cannot use index of "${what}": it has ${entries} entries, at most ${MAX_INDEX_ENTRIES} are read`,
    );
  }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") ?? "";
  if (path === "digest" || path.endsWith(".digest")) {
    throw new ApplianceError(
      "oci/bad-digest",
      `Cannot use manifest of "${what}": ${path} is not sha256: and 64 lower-case hex digits`,
    );
  }
  throw badManifest(what, `${path === "" ? "the document" : path}: ${issue?.message ?? "another form"}`);
}

function badManifest(what: string, is: string): ApplianceError {
  return new ApplianceError("oci/bad-manifest", `Cannot use manifest of "${what}": ${is}`);
}

function mediaTypeError(what: string, is: string): ApplianceError {
  return new ApplianceError("oci/media-type", `Cannot use manifest of "${what}": ${is}`);
}
