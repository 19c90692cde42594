/**
 * One small JSON file as a value: read when it changed, changed one after the other, written whole.
 *
 * When the disk cannot be written the value lives on in memory and the log says so: an operator must be able to log in
 * to see that the disk is full. Another process of the same box may write the file too; the later writer wins.
 */
import type { z } from "zod";
import { parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";

const MAX_BYTES = 256 * 1024;

export interface StoredOptions<T> {
  readonly path: string;
  readonly schema: z.ZodType<T>;
  /** Value of a file that does not exist. */
  readonly empty: T;
  /** Value of a file that cannot be read: the careful one. */
  readonly corrupt: T;
}

/** A value in a file, shared with other processes: each read looks whether the file was changed, updates go one by one. */
export interface Stored<T> {
  read(): Promise<T>;
  /** Changes the value; `change` sees the newest one and returns the same object to leave it. Never rejects. */
  update(change: (current: T) => T): Promise<T>;
}

/** Opens a value of at most 256 KiB. Reads nothing before the first call, and again only when the file was changed. */
export function createStored<T>(deps: Pick<Deps, "files" | "log">, options: StoredOptions<T>): Stored<T> {
  let known: { readonly stamp: string; readonly value: T } | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const stampOf = async (): Promise<string> => {
    const stat = await deps.files.stat(options.path).catch(() => undefined);
    return stat === undefined ? "none" : `${stat.modifiedMs}:${stat.sizeBytes}`;
  };
  const read = async (): Promise<T> => {
    const stamp = await stampOf();
    if (known?.stamp !== stamp) known = { stamp, value: await load(deps, options) };
    return known.value;
  };
  const update = async (change: (current: T) => T): Promise<T> => {
    const before = await read();
    const value = change(before);
    if (value === before) return value;
    try {
      await deps.files.write(options.path, `${JSON.stringify(value)}\n`);
    } catch (thrown) {
      deps.log.warn("state file not written", { path: options.path, error: thrown });
    }
    known = { stamp: await stampOf(), value };
    return value;
  };
  return {
    read,
    update: (change) => {
      const turn = queue.then(() => update(change));
      queue = turn.catch(() => {});
      return turn;
    },
  };
}

async function load<T>(deps: Pick<Deps, "files" | "log">, options: StoredOptions<T>): Promise<T> {
  try {
    const bytes = await deps.files.read(options.path, { maxBytes: MAX_BYTES });
    if (bytes === undefined) return options.empty;
    return options.schema.parse(parseJson(bytes, { what: options.path, maxBytes: MAX_BYTES }));
  } catch (thrown) {
    deps.log.warn("state file not readable", { path: options.path, error: thrown });
    return options.corrupt;
  }
}
