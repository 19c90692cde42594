/**
 * What ended a bootstrap that could not write its journal, told where the console finds it all the same: under /run, which no full disk
 * reaches and no reboot keeps.
 */
import { dirname, join } from "node:path/posix";
import { z } from "zod";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { type OperationView, operationSchema } from "../operation/model.ts";
import { problemOf } from "../operation/step.ts";

const SCHEMA = "alga.appliance.bootstrap-early/v1";
const MAX_BYTES = 64 * 1024;

const recordSchema = z.object({ schema: z.literal(SCHEMA), operation: operationSchema });

/** A disk without a byte left, in the words of a box that does not start; every other error as it is. */
export function earlyCause(thrown: unknown): unknown {
  if (!isApplianceError(thrown, "file/disk-full")) return thrown;
  return new ApplianceError("host/disk-full", `Cannot start on this disk: it is full (${thrown.message})`, {
    cause: thrown,
    hint: "Make room on the disk: journalctl --vacuum-size=200M, or remove what does not belong to the appliance",
  });
}

/** Tells it. Never throws: it is the last word of a process that fails anyway. */
export async function tellEarly(
  deps: Pick<Deps, "files" | "clock" | "log">,
  paths: StatePaths,
  thrown: unknown,
): Promise<void> {
  const at = toInstant(deps.clock.now());
  const operation: OperationView = {
    id: "early",
    kind: "bootstrap",
    state: "blocked",
    step: null,
    steps: [],
    progress: { done: 0, total: 0, unit: "steps" },
    startedAt: at,
    endedAt: null,
    problem: { ...problemOf(thrown), attempt: 1, nextAttemptAt: null },
  };
  const path = pathOf(paths);
  try {
    await deps.files.makeDirectory(dirname(path), { mode: 0o755 });
    await deps.files.write(path, `${JSON.stringify({ schema: SCHEMA, operation })}\n`, { mode: 0o644 });
  } catch (error) {
    deps.log.error("end of the bootstrap not told to the console", { path, error });
  }
}

/** What was told since the last bootstrap that could write; undefined when all was written where it belongs. */
export async function earlyEnd(deps: Pick<Deps, "files">, paths: StatePaths): Promise<OperationView | undefined> {
  const path = pathOf(paths);
  try {
    const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
    return bytes === undefined ? undefined : recordSchema.parse(parseJson(bytes, { what: path })).operation;
  } catch {
    // A file that nobody can use tells nothing.
    return undefined;
  }
}

/** Takes it back: a bootstrap has begun its journal. Safe to call again. */
export async function forgetEarly(deps: Pick<Deps, "files">, paths: StatePaths): Promise<void> {
  await deps.files.remove(pathOf(paths));
}

function pathOf(paths: StatePaths): string {
  return join(paths.root, "run/alga-appliance/bootstrap-end.json");
}
