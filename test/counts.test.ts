/** The counting of CI: what a command prints, and what becomes of one that ends badly, hangs, or leaves others running. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readCounts, readFailures, runCounted } from "../scripts/counts.ts";
import { eventually } from "./support/eventually.ts";

const shell = (script: string, timeoutMs = 20_000) => runCounted(["sh", "-c", script], { timeoutMs, quiet: true });

describe("counts", () => {
  it("are read from the summary of bun test", () => {
    const output = " 12 pass\n 3 skip\n 1 fail\nRan 16 tests across 2 files. [3.00s]\n";
    assert.deepEqual(readCounts(output), { passed: 12, failed: 1, skipped: 3 });
  });

  it("are read from the last closing line of ours", () => {
    assert.deepEqual(readCounts("1 passed, 2 failed, 3 skipped\n4 passed, 0 failed, 1 skipped\n"), {
      passed: 4,
      failed: 0,
      skipped: 1,
    });
    assert.equal(readCounts("nothing was counted\n"), undefined);
  });

  it("name what failed, once and on one line each", () => {
    const output =
      "(pass) a [1ms]\n(fail) b > c [2ms]\n1 tests failed:\n(fail) b > c [2ms]\nfailed: the box: it burns\n";
    assert.deepEqual(readFailures(output), ["(fail) b > c [2ms]", "failed: the box: it burns"]);
  });
});

describe("a command that is counted", () => {
  it("has failed when it ends badly without a count", async () => {
    assert.deepEqual(pick(await shell("echo 7 passed, 0 failed, 0 skipped; exit 3")), {
      passed: 7,
      failed: 1,
      code: 3,
    });
    assert.deepEqual(pick(await runCounted(["/no/such/program"], { timeoutMs: 5_000, quiet: true })), {
      passed: 0,
      failed: 1,
      code: 127,
    });
  });

  it("has failed when its time is over, though it then ends well, and takes its children with it", async () => {
    const started = Date.now();
    const script = 'trap "echo 5 passed, 0 failed, 0 skipped; exit 0" TERM; sleep 97 & echo "child $!"; wait';
    const result = await shell(script, 300);
    assert.deepEqual(pick(result), { passed: 5, failed: 1, code: 124 });
    assert.ok(Date.now() - started < 10_000, "it waited for the child");
    const child = Number(/child (\d+)/.exec(result.output)?.[1]);
    // The kernel closes what a dying process had open before it counts it as gone.
    await eventually("the child is gone", () => !isRunning(child));
  });
});

describe("commands side by side", () => {
  it("are all ended before a runner that is told to end is gone", async () => {
    const counts = join(import.meta.dirname, "../scripts/counts.ts");
    const slow = 'trap "sleep 1; exit 0" TERM; echo $$; sleep 98 & wait';
    const quick = "echo $$; sleep 98";
    const program = `import { runCounted } from ${JSON.stringify(counts)};
      for (const script of ${JSON.stringify([quick, slow])}) void runCounted(["sh", "-c", script], { timeoutMs: 90_000 });`;
    const runner = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    runner.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const pids = (): number[] => (output.match(/^\d+$/gm) ?? []).map(Number);
    await eventually("both run", () => pids().length === 2);
    const code = new Promise((resolve) => runner.on("exit", resolve));
    runner.kill("SIGTERM");
    assert.equal(await code, 130);
    assert.deepEqual(pids().filter(isRunning), []);
  });
});

function pick({ passed, failed, code }: Awaited<ReturnType<typeof runCounted>>): object {
  return { passed, failed, code };
}

/** A killed child may stay as a zombie where nobody collects it. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
