/**
 * The status: how fast it is told, how soon a change of the cluster is on the way to the pages, and what it costs in memory on a
 * cluster of 5,000 pods and 50,000 events. Each in the process of its own that it is in on a box.
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { KubeObject } from "../src/kube/model.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../test/support/kube-apiserver.ts";
import { waitForOk } from "../test/support/process.ts";
import { kubeconfigOf } from "./apply-phase.ts";
import { claim, linesOf, play } from "./health.ts";
import { median, pause, percentile, type Row, residentMegabytes, row, stop, without } from "./measure.ts";
import { readersMemory } from "./readers.ts";
import { openStream } from "./streams.ts";

export interface StatusBench {
  readonly pods: number;
  readonly events: number;
  /** Changes of the cluster whose way to a reader is timed. */
  readonly changes: number;
}

const script = (name: string): string => join(import.meta.dirname, name);

export async function statusTimes(size: StatusBench): Promise<Row[]> {
  return [...(await watcherMemory(size)), ...(await onRealServer(size)), ...(await readersMemory())];
}

/** The engine and a plain informer of the same cluster, each less what the runtime takes by itself. */
async function watcherMemory({ pods, events }: StatusBench): Promise<Row[]> {
  const cluster = play([script("large-cluster.ts"), String(pods), String(events)]);
  try {
    const { server, bytes } = (await linesOf(cluster).first) as { readonly server: string; readonly bytes: number };
    const weigh = async (role: string): Promise<{ readonly resident: number; readonly heap: number }> => {
      const child = play([script("watcher.ts"), role, server]);
      try {
        const { heap } = (await linesOf(child).first) as { readonly heap: number };
        return { resident: residentMegabytes(child.pid ?? 0), heap: heap / 1e6 };
      } finally {
        await stop(child);
      }
    };
    const idle = await weigh("nothing");
    const [ours, peer] = [await weigh("engine"), await weigh("informer")];
    const what = `${pods} pods and ${events} events`;
    const more = { unit: "MB", note: "informers of @kubernetes/client-node for pods and events" };
    return [
      row(`status engine, ${what}: resident`, ours.resident - idle.resident, peer.resident - idle.resident, more),
      row("the same: heap after a collection", ours.heap - idle.heap, peer.heap - idle.heap, more),
      row("the same: heap", ours.heap - idle.heap, bytes / 1e6, { unit: "MB", note: "those objects as JSON" }),
    ];
  } finally {
    await stop(cluster);
  }
}

const SPEED = "GET /api/status";
const WAY = "a change of the cluster to the event stream";

/** A control plane over a real API server, claimed, with a session. */
export interface Stage {
  readonly real: RealKube;
  readonly url: string;
  readonly cookie: string;
}

async function onRealServer(size: StatusBench): Promise<Row[]> {
  const binaries = findBinaries(process.env);
  if ("missing" in binaries) return [without(SPEED, binaries.missing), without(WAY, binaries.missing)];
  const kubectl = join(dirname(binaries.apiServer), "kubectl");
  return await onStage(binaries, async (stage) => [
    ...(existsSync(kubectl) ? await speed(stage, kubectl) : [without(SPEED, "no kubectl in the lab's cache")]),
    ...(await wayOfChanges(stage, size.changes)),
  ]);
}

/** Plays on a fresh API server with a node and some pods; both end with the work. */
export async function onStage<T>(
  binaries: Parameters<typeof startKubeApiServer>[0],
  work: (stage: Stage) => Promise<T>,
): Promise<T> {
  const real = await startKubeApiServer(binaries);
  let plane: ChildProcess | undefined;
  try {
    await furnish(real);
    const access = { ca: real.certificates.ca, token: real.adminToken };
    const around = { kubernetes: real.server, registry: "127.0.0.1:9", loginUrl: "http://127.0.0.1:9", access };
    plane = play([script("box.ts"), "plane", JSON.stringify(around)]);
    const { url, token } = (await linesOf(plane).first) as { readonly url: string; readonly token: string };
    await waitForOk(`${url}/healthz`);
    return await work({ real, url, cookie: await claim(url, token) });
  } finally {
    if (plane !== undefined) await stop(plane);
    await real.stop();
  }
}

export const NODE: KubeObject = { apiVersion: "v1", kind: "Node", metadata: { name: "box" }, spec: {} };

/** A node and some sixty pods, as a box has. */
async function furnish(real: RealKube): Promise<void> {
  const kube = real.kube();
  await kube.create(NODE);
  await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "msp" } });
  const containers = [{ name: "main", image: "registry.example.com/app:1.0.0" }];
  for (let index = 0; index < 60; index += 1) {
    const metadata = { name: `pod-${index}`, namespace: "msp" };
    await kube.create({ apiVersion: "v1", kind: "Pod", metadata, spec: { containers } });
  }
  await setReady(real, "True");
}

/** Says of the node that it reports, or that it does not. */
export async function setReady(real: RealKube, status: "True" | "Unknown"): Promise<void> {
  const condition = { type: "Ready", status, reason: "Bench", lastTransitionTime: new Date().toISOString() };
  const status_ = { conditions: [condition] };
  await real.kube().patch({ ...NODE, name: "box" }, { status: status_ }, { subresource: "status" });
}

