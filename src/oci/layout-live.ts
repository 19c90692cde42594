/**
 * A layout folder as a registry that follows the folder: what another process adds or takes away is seen by the next request.
 *
 * The folder's index.json is replaced as a whole, so its time and size tell whether anything changed. A folder that is no
 * layout yet is an empty registry.
 */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { type Layout, openLayout } from "./layout.ts";
import { type LayoutCatalog, readCatalog } from "./layout-catalog.ts";
import { createLayoutRegistry, type LayoutRegistryOptions } from "./layout-registry.ts";

export interface LiveRegistry {
  readonly fetch: Fetch;
  /** What it holds now. */
  catalog(): Promise<LayoutCatalog>;
}

interface Read {
  readonly stamp: string;
  readonly catalog: LayoutCatalog;
  readonly fetch: Fetch;
}

const NOTHING: Layout = {
  place: "nothing",
  entries: () => [],
  has: async () => false,
  size: async () => undefined,
  bytes: () => Promise.reject(new Error("there is nothing to read")),
  stream: () => new ReadableStream(),
  part: () => new ReadableStream(),
  close: async () => {},
};

/** Makes the registry. Reads nothing before the first request; many requests at once read the folder once. */
export function createLiveRegistry(
  deps: Pick<Deps, "files">,
  folder: string,
  options: LayoutRegistryOptions = {},
): LiveRegistry {
  let current: { readonly stamp: string; readonly read: Promise<Read> } | undefined;
  const readFolder = async (stamp: string): Promise<Read> => {
    const layout = stamp === "" ? NOTHING : await openLayout(deps, folder);
    const catalog = await readCatalog(layout);
    return { stamp, catalog, fetch: createLayoutRegistry(layout, catalog, options) };
  };
  const latest = async (): Promise<Read> => {
    const stamp = await stampOf(deps, folder);
    if (current?.stamp !== stamp) current = { stamp, read: readFolder(stamp) };
    const mine = current;
    try {
      return await mine.read;
    } catch (thrown) {
      if (current === mine) current = undefined;
      throw thrown;
    }
  };
  return { fetch: async (request) => (await latest()).fetch(request), catalog: async () => (await latest()).catalog };
}

/** Changes when the index does; empty while there is none or it is being made. */
async function stampOf({ files }: Pick<Deps, "files">, folder: string): Promise<string> {
  try {
    const [index, marker] = [
      await files.stat(join(folder, "index.json")),
      await files.stat(join(folder, "oci-layout")),
    ];
    return index === undefined || marker === undefined ? "" : `${index.modifiedMs} ${index.sizeBytes}`;
  } catch (thrown) {
    if (isApplianceError(thrown, "file/unreadable")) return "";
    throw thrown;
  }
}
