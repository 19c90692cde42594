/**
 * The heavier legs of CI, after `npm test`: contract suites on the real things, the browser, the lab, the benchmarks.
 *
 * Each leg installs what it needs from Debian's packages and the Go module proxy, runs, and is counted; one that cannot run on
 * this machine is printed as skipped with its reason. The last line sums everything up: `N passed, N failed, N skipped`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { add, type Counts, closingLine, NONE, ROOT, readCounts, runCounted } from "./counts.ts";

interface Leg {
  readonly name: string;
  /** Debian packages. */
  readonly packages: readonly string[];
  /** More to prepare; false when it cannot be had here. */
  readonly prepare?: () => boolean;
  /** Needs root and Debian for more than its packages. */
  readonly needsRoot?: boolean;
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
  readonly timeoutMs: number;
}

const bun = process.execPath;
const MINUTE_MS = 60_000;
const isRoot = process.getuid?.() === 0;
const hasApt = existsSync("/usr/bin/apt-get");

const LEGS: readonly Leg[] = [
  {
    name: "contract: the registry",
    packages: ["docker-registry", "openssl", "skopeo"],
    command: [
      bun,
      "test",
      "--timeout=120000",
      "test/contract/docker-registry.test.ts",
      "test/contract/publishing.test.ts",
    ],
    timeoutMs: 5 * MINUTE_MS,
  },
  {
    name: "contract: the Kubernetes API and kustomize",
    packages: ["etcd-server", "openssl"],
    prepare: () =>
      hasGo() &&
      tool("scripts/lab/tools.ts", "kube-apiserver", "helm", "kubectl") &&
      tool("scripts/install-kustomize.ts"),
    command: [
      bun,
      "test",
      "--timeout=300000",
      "test/contract/kube-apiserver.test.ts",
      "test/contract/kustomize.test.ts",
      "test/contract/sample-charts.test.ts",
    ],
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "browser",
    packages: ["chromium"],
    prepare: buildExecutable,
    command: [bun, "test", "--timeout=120000", "test/browser"],
    env: { ALGA_EXECUTABLE: join(ROOT, "dist/alga-appliance") },
    timeoutMs: 10 * MINUTE_MS,
  },
  {
    name: "lab: a real box",
    packages: [],
    needsRoot: true,
    prepare: () => hasGo() && buildExecutable(),
    command: [bun, "run", "scripts/lab.ts"],
    timeoutMs: 45 * MINUTE_MS,
  },
  { name: "benchmarks", packages: [], command: [bun, "run", "bench/run.ts", "--quick"], timeoutMs: 5 * MINUTE_MS },
];

let total: Counts = readFirst(process.argv[2]);
const rows: string[] = [`npm test: ${closingLine(total)}`];
for (const leg of LEGS) {
  const counts = await runLeg(leg);
  total = add(total, counts);
}
console.log(`\n${rows.join("\n")}\n\n${closingLine(total)}`);
process.exit(total.failed > 0 ? 1 : 0);

async function runLeg(leg: Leg): Promise<Counts> {
  console.log(`\n== ${leg.name}`);
  const missing = whyNot(leg);
  if (missing !== undefined) {
    rows.push(`${leg.name}: skipped, ${missing}`);
    console.log(`skipped: ${missing}`);
    return { ...NONE, skipped: 1 };
  }
  const started = performance.now();
  const result = await runCounted(leg.command, { timeoutMs: leg.timeoutMs, env: leg.env ?? {} });
  rows.push(`${leg.name}: ${closingLine(result)} (${Math.round((performance.now() - started) / 1000)} s)`);
  return result;
}

function whyNot(leg: Leg): string | undefined {
  if (leg.needsRoot === true && !(isRoot && hasApt)) return "it needs root on Debian";
  if (!installed(leg.packages)) return `its packages cannot be installed here (${leg.packages.join(", ")})`;
  if (leg.prepare !== undefined && !leg.prepare()) return "its tools cannot be built here";
  return undefined;
}

function installed(packages: readonly string[]): boolean {
  if (packages.length === 0) return true;
  const there = () => spawnSync("dpkg", ["-s", ...packages], { stdio: "ignore" }).status === 0;
  if (!hasApt) return false;
  if (there()) return true;
  if (!isRoot) return false;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  spawnSync("apt-get", ["update", "-q"], { stdio: "ignore", env });
  spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { stdio: "ignore", env });
  return there();
}

function hasGo(): boolean {
  return spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
}

/** `dist/alga-appliance` as the legs that need it run it. */
function buildExecutable(): boolean {
  return tool("build.ts", "--target", "x64");
}

function tool(script: string, ...words: readonly string[]): boolean {
  const path = join(ROOT, script);
  const command = script.endsWith(".sh") ? ["bash", path] : [bun, "run", path];
  return (
    spawnSync(command[0] ?? "", [...command.slice(1), ...words], { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] })
      .status === 0
  );
}

/** Counts of `npm test`, which ran before; a run without a closing line is one failure. */
function readFirst(file: string | undefined): Counts {
  if (file === undefined) return NONE;
  return readCounts(readFileSync(file, "utf8")) ?? { ...NONE, failed: 1 };
}
