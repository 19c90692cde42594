/**
 * `npm run bench [-- --quick]`: what this house claims about speed, memory and size, measured against a peer in the same run.
 *
 * Peers are what a reader can check: the bare Bun executable, a compiled `console.log`, a bare `node:http` server, the same
 * process when it is idle, kubectl.
 * Nothing here is a test; numbers are printed, never asserted.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sharedExecutable } from "../test/support/executable.ts";
import { applyPhase } from "./apply-phase.ts";
import { bundleTimes } from "./bundle.ts";
import { firstPaint } from "./first-paint.ts";
import { healthDuringSetup } from "./health.ts";
import { hostTimes } from "./host.ts";
import { imageTimes } from "./image.ts";
import {
  median,
  pause,
  printTable,
  type Row,
  residentMegabytes,
  row,
  startToFirstAnswer,
  stop,
  without,
} from "./measure.ts";
import { publishTimes } from "./publish.ts";
import { resolveTimes } from "./resolve.ts";
import { statusTimes } from "./status.ts";
import { changeToScreen } from "./to-screen.ts";
import { updateTimes } from "./update.ts";

const IS_QUICK = process.argv.includes("--quick");
const RUNS = IS_QUICK ? 5 : 15;
/** Each takes two fresh API servers. */
const APPLY_RUNS = IS_QUICK ? 1 : 5;
const SETTLE_MS = 1_500;
const FULL_STATUS = { pods: 5_000, events: 50_000, changes: 40 };
const QUICK_STATUS = { pods: 1_000, events: 10_000, changes: 10 };
const folder = mkdtempSync(join(tmpdir(), "alga-bench-"));
const executable = sharedExecutable();
const rows: Row[] = [];

try {
  rows.push(size());
  rows.push(versionStart());
  rows.push(...(await coldStartAndMemory()));
  rows.push(...(await resolveTimes(RUNS)));
  rows.push(...(await healthDuringSetup()));
  rows.push(...(await publishTimes({ megabytes: IS_QUICK ? 50 : 500, runs: IS_QUICK ? 1 : 3, executable })));
  rows.push(...(await applyPhase(APPLY_RUNS)));
  rows.push(...(await updateTimes(APPLY_RUNS)));
  rows.push(...(await statusTimes(IS_QUICK ? QUICK_STATUS : FULL_STATUS)));
  rows.push(...(await imageTimes(executable, IS_QUICK ? 1 : 5)));
  rows.push(...(await bundleTimes(executable, { runs: IS_QUICK ? 1 : 3, megabytes: IS_QUICK ? 60 : 300 })));
  rows.push(...(await firstPaint(executable, RUNS)));
  rows.push(...(await changeToScreen(IS_QUICK ? 10 : 40)));
  rows.push(
    ...(IS_QUICK ? [without("first boot of a box", "bun run bench/host.ts boots the lab's")] : await hostTimes()),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printTable(rows);

function size(): Row {
  const bytes = (path: string): number => statSync(path).size;
  return row("size of the executable", bytes(executable) / 1e6, bytes(process.execPath) / 1e6, {
    unit: "MB",
    note: "bare Bun",
    digits: 2,
  });
}

function versionStart(): Row {
  const hello = compiledHello();
  const time = (program: string): number => {
    const started = performance.now();
    spawnSync(program, ["--version"], { stdio: "ignore", env: {} });
    return performance.now() - started;
  };
  const ours: number[] = [];
  const peer: number[] = [];
  for (let index = 0; index < RUNS * 2; index += 1) {
    ours.push(time(executable));
    peer.push(time(hello));
  }
  return row("version, whole process", median(ours), median(peer), { unit: "ms", note: "one console.log, compiled" });
}

/** The least that a compiled program can be. */
function compiledHello(): string {
  const [source, file] = [join(folder, "hello.mjs"), join(folder, "hello")];
  writeFileSync(source, 'console.log("1.0.0");');
  const built = spawnSync(process.execPath, ["build", "--compile", "--minify", `--outfile=${file}`, source]);
  if (built.status !== 0) throw new Error(`the peer cannot be compiled: ${built.stderr}`);
  return file;
}

async function coldStartAndMemory(): Promise<Row[]> {
  const bare = join(folder, "bare.mjs");
  writeFileSync(
    bare,
    'import http from "node:http"; http.createServer((q, a) => a.end("ok")).listen(Number(process.argv[2]), "127.0.0.1");',
  );
  const seen = { ours: [] as number[], peer: [] as number[], oursMb: [] as number[], peerMb: [] as number[] };
  for (let index = 0; index < RUNS; index += 1) {
    const port = 42_000 + index * 2;
    const ours = await startToFirstAnswer(
      [executable, "serve", "--listen", "127.0.0.1", "--port", String(port)],
      `http://127.0.0.1:${port}/healthz`,
      { ALGA_APPLIANCE_ROOT: folder },
    );
    const peer = await startToFirstAnswer([process.execPath, bare, String(port + 1)], `http://127.0.0.1:${port + 1}/`);
    seen.ours.push(ours.ms);
    seen.peer.push(peer.ms);
    if (index === 0) await pause(SETTLE_MS);
    if (index === 0) seen.oursMb.push(residentMegabytes(ours.child.pid ?? 0));
    if (index === 0) seen.peerMb.push(residentMegabytes(peer.child.pid ?? 0));
    await stop(ours.child);
    await stop(peer.child);
  }
  return [
    row("serve, start to first /healthz 200", median(seen.ours), median(seen.peer), {
      unit: "ms",
      note: "bare node:http server on Bun",
    }),
    row("serve, idle resident memory", median(seen.oursMb), median(seen.peerMb), {
      unit: "MB",
      note: "bare node:http server on Bun",
    }),
  ];
}
