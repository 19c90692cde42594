/** A run of the storage engine that a test can kill: before or after any of its writes, as a power cut would. */
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { type InstallStorageOptions, installStorage, type StorageOutcome } from "../../src/storage/install.ts";
import { createFakeBox } from "../crash/fake-box.ts";
import { kubeDeps } from "./kubernetes.ts";
import { createStorageWorld, IMAGES, type StorageWorld } from "./storage-world.ts";

/** A cluster under test, by its address and its fetch. */
export interface Cluster {
  readonly server: string;
  readonly fetch: Fetch;
  /** What the engine itself goes through, when it is somebody with fewer rights. */
  readonly engineFetch?: Fetch;
}

export interface StorageBench {
  readonly kube: Kube;
  readonly world: StorageWorld;
  /** What was told meanwhile, newest last. */
  readonly told: string[];
  /** Runs to its end. */
  run(change?: Partial<InstallStorageOptions>): Promise<StorageOutcome>;
  /** Runs until its write number `at`, counted from 1, and dies before or after it; undefined when it ended earlier. */
  runUntil(at: number, when: "before" | "after"): Promise<string | undefined>;
  /** Lets time pass while nothing moves. */
  pass(ms: number): Promise<void>;
}

const never = (): Promise<never> => new Promise(() => {});

/** Over a cluster; time passes at once, and with it everything around moves on. */
export function openStorageBench(cluster: Cluster): StorageBench {
  const kube = clientOf(cluster, "test-world");
  const world = createStorageWorld(kube);
  const box = createFakeBox({ instant: true });
  const told: string[] = [];
  const clock = {
    ...box.clock,
    sleep: async (ms: number, signal?: AbortSignal): Promise<void> => {
      await world.turn();
      await box.clock.sleep(ms, signal);
    },
  };
  const options = (change: Partial<InstallStorageOptions>): InstallStorageOptions => ({
    holder: "pod",
    images: async () => IMAGES,
    prove: true,
    busyMs: 600_000,
    pollMs: 1_000,
    progress: (detail, problem) => void told.push(problem === undefined ? detail : `${detail} | ${problem.message}`),
    signal: new AbortController().signal,
    ...change,
  });
  const install = (fetch: Fetch, change: Partial<InstallStorageOptions> = {}): Promise<StorageOutcome> => {
    const own = clientOf({ ...cluster, fetch });
    return installStorage({ clock, random: box.random, log: SILENT_LOG, kube: own }, options(change));
  };
  return {
    kube,
    world,
    told,
    run: (change) => install(cluster.engineFetch ?? cluster.fetch, change),
    runUntil: async (at, when) => {
      const death = Promise.withResolvers<string>();
      const mortal = mortalFetch(cluster.fetch, { at, when, die: death.resolve });
      return await Promise.race([death.promise, install(mortal).then(() => undefined)]);
    },
    pass: (ms) => box.clock.sleep(ms),
  };
}

/** Passes everything on until the wanted write; from then on nothing of this process comes or goes. */
function mortalFetch(
  fetch: Fetch,
  end: { readonly at: number; readonly when: "before" | "after"; readonly die: (name: string) => void },
): Fetch {
  let writes = 0;
  return async (request) => {
    if (writes >= end.at) return await never();
    if (request.method === "GET") return await fetch(request);
    writes += 1;
    if (writes < end.at) return await fetch(request);
    if (end.when === "after") await (await fetch(request)).arrayBuffer();
    end.die(`${request.method} ${new URL(request.url).pathname}`);
    return await never();
  };
}

function clientOf(cluster: Cluster, fieldManager?: string): Kube {
  const connection = { ...cluster, headers: async () => ({}) };
  return createKube(kubeDeps, connection, fieldManager === undefined ? {} : { fieldManager });
}
