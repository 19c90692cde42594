/**
 * Making what refers to another manifest findable: a registry with the API does it by itself, in the others a list under a
 * tag is read, written and read again.
 *
 * Two publishers may write the list at once and registries know no compare-and-set, so whoever finds itself missing after
 * its write adds itself again.
 *
 * @see OCI distribution-spec v1.1.1, "Pushing Manifests with Subject", "Referrers Tag Schema"
 */
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { backoffMs } from "../core/retry.ts";
import { MEDIA } from "./media-types.ts";
import type { Descriptor } from "./model.ts";
import { putManifest } from "./push-manifests.ts";
import type { PlannedManifest } from "./push-plan.ts";
import type { PushWire } from "./push-wire.ts";
import { fallbackTag, listReferrers, type Referrers } from "./referrers.ts";

/** Writes of one list; each is lost only when somebody else wrote between our read and our write. */
const MAX_WRITES = 6;
const BETWEEN = { attempts: MAX_WRITES, baseMs: 100, maxMs: 2_000 };

/**
 * Puts referrers on the lists of their subjects where the registry does not do it. Safe to call again.
 *
 * @returns How many lists were written.
 * @throws {ApplianceError} oci/tag-moved when others overwrite a list again and again, and what `listReferrers` throws.
 */
export async function listAsReferrers(wire: PushWire, manifests: readonly PlannedManifest[]): Promise<number> {
  let writes = 0;
  for (const manifest of manifests) {
    if (manifest.subject !== undefined) writes += await listOne(wire, manifest, manifest.subject.digest);
  }
  return writes;
}

/** How many lists `listAsReferrers` would write. Writes nothing. Throws what `listReferrers` throws. */
export async function referrersToList(wire: PushWire, manifests: readonly PlannedManifest[]): Promise<number> {
  let count = 0;
  for (const { repository, descriptor, subject } of manifests) {
    if (subject === undefined) continue;
    const listed = await readReferrers(wire, repository, subject.digest);
    if (listed.by === "tag" && listed.manifests.every(({ digest }) => digest !== descriptor.digest)) count += 1;
  }
  return count;
}

async function listOne(wire: PushWire, manifest: PlannedManifest, subject: Digest): Promise<number> {
  const { deps } = wire.connection;
  for (let writes = 0; writes < MAX_WRITES; writes += 1) {
    const { by, manifests } = await readReferrers(wire, manifest.repository, subject);
    if (by === "api" || manifests.some(({ digest }) => digest === manifest.descriptor.digest)) return writes;
    if (writes > 0) await deps.clock.sleep(backoffMs(BETWEEN, writes + 1, deps.random.fraction()), wire.signal);
    const list = listOf(manifest.repository, [...manifests, referrerOf(manifest)]);
    await wire.attempts(() => putManifest(wire, list, fallbackTag(subject)));
  }
  throw new ApplianceError(
    "oci/tag-moved",
    `Cannot push "${manifest.repository}:${fallbackTag(subject)}": others overwrite this list again and again`,
    { hint: "Publish again when nobody else does" },
  );
}

function readReferrers(wire: PushWire, repository: string, subject: Digest): Promise<Referrers> {
  const { deps, options, base } = wire.connection;
  const what = `${base.host}/${repository}@${subject}`;
  return listReferrers(
    {
      get: (url, headers) => wire.attempts(() => wire.send({ method: "GET", url, headers, what })),
      base,
      repository,
      clock: deps.clock,
      idleMs: options.idleMs,
      signal: wire.signal,
    },
    subject,
  );
}

/** What a list of referrers says of a manifest. */
export function referrerOf({ descriptor, artifactType, annotations }: PlannedManifest): Descriptor {
  return {
    ...descriptor,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  };
}

/** In the order of their digests, so that two publishers who know the same referrers write the same list. */
function listOf(
  repository: string,
  entries: readonly Descriptor[],
): Pick<PlannedManifest, "repository" | "descriptor" | "bytes"> {
  const manifests = [...entries].sort((a, b) => (a.digest < b.digest ? -1 : 1));
  const bytes = new TextEncoder().encode(canonicalJson({ schemaVersion: 2, mediaType: MEDIA.index, manifests }));
  return { repository, bytes, descriptor: { mediaType: MEDIA.index, digest: digestOf(bytes), size: bytes.length } };
}
