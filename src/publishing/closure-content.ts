/** A closure as content to be pushed: manifests from memory, blobs as streams from the registry that has them. */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { ContentRoot, ContentSource, ContentWanted } from "../oci/content.ts";
import type { ClosureBlob, ClosureManifest } from "./closure-walk.ts";

export interface ClosureContent extends ContentSource {
  /** Repositories of a registry that have a blob: where it may be mounted from. */
  placesOf(registry: string, digest: Digest): readonly string[];
}

/**
 * Makes content of what was listed.
 *
 * @param given.entries Roots with their tags, repositories relative to the base that they go to.
 */
export function closureContent(given: {
  readonly entries: readonly ContentRoot[];
  readonly manifests: readonly ClosureManifest[];
  readonly blobs: readonly ClosureBlob[];
}): ClosureContent {
  const manifests = new Map(given.manifests.map((one) => [one.descriptor.digest, one]));
  const blobs = Map.groupBy(given.blobs, ({ descriptor }) => descriptor.digest);
  const absent = ({ digest }: ContentWanted): ApplianceError =>
    new ApplianceError("oci/not-found", `Cannot copy "${digest}": it is no part of the release`);
  return {
    entries: () => given.entries,
    has: async (digest) => manifests.has(digest) || blobs.has(digest),
    bytes: async (wanted) => {
      const found = manifests.get(wanted.digest);
      if (found === undefined) throw absent(wanted);
      return found.bytes;
    },
    stream: (wanted, options = {}) => {
      const found = blobs.get(wanted.digest)?.[0];
      if (found === undefined) throw absent(wanted);
      return found.client.blobStream(found.repository, found.descriptor, options);
    },
    placesOf: (registry, digest) =>
      (blobs.get(digest) ?? [])
        .filter(({ client }) => client.registry === registry)
        .map(({ repository }) => repository),
  };
}
