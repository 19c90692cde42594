/**
 * What is installed, from `release.json`: setup and updates write it, everybody who asks reads it here.
 *
 * A document that a bad disk has damaged is not the end: the history tells the same.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { OperationKind } from "../operation/model.ts";
import type { StateStore } from "../operation/store.ts";

export const INSTALLED_SCHEMA = "alga.appliance.installed/v1";

const digest = z.custom<Digest>(isDigest);

/** release.json: what this appliance is set to, and since when setup proved it. */
export const installedSchema = z.object({
  schema: z.literal(INSTALLED_SCHEMA),
  channel: z.string().nullable(),
  version: z.string(),
  digest,
  /** Key id, or "none" for an unverified release. */
  verifiedBy: z.string(),
  answersDigest: digest,
  registry: z.string(),
  repository: z.string(),
  appUrl: z.string(),
  /** RFC 3339; null until the login page has answered. */
  installedAt: z.string().nullable(),
});

export type Installed = z.infer<typeof installedSchema>;

/** Kinds of operations after which another release is installed. */
const INSTALLING: ReadonlySet<OperationKind> = new Set(["setup", "update", "rollback", "address"]);

type InstalledDeps = Pick<Deps, "log"> & {
  readonly store: Pick<StateStore, "readDocument" | "readHistory">;
};

/**
 * Reads what is installed; undefined when nothing is. Where release.json is damaged or gone, the history tells: a bad
 * disk must not make a box that is set up look like a new one. The damage is logged by the read that finds it.
 */
export async function readInstalled({ store, log }: InstalledDeps): Promise<Installed | undefined> {
  try {
    const installed = await store.readDocument("release", installedSchema);
    if (installed !== undefined) return installed;
  } catch (error) {
    if (!isApplianceError(error, "file/corrupt")) throw error;
    log.warn("release.json is damaged: what is installed is taken from the history", { error });
  }
  return installedOfHistory(store);
}

/** What the last setup or update that is done wrote into its record. */
async function installedOfHistory(store: Pick<StateStore, "readHistory">): Promise<Installed | undefined> {
  const records = await store.readHistory();
  const last = records.findLast(({ kind, state }) => state === "done" && INSTALLING.has(kind));
  if (last === undefined) return undefined;
  const parsed = installedSchema.safeParse({ installedAt: last.at, ...last.about, schema: INSTALLED_SCHEMA });
  return parsed.success ? parsed.data : undefined;
}
