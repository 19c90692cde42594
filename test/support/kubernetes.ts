/** An in-memory Kubernetes API server for tests, with a real clock and clients over it. */
import { randomBytes, randomUUID } from "node:crypto";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Clock, Deps, Fetch, Random } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import type { KubeObject } from "../../src/kube/model.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "../../src/rehearsal/kubernetes/api-server.ts";

/** The machine's clock, whose sleeps end early when their signal fires. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      if (signal?.aborted) stop();
      signal?.addEventListener("abort", stop, { once: true });
    }),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** Real identities, no jitter. */
export const plainRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
  uuid: () => randomUUID(),
  fraction: () => 0,
};

export const kubeDeps: Pick<Deps, "clock" | "random" | "log"> = {
  clock: realClock,
  random: plainRandom,
  log: SILENT_LOG,
};

export const MEMORY_SERVER = "http://memory.invalid";

/** A client over any fetch. */
export function kubeOver(fetch: Fetch, manager?: string): Kube {
  const connection = { server: MEMORY_SERVER, fetch, headers: async () => ({}) };
  return createKube(kubeDeps, connection, manager === undefined ? {} : { fieldManager: manager });
}

export interface MemoryKube {
  readonly server: ApiServer;
  readonly kube: Kube;
}

export function memoryKube(options: ApiServerOptions = {}): MemoryKube {
  const server = createApiServer(kubeDeps, { bookmarkMs: 200, ...options });
  return { server, kube: kubeOver(server.fetch) };
}

/** The definition of the custom kind `Thing` of `example.org/v1`, which lies in namespaces. */
export const THING_DEFINITION: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { kind: "Thing", plural: "things" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};
