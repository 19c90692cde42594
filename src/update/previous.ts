/**
 * What an update leaves: the release before with everything that is needed to go back to it, kept on the box.
 *
 * Its manifest, its values as they were in the cluster, and what release.json said. No registry is asked to read it.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { isKubeObject, type KubeObject } from "../kube/model.ts";
import type { StateStore } from "../operation/store.ts";
import { keptPartSchema } from "../release/kept-parts.ts";
import { type ReleaseManifest, readReleaseManifest } from "../release/model.ts";
import { irreversibleSince, updateRulesOf } from "../release/update-rules.ts";
import { type Installed, installedSchema } from "../status/installed.ts";
import { belowFloor, dataFloorAgainst } from "./plan.ts";

const PREVIOUS_SCHEMA = "alga.appliance.previous-release/v1";

const digest = z.custom<Digest>(isDigest);
const keptSchema = z.object({
  digest,
  installed: installedSchema,
  /** The release manifest as it was published. */
  manifest: z.custom<ReleaseManifest>((value) => typeof value === "object" && value !== null),
  /** ConfigMaps of the values, without what the cluster adds. */
  values: z.array(z.custom<KubeObject>(isKubeObject)),
  /** What Flux reads of it, where the box keeps that too; none of a release that was kept by an older control plane. */
  parts: z.array(keptPartSchema).default([]),
});
const previousSchema = keptSchema.extend({
  schema: z.literal(PREVIOUS_SCHEMA),
  /** The release before that one, so that a way back does not use it up. */
  earlier: keptSchema.nullable(),
});

export type KeptRelease = z.infer<typeof keptSchema>;
type PreviousRelease = z.infer<typeof previousSchema>;

type PreviousStore = Pick<StateStore, "readDocument" | "writeDocument" | "removeDocument">;

/**
 * Reads what is kept; undefined when nothing is.
 * @throws {ApplianceError} file/corrupt once when it is damaged; release/invalid-manifest.
 */
export async function readPrevious(store: Pick<StateStore, "readDocument">): Promise<PreviousRelease | undefined> {
  const found = await store.readDocument("previous-release", previousSchema);
  return found === undefined ? undefined : { ...found, manifest: readReleaseManifest(found.manifest) };
}

/** Keeps a release, and the one kept before as the earlier one. Safe to call again: the same release is kept once. */
export async function keepPrevious(store: PreviousStore, kept: KeptRelease): Promise<void> {
  const before = await readPrevious(store).catch(() => undefined);
  if (before?.digest === kept.digest) return;
  const earlier = before === undefined ? null : withoutEarlier(before);
  await store.writeDocument("previous-release", { schema: PREVIOUS_SCHEMA, ...kept, earlier });
}

/** Forgets a kept release that is installed again; the earlier one takes its place. Safe to call again. */
export async function forgetPrevious(store: PreviousStore, which: Digest): Promise<void> {
  const before = await readPrevious(store).catch(() => undefined);
  if (before === undefined || before.digest !== which) return;
  if (before.earlier === null) await store.removeDocument("previous-release");
  else await store.writeDocument("previous-release", { schema: PREVIOUS_SCHEMA, ...before.earlier, earlier: null });
}

function withoutEarlier({ earlier: _earlier, schema: _schema, ...kept }: PreviousRelease): KeptRelease {
  return kept;
}

/** Why the kept release cannot be gone back to, one sentence; undefined when it can. */
export function whyNoReturn(
  kept: Pick<KeptRelease, "installed" | "manifest">,
  now: { readonly installed: Pick<Installed, "version">; readonly manifest: ReleaseManifest | undefined },
): string | undefined {
  const { version } = kept.installed;
  if (now.manifest === undefined) return undefined;
  const floor = dataFloorAgainst(updateRulesOf(now.manifest), version);
  if (floor !== undefined) return `${belowFloor(now.installed.version, version, floor)}.`;
  const [first] = irreversibleSince(now.manifest, kept.manifest);
  if (first === undefined) return undefined;
  return `${now.installed.version} has changed the data in a way that ${version} does not know: ${first.about}.`;
}
