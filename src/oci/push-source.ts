/**
 * Whether source and registry together hold all of a push, before anything is sent: a bundle of one platform, or one that
 * leaves out what somebody has, is whole only where the rest is.
 */
import type { Digest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { inParallel } from "../core/parallel.ts";
import type { ContentSource } from "./content.ts";
import type { BlobState } from "./push-blobs.ts";
import { digestOfReference } from "./push-manifests.ts";
import type { PushPlan } from "./push-plan.ts";
import type { PushWire } from "./push-wire.ts";

interface Lacking {
  readonly repository: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/**
 * Refuses a push of which neither side has everything. Writes nothing.
 *
 * @throws {ApplianceError} oci/not-found naming the first part; `parts` and `lackingBytes` are in its details.
 */
export async function assertSource(
  wire: PushWire,
  given: { readonly plan: PushPlan; readonly states: readonly BlobState[]; readonly concurrency: number },
  source: ContentSource,
): Promise<void> {
  const lacking: Lacking[] = [];
  for (const { descriptor, lacking: places } of given.states) {
    const [repository] = places;
    if (repository === undefined || (await source.has(descriptor.digest))) continue;
    lacking.push({ repository, digest: descriptor.digest, sizeBytes: descriptor.size });
  }
  await inParallel(given.plan.absent, { limit: given.concurrency, signal: wire.signal }, async (one, signal) => {
    const { repository, descriptor } = one;
    const own = wire.with(signal);
    const found = await own.attempts(() => digestOfReference(own, repository, descriptor.digest));
    if (found === undefined) lacking.push({ repository, digest: descriptor.digest, sizeBytes: descriptor.size });
  });
  const [first] = lacking;
  if (first === undefined) return;
  const more = lacking.length === 1 ? "" : `, nor ${lacking.length - 1} other parts`;
  throw new ApplianceError(
    "oci/not-found",
    `Cannot push "${first.repository}@${first.digest}": neither what is to be pushed nor the registry holds it${more}`,
    {
      hint: "Build or load it again, and publish that",
      details: { parts: lacking.length, lackingBytes: lacking.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
    },
  );
}
