/**
 * What a bundle says of itself (`alga.appliance.bundle/v1`): the config blob of an artifact that lies in the bundle.
 *
 * It names the release, every root that belongs to it, and what was left out on purpose and why. It is a claim of whoever
 * made the bundle and trusted for nothing but telling "left out" from "lost": content is checked by digests alone.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson, parseJson } from "../core/json.ts";
import type { Layout } from "../oci/layout.ts";
import type { LayoutCatalog } from "../oci/layout-catalog.ts";
import { MAX_MANIFEST_BYTES, parseDocument } from "../oci/model.ts";
import { isRepository, isTag } from "../oci/reference.ts";

export const BUNDLE_SCHEMA = "alga.appliance.bundle/v1";
/** Repository of the artifact, below the base. Its tags are the versions of the releases. */
export const BUNDLE_REPOSITORY = "alga-appliance-bundle";
export const BUNDLE_ARTIFACT_TYPE = "application/vnd.alga.appliance.bundle.v1";
export const BUNDLE_CONFIG_MEDIA_TYPE = "application/vnd.alga.appliance.bundle.config.v1+json";

const digest = z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted");
const repository = z.string().refine(isRepository, "a repository is wanted");

const bundleSchema = z.object({
  schema: z.literal(BUNDLE_SCHEMA),
  release: z.object({
    version: z.string().min(1).max(128),
    /** Of the release's own manifest. */
    digest,
    /** Channel that pointed at it when the bundle was made. */
    channel: z.string().max(128).optional(),
  }),
  /** "linux/amd64", or "all". */
  platforms: z.array(z.string().max(64)).min(1).max(16),
  /** Roots of the bundle. */
  contents: z
    .array(z.object({ repository, tag: z.string().refine(isTag, "a tag is wanted").optional(), digest }))
    .max(10_000),
  /** Content that the roots name and that is not in the bundle. */
  leftOut: z
    .array(
      z.object({
        digest,
        size: z.number().int().min(0),
        /** "platform": of another one. "store": the have-list has it. "node": the node runs this very image. */
        why: z.enum(["platform", "store", "node"]),
      }),
    )
    .max(20_000),
});

export type BundleDocument = z.infer<typeof bundleSchema>;

/** The bytes of the document: the same bundle always gives the same. */
export function formatBundleDocument(document: BundleDocument): Uint8Array {
  return new TextEncoder().encode(canonicalJson(document));
}

/**
 * Reads the documents of all bundles that a layout holds; empty for a layout of other origin.
 *
 * @throws {ApplianceError} oci/bad-layout when one has another form; oci/digest-mismatch.
 */
export async function readBundleDocuments(layout: Layout, catalog: LayoutCatalog): Promise<readonly BundleDocument[]> {
  const documents: BundleDocument[] = [];
  for (const descriptor of catalog.repositories.get(BUNDLE_REPOSITORY)?.manifests.values() ?? []) {
    if (descriptor.artifactType !== BUNDLE_ARTIFACT_TYPE) continue;
    const what = `${BUNDLE_REPOSITORY}@${descriptor.digest}`;
    const bytes = await layout.bytes(descriptor);
    const document = parseDocument(bytes, { contentType: descriptor.mediaType, what });
    if (document.kind === "manifest") documents.push(parse(await layout.bytes(document.manifest.config), layout.place));
  }
  return documents;
}

function parse(bytes: Uint8Array, place: string): BundleDocument {
  const parsed = bundleSchema.safeParse(parseJson(bytes, { what: "bundle document", maxBytes: MAX_MANIFEST_BYTES }));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const is = `its bundle document has ${issue?.path.map(String).join(".") || "a form"}: ${issue?.message ?? "unknown"}`;
  throw new ApplianceError("oci/bad-layout", `Cannot use bundle "${place}": ${is}`);
}
