/**
 * Starting an update on a real kube-apiserver and etcd: from "run" to the first write to the cluster, and requests to the API.
 *
 * The peer is what the appliance of before does from its own "run" on: its calls of kubectl, and those that its calls of flux make
 * (an annotation that asks, and a look), as real processes one after the other against the same server in the same run. It resolves
 * one manifest before them, fetches nothing and checks nothing; that is left out, in its favor. Both go through the same counter.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Listening } from "../src/cli/command.ts";
import { SILENT_LOG } from "../src/core/log.ts";
import type { Fetch } from "../src/core/ports.ts";
import { createDeps } from "../src/platform/deps.ts";
import { listen } from "../src/platform/http-server.ts";
import { openBench, bringToEnd as setUp } from "../test/crash/bench.ts";
import { createStageOver } from "../test/crash/stage.ts";
import { createUpdateServer, GOOD, openUpdateBench } from "../test/crash/update-bench.ts";
import { findBinaries, type RealKube, startKubeApiServer } from "../test/support/kube-apiserver.ts";
import { median, printTable, type Row, row, without } from "./measure.ts";

const WHAT = "update, run to the first write to the cluster";

/** Requests since a moment, and when the first of them was that changes something. */
interface Counted {
  calls: number;
  startedMs: number;
  firstWriteMs: number;
  callsToFirstWrite: number;
}

interface Taken {
  readonly ms: number;
  readonly calls: number;
  readonly callsToEnd: number;
}

