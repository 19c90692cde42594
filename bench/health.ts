/**
 * /healthz of the control plane while it runs a whole setup, against the same route of the same process before it.
 *
 * Registry, Kubernetes API and actors are those of the rehearsal, in a process beside it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { waitForOk } from "../test/support/process.ts";
import { pause, percentile, type Row, row, scheduledTimes, stop } from "./measure.ts";

const IDLE_MS = 3_000;
const PASSWORD = "correct-Horse-battery-9";
/** A setup that takes longer is stuck. */
const PATIENCE_MS = 120_000;

export async function healthDuringSetup(): Promise<Row[]> {
  const script = join(import.meta.dirname, "box.ts");
  const around = play([script, "surroundings"]);
  const children = [around];
  try {
    const addresses = await linesOf(around).first;
    const plane = play([script, "plane", JSON.stringify(addresses)]);
    children.unshift(plane);
    return await measure(linesOf(plane));
  } finally {
    for (const child of children) await stop(child);
  }
}

/** Starts a script of this folder; what it prints is read by `linesOf`. */
export function play(words: readonly string[]): ChildProcess {
  return spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"], env: {} });
}

async function measure(lines: Lines): Promise<Row[]> {
  const { url, token } = (await lines.first) as { readonly url: string; readonly token: string };
  const health = `${url}/healthz`;
  await waitForOk(health);
  const idle = await scheduledTimes(health, pause(IDLE_MS));
  const cookie = await claim(url, token);
  const busy = await scheduledTimes(health, Promise.all([startSetup(url, cookie), lines.done]));
  const note = `the same process before it (${busy.length} requests)`;
  return [
    row("/healthz p99 while a setup runs", percentile(busy, 0.99), percentile(idle, 0.99), {
      unit: "ms",
      note,
      digits: 2,
    }),
    row("/healthz slowest while a setup runs", Math.max(...busy), Math.max(...idle), { unit: "ms", note }),
  ];
}

export interface Lines {
  readonly first: Promise<unknown>;
  /** The setup is done. */
  readonly done: Promise<void>;
}

/** The first line of a process, and the end of its setup. */
export function linesOf(child: ChildProcess): Lines {
  const first = Promise.withResolvers<unknown>();
  const done = Promise.withResolvers<void>();
  const failed = (how: string): void => {
    const error = new Error(`the rehearsal did not get to its end: ${how}`);
    first.reject(error);
    done.reject(error);
  };
  const timer = setTimeout(() => failed("its time is over"), PATIENCE_MS);
  done.promise.catch(() => {}).finally(() => clearTimeout(timer));
  first.promise.catch(() => {});
  createInterface({ input: child.stdout ?? process.stdin }).on("line", (line) => {
    const said: { type?: string; operation?: { state: string; problem: unknown } } = JSON.parse(line);
    first.resolve(said);
    if (said.type !== "operation") return;
    if (said.operation?.state === "done") done.resolve();
    if (["blocked", "failed"].includes(said.operation?.state ?? "")) failed(JSON.stringify(said.operation?.problem));
  });
  child.on("exit", (code) => failed(`it ended with ${code}`));
  return { first: first.promise, done: done.promise };
}

/** Chooses the password; the cookie of the session. */
export async function claim(url: string, token: string): Promise<string> {
  const answer = await post(`${url}/api/session/claim`, { token, password: PASSWORD });
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

async function startSetup(url: string, cookie: string): Promise<void> {
  const answers = {
    channel: "stable",
    appHostname: "https://psa.example.com",
    tenantName: "Example",
    adminFirstName: "Ada",
    adminLastName: "Lovelace",
    adminEmail: "ada@example.com",
    adminPassword: PASSWORD,
    adminPasswordConfirm: PASSWORD,
  };
  await post(`${url}/api/setup`, answers, { cookie });
}

async function post(url: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", origin: new URL(url).origin, ...headers },
    body: JSON.stringify(body),
  });
  if (answer.ok) return answer;
  throw new Error(`${new URL(url).pathname} was refused: ${answer.status} ${await answer.text()}`);
}
