/**
 * A rehearsal as its own process, and the person before it: what the wizard does, over HTTP.
 *
 * Everything that the process says is kept (answers, events, both streams), so that a test can look for a secret in all of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";
import type { OperationView } from "../../src/operation/model.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { firstJsonLine } from "../support/process.ts";
import { openEvents, type ServerEvent } from "./events.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Milliseconds until something must have happened; generous, because CI machines are busy. */
const PATIENCE_MS = 45_000;
const LOOK_MS = 50;

export const MANAGEMENT_PASSWORD = "Lantern-over-9-harbors";
export const ANSWERS = {
  channel: "stable",
  appHostname: "https://psa.example.com",
  tenantName: "Example Ltd",
  adminFirstName: "Ada",
  adminLastName: "Lovelace",
  adminEmail: "Ada@Example.com",
  adminPassword: "correct-Horse-battery-9",
  adminPasswordConfirm: "correct-Horse-battery-9",
  editionChoice: "ce",
};

export interface PlayOptions {
  readonly scenario?: string;
  readonly speed?: number;
  /** Folder that keeps the rehearsal. */
  readonly state?: string;
}

/** First line of `rehearse -o json`. */
interface Announced {
  readonly url: string;
  readonly setupUrl: string;
  readonly token: string | null;
  readonly registry: string;
  readonly kubernetes: string;
}

/** An answer with its body read. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export class Play {
  readonly announced: Announced;
  readonly child: ChildProcess;
  /** Everything that came out of the process: answers, events, standard output and error. */
  readonly said: string[];
  #cookie = "";

  constructor(child: ChildProcess, announced: Announced, said: string[]) {
    this.child = child;
    this.announced = announced;
    this.said = said;
  }

  async ask(method: "GET" | "POST", path: string, body?: unknown): Promise<Answer> {
    const headers = { "content-type": "application/json", origin: this.announced.url, cookie: this.#cookie };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    const response = await fetch(`${this.announced.url}${path}`, init);
    const text = await response.text();
    this.said.push(text);
    this.#cookie = response.headers.get("set-cookie")?.split(";")[0] ?? this.#cookie;
    return { status: response.status, body: text === "" ? {} : JSON.parse(text) };
  }

  claim(): Promise<Answer> {
    return this.ask("POST", "/api/session/claim", { token: this.announced.token, password: MANAGEMENT_PASSWORD });
  }

  logIn(): Promise<Answer> {
    return this.ask("POST", "/api/session", { password: MANAGEMENT_PASSWORD });
  }

  /** Sends the answers as the wizard does: with the digest of the plan where one can be made. */
  async start(answers: Record<string, string> = ANSWERS): Promise<Answer> {
    const { body } = await this.ask("POST", "/api/setup/plan", answers);
    return this.ask("POST", "/api/setup", {
      ...answers,
      ...(body.digest === undefined ? {} : { planDigest: body.digest }),
    });
  }

  async status(): Promise<ApplianceStatus> {
    return (await this.ask("GET", "/api/status")).body as unknown as ApplianceStatus;
  }

  async operation(): Promise<OperationView> {
    const { operations } = (await this.ask("GET", "/api/operations")).body as { operations: OperationView[] };
    const id = operations[0]?.id;
    return (await this.ask("GET", `/api/operations/${id}`)).body.operation as OperationView;
  }

  async resume(): Promise<Answer> {
    return this.ask("POST", `/api/operations/${(await this.operation()).id}/resume`);
  }

  /** Plays a failure from now on, or none, as the bar at the top of the page does. */
  switchOn(scenario: string | null): Promise<Answer> {
    return this.ask("POST", "/api/rehearsal", { scenario });
  }

  mend(): Promise<Answer> {
    return this.switchOn(null);
  }

  events(lastEventId?: string): AsyncGenerator<ServerEvent> {
    const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    return openEvents(`${this.announced.url}/api/events`, { cookie: this.#cookie, ...headers }, this.said);
  }

  /** Looks again and again until the status is as wanted. @throws {Error} with the last status when it never is. */
  async until(
    what: string,
    holds: (status: ApplianceStatus) => boolean,
    patienceMs = PATIENCE_MS,
  ): Promise<ApplianceStatus> {
    const end = Date.now() + patienceMs;
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
      if (Date.now() > end) throw new Error(`never: ${what}; last: ${brief(status)}`);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  /** The embedded cluster, read from outside. */
  async cluster(path: string): Promise<Record<string, unknown>> {
    return (await fetch(`${this.announced.kubernetes}${path}`)).json() as Promise<Record<string, unknown>>;
  }

  /** Writes from outside, and so puts on the disk what the actors did until now: else a kill may undo their last two seconds. */
  async saveCluster(): Promise<void> {
    const headers = { "content-type": "application/merge-patch+json" };
    const body = JSON.stringify({ metadata: { annotations: { "example.com/saved": String(Date.now()) } } });
    const path = "/api/v1/namespaces/default?fieldManager=test";
    const answered = await fetch(`${this.announced.kubernetes}${path}`, { method: "PATCH", headers, body });
    if (!answered.ok) throw new Error(`the cluster is not saved: ${await answered.text()}`);
  }

  kill(signal: "SIGKILL" | "SIGTERM" = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve(this.child.exitCode);
    const ended = new Promise<number | null>((done) => this.child.once("exit", done));
    this.child.kill(signal);
    return ended;
  }
}

/** Starts a rehearsal on a free port and waits for its first line. */
export async function startPlay(options: PlayOptions = {}): Promise<Play> {
  const { scenario, speed = 20, state } = options;
  const words = ["rehearse", "--port", "0", "-o", "json", "--speed", String(speed)];
  if (scenario !== undefined) words.push("--scenario", scenario);
  if (state !== undefined) words.push("--state", state);
  const child = spawnAppliance(words);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => said.push(String(chunk)));
  return new Play(child, (await firstJsonLine(child)) as Announced, said);
}

export function spawnAppliance(words: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  const options = { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } } as const;
  return spawn(process.execPath, ["src/main.ts", ...words], { ...options, stdio: [...options.stdio] });
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line to its end. @param root Folder of a kept rehearsal, to work beside it on its state. */
export function runAppliance(words: readonly string[], stdin = "", root?: string): Promise<Ended> {
  const child = spawnAppliance(words, root === undefined ? {} : { ALGA_APPLIANCE_ROOT: root });
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => (out += String(chunk)));
  child.stderr?.on("data", (chunk) => (err += String(chunk)));
  child.stdin?.end(stdin);
  return new Promise((done) => child.once("close", (code) => done({ code, out, err })));
}

export function brief({ phase, summary, tiers, checks, operation }: ApplianceStatus): string {
  const rungs = Object.entries(tiers).map(([name, tier]) => `${name}:${tier.state}`);
  const failed = checks.filter((check) => check.state === "failed").map((check) => check.code);
  return `${phase} | ${summary.message} | ${rungs.join(" ")} | ${failed.join(",")} | ${operation?.state} ${operation?.step} ${operation?.problem?.code ?? ""}`;
}