export async function updateTimes(runs: number): Promise<Row[]> {
  const binaries = findBinaries(process.env);
  if ("missing" in binaries) return [without(WHAT, binaries.missing)];
  const kubectl = join(dirname(binaries.apiServer), "kubectl");
  if (!existsSync(kubectl)) return [without(WHAT, "no kubectl in the lab's cache (npm run lab builds it)")];
  const [ours, peer]: [Taken[], Taken[]] = [[], []];
  for (let index = 0; index < runs; index += 1) {
    const real = await startKubeApiServer(binaries);
    const folder = mkdtempSync(join(tmpdir(), "alga-bench-update-"));
    try {
      const [one, other] = await onOneServer(real, { folder, kubectl });
      ours.push(one);
      peer.push(other);
    } finally {
      await real.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const middle = (all: readonly Taken[], key: keyof Taken): number => median(all.map((one) => one[key]));
  const shown = (what: string, key: keyof Taken, unit: string): Row =>
    row(what, middle(ours, key), middle(peer, key), {
      unit,
      note: "the sequence of before: kubectl and what flux asks",
      digits: 0,
    });
  return [
    shown(WHAT, "ms", "ms"),
    shown("update, requests to the API until then", "calls", "requests"),
    shown("update, requests until the release is handed over", "callsToEnd", "requests"),
  ];
}

async function onOneServer(
  real: RealKube,
  given: { readonly folder: string; readonly kubectl: string },
): Promise<readonly [Taken, Taken]> {
  const open: Listening[] = [];
  const serve = async (handle: Fetch): Promise<string> => {
    const listening = await listen({ host: "127.0.0.1", port: 0, handle });
    open.push(listening);
    return `127.0.0.1:${listening.port}`;
  };
  const deps = createDeps(SILENT_LOG);
  const stage = await createStageOver(deps, (request) => {
    const { pathname, search } = new URL(request.url);
    return real.fetch(new Request(`${real.server}${pathname}${search}`, request));
  });
  const counted: Counted = { calls: 0, startedMs: 0, firstWriteMs: Number.NaN, callsToFirstWrite: 0 };
  const address = await serve((request) => {
    count(counted, request);
    return stage.kube(new Request(`http://api${new URL(request.url).pathname}${new URL(request.url).search}`, request));
  });
  let registryFetch: Fetch = async () => new Response(null, { status: 503 });
  const registry = await serve((request) => registryFetch(request));
  registryFetch = createUpdateServer(registry).fetch;
  const plain = deps.transports.open();
  const kube: Fetch = (request) => plain(new Request(request.url.replace("http://api", `http://${address}`), request));
  try {
    const setup = openBench(deps, {
      ...{ root: given.folder, registry, kube: { server: "http://api", fetch: kube }, followMs: 50 },
      license: { url: "http://license", fetch: stage.license },
    });
    const end = await setUp(setup);
    await setup.operations.stop();
    if (end !== "done") throw new Error(`the setup before the update is ${end}`);
    const peer = await runPeer({ ...given, address, counted });
    return [await runOurs(deps, { folder: given.folder, registry, kube, counted }), peer];
  } finally {
    await Promise.all(open.map((one) => one.close(0)));
  }
}

function count(counted: Counted, { method, url }: Request): void {
  counted.calls += 1;
  const isQuestion = url.includes("/selfsubjectaccessreviews");
  if (method === "GET" || isQuestion || !Number.isNaN(counted.firstWriteMs)) return;
  counted.firstWriteMs = performance.now() - counted.startedMs;
  counted.callsToFirstWrite = counted.calls;
}

function begin(counted: Counted): void {
  Object.assign(counted, { calls: 0, startedMs: performance.now(), firstWriteMs: Number.NaN, callsToFirstWrite: 0 });
}

async function runOurs(
  deps: ReturnType<typeof createDeps>,
  given: { readonly folder: string; readonly registry: string; readonly kube: Fetch; readonly counted: Counted },
): Promise<Taken> {
  const { folder, registry, kube, counted } = given;
  const bench = openUpdateBench(deps, {
    ...{ registry, kube, root: folder, followMs: 50, settings: { pollMs: 20, pace: 3_000 } },
    stateFolder: join(folder, "var/lib/alga-appliance"),
  });
  const { signal } = new AbortController();
  const { digest } = await bench.updates.plan({ version: GOOD }, signal);
  let callsToEnd = 0;
  bench.operations.subscribe((event) => {
    if (event.type !== "journal" || event.entry.kind !== "step-done" || event.entry.step !== "switch") return;
    callsToEnd = counted.calls;
  });
  begin(counted);
  await bench.updates.start({ planDigest: digest }, signal);
  const end = await bench.operations.settled();
  await bench.operations.stop();
  if (end?.state !== "done") throw new Error(`the measured update is ${end?.state}: ${JSON.stringify(end?.problem)}`);
  return { ms: counted.firstWriteMs, calls: counted.callsToFirstWrite, callsToEnd };
}

/** Storage is looked at, values and source are applied, and Flux is asked twice: reference, "Update engine", in its order. */
async function runPeer(given: {
  readonly folder: string;
  readonly kubectl: string;
  readonly address: string;
  readonly counted: Counted;
}): Promise<Taken> {
  const { folder, kubectl, address, counted } = given;
  const config = join(folder, "peer-config");
  const contexts = [{ name: "peer", context: { cluster: "peer", user: "peer" } }];
  const clusters = [{ name: "peer", cluster: { server: `http://${address}` } }];
  const users = [{ name: "peer", user: {} }];
  const document = { apiVersion: "v1", kind: "Config", clusters, users, contexts, "current-context": "peer" };
  writeFileSync(config, JSON.stringify(document));
  const call = (words: readonly string[], input = ""): Promise<void> =>
    runToEnd([kubectl, ...words], { config, folder, input });
  const values = ["alga-core", "temporal-worker"].map((name) => valuesOf(`peer-values-${name}`));
  const asked = `reconcile.fluxcd.io/requestedAt=${Date.now()}`;
  const release = ["helmrelease", "alga-core", "-n", "alga-system"];
  const source = ["ocirepository", "alga-appliance", "-n", "flux-system"];
  begin(counted);
  await call(["get", "storageclass", "-o", "json"]);
  for (const map of values) await call(["apply", "-f", "-"], JSON.stringify(map));
  const described = await textOf([kubectl, "get", ...source, "-o", "json"], { config, folder });
  await call(["apply", "-f", "-"], described);
  const callsToEnd = counted.calls;
  // flux reconcile source, and flux reconcile helmrelease --with-source: each asks and looks.
  for (const object of [source, source, release]) {
    await call(["annotate", ...object, asked, "--overwrite"]);
    await call(["get", ...object, "-o", "json"]);
  }
  return { ms: counted.firstWriteMs, calls: counted.callsToFirstWrite, callsToEnd };
}

function valuesOf(name: string): object {
  const data = { "values.yaml": "server:\n  replicaCount: 1\n" };
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace: "alga-system", name }, data };
}

interface Call {
  readonly config: string;
  readonly folder: string;
  readonly input?: string;
}

async function runToEnd(words: readonly string[], call: Call): Promise<void> {
  await textOf(words, call);
}

function textOf([program = "", ...words]: readonly string[], { config, folder, input = "" }: Call): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      env: { KUBECONFIG: config, HOME: folder },
      stdio: ["pipe", "pipe", "ignore"],
    });
    let said = "";
    child.stdout.on("data", (chunk) => {
      said += String(chunk);
    });
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(said) : reject(new Error(`${words.join(" ")} ended with ${code}`)),
    );
    child.stdin.end(input);
  });
}

if (import.meta.main) printTable(await updateTimes(Number(process.argv[2] ?? 3)));
