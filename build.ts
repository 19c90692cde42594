/**
 * Builds the executable: `bun run build.ts [--ui] [--target x64|arm64|all] [--out <folder>] [--revision <text>]`.
 *
 * `--ui` only makes `embed/generated/ui.json` (the web UI, bundled), which everything that runs from sources needs. Otherwise
 * the UI, the templates, the units and the manifests are checked and compiled into `dist/alga-appliance` (linux-x64) and
 * `dist/alga-appliance-arm64`. Two builds of one commit are byte-identical, in whatever folder: nothing here reads a clock, and
 * the outfile's base name, which is part of the bytes, is always the same. A template, style or import that is broken fails
 * the build. `--revision` names the commit where there is no checkout to ask.
 */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Transpiler } from "bun";
import { buildMarks } from "./embed/facts.ts";
import { buildUi } from "./ui/build.ts";

const TARGETS = {
  x64: { bun: "bun-linux-x64-baseline", file: "alga-appliance" },
  arm64: { bun: "bun-linux-arm64", file: "alga-appliance-arm64" },
} as const;

type TargetName = keyof typeof TARGETS;

/** What the executable is told about itself. */
interface Labels {
  readonly revision: string;
  readonly mark: string;
}

const ROOT = import.meta.dirname;
const UI_FILE = join(ROOT, "embed/generated/ui.json");

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      ui: { type: "boolean" },
      target: { type: "string", default: "all" },
      out: { type: "string", default: join(ROOT, "dist") },
      revision: { type: "string" },
    },
  });
  await embedUi();
  if (values.ui) return;
  await checkEmbedded();
  checkImports(join(ROOT, "src/main.ts"));
  const names = values.target === "all" ? (Object.keys(TARGETS) as TargetName[]) : [targetName(values.target)];
  const label = values.revision ?? revision();
  const markOf = await buildMarks({ root: ROOT, version: packageVersion(), revision: label, commit: commit() });
  for (const name of names) compile(name, { folder: resolve(values.out), revision: label, mark: markOf(name) });
}

function targetName(text: string): TargetName {
  if (text === "x64" || text === "arm64") return text;
  throw new Error(`Cannot build for "${text}": x64, arm64 or all is wanted`);
}

/** Bundles the UI into one JSON file of base64 assets; written only when it changed, so that watchers stay calm. */
async function embedUi(): Promise<void> {
  const { files } = await buildUi();
  if (!files.some((file) => file.path === "index.html")) throw new Error("Cannot embed the UI: it has no index.html");
  const assets = files
    .map((file) => ({ path: file.path, type: file.type, base64: Buffer.from(file.bytes).toString("base64") }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  const text = `${JSON.stringify({ files: assets }, null, 1)}\n`;
  if (existsSync(UI_FILE) && readFileSync(UI_FILE, "utf8") === text) return;
  mkdirSync(dirname(UI_FILE), { recursive: true });
  const unfinished = `${UI_FILE}.${process.pid}`;
  writeFileSync(unfinished, text);
  renameSync(unfinished, UI_FILE);
}

/** A template that is not YAML, or a manifest without a kind, must fail here and not on a box. */
async function checkEmbedded(): Promise<void> {
  const { verifyTemplates } = await import("./embed/verify.ts");
  const count = verifyTemplates();
  console.error(`embedded: ${count} templates parse`);
}

/** Follows every import of our own, lazy ones too: the bundler leaves one that a `try` surrounds to the first request. */
function checkImports(entry: string): void {
  const transpiler = new Transpiler({ loader: "ts" });
  const seen = new Set([entry]);
  for (const path of seen) {
    if (!path.endsWith(".ts")) continue;
    const text = readFileSync(path, "utf8").replace(/^#!.*/, "");
    for (const { path: target } of transpiler.scanImports(text)) {
      if (!target.startsWith(".")) continue;
      const file = join(dirname(path), target);
      if (!existsSync(file)) {
        throw new Error(`Cannot build "${relative(ROOT, path)}": it imports "${target}", which does not exist`);
      }
      seen.add(file);
    }
  }
  console.error(`imports: ${seen.size} files are there`);
}

/** Compiles in a folder of its own, so that builds beside each other do not meet, and moves the whole file into place. */
function compile(name: TargetName, to: { readonly folder: string } & Labels): void {
  const target = TARGETS[name];
  const work = mkdtempSync(join(tmpdir(), `alga-build-${name}-`));
  const outfile = join(work, "alga-appliance");
  const built = join(to.folder, target.file);
  try {
    const words = buildArguments(target.bun, outfile, to);
    const result = spawnSync(process.execPath, words, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
    if (result.status !== 0) throw new Error(`Cannot compile for ${target.bun}: bun build ended with ${result.status}`);
    mkdirSync(to.folder, { recursive: true });
    copyFileSync(outfile, `${built}.${process.pid}`);
    renameSync(`${built}.${process.pid}`, built);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  console.error(`built: ${built}`);
}

/**
 * The build line, flag by flag: splitting makes lazy imports lazy (3 ms instead of 64 ms to `version`), bytecode needs esm
 * for top-level await, and the two no-autoload flags keep a `.env` or `bunfig.toml` of a foreign folder from being run.
 */
function buildArguments(target: string, outfile: string, { revision, mark }: Labels): string[] {
  const define = (key: string, value: string): string => `--define=${key}=${JSON.stringify(value)}`;
  return [
    "build",
    "--compile",
    "--minify",
    "--bytecode",
    "--splitting",
    "--format=esm",
    "--sourcemap=none",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--target=${target}`,
    define("ALGA_VERSION", packageVersion()),
    define("ALGA_REVISION", revision),
    define("ALGA_TARGET", target.replace(/^bun-/, "").replace(/-baseline$/, "")),
    define("ALGA_FACTS", mark),
    `--outfile=${outfile}`,
    join(ROOT, "src/main.ts"),
  ];
}

function packageVersion(): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return version;
}

/** The commit, with "-dirty" when the tree differs; "unknown" outside a checkout. */
function revision(): string {
  const head = git("rev-parse", "HEAD");
  return head === undefined ? "unknown" : `${head.slice(0, 12)}${isClean() ? "" : "-dirty"}`;
}

/** Whole name of the commit that these sources are; undefined when they are none. */
function commit(): string | undefined {
  return isClean() ? git("rev-parse", "HEAD") : undefined;
}

function isClean(): boolean {
  return git("status", "--porcelain") === "";
}

/** What git says, without the line end; undefined when it says no. */
function git(...words: string[]): string | undefined {
  const { status, stdout } = spawnSync("git", words, { cwd: ROOT, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}
