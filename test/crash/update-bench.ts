/** Puts setup and updates together over given ports, as the control plane does, for one process of a kill test. */
import { statePaths } from "../../src/core/paths.ts";
import type { Deps, Fetch } from "../../src/core/ports.ts";
import { createKube } from "../../src/kube/client.ts";
import { textAt } from "../../src/kube/model.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { createOperations } from "../../src/operation/engine.ts";
import { createFileStore } from "../../src/operation/file-store.ts";
import type { OperationView } from "../../src/operation/model.ts";
import type { Operations } from "../../src/operation/operations.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { createPartsShelf } from "../../src/release/kept-parts.ts";
import { RELEASE_REPOSITORY } from "../../src/release/model.ts";
import { createResolvedStore } from "../../src/release/resolved-store.ts";
import { type Inventory, NO_INVENTORY } from "../../src/status/inventory.ts";
import type { ApplianceStatus, Check } from "../../src/status/model.ts";
import { createUpdates, type Updates } from "../../src/update/engine.ts";
import type { UpdateDeps, UpdateSettings } from "../../src/update/ports.ts";
import { updatePrograms } from "../../src/update/program.ts";
import { statusWith } from "../support/status.ts";
import { FOREVER_MS } from "./fake-box.ts";
import { CALM_NETWORK } from "./no-network.ts";

export const GOOD = "1.1.0";
export const BAD = "1.2.0";

export interface UpdateServer {
  readonly fetch: Fetch;
  /** Lets a channel mean another version, as a promotion does. */
  move(channel: string, version: string): void;
}

/** A registry with the installed release, a good one and a bad one. */
export function createUpdateServer(
  host: string,
  rules: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {},
): UpdateServer {
  const server = createRegistryServer();
  const publish = (version: string, channels: readonly string[]): void =>
    void buildSampleRelease(server.store, {
      registry: host,
      version,
      channels,
      pinned: true,
      update: rules[version] ?? {},
    });
  publish(GOOD, ["next-good"]);
  publish(BAD, ["next"]);
  publish("1.0.3", ["stable"]);
  return {
    fetch: server.fetch,
    move: (channel, version) => {
      const repository = `nine-minds/${RELEASE_REPOSITORY}`;
      const found = server.store.manifest(repository, version);
      if (found !== undefined) server.store.tag(repository, channel, found.digest);
    },
  };
}

export interface UpdateBench {
  readonly operations: Operations;
  readonly updates: Updates;
  readonly deps: UpdateDeps;
}

export function openUpdateBench(
  deps: Deps,
  options: {
    readonly registry: string;
    readonly kube: Fetch;
    readonly stateFolder: string;
    /** Whether the application of a release never comes up. Default: that of the bad one. */
    readonly isBroken?: (version: string) => boolean;
    readonly hostAgent?: Fetch;
    /** Folder that stands for "/". Default: that. */
    readonly root?: string;
    /** What is another than on a fake box, where sleeps cost nothing. */
    readonly settings?: Partial<UpdateSettings>;
    readonly followMs?: number;
    /** Pods and warnings as they are seen. Default: none. */
    readonly inventory?: () => Inventory;
    /** What else is seen of a release. Default: nothing. */
    readonly seen?: (status: ApplianceStatus) => ApplianceStatus;
  },
): UpdateBench {
  const paths = statePaths(options.root ?? "/");
  const kube = createKube(deps, { server: "http://api", fetch: options.kube, headers: async () => ({}) });
  const source = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository", namespace: "flux-system" };
  const updateDeps: UpdateDeps = {
    ...deps,
    network: CALM_NETWORK,
    store: createFileStore(deps, paths),
    kube,
    registry: { place: { registry: options.registry, base: "nine-minds" }, plainHttp: true },
    releases: createResolvedStore(deps, paths.resolvedReleases),
    parts: createPartsShelf(deps, paths.kept),
    ...(options.hostAgent === undefined ? {} : { hostAgent: options.hostAgent }),
    observe: async (signal) => {
      const found = await kube.get({ ...source, name: "alga-appliance" }, { signal });
      const version = textAt(found, "metadata", "annotations", "appliance.alga/release-version") ?? "";
      const status = statusOf((options.isBroken ?? isBad)(version));
      return options.seen?.(status) ?? status;
    },
    inventory: options.inventory ?? (() => NO_INVENTORY),
  };
  const { stateFolder, followMs = FOREVER_MS } = options;
  const settings: UpdateSettings = { controlPlane: "1.0.0", stateFolder, pollMs: 30_000, ...options.settings };
  const programs = updatePrograms(updateDeps, settings);
  const operations = createOperations({ ...deps, store: updateDeps.store }, { programs, followMs });
  return { operations, updates: createUpdates(updateDeps, settings, operations), deps: updateDeps };
}

const isBad = (version: string): boolean => version === BAD;

/** What the fold would tell. */
function statusOf(isBroken: boolean): ApplianceStatus {
  if (!isBroken) return statusWith(() => "ready");
  const check: Check = {
    code: "pod/crash-loop",
    tier: "login",
    state: "failed",
    title: "The application keeps stopping.",
    cause: "",
    evidence: [],
    next: null,
    retrySafe: false,
    since: null,
  };
  return statusWith((tier) => (tier === "login" || tier === "full" ? "failed" : "ready"), { checks: [check] });
}

/** Starts what is wanted when no process has, and waits until it rests. Safe to call in every process. */
export async function bringToEnd(
  { operations, updates }: UpdateBench,
  wanted: { readonly kind: "update"; readonly version: string } | { readonly kind: "rollback"; readonly after: string },
): Promise<OperationView | undefined> {
  const { signal } = new AbortController();
  await operations.recover();
  const newest = operations.current();
  const isStarted = newest?.kind === wanted.kind && (wanted.kind === "update" || newest.id > wanted.after);
  if (!isStarted && wanted.kind === "rollback") await updates.rollback(signal);
  if (!isStarted && wanted.kind === "update") {
    const { digest } = await updates.plan({ version: wanted.version }, signal);
    await updates.start({ planDigest: digest }, signal);
  }
  return operations.settled();
}
