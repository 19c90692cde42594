/** Puts a whole setup together over given ports, as `main` does, for one process of a kill test. */
import { join } from "node:path/posix";
import { statePaths } from "../../src/core/paths.ts";
import type { Deps, Fetch } from "../../src/core/ports.ts";
import { createKube } from "../../src/kube/client.ts";
import { createOperations } from "../../src/operation/engine.ts";
import { createFileStore } from "../../src/operation/file-store.ts";
import type { Operations } from "../../src/operation/operations.ts";
import { createResolvedStore } from "../../src/release/resolved-store.ts";
import type { BoxTrust } from "../../src/release/trust.ts";
import { createSetup, type Setup, setupProgram } from "../../src/setup/engine.ts";
import { createLicenseService } from "../../src/setup/license.ts";
import type { SetupDeps, SetupSettings } from "../../src/setup/ports.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { statusWith } from "../support/status.ts";

export const ANSWERS = {
  channel: "stable",
  appHostname: "psa.example.com",
  tenantName: "Example Ltd",
  adminFirstName: "Ada",
  adminLastName: "Admin",
  adminEmail: "ada@example.com",
  adminPassword: "Correct-horse-7",
  adminPasswordConfirm: "Correct-horse-7",
  editionChoice: "ee",
  installCode: "K7QPM2RX",
};

export interface BenchOptions {
  /** Folder that stands for "/". */
  readonly root: string;
  /** `host:port` of the registry, plain HTTP. */
  readonly registry: string;
  readonly kube: { readonly server: string; readonly fetch: Fetch };
  readonly license: { readonly url: string; readonly fetch: Fetch };
  readonly followMs?: number;
  /** What the box believes of releases. Absent: nothing. */
  readonly trust?: BoxTrust;
}

export interface Bench {
  readonly operations: Operations;
  readonly setup: Setup;
  readonly deps: SetupDeps;
}

export function openBench(deps: Deps, options: BenchOptions): Bench {
  const paths = statePaths(options.root);
  const store = createFileStore(deps, paths);
  const kube = createKube(deps, { ...options.kube, headers: async () => ({}) });
  const source = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    namespace: "flux-system",
    name: "alga-appliance",
  };
  const setupDeps: SetupDeps = {
    ...deps,
    network: {
      ...deps.network,
      nameServers: async () => ["192.0.2.53"],
      addresses: async () => ["192.0.2.10"],
      isListening: async () => false,
      resolve: async () => ["192.0.2.10"],
    },
    store,
    kube,
    registry: {
      place: { registry: options.registry, base: "nine-minds" },
      plainHttp: true,
      ...(options.trust === undefined ? {} : { trust: options.trust }),
    },
    releases: createResolvedStore(deps, paths.resolvedReleases),
    observe: async (signal) => statusOf((await kube.get(source, { signal })) !== undefined),
    license: createLicenseService(deps, options.license),
  };
  const settings: SetupSettings = {
    controlPlane: "1.0.0",
    stateFolder: join(options.root, "var/lib/alga-appliance"),
    rehearsal: false,
    requirements: { freeDiskBytes: 1, memoryBytes: 1, cpus: 1 },
    passwordIterations: 1_000,
    pollMs: 20,
  };
  const operations = createOperations(
    { ...setupDeps, store },
    { programs: { setup: setupProgram(setupDeps, settings) }, followMs: options.followMs ?? 50 },
  );
  return { operations, setup: createSetup(setupDeps, settings, operations), deps: setupDeps };
}

/** Starts the setup when there is none, and waits until it rests. Safe to call in every process. */
export async function bringToEnd(bench: Bench, answers: unknown = ANSWERS): Promise<string> {
  const signal = new AbortController().signal;
  await bench.operations.recover();
  if (bench.operations.current() === undefined) await bench.setup.start(answers, signal);
  return (await bench.operations.settled())?.state ?? "none";
}

/** The status as the fold would tell it: all is well as soon as Flux has its source. */
function statusOf(ready: boolean): ApplianceStatus {
  const state = ready ? "ready" : "progressing";
  return statusWith(() => state, { summary: { state, message: "", next: null } });
}
