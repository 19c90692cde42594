/**
 * Where the libraries of an image come from when it is built from scratch: a folder, or a package of Debian or Ubuntu.
 *
 * A folder may hold the libraries themselves, or be the root of a system ("/" for this one). Nothing is guessed: the
 * publisher names the source for each platform, and the digests of what was taken stand in SBOM and provenance.
 */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Architecture } from "./image-elf.ts";
import { openPackage } from "./image-package.ts";
import type { RuntimeSource } from "./image-runtime.ts";

/** Bytes of a package or a library at most. libc6 is 3 MB, its largest library 2 MB. */
const MAX_SOURCE_BYTES = 64 * 1024 * 1024;

/**
 * Opens a folder or a `.deb` file.
 *
 * @param path Absolute.
 * @throws {ApplianceError} image/bad-source when there is no such folder or file, and what `openPackage` throws.
 */
export async function openRuntimeSource(
  deps: Pick<Deps, "files">,
  path: string,
  options: { readonly architecture: Architecture },
): Promise<RuntimeSource> {
  const kind = (await deps.files.stat(path))?.kind;
  if (kind === "directory") return folderSource(deps, path);
  const bytes = kind === "file" ? await deps.files.read(path, { maxBytes: MAX_SOURCE_BYTES }) : undefined;
  if (bytes !== undefined) return await openPackage(bytes, { ...options, what: `package "${path}"` });
  const is = kind === undefined ? "there is no such file" : "it is neither";
  throw new ApplianceError(
    "image/bad-source",
    `Cannot take libraries from "${path}": ${is}, a folder or a .deb package is wanted`,
    { hint: "Name the libraries of this system with --runtime-libs /, or a package from apt-get download libc6" },
  );
}

/** A library stands in the folder itself, in its folder "lib", or where it stands in a system whose root the folder is. */
function folderSource({ files }: Pick<Deps, "files">, folder: string): RuntimeSource {
  return {
    what: `folder "${folder}"`,
    find: async (paths) => {
      const name = paths[0]?.split("/").at(-1) ?? "";
      const places = [join(folder, name), ...paths.map((path) => join(folder, path)), join(folder, "lib", name)];
      for (const place of places) {
        const isFile = (await files.stat(place))?.kind === "file";
        const bytes = isFile ? await files.read(place, { maxBytes: MAX_SOURCE_BYTES }) : undefined;
        if (bytes !== undefined) return { path: paths[0] ?? "", bytes };
      }
      return undefined;
    },
  };
}
