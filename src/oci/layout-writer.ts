/**
 * Writing an OCI image layout into a folder.
 *
 * A blob gets its name only whole, checked and on disk, so a write that died goes on with what is there. `oci-layout` is
 * written last: a folder without it is nobody's layout yet.
 *
 * @see OCI image-spec v1.1.1, image-layout.md
 */
import { join } from "node:path/posix";
import { createDigester, type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, Files } from "../core/ports.ts";
import { longBody, shortBody } from "./body.ts";
import {
  blobPath,
  folderReader,
  type LayoutWriter,
  type ManifestInput,
  readSmall,
  refuseLinkedFolders,
} from "./layout.ts";
import { type Wanted, wrongContent } from "./layout-content.ts";
import {
  badLayout,
  formatLayoutIndex,
  type LayoutEntry,
  layoutMarker,
  MAX_INDEX_BYTES,
  parseLayoutIndex,
  refName,
} from "./layout-index.ts";
import { type Descriptor, parseDocument } from "./model.ts";
import { isRepository, isTag } from "./reference.ts";
import type { RegistryStore } from "./store.ts";

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;
const OWN_NAMES = ["blobs", "index.json", "oci-layout"];

/**
 * Makes a folder into a layout, or goes on with one whose writer died.
 *
 * @param options.keepEntries Begin with the roots that the folder has; default: with none.
 * @throws {ApplianceError} oci/bad-layout when the folder holds something else.
 */
export async function createLayout(
  deps: Pick<Deps, "files">,
  folder: string,
  options: { readonly keepEntries?: boolean } = {},
): Promise<LayoutWriter> {
  const { files } = deps;
  const strange = (await files.list(folder)).find((name) => !OWN_NAMES.includes(name) && !isTemporary(name));
  if (strange !== undefined) {
    throw badLayout(folder, `the folder holds "${strange.slice(0, 100)}", a layout or an empty folder is wanted`);
  }
  await files.makeDirectory(join(folder, "blobs/sha256"), { mode: FOLDER_MODE });
  await refuseLinkedFolders(files, folder);
  const before = options.keepEntries === true ? await earlierEntries(files, folder) : [];
  return writer(files, folder, before);
}

/** The hidden names of the `Files` port: a writer died or is at work. */
function isTemporary(name: string): boolean {
  return /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);
}

async function earlierEntries(files: Files, folder: string): Promise<readonly LayoutEntry[]> {
  const bytes = await readSmall(files, join(folder, "index.json"), MAX_INDEX_BYTES);
  return bytes === undefined ? [] : parseLayoutIndex(bytes, folder);
}

/** Copies a store in memory into a layout: blobs, manifests and tags of all its repositories. The caller finishes it. */
export async function writeStore(store: RegistryStore, layout: LayoutWriter): Promise<void> {
  for (const repository of store.repositories()) {
    for (const { bytes } of store.blobs(repository)) await layout.putBlob(bytes);
    for (const { bytes, mediaType } of store.manifests(repository)) {
      await layout.putManifest({ repository, mediaType, bytes });
    }
    for (const tag of store.tags(repository) ?? []) {
      const stored = store.manifest(repository, tag);
      if (stored !== undefined) await layout.putManifest({ repository, tag, ...stored });
    }
  }
}

function writer(files: Files, folder: string, before: readonly LayoutEntry[]): LayoutWriter {
  const entries = new Map(before.map((entry) => [refName(entry), entry]));
  /** "<repository>@<digest>" of what an index of the same repository names. */
  const children = new Set<string>();
  const roots = (): readonly LayoutEntry[] => withoutDoubles([...entries.values()], children);
  const base = folderReader(files, folder, roots);
  const putBlob = async (bytes: Uint8Array): Promise<{ readonly digest: Digest; readonly size: number }> => {
    const blob = { digest: digestOf(bytes), size: bytes.length };
    if ((await base.size(blob.digest)) !== bytes.length) {
      await files.write(blobPath(folder, blob.digest), bytes, { mode: FILE_MODE });
    }
    return blob;
  };
  return {
    ...base,
    putBlob,
    putStream: async (expected, stream) => {
      if ((await base.size(expected.digest)) === expected.size) return stream.cancel();
      await keepStream(files, { path: blobPath(folder, expected.digest), folder, expected }, stream);
    },
    putManifest: async (input) => {
      const read = readInput(input);
      const { digest, size } = await putBlob(input.bytes);
      for (const child of read.children) children.add(`${input.repository}@${child}`);
      const place = { repository: input.repository, ...(input.tag === undefined ? {} : { tag: input.tag }) };
      const entry = { ...place, descriptor: { ...read.descriptor, digest, size } };
      entries.set(refName(entry), entry);
      return digest;
    },
    finish: async () => {
      await files.write(join(folder, "index.json"), formatLayoutIndex(roots()), { mode: FILE_MODE });
      await files.write(join(folder, "oci-layout"), layoutMarker(), { mode: FILE_MODE });
    },
  };
}

/** Leaves out what is named by digest alone although a tag or an index of its repository names it too. */
function withoutDoubles(entries: readonly LayoutEntry[], children: ReadonlySet<string>): readonly LayoutEntry[] {
  const nameOf = ({ repository, descriptor }: LayoutEntry): string => `${repository}@${descriptor.digest}`;
  const tagged = new Set(entries.filter(({ tag }) => tag !== undefined).map(nameOf));
  return entries.filter((one) => one.tag !== undefined || !(tagged.has(nameOf(one)) || children.has(nameOf(one))));
}

/** What a root says of itself, and the digests that it names when it is an index. */
function readInput(input: ManifestInput): {
  readonly descriptor: Omit<Descriptor, "digest" | "size">;
  readonly children: readonly Digest[];
} {
  const what = `${input.repository}${input.tag === undefined ? "" : `:${input.tag}`}`;
  if (!isRepository(input.repository) || (input.tag !== undefined && !isTag(input.tag))) {
    throw new ApplianceError("oci/bad-reference", `Cannot use reference "${what}": it is no repository with a tag`);
  }
  const document = parseDocument(input.bytes, { contentType: input.mediaType, what });
  const { artifactType } = document.kind === "index" ? document.index : document.manifest;
  return {
    descriptor: { mediaType: input.mediaType, ...(artifactType === undefined ? {} : { artifactType }) },
    children: document.kind === "index" ? document.index.manifests.map(({ digest }) => digest) : [],
  };
}

interface Target {
  readonly path: string;
  readonly folder: string;
  readonly expected: Wanted;
}

async function keepStream(files: Files, target: Target, stream: ReadableStream<Uint8Array>): Promise<void> {
  const { expected, folder } = target;
  const staged = await files.stage(target.path, { mode: FILE_MODE });
  const digester = createDigester();
  const what = `"${expected.digest}" for "${folder}"`;
  let sizeBytes = 0;
  try {
    for await (const chunk of stream) {
      sizeBytes += chunk.length;
      if (sizeBytes > expected.size) throw longBody(what, expected.size);
      digester.update(chunk);
      await staged.write(chunk);
    }
    if (sizeBytes < expected.size) throw shortBody(what, { sizeBytes, wanted: expected.size });
    const digest = digester.digest();
    if (digest !== expected.digest) throw wrongContent(expected.digest, { what: folder, digest });
    await staged.commit();
  } finally {
    await staged.discard();
  }
}