/** What a status by child processes asks, one after the other. */
const QUESTIONS = ["nodes", "pods", "deployments", "jobs", "events"];
const AT_ONCE = 50;

async function speed(stage: Stage, kubectl: string): Promise<Row[]> {
  const peer = kubectlTimes(stage.real, kubectl);
  const headers = { cookie: stage.cookie };
  const ask = async (more: Record<string, string> = {}): Promise<number> => {
    const started = performance.now();
    const answer = await fetch(`${stage.url}/api/status`, { headers: { ...headers, ...more } });
    await answer.arrayBuffer();
    if (answer.status !== 200 && answer.status !== 304) throw new Error(`status: ${answer.status}`);
    return performance.now() - started;
  };
  const tag = (await fetch(`${stage.url}/api/status`, { headers })).headers.get("etag") ?? "";
  const alone = await inTurn(300, () => ask());
  const known = await inTurn(300, () => ask({ "if-none-match": tag }));
  const load = (await Promise.all(Array.from({ length: AT_ONCE }, () => inTurn(40, () => ask())))).flat();
  const note = `five runs of kubectl get, ${(median(peer) / median(alone)).toFixed(0)} times as long`;
  return [
    row(SPEED, median(alone), median(peer), { unit: "ms", note, digits: 2 }),
    row(`${SPEED}, nothing new (304)`, median(known), median(peer), { unit: "ms", note: "the same", digits: 2 }),
    row(`${SPEED}, p99 of ${AT_ONCE} at once`, percentile(load, 0.99), median(peer), {
      unit: "ms",
      note: "the same, one at a time",
      digits: 2,
    }),
  ];
}

async function inTurn(count: number, ask: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) times.push(await ask());
  return times;
}

function kubectlTimes(real: RealKube, kubectl: string): number[] {
  const folder = mkdtempSync(join(tmpdir(), "alga-status-"));
  try {
    const config = join(folder, "config");
    writeFileSync(config, JSON.stringify(kubeconfigOf(real)), { mode: 0o600 });
    const env = { KUBECONFIG: config, HOME: folder };
    const once = (): number => {
      const started = performance.now();
      for (const kind of QUESTIONS) {
        execFileSync(kubectl, ["get", kind, "--all-namespaces", "-o", "json"], {
          env,
          stdio: ["ignore", "pipe", "inherit"],
        });
      }
      return performance.now() - started;
    };
    once();
    return [once(), once(), once()];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** From before the write to the event that tells of it; the peer is a plain watch of the same node. */
async function wayOfChanges(stage: Stage, changes: number): Promise<Row[]> {
  const end = new AbortController();
  const kube = stage.real.kube();
  const { resourceVersion } = await kube.list({ apiVersion: "v1", kind: "Node" });
  const watched = createBell();
  void (async () => {
    for await (const event of kube.watch(NODE, { resourceVersion, signal: end.signal })) watched.ring(event.object);
  })().catch(() => {});
  const told = createBell();
  const stream = openStream(stage, (text) => told.ring(text));
  const seen = { ours: [] as number[], peer: [] as number[] };
  try {
    await pause(1_500);
    for (let index = 0; index < changes; index += 1) {
      const status = index % 2 === 0 ? "Unknown" : "True";
      // Any phase of the timers of the engine, and far enough from the change before.
      await pause(300 + Math.random() * 500);
      const started = performance.now();
      const heard = [
        told.next((text) => tellsNode(String(text), status)),
        watched.next((object) => JSON.stringify(object).includes(`"status":"${status}"`)),
      ] as const;
      await setReady(stage.real, status);
      const [ours, peer] = await Promise.all(heard);
      seen.ours.push(ours - started);
      seen.peer.push(peer - started);
    }
  } finally {
    end.abort();
    stream.destroy();
  }
  const note = "a plain watch of that object";
  return [
    row(`${WAY}, median`, median(seen.ours), median(seen.peer), { unit: "ms", note }),
    row(`${WAY}, slowest of ${changes}`, Math.max(...seen.ours), Math.max(...seen.peer), { unit: "ms", note }),
  ];
}

/** Whether a status event says that the node reports, or does not. */
function tellsNode(text: string, status: "True" | "Unknown"): boolean {
  const data = /^event: status\ndata: (.*)$/m.exec(text)?.[1];
  if (data === undefined) return false;
  const { checks } = JSON.parse(data) as {
    readonly checks: readonly { readonly code: string; readonly state: string }[];
  };
  const state = checks.find(({ code }) => code === "node/silent")?.state;
  return state === (status === "Unknown" ? "failed" : "ok");
}

/** Rings for whoever waits for something of this kind, with the moment at which it came. */
export function createBell() {
  let waiting: { readonly fits: (what: unknown) => boolean; readonly call: (at: number) => void } | undefined;
  return {
    ring: (what: unknown): void => {
      if (waiting?.fits(what) !== true) return;
      const { call } = waiting;
      waiting = undefined;
      call(performance.now());
    },
    next: (fits: (what: unknown) => boolean): Promise<number> =>
      new Promise((call) => {
        waiting = { fits, call };
      }),
  };
}
