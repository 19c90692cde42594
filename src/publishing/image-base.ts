/**
 * A base image as the source of libraries: its layers are taken over unchanged, and checked to hold what the executable needs.
 *
 * The base is named by digest and comes from a registry or from an OCI layout; neither is trusted, every byte is checked
 * against that digest.
 *
 * @see OCI image-spec v1.1.1, config.md
 */
import { z } from "zod";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { Layout } from "../oci/layout.ts";
import { chooseEntry } from "../oci/manifest.ts";
import { MEDIA } from "../oci/media-types.ts";
import { type Descriptor, type ManifestDocument, type ParsedDocument, parseDocument } from "../oci/model.ts";
import { decompress } from "./image-decompress.ts";
import type { Architecture } from "./image-elf.ts";
import type { BaseImage, RuntimeSource } from "./image-runtime.ts";
import { fileTree } from "./image-tree.ts";

/** Where a base image is read from. */
export interface BaseContent {
  /** As the publisher wrote it, for messages. */
  readonly reference: string;
  /** Registry and repository, for labels and provenance; a folder has none that means something elsewhere. */
  readonly name?: string;
  /** Of the index or manifest that the reference names. */
  readonly digest: Digest;
  /** The manifest for a platform. */
  manifest(platform: { readonly os: string; readonly architecture: string }): Promise<ManifestDocument>;
  /** Checked bytes. */
  blob(descriptor: Descriptor, options: { readonly maxBytes: number }): Promise<Uint8Array>;
}

/** Bytes of the layers, compressed and not. A base that only brings libraries has 20 MB. */
const MAX_LAYER_BYTES = 256 * 1024 * 1024;
/** Docker's names for the same bytes. */
const OCI_LAYERS: Readonly<Record<string, string>> = {
  "application/vnd.docker.image.rootfs.diff.tar.gzip": MEDIA.layerGzip,
  "application/vnd.docker.image.rootfs.diff.tar": MEDIA.layerTar,
};
const MAX_CONFIG_BYTES = 1024 * 1024;

const configSchema = z.object({
  architecture: z.string(),
  os: z.literal("linux"),
  config: z.object({ Env: z.array(z.string()).nullish() }).optional(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)) }),
});

/** A base image in a registry. */
export function registryBase(
  client: RegistryClient,
  image: { readonly repository: string; readonly digest: Digest; readonly reference: string },
): BaseContent {
  const { repository, digest, reference } = image;
  return {
    reference,
    name: `${client.registry}/${repository}`,
    digest,
    manifest: async (platform) => (await client.manifest(repository, digest, { platform })).manifest,
    blob: (descriptor, options) => client.blob(repository, descriptor, options),
  };
}

/**
 * A base image in an OCI layout. It is found by its digest alone: crane and skopeo name nothing in the layouts that they write.
 *
 * @throws {ApplianceError} image/bad-source when the layout has nothing of this digest; oci/... when it has another form.
 */
export async function layoutBase(
  layout: Pick<Layout, "bytes" | "size" | "place">,
  image: { readonly digest: Digest; readonly reference: string },
): Promise<BaseContent> {
  const { digest, reference } = image;
  const size = await layout.size(digest);
  if (size === undefined) throw badBase(reference, `the layout "${layout.place}" has nothing of this digest`);
  const open = async (wanted: Pick<Descriptor, "digest" | "size">): Promise<ParsedDocument> => {
    const bytes = await layout.bytes(wanted);
    return parseDocument(bytes, { contentType: documentType(bytes, reference), what: reference });
  };
  const root = await open({ digest, size });
  return {
    reference,
    digest,
    manifest: async (platform) => {
      if (root.kind === "manifest") return root.manifest;
      const inner = await open(chooseEntry(root.index, { platform }, reference));
      if (inner.kind === "manifest") return inner.manifest;
      throw badBase(reference, "it is an index of indexes");
    },
    blob: (descriptor, options) => layout.bytes(descriptor, options),
  };
}

/** What a document is by its own word, or by its fields where it does not say: umoci writes manifests without a type. */
function documentType(bytes: Uint8Array, reference: string): string {
  const value = parseJson(bytes, { what: `manifest of base image "${reference}"` });
  if (!isPlainObject(value)) throw badBase(reference, "its manifest is no JSON object");
  if (typeof value.mediaType === "string") return value.mediaType;
  return value.manifests === undefined ? MEDIA.manifest : MEDIA.index;
}

/**
 * Opens one platform of a base image.
 *
 * @throws {ApplianceError} oci/no-platform, image/wrong-machine when it is not for this platform; image/bad-source for a
 *   config of another form; what reading throws.
 */
export async function openBase(
  content: BaseContent,
  options: { readonly architecture: Architecture },
): Promise<RuntimeSource> {
  const { reference, name, digest } = content;
  const manifest = await content.manifest({ os: "linux", architecture: options.architecture });
  const config = await readConfig(content, { descriptor: manifest.config, architecture: options.architecture });
  const layers: BaseImage["layers"][number][] = [];
  const tars: Uint8Array[] = [];
  for (const [index, { mediaType, ...rest }] of manifest.layers.entries()) {
    const bytes = await content.blob({ mediaType, ...rest }, { maxBytes: MAX_LAYER_BYTES });
    const what = `layer ${index + 1} of base image "${reference}"`;
    const tar = await decompress(bytes, { what, maxBytes: MAX_LAYER_BYTES });
    const diffId = digestOf(tar);
    if (config.rootfs.diff_ids[index] !== diffId)
      throw badBase(reference, `its config names another content for ${what}`);
    tars.push(tar);
    layers.push({ mediaType: OCI_LAYERS[mediaType] ?? mediaType, bytes, diffId });
  }
  if (config.rootfs.diff_ids.length !== layers.length)
    throw badBase(reference, "it has layers that its config does not name");
  const tree = fileTree(tars, `base image "${reference}"`);
  return {
    what: `base image "${reference}"`,
    base: { ...(name === undefined ? {} : { name }), digest, layers, environment: config.config?.Env ?? [] },
    find: async (paths) => {
      const path = paths.find((one) => tree.read(one) !== undefined);
      const bytes = path === undefined ? undefined : tree.read(path);
      return path === undefined || bytes === undefined ? undefined : { path, bytes };
    },
  };
}

async function readConfig(
  content: BaseContent,
  wanted: { readonly descriptor: Descriptor; readonly architecture: Architecture },
): Promise<z.infer<typeof configSchema>> {
  const { reference } = content;
  const bytes = await content.blob(wanted.descriptor, { maxBytes: MAX_CONFIG_BYTES });
  const parsed = configSchema.safeParse(parseJson(bytes, { what: `config of base image "${reference}"` }));
  if (!parsed.success) throw badBase(reference, "its config has another form");
  if (parsed.data.architecture === wanted.architecture) return parsed.data;
  throw new ApplianceError(
    "image/wrong-machine",
    `Cannot use base image "${reference}": it is for ${parsed.data.architecture}, one for ${wanted.architecture} is wanted`,
  );
}

function badBase(reference: string, is: string): ApplianceError {
  return new ApplianceError("image/bad-source", `Cannot use base image "${reference}": ${is}`);
}
