/**
 * `npm test`: everything that needs neither root nor a network beyond the package registry.
 *
 * Unit tests beside their sources, the server over real sockets, the crash tests with real processes, the compiled executable,
 * and the Deno smoke run. What needs a browser, a cluster or Debian packages runs in `.ci/run`.
 */
import { add, type Counts, closingLine, type LegResult, NONE, runCounted } from "./counts.ts";

/** Two lanes at once, because the machines of CI have two cores; each is one process that runs its files one by one. */
const LANES = [
  [
    "src",
    "ui",
    "embed",
    "test/architecture.test.ts",
    "test/counts.test.ts",
    "test/docstrings.test.ts",
    "test/exports.test.ts",
    "test/house.test.ts",
    "test/messages.test.ts",
    "test/contract/registry.test.ts",
    "test/contract/kubernetes-memory.test.ts",
    "test/server",
  ],
  ["test/rehearsal", "test/crash", "test/binary", "test/deno"],
];

const only = process.argv.slice(2);
const lanes = only.length > 0 ? [only] : LANES;
const results = await Promise.all(lanes.map(runLane));
console.log(`\n${closingLine(results.reduce<Counts>(add, NONE))}`);
process.exit(results.some((result) => result.failed > 0 || result.code !== 0) ? 1 : 0);

/** Runs one lane; its output is shown whole when it has ended, so that the lanes do not mix. */
async function runLane(places: readonly string[]): Promise<LegResult> {
  const command = [process.execPath, "test", "--timeout=120000", ...places];
  const result = await runCounted(command, { timeoutMs: 600_000, quiet: true });
  console.log(result.output);
  return result;
}
