/**
 * The control-plane image out of the running executable and the libraries of this system, as an archive that containerd imports.
 *
 * For a box that has neither payload nor registry: what runs here is then all there is, and it is enough. On a box the libraries are
 * those of its own distribution, which the executable has just shown to run with.
 */
import type { Deps } from "../core/ports.ts";
import { writeLayoutTar } from "../oci/layout-tar-writer.ts";
import { createMemoryStore } from "../oci/store.ts";
import { buildControlPlaneImage, CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { imagePlatforms } from "./image-flags.ts";

/** What was written: the name that containerd gives the image, and the version of the executable. */
export interface OwnImage {
  readonly image: string;
  readonly version: string;
  readonly sizeBytes: number;
}

/** Below this name containerd looks nowhere else. */
const PLACE = `localhost/${CONTROL_PLANE_REPOSITORY}`;

/**
 * Writes the archive. Safe to call again, also after being killed: the file gets its name when it is whole.
 *
 * @param path Of the archive; its folder is there.
 * @param options.executable Absent: the running one.
 * @throws {ApplianceError} image/not-ours when this is no compiled executable; image/runtime-missing when a library of this system
 *   is too old; file/disk-full; the reason of the signal.
 */
export async function writeOwnImage(
  deps: Deps,
  path: string,
  options: { readonly signal: AbortSignal; readonly tag: string; readonly executable?: string; readonly root?: string },
): Promise<OwnImage> {
  const { executable, root = "/", signal, tag } = options;
  const flags = { "runtime-libs": [root], ...(executable === undefined ? {} : { executable: [executable] }) };
  const settings = { all: [], get: () => undefined };
  const env = {};
  const platforms = await imagePlatforms({ deps, flags, env, settings, readStdin: async () => new Uint8Array() });
  const store = createMemoryStore();
  const { platforms: built } = await buildControlPlaneImage(store, { platforms, createdSeconds: 0 });
  const [platform] = built;
  const manifest = platform && store.manifest(CONTROL_PLANE_REPOSITORY, platform.digest);
  if (platform === undefined || manifest === undefined) throw new Error("An image without a platform: a defect");
  const { digest, mediaType, bytes } = manifest;
  const contents = new Map([[digest as string, bytes], ...store.blobs(CONTROL_PLANE_REPOSITORY).map(named)]);
  const { sizeBytes } = await writeLayoutTar(deps, path, {
    entries: [{ repository: PLACE, tag, descriptor: { mediaType, digest, size: bytes.length } }],
    contents: [...contents].map(([one, content]) => ({ digest: one as typeof digest, size: content.length })),
    open: ({ digest: one }, { start }) => bytesFrom(contents.get(one), start?.bytes),
    signal,
  });
  return { image: `${PLACE}:${tag}`, version: platform.facts.version, sizeBytes };
}

/** Behind what an earlier run has written. */
function bytesFrom(bytes: Uint8Array = new Uint8Array(), fromByte = 0): ReadableStream<Uint8Array> {
  return new Blob([new Uint8Array(bytes.subarray(fromByte))]).stream();
}

function named({ digest, bytes }: { readonly digest: string; readonly bytes: Uint8Array }): [string, Uint8Array] {
  return [digest, bytes];
}
