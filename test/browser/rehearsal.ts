/**
 * The real thing for the browser: the rehearsal as its own process, with the UI built from these sources.
 *
 * `ALGA_EXECUTABLE` names a compiled executable to drive instead of the sources.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const START_MS = 30_000;

export interface RehearsalOptions {
  readonly scenario?: string;
  /** How much faster than a box. Default 20. */
  readonly speed?: number;
  /** More words of the command line. */
  readonly words?: readonly string[];
}

export interface Rehearsal {
  readonly url: string;
  readonly setupUrl: string;
  readonly token: string;
  /** `host:port` of its registry. */
  readonly registry: string;
  /** Address of its Kubernetes API. */
  readonly kubernetes: string;
  stop(): Promise<void>;
}

/** Starts a rehearsal on a free port and waits for its first line. */
export async function startRehearsal({
  scenario,
  speed = 20,
  words: more = [],
}: RehearsalOptions = {}): Promise<Rehearsal> {
  const words = ["rehearse", "--port", "0", "-o", "json", "--speed", String(speed), ...more];
  const child = spawnAppliance([...words, ...(scenario === undefined ? [] : ["--scenario", scenario])]);
  const first: unknown = JSON.parse(await firstLine(child));
  const { url, setupUrl, token, registry, kubernetes } = first as Omit<Rehearsal, "stop">;
  return {
    url,
    setupUrl,
    token,
    registry,
    kubernetes,
    stop: () =>
      new Promise((done) => {
        child.once("exit", () => done());
        child.kill("SIGTERM");
        setTimeout(() => child.kill("SIGKILL"), 5_000).unref();
      }),
  };
}

let isBuilt = false;

function spawnAppliance(words: readonly string[]): ChildProcess {
  const executable = process.env.ALGA_EXECUTABLE;
  if (executable !== undefined) return spawn(resolve(executable), words, { stdio: ["ignore", "pipe", "ignore"] });
  if (!isBuilt) {
    const built = spawnSync(process.execPath, ["run", "build.ts", "--ui"], { cwd: ROOT, encoding: "utf8" });
    if (built.status !== 0) throw new Error(`Cannot build the UI: ${built.stderr}`);
    isBuilt = true;
  }
  return spawn(process.execPath, ["src/main.ts", ...words], { cwd: ROOT, stdio: ["ignore", "pipe", "ignore"] });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((done, failed) => {
    let output = "";
    const timer = setTimeout(
      () => failed(new Error(`Cannot start the rehearsal: no line within ${START_MS / 1_000} s`)),
      START_MS,
    );
    child.once("exit", (code) => failed(new Error(`Cannot start the rehearsal: it ended with ${code}\n${output}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const end = output.indexOf("\n");
      if (end === -1) return;
      clearTimeout(timer);
      done(output.slice(0, end));
    });
  });
}
