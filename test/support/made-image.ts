/** A control-plane image of made-up executables and libraries: a few kilobytes, built by the real builder. */
import type { RegistryStore } from "../../src/oci/store.ts";
import {
  type BuiltImage,
  buildControlPlaneImage,
  type ImageInput,
  type PlatformInput,
} from "../../src/publishing/image.ts";
import type { Architecture } from "../../src/publishing/image-elf.ts";
import type { RuntimeSource } from "../../src/publishing/image-runtime.ts";
import { madeExecutable, madeLibraries } from "./elf.ts";

/** The made libraries, wherever the loader asks for them. */
export function madeRuntime(architecture: Architecture): RuntimeSource {
  const libraries = madeLibraries(architecture);
  return {
    what: "made libraries",
    find: async (paths) => {
      const path = paths[0] ?? "";
      const bytes = libraries[path.slice(path.lastIndexOf("/") + 1)];
      return bytes === undefined ? undefined : { path, bytes };
    },
  };
}

/** One platform of it, with other facts where a test wants them. */
export function madePlatform(architecture: Architecture, facts: Readonly<Record<string, unknown>> = {}): PlatformInput {
  return {
    architecture,
    what: `executable "${architecture}"`,
    executable: async () => madeExecutable(architecture, facts),
    runtime: async () => madeRuntime(architecture),
  };
}

/** Version 1.0.3 for both platforms, unless a test wants it otherwise. */
export function madeImage(store: RegistryStore, input: Partial<ImageInput> = {}): Promise<BuiltImage> {
  const platforms = [madePlatform("arm64"), madePlatform("amd64")];
  return buildControlPlaneImage(store, { platforms, version: "1.0.3", createdSeconds: 1_700_000_000, ...input });
}
