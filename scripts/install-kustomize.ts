// Builds the kustomize command from its pinned module into the lab's cache, for the contract test of the bundle.
//
//   bun scripts/install-kustomize.ts     prints the path; a second call builds nothing
//
// The library in it is the one that kustomize-controller of Flux 2.9 carries (sigs.k8s.io/kustomize/api v0.21).

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CACHE } from "./lab/places.ts";
import { hasProgram, run, say } from "./lab/shell.ts";

const MODULE = "sigs.k8s.io/kustomize/kustomize/v5@v5.8.1";

/** Where the command lies, or will lie. */
export const KUSTOMIZE = join(CACHE, "bin", "kustomize");

/**
 * Builds kustomize when it is not in the cache yet and answers its path. Safe to call again.
 * @throws {Error} when Go is absent or the build fails
 */
export function ensureKustomize(): string {
  if (existsSync(KUSTOMIZE)) return KUSTOMIZE;
  if (!hasProgram("go"))
    throw new Error("Cannot build kustomize: no go command is on the search path, Go 1.26 is wanted");
  say(`building ${MODULE}`);
  const unfinished = join(CACHE, "bin", `.kustomize.${process.pid}`);
  mkdirSync(unfinished, { recursive: true });
  const env = { GOBIN: unfinished, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };
  run(["go", "install", "-trimpath", "-ldflags", "-s -w", MODULE], { env });
  renameSync(join(unfinished, "kustomize"), KUSTOMIZE);
  rmSync(unfinished, { recursive: true });
  return KUSTOMIZE;
}

if (import.meta.main) process.stdout.write(`${ensureKustomize()}\n`);
