/**
 * The heavier legs of CI, after `npm test`: contract suites on the real things, the browser, the lab, the benchmarks.
 *
 * Each leg installs what it needs from Debian's packages and the Go module proxy, runs, and is counted; one that cannot run on
 * this machine is printed as skipped with its reason. What failed is named again at the end, since a long output may be cut; the
 * last line sums everything up: `N passed, N failed, N skipped`.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { add, type Counts, closingLine, NONE, ROOT, readCounts, readFailures, runCounted } from "./counts.ts";

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
  /** The command alone, without preparing. It and all it started are ended then, and the leg has failed. */
  readonly timeoutMs: number;
  /** Takes down what a command that was ended could not. */
  readonly after?: () => void;
  /** Runs beside the legs of another lane, which share nothing with it; those of one lane run one after the other. */
  readonly lane?: "browser" | "contracts";
  /** It is skipped when less is left of the whole run. */
  readonly wantsMs?: number;
}

/** What the pages looked like in this run, one picture of each page that is audited. */
const SCREENSHOTS = join(ROOT, "dist/screenshots");
const bun = process.execPath;
const MINUTE_MS = 60_000;
const isRoot = process.getuid?.() === 0;
const TEST = [bun, "test", "--timeout=300000"];
const hasApt = existsSync("/usr/bin/apt-get");

/**
 * When the whole run has to be over, in Unix milliseconds, by `.ci/run`: what ends it at its limit would lose every count. On a machine
 * that is too slow for all of it, cases of the lab that have not begun are printed as skipped.
 */
const { ALGA_CI_UNTIL } = process.env;
const until = ALGA_CI_UNTIL === undefined ? undefined : Number(ALGA_CI_UNTIL);
/** The longest case of the lab and taking the box down, then the benchmarks. */
const AFTER_LAB_MS = 12 * MINUTE_MS;

const LEGS: readonly Leg[] = [
  {
    name: "contract: the registry, and the tools of others",
    packages: ["docker-registry", "skopeo", "systemd"],
    // A tool that cannot be had here skips its tests only, each with its reason.
    prepare: () => !hasGo() || tool("scripts/lab/tools.ts", "interop") || true,
    command: [...TEST, "test/contract/docker-registry.test.ts", "test/contract/publishing.test.ts", ...interopTests()],
    timeoutMs: 15 * MINUTE_MS,
    lane: "contracts",
  },
  {
    name: "contract: the Kubernetes API and kustomize",
    packages: ["etcd-server"],
    prepare: () =>
      hasGo() &&
      tool("scripts/lab/tools.ts", "kube-apiserver", "helm", "kubectl", "local-path-provisioner") &&
      tool("scripts/install-kustomize.ts"),
    command: [
      ...TEST,
      "test/contract/kube-apiserver.test.ts",
      "test/contract/storage-apiserver.test.ts",
      "test/contract/storage-provisioner.test.ts",
      "test/contract/update-kill.test.ts",
      "test/contract/kustomize.test.ts",
      "test/contract/sample-charts.test.ts",
      "test/contract/charts.test.ts",
    ],
    timeoutMs: 15 * MINUTE_MS,
    lane: "contracts",
  },
  {
    name: "browser",
    packages: ["chromium"],
    prepare: () => {
      // Pictures of the run before would stand beside those of this one.
      rmSync(SCREENSHOTS, { recursive: true, force: true });
      return buildExecutable();
    },
    command: [...TEST, "test/browser"],
    env: { ALGA_EXECUTABLE: join(ROOT, "dist/alga-appliance"), ALGA_SCREENSHOTS: SCREENSHOTS },
    timeoutMs: 20 * MINUTE_MS,
    lane: "browser",
  },
  {
    // Alone: what it kills and when is told by its clock.
    name: "rehearsals and kills at length",
    packages: [],
    command: [...TEST, "test/long"],
    timeoutMs: 15 * MINUTE_MS,
  },
  {
    name: "lab: a real box",
    packages: [],
    needsRoot: true,
    prepare: () => hasGo() && buildExecutable() && tool("scripts/lab.ts", "build"),
    command: [bun, "run", "scripts/lab.ts"],
    env: until === undefined ? {} : { ALGA_LAB_UNTIL: String(until - AFTER_LAB_MS) },
    wantsMs: AFTER_LAB_MS,
    after: () => tool("scripts/lab.ts", "down"),
    // Half an hour on two quiet cores.
    timeoutMs: 60 * MINUTE_MS,
  },
  {
    name: "benchmarks",
    packages: [],
    command: [bun, "run", "bench/run.ts", "--quick"],
    timeoutMs: 10 * MINUTE_MS,
    wantsMs: 5 * MINUTE_MS,
  },
];

