/** A box without a network for tests: a cluster whose kubelet and Flux reach one registry and no other, and its answers. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Clock, Deps, Fetch } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { listAt, textAt } from "../../src/kube/model.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createDeps } from "../../src/platform/deps.ts";
import { createStage } from "../../src/rehearsal/faults.ts";
import { createApiServer } from "../../src/rehearsal/kubernetes/api-server.ts";
import { answerAsApplication, isApplicationServing } from "../../src/rehearsal/login-page.ts";
import { refusedConnection, rehearsedDeps } from "../../src/rehearsal/rehearsed-deps.ts";
import { openTheater } from "../../src/rehearsal/theater.ts";
import { DEFAULT_COMPONENTS } from "../../src/release/components.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { ANSWERS } from "./play.ts";

export interface OfflineBox {
  /** Path of the kubeconfig of its cluster. */
  readonly kubeconfig: string;
  /** Path of a file with answers. */
  readonly answers: string;
  /** Ports of the box: its network and its application are played. */
  readonly deps: Deps;
  /** Images that its pods run, each once, sorted. */
  images(): Promise<readonly string[]>;
  close(): Promise<void>;
}

const SPEED = 50;
const RENEWAL_MS = 10_000;
/** Between two looks at the cluster it sleeps, and an update watches for minutes; here neither lasts long. */
const hurried: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() * SPEED,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
};

/** Opens a box; its files are put into the folder. */
export async function openOfflineBox(folder: string, registry: string): Promise<OfflineBox> {
  const real = createDeps(SILENT_LOG);
  const server = createApiServer(real);
  const api = await serveFetch(server.fetch);
  const kubeFor = (fieldManager: string): Kube =>
    createKube(real, { server: "http://embedded", fetch: server.fetch, headers: async () => ({}) }, { fieldManager });
  const stage = createStage(null);
  const theater = openTheater(real, {
    stage,
    speed: SPEED,
    // Who watches it here hurries too.
    renewalMs: RENEWAL_MS / SPEED,
    registryHost: registry,
    isCutOff: true,
    registry: createRegistryClient({ ...real, fetch: real.transports.open() }, { registry, plainHttp: true }),
    components: DEFAULT_COMPONENTS,
    logs: server.logs,
    kubeFor,
  });
  const observer = kubeFor("application");
  const application: Fetch = async (request) => {
    if (!(await isApplicationServing(observer))) throw refusedConnection(request);
    return answerAsApplication(observer, request);
  };
  const [kubeconfig, answers] = [join(folder, "kubeconfig"), join(folder, "answers.yaml")];
  const access = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "box",
    contexts: [{ name: "box", context: { cluster: "box", user: "box" } }],
    clusters: [{ name: "box", cluster: { server: `http://127.0.0.1:${api.port}` } }],
    users: [{ name: "box", user: {} }],
  };
  writeFileSync(kubeconfig, JSON.stringify(access));
  writeFileSync(answers, JSON.stringify(ANSWERS));
  return {
    kubeconfig,
    answers,
    images: async () => {
      const { items } = await observer.list({ apiVersion: "v1", kind: "Pod" });
      const containers = items.flatMap((pod) => listAt(pod, "spec", "containers"));
      return [...new Set(containers.map((one) => textAt(one, "image") ?? ""))].sort();
    },
    deps: { ...rehearsedDeps(real, { stage, application }), clock: hurried },
    close: async () => {
      await theater.close();
      server.stop();
      await api.close();
    },
  };
}
