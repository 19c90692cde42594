/** Executables as one artifact of a bundle, a layer for each; their bytes stay in their files. */
import { createDigester, type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { EMPTY_CONFIG } from "../oci/artifact.ts";
import type { LayoutEntry } from "../oci/layout.ts";
import type { Wanted } from "../oci/layout-content.ts";
import { MEDIA } from "../oci/media-types.ts";
import { type Descriptor, parseDocument } from "../oci/model.ts";

const EXECUTABLE_REPOSITORY = "alga-appliance-executable";
const EXECUTABLE_TYPE = "application/vnd.alga.appliance.executable.v1";

export interface ExecutableFile {
  readonly path: string;
  /** Its name for whoever takes it out again. */
  readonly name: string;
}

export interface PackedExecutables {
  readonly entries: readonly LayoutEntry[];
  readonly contents: readonly Wanted[];
  /** Content that is small enough to be held. */
  readonly memory: ReadonlyMap<Digest, Uint8Array>;
  /** Digest of an executable -> the file that has it. */
  readonly files: ReadonlyMap<Digest, string>;
}

/**
 * Makes the artifact. Each file is read once for its digest.
 *
 * @throws {ApplianceError} file/unreadable for a file that is missing; oci/too-many-layers for more than a thousand of them.
 */
export async function packExecutables(
  deps: Pick<Deps, "files">,
  version: string,
  given: readonly ExecutableFile[],
): Promise<PackedExecutables> {
  if (given.length === 0) return { entries: [], contents: [], memory: new Map(), files: new Map() };
  const layers: (Descriptor & { readonly path: string })[] = [];
  for (const { path, name } of given) {
    const annotations = { "org.opencontainers.image.title": name };
    layers.push({ mediaType: EXECUTABLE_TYPE, ...(await digestOfFile(deps, path)), annotations, path });
  }
  const empty = { mediaType: MEDIA.empty, digest: digestOf(EMPTY_CONFIG.bytes), size: EMPTY_CONFIG.bytes.length };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: EXECUTABLE_TYPE,
    config: empty,
    layers: layers.map(({ path: _path, ...layer }) => layer),
    annotations: { "org.opencontainers.image.version": version },
  };
  const bytes = new TextEncoder().encode(canonicalJson(manifest));
  parseDocument(bytes, { contentType: MEDIA.manifest, what: EXECUTABLE_REPOSITORY });
  const descriptor = {
    mediaType: MEDIA.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType: EXECUTABLE_TYPE,
  };
  return {
    entries: [{ repository: EXECUTABLE_REPOSITORY, tag: version.replaceAll("+", "_"), descriptor }],
    contents: layers,
    memory: new Map([
      [descriptor.digest, bytes],
      [empty.digest, EMPTY_CONFIG.bytes],
    ]),
    files: new Map(layers.map(({ digest, path }) => [digest, path])),
  };
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Yields a file in pieces of 1 MiB.
 *
 * @param options.fromByte Where it begins. Default 0.
 * @throws {ApplianceError} file/unreadable.
 */
export async function* fileChunks(
  { files }: Pick<Deps, "files">,
  path: string,
  options: { readonly fromByte?: number | undefined } = {},
): AsyncGenerator<Uint8Array, void> {
  const file = await files.openRead(path);
  if (file === undefined) {
    throw new ApplianceError("file/unreadable", `Cannot read file "${path}": there is no such file`);
  }
  try {
    const from = options.fromByte ?? 0;
    for (let at = from; at < file.sizeBytes; at += CHUNK_BYTES) yield await file.readAt(at, CHUNK_BYTES);
  } finally {
    await file.close();
  }
}

async function digestOfFile(deps: Pick<Deps, "files">, path: string): Promise<Wanted> {
  const digester = createDigester();
  let size = 0;
  for await (const chunk of fileChunks(deps, path)) {
    digester.update(chunk);
    size += chunk.length;
  }
  return { digest: digester.digest(), size };
}
