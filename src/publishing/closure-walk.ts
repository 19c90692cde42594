/** Walking down from manifests to everything below them, each read once by its digest and checked. */
import { ApplianceError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { type Descriptor, MAX_MANIFEST_BYTES, type ParsedDocument, type Platform } from "../oci/model.ts";

export interface ClosureManifest {
  /** Of the registry that has it. */
  readonly client: RegistryClient;
  /** As that registry knows it. */
  readonly repository: string;
  readonly descriptor: Descriptor;
  /** Checked. */
  readonly bytes: Uint8Array;
}

export interface ClosureBlob {
  readonly client: RegistryClient;
  readonly repository: string;
  readonly descriptor: Descriptor;
}

export interface WalkStart {
  readonly client: RegistryClient;
  readonly repository: string;
  readonly descriptor: Descriptor;
  readonly signal: AbortSignal;
}

/** Collects manifests and blobs by digest, each once for each repository; bounded in number and bytes. */
/** What was read on the way down, each manifest and blob once for each repository. Grows while `add` is called. */
export interface Walk {
  /** Reads a manifest and everything below it; nothing twice. Throws as the client does. */
  add(start: WalkStart): Promise<void>;
  manifests(): readonly ClosureManifest[];
  blobs(): readonly ClosureBlob[];
}

/** More than any release holds; a registry that names referrers without end is stopped. */
const MAX_MANIFESTS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
/** An index may point at an index; deeper nesting is no image. */
const MAX_DEPTH = 4;

interface Walking {
  readonly manifests: Map<string, ClosureManifest>;
  readonly blobs: Map<string, ClosureBlob>;
  /** What is being read now: two parts may lead to the same manifest at once. */
  readonly pending: Map<string, Promise<void>>;
  readonly platform: Platform | undefined;
  sizeBytes: number;
}

/** Makes a walk. @param options.platform Absent: every entry of every index. */
export function createWalk(options: { readonly platform: Platform | undefined }): Walk {
  const walking: Walking = {
    manifests: new Map(),
    blobs: new Map(),
    pending: new Map(),
    platform: options.platform,
    sizeBytes: 0,
  };
  return {
    add: (start) => visit(walking, start, 0),
    manifests: () => [...walking.manifests.values()],
    blobs: () => [...walking.blobs.values()],
  };
}

function visit(walking: Walking, start: WalkStart, depth: number): Promise<void> {
  const key = keyOf(start, start.descriptor);
  const known = walking.pending.get(key);
  if (known !== undefined) return known;
  const reading = read(walking, start, depth);
  walking.pending.set(key, reading);
  return reading;
}

function keyOf({ client, repository }: WalkStart, { digest }: Descriptor): string {
  return `${client.registry}/${repository}@${digest}`;
}

async function read(walking: Walking, start: WalkStart, depth: number): Promise<void> {
  const { client, repository, descriptor, signal } = start;
  const call = { signal, size: descriptor.size, maxBytes: MAX_MANIFEST_BYTES };
  const answer = await client.document(repository, descriptor.digest, call);
  walking.sizeBytes += answer.bytes.length;
  const key = keyOf(start, descriptor);
  if (depth > MAX_DEPTH || walking.manifests.size >= MAX_MANIFESTS || walking.sizeBytes > MAX_BYTES) {
    throw new ApplianceError("oci/too-large", `Cannot list "${key}": more leads to it or from it than a release has`);
  }
  for (const child of childrenOf(walking, answer.document)) {
    await visit(walking, { ...start, descriptor: child }, depth + 1);
  }
  if (answer.document.kind === "manifest") {
    const { config, layers } = answer.document.manifest;
    for (const blob of [config, ...layers]) {
      const { digest, mediaType, size } = blob;
      walking.blobs.set(keyOf(start, blob), { client, repository, descriptor: { mediaType, digest, size } });
    }
  }
  const { mediaType, digest, size } = answer.descriptor;
  walking.manifests.set(key, { client, repository, descriptor: { mediaType, digest, size }, bytes: answer.bytes });
}

function childrenOf({ platform }: Walking, document: ParsedDocument): readonly Descriptor[] {
  if (document.kind === "manifest") return [];
  const { manifests } = document.index;
  if (platform === undefined) return manifests;
  return manifests.filter(
    (entry) =>
      entry.platform === undefined ||
      (entry.platform.os === platform.os && entry.platform.architecture === platform.architecture),
  );
}