// `bun scripts/ci.ts "" lab` runs the legs alone whose names hold a match of that word.
const only = new RegExp(process.argv[3] ?? "");
const first = firstLeg(process.argv[2]);
let total: Counts = first.counts;
const rows: string[] = [`npm test: ${closingLine(total)}`];
const failures: string[] = [...first.failures];
const chosen = LEGS.filter(({ name }) => only.test(name));
const lanes = Map.groupBy(chosen, ({ lane }) => lane);
const alone = lanes.get(undefined) ?? [];
lanes.delete(undefined);
await runLanes([...lanes.values()]);
for (const leg of alone) await runLeg(leg, prepared(leg));
if (failures.length > 0) console.log(`\n== what failed\n${failures.join("\n")}`);
console.log(`\n${rows.join("\n")}\n\n${closingLine(total)}`);
process.exit(total.failed > 0 ? 1 : 0);

interface Prepared {
  /** Why it cannot run here. */
  readonly missing: string | undefined;
  readonly took: string;
}

/** Packages are installed and tools built before anything runs: both are work for all processors. */
async function runLanes(all: readonly (readonly Leg[])[]): Promise<void> {
  const ready = all.map((legs) => legs.map((leg) => [leg, prepared(leg)] as const));
  const runs = ready.map(async (legs) => {
    for (const [leg, how] of legs) await runLeg(leg, how, { quiet: ready.length > 1 });
  });
  await Promise.all(runs);
}

function prepared(leg: Leg): Prepared {
  const started = performance.now();
  return { missing: whyNot(leg), took: seconds(started) };
}

/** @param options.quiet what it prints is shown whole at its end, because another runs beside it */
async function runLeg(leg: Leg, { missing, took }: Prepared, { quiet = false } = {}): Promise<void> {
  if (missing !== undefined) {
    rows.push(`${leg.name}: skipped, ${missing} (${took})`);
    console.log(`\n== ${leg.name}\nskipped: ${missing}`);
    total = add(total, { ...NONE, skipped: 1 });
    return;
  }
  console.log(quiet ? `\nruns beside others: ${leg.name}` : `\n== ${leg.name}`);
  const running = performance.now();
  const timeoutMs = Math.min(leg.timeoutMs, until === undefined ? Number.POSITIVE_INFINITY : until - Date.now());
  const result = await runCounted(leg.command, { timeoutMs, env: leg.env ?? {}, quiet });
  leg.after?.();
  if (quiet) console.log(`\n== ${leg.name}\n${result.output}`);
  rows.push(`${leg.name}: ${closingLine(result)} (${took} to prepare, ${seconds(running)} to run)`);
  failures.push(...readFailures(result.output).map((line) => `${leg.name}: ${line}`));
  if (result.code !== 0) failures.push(`${leg.name}: it ended with exit code ${result.code}`);
  total = add(total, result);
}

function seconds(since: number): string {
  return `${Math.round((performance.now() - since) / 1000)} s`;
}

function whyNot(leg: Leg): string | undefined {
  if (until !== undefined && leg.wantsMs !== undefined && Date.now() + leg.wantsMs > until)
    return "no time is left for it";
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

/** Tests with the tools of others, found by the end of their names, so that a new one is run without being named here. */
function interopTests(): string[] {
  const folder = join("test", "contract");
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".interop.test.ts"))
    .map((name) => join(folder, name));
}

/** `npm test`, which ran before; a run without a closing line is one failure. */
function firstLeg(file: string | undefined): { counts: Counts; failures: readonly string[] } {
  if (file === undefined || file === "") return { counts: NONE, failures: [] };
  const output = readFileSync(file, "utf8");
  const failures = readFailures(output).map((line) => `npm test: ${line}`);
  return { counts: readCounts(output) ?? { ...NONE, failed: 1 }, failures };
}
