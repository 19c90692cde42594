/**
 * What the host remembers of control planes: which image was healthy last, and which were tried in vain.
 *
 * Kept in root's own folder: the pod must not be able to name its successor.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { ImageVersion } from "./control-plane-choice.ts";

const SCHEMA = "alga.appliance.control-plane/v1";
const MAX_BYTES = 256 * 1024;
/** Images that are remembered as failed; the oldest goes first. */
const MAX_FAILED = 20;

const imageSchema = z.object({ image: z.string(), version: z.string().nullable(), at: z.string() });
const recordSchema = z.object({
  schema: z.literal(SCHEMA),
  healthy: imageSchema.nullable(),
  failed: z.array(imageSchema),
  /** Deployments that ours could not be applied over. */
  replaced: z.array(z.object({ image: z.string().nullable(), why: z.string(), at: z.string() })).default([]),
});

export type ControlPlaneRecord = z.infer<typeof recordSchema>;

const EMPTY: ControlPlaneRecord = { schema: SCHEMA, healthy: null, failed: [], replaced: [] };

type RecordDeps = Pick<Deps, "files" | "clock" | "log">;

/** Reads the record; an empty one where there is none. One that a disk damaged is moved aside and logged, and counts as none. */
export async function readRecord(deps: RecordDeps, paths: StatePaths): Promise<ControlPlaneRecord> {
  const path = pathOf(paths);
  const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
  if (bytes === undefined) return EMPTY;
  try {
    return recordSchema.parse(parseJson(bytes, { what: path, maxBytes: MAX_BYTES }));
  } catch (error) {
    const aside = `${path}.corrupt-${toInstant(deps.clock.now()).replaceAll(/[:.]/g, "")}`;
    await deps.files.rename(path, aside);
    deps.log.error("record of control planes cannot be used", { aside, error });
    return EMPTY;
  }
}

/** Remembers that an image became healthy, or that it did not. An image that is healthy again is no longer a failed one. */
export async function remember(
  deps: RecordDeps,
  seen: ImageVersion,
  options: { readonly paths: StatePaths; readonly as: "healthy" | "failed" },
): Promise<ControlPlaneRecord> {
  const before = await readRecord(deps, options.paths);
  const entry = { image: seen.image, version: seen.version, at: toInstant(deps.clock.now()) };
  const others = before.failed.filter(({ image }) => image !== seen.image);
  const next: ControlPlaneRecord =
    options.as === "healthy"
      ? { ...before, healthy: entry, failed: others }
      : { ...before, failed: [...others, entry].slice(-MAX_FAILED) };
  await writeRecord(deps, options.paths, next);
  return next;
}

/** Remembers that a Deployment of another form was taken away for ours. A run that is begun again remembers it once. */
export async function rememberReplaced(
  deps: RecordDeps,
  one: { readonly image: string | null; readonly why: string },
  paths: StatePaths,
): Promise<void> {
  const before = await readRecord(deps, paths);
  const others = before.replaced.filter(({ image, why }) => image !== one.image || why !== one.why);
  const replaced = [...others, { ...one, at: toInstant(deps.clock.now()) }].slice(-MAX_FAILED);
  await writeRecord(deps, paths, { ...before, replaced });
}

async function writeRecord(deps: RecordDeps, paths: StatePaths, record: ControlPlaneRecord): Promise<void> {
  await deps.files.makeDirectory(paths.host, { mode: 0o700 });
  await deps.files.write(pathOf(paths), `${JSON.stringify(record, undefined, 2)}\n`);
}

function pathOf(paths: StatePaths): string {
  return join(paths.host, "control-plane.json");
}
