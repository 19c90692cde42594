// A visitor of the login page that comes many times a second and notes each answer. A process of its own, because the suite waits for
// commands and asks nobody meanwhile: bun visitor.ts <address> <file>

import { closeSync, existsSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { sleep, startDaemon, stopDaemon } from "../../scripts/lab/daemon.ts";
import { NETWORK, RUN } from "../../scripts/lab/places.ts";

const EVERY_MS = 50;
/** Far longer than a page takes, also on a machine that is busy: only a page that does not come has failed. */
const PATIENCE_MS = 20_000;
const PAGE = `http://${NETWORK.box}:3000/auth/signin`;
const FILE = join(RUN, "visits");

/** One request: when it was sent (milliseconds since 1970) and what came, 0 for nothing. */
interface Visit {
  readonly atMs: number;
  readonly status: number;
}

export interface Visits {
  readonly served: number;
  readonly failed: number;
  /** Milliseconds from the last page before the first failure to the first page after the last one; 0 without failures. */
  readonly windowMs: number;
  /** Answers other than a page and nothing: status codes. */
  readonly wrong: readonly number[];
}

if (import.meta.main) {
  const [address = "", file = ""] = process.argv.slice(2);
  const notes = openSync(file, "a");
  process.on("SIGTERM", () => {
    closeSync(notes);
    process.exit(0);
  });
  for (;;) {
    void visit(address).then((one) => writeSync(notes, `${one.atMs} ${one.status}\n`));
    await sleep(EVERY_MS);
  }
}

/** Every visit opens a connection of its own, as a person does who comes for the first time. */
async function visit(address: string): Promise<Visit> {
  const atMs = Date.now();
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(address, { redirect: "manual", keepalive: false, signal });
    await response.arrayBuffer();
    return { atMs, status: response.status };
  } catch {
    return { atMs, status: 0 };
  }
}

/** Begins to ask the login page of the box, twenty times a second. */
export async function startVisitor(): Promise<void> {
  await stopDaemon("visitor");
  rmSync(FILE, { force: true });
  startDaemon("visitor", [process.execPath, import.meta.filename, PAGE, FILE]);
}

/** Ends it, and counts what came. Safe to call again. */
export async function stopVisitor(): Promise<Visits> {
  await stopDaemon("visitor");
  return count(
    (existsSync(FILE) ? readFileSync(FILE, "utf8") : "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.split(" ").map(Number))
      .map(([atMs = 0, status = 0]) => ({ atMs, status }))
      .sort((one, other) => one.atMs - other.atMs),
  );
}

function count(visits: readonly Visit[]): Visits {
  const isServed = ({ status }: Visit): boolean => status === 200;
  const first = visits.findIndex((one) => !isServed(one));
  const last = visits.findLastIndex((one) => !isServed(one));
  const before = visits[first - 1]?.atMs ?? visits[first]?.atMs ?? 0;
  const after = visits[last + 1]?.atMs ?? visits[last]?.atMs ?? 0;
  const served = visits.filter(isServed).length;
  return {
    served,
    failed: visits.length - served,
    windowMs: first < 0 ? 0 : after - before,
    wrong: visits.map(({ status }) => status).filter((status) => status !== 200 && status !== 0),
  };
}
