// Installs the packages when they are missing or older than the lock file, and makes the embedded UI.
// Plain JavaScript for Node 20+: it runs before anything else is there.
//
// Install scripts stay off, as in newer versions of npm: of all packages only Bun and Deno have one that is wanted. It puts
// the executable of this machine, which npm has fetched as a package of its own, into place.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const bun = join(modules, ".bin/bun");
const deno = join(modules, "deno/deno");

if (isStale()) run("npm", ["ci", "--include=dev", "--ignore-scripts", "--no-fund", "--no-audit"]);
if (!works(bun)) run(process.execPath, [join(modules, "bun/install.js")]);
if (!existsSync(deno)) run(process.execPath, [join(modules, "deno/install.cjs")]);
run(bun, ["run", "build.ts", "--ui"]);

/** npm writes its own copy of the lock file last, so an interrupted installation counts as none. */
function isStale() {
  const installed = join(modules, ".package-lock.json");
  return !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, "package-lock.json")).mtimeMs;
}

/** Without its install script the package holds a placeholder under this name. */
function works(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

/** Runs a command with its output on standard error, so that `npm start -- -o json` stays readable; ends with its failure. */
function run(command, words) {
  const result = spawnSync(command, words, { cwd: root, stdio: ["ignore", process.stderr, process.stderr] });
  if (result.status === 0) return;
  const how = result.error?.message ?? result.status ?? result.signal;
  console.error(`Cannot prepare the project: "${command} ${words.join(" ")}" ended with ${how}`);
  process.exit(1);
}
