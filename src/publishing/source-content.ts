/** What a source tree says beside its charts: the tree of Flux, and the values of the components. */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { FileTree } from "../flux/tree.ts";
import { readFolder } from "./folder.ts";
import { profileValues } from "./profile-values.ts";
import { type ReleaseSource, sourceComponents } from "./source.ts";

/** A tree of YAML; larger is the wrong folder. */
const MAX_TREE_BYTES = 16 * 1024 * 1024;
const MAX_VALUES_BYTES = 256 * 1024;

/** What is rendered into the bundle and the manifest. */
interface Content {
  readonly tree: FileTree;
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Reads the tree of Flux that a source names, and the values of its components.
 *
 * @throws {ApplianceError} build/missing-input when a component has none; flux/bad-values for what is no YAML; what reading throws.
 */
export async function treeAndValues(
  deps: Pick<Deps, "files">,
  {
    folder,
    source,
    embeddedTree,
  }: {
    readonly folder: string;
    readonly source: ReleaseSource;
    readonly embeddedTree: Readonly<Record<string, string>>;
  },
): Promise<Content> {
  const tree =
    source.tree === undefined ? new Map(Object.entries(embeddedTree)) : await readTree(deps, folder, source.tree);
  const given = new Map<string, string>();
  for (const [component, path] of Object.entries(source.values)) {
    const bytes = await deps.files.read(join(folder, path), { maxBytes: MAX_VALUES_BYTES });
    if (bytes === undefined) {
      throw new ApplianceError(
        "build/missing-input",
        `Cannot build values of component "${component}": "${path}" is not there, a file is wanted`,
      );
    }
    given.set(component, new TextDecoder().decode(bytes));
  }
  const slash = source.registry.indexOf("/");
  const place = {
    registry: slash < 0 ? source.registry : source.registry.slice(0, slash),
    base: slash < 0 ? "" : source.registry.slice(slash + 1),
  };
  const values = profileValues({ tree, profile: source.profile, components: sourceComponents(source), place, given });
  return { tree, values };
}

async function readTree(deps: Pick<Deps, "files">, folder: string, path: string): Promise<FileTree> {
  const files = await readFolder(deps, join(folder, path), { what: path, maxBytes: MAX_TREE_BYTES });
  return new Map([...files].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
}
