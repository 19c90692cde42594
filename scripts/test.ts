/**
 * `npm test`: everything that needs neither root nor a network beyond the package registry.
 *
 * Unit tests beside their sources, the server over real sockets, the crash tests with real processes, the compiled executable,
 * and the Deno smoke run. What needs a browser, a cluster or Debian packages runs in `.ci/run`. Ends with the time of each lane,
 * the slowest files, and the counts.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { add, type Counts, closingLine, type LegResult, NONE, runCounted } from "./counts.ts";

/**
 * Lanes at once, each one process that runs its files one by one. They are cut so that they end together on two cores: the first
 * one mostly waits, the other two mostly work. "./" makes a folder of a word that else would match any path that holds it.
 */
const LANES: Readonly<Record<string, readonly string[]>> = {
  units: [
    "./src",
    "./ui",
    "./embed",
    "./test/architecture.test.ts",
    "./test/box-guide.test.ts",
    "./test/counts.test.ts",
    "./test/docstrings.test.ts",
    "./test/exports.test.ts",
    "./test/host-guide.test.ts",
    "./test/house.test.ts",
    "./test/least-power.test.ts",
    "./test/legs.test.ts",
    "./test/messages.test.ts",
    "./test/trust-guide.test.ts",
    "./test/unverified.test.ts",
    "./test/contract/registry.test.ts",
    "./test/contract/kubernetes-memory.test.ts",
  ],
  rehearsals: ["./test/rehearsal", "./test/publisher-guide.test.ts"],
  processes: ["./test/crash", "./test/server", "./test/binary", "./test/deno"],
};
const SLOWEST_SHOWN = 10;

interface LaneResult extends LegResult {
  readonly name: string;
  readonly seconds: number;
  readonly files: readonly { readonly name: string; readonly seconds: number }[];
}

const only = process.argv.slice(2);
const lanes = only.length > 0 ? { chosen: only } : LANES;
const reports = mkdtempSync(join(tmpdir(), "alga-test-"));
const results = await Promise.all(Object.entries(lanes).map(([name, places]) => runLane(name, places)));
rmSync(reports, { recursive: true, force: true });
printTimes();
console.log(`\n${closingLine(results.reduce<Counts>(add, NONE))}`);
process.exit(results.some((result) => result.failed > 0 || result.code !== 0) ? 1 : 0);

/** Runs one lane; its output is shown whole when it has ended, so that the lanes do not mix. */
async function runLane(name: string, places: readonly string[]): Promise<LaneResult> {
  const report = join(reports, `${name}.xml`);
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const started = performance.now();
  const command = [process.execPath, "test", "--timeout=120000", ...reporter, ...places];
  const result = await runCounted(command, { timeoutMs: 600_000, quiet: true });
  console.log(result.output);
  return { ...result, name, seconds: (performance.now() - started) / 1_000, files: fileTimes(report) };
}

/** Seconds of each file, from the report of `bun test`; none when it did not come to write one. */
function fileTimes(report: string): LaneResult["files"] {
  try {
    const suites = readFileSync(report, "utf8").matchAll(/^ {2}<testsuite name="([^"]+)".*? time="([\d.]+)"/gm);
    return [...suites].map(([, name = "", seconds]) => ({ name, seconds: Number(seconds) }));
  } catch {
    return [];
  }
}

function printTimes(): void {
  const row = ({ name, seconds }: { readonly name: string; readonly seconds: number }): string =>
    `${seconds.toFixed(1).padStart(7)} s  ${name}`;
  const slowest = results.flatMap(({ files }) => files).sort((a, b) => b.seconds - a.seconds);
  console.log(`Lanes, side by side:\n${results.map(row).join("\n")}`);
  console.log(`Slowest files:\n${slowest.slice(0, SLOWEST_SHOWN).map(row).join("\n")}`);
}
