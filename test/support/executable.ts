/** The compiled executable for tests: built from copies of the sources, so that a test may break one. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** The target that runs on this machine. */
export const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

/** All that a build reads. */
const SOURCES = [
  "src",
  "ui",
  "embed",
  "flux",
  "systemd",
  "build.ts",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
];

export interface Build {
  readonly status: number | null;
  readonly stderr: string;
  /** Path of the executable; undefined when there is none. */
  readonly file: string | undefined;
}

/** Copies what a build reads into a new folder, without the checkout around it; the caller removes it. */
export function copySources(): string {
  const folder = mkdtempSync(join(tmpdir(), "alga-sources-"));
  for (const name of SOURCES) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Builds in a folder of sources, into its `dist`. */
export function build(folder: string, target: "x64" | "arm64" = NATIVE): Build {
  const words = ["run", "build.ts", "--target", target, "--revision", "0123456789ab"];
  const bun = join(ROOT, "node_modules/.bin/bun");
  const { status, stderr } = spawnSync(bun, words, { cwd: folder, encoding: "utf8", timeout: 120_000 });
  const file = join(folder, "dist", target === "arm64" ? "alga-appliance-arm64" : "alga-appliance");
  return { status, stderr, file: existsSync(file) ? file : undefined };
}

/** Builds and returns the path of the executable. @throws {Error} with what the build said. */
export function builtExecutable(folder: string, target: "x64" | "arm64" = NATIVE): string {
  const { status, stderr, file } = build(folder, target);
  if (status !== 0 || file === undefined) throw new Error(`the build failed: ${stderr}`);
  return file;
}

let shared: string | undefined;

/** The executable of this machine, built once per process and removed with it. */
export function sharedExecutable(): string {
  if (shared === undefined) {
    const folder = copySources();
    process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
    shared = builtExecutable(folder);
  }
  return shared;
}

export function sha256(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
