/**
 * One watcher of a cluster in a process of its own: `watcher.ts engine|informer|nothing <address>`. Prints one line when everything
 * is read: bytes of the heap after a collection. `nothing` is the runtime alone. Its resident memory is looked at from outside.
 */
import { CoreV1Api, KubeConfig, makeInformer } from "@kubernetes/client-node";
import { SILENT_LOG } from "../src/core/log.ts";
import { createKube } from "../src/kube/client.ts";
import { createDeps } from "../src/platform/deps.ts";
import { processSignal } from "../src/platform/signals.ts";
import { untilStopped } from "../src/server/command.ts";
import { createStatusEngine } from "../src/status/observer.ts";
import { pause } from "./measure.ts";

const [role = "", server = ""] = process.argv.slice(2);
if (role === "engine") await startEngine();
if (role === "informer") await startInformers();
const collect = (globalThis as { readonly Bun?: { gc(force: boolean): void } }).Bun?.gc;
collect?.(true);
await pause(1_000);
collect?.(true);
process.stdout.write(`${JSON.stringify({ heap: process.memoryUsage().heapUsed })}\n`);
await untilStopped(processSignal());
process.exit(0);

async function startEngine(): Promise<void> {
  const deps = createDeps(SILENT_LOG);
  const fetch = deps.transports.open({ idleTimeoutMs: 0 });
  const engine = createStatusEngine(deps, {
    kube: createKube(deps, { server, fetch, headers: async () => ({}) }),
    box: async () => ({
      appliance: { id: "a", name: "bench", version: "1.0.0", addresses: [], rehearsal: true },
      claimed: true,
      installed: null,
      bootstrap: null,
      urls: { login: null, setup: null },
    }),
    login: { outside: fetch },
  });
  // The first look gives up after some seconds; a cluster of this size takes longer.
  while (engine.inventory().pods.length === 0 || engine.inventory().events.length === 0) await engine.observe();
}

/** The client that everybody has, with whole objects: what a plain informer keeps. */
async function startInformers(): Promise<void> {
  const config = new KubeConfig();
  config.loadFromOptions({
    // It refuses plain HTTP otherwise; this is loopback.
    clusters: [{ name: "c", server, skipTLSVerify: true }],
    users: [{ name: "u" }],
    contexts: [{ name: "c", cluster: "c", user: "u" }],
    currentContext: "c",
  });
  const api = config.makeApiClient(CoreV1Api);
  const pods = makeInformer(config, "/api/v1/pods", () => api.listPodForAllNamespaces());
  const events = makeInformer(config, "/api/v1/events", () => api.listEventForAllNamespaces());
  await Promise.all([pods.start(), events.start()]);
  if (pods.list().length === 0 || events.list().length === 0) throw new Error("the informers have read nothing");
}
