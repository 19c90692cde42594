/**
 * The control plane: one state, one lease, one status, and the HTTP application over them.
 *
 * `serve` and the rehearsal put it together here with everything injected, so that what is rehearsed is what runs on a box.
 * Nothing is watched and no run goes on before `start()`; `stop()` leaves a run to the next process.
 */
import type { BuildInfo } from "../core/build.ts";
import type { Route } from "../core/http.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { createEngines, type EngineDeps, type EngineSettings } from "../engines/engines.ts";
import type { Kube } from "../kube/calls.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { Operations } from "../operation/operations.ts";
import type { StateStore } from "../operation/store.ts";
import { watchedRegistry } from "../release/answered-registry.ts";
import { createPartsShelf } from "../release/kept-parts.ts";
import { createPartsRegistry, isForRegistry } from "../release/parts-registry.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import { createResolvedStore, type ResolvedStore } from "../release/resolved-store.ts";
import type { Setup } from "../setup/engine.ts";
import { createLicenseService } from "../setup/license.ts";
import type { SetupSettings } from "../setup/ports.ts";
import { createBoxReader, createHostLook, writeBootstrap } from "../status/box.ts";
import { createHostHistory } from "../status/host-history.ts";
import { NO_INVENTORY } from "../status/inventory.ts";
import { askKubelet } from "../status/kubelet-watch.ts";
import { startMirror } from "../status/mirror.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { statusReadiness } from "../status/routes.ts";
import type { StatusSources } from "../status/sources.ts";
import type { Updates } from "../update/engine.ts";
import type { AssetFile } from "./assets.ts";
import type { EventDocument } from "./events.ts";
import type { Readiness } from "./health-routes.ts";
import { roomRoutes } from "./routes.ts";
import { createServerApp, type ServerApp } from "./server.ts";

export interface ControlPlaneOptions {
  readonly paths: StatePaths;
  readonly build: BuildInfo;
  /** Name on screens. */
  readonly name: string;
  readonly kube: Kube;
  /** Why there is no cluster to speak with; absent: there is one. */
  readonly kubeProblem?: string;
  readonly registry: RegistryAccess;
  readonly licenseUrl: string | undefined;
  readonly assets: readonly AssetFile[];
  readonly rehearsal: boolean;
  /** Address of the wizard as the console shows it; null while nobody listens. */
  readonly setupUrl: () => string | null;
  /** Port of the page over TLS; null, or absent, while there is none. */
  readonly securePort?: () => number | null;
  /** Routes beside those of the rooms; the rehearsal has some. */
  readonly routes?: readonly Route[];
  /** What of setup differs from a box: requirements of the machine, times. */
  readonly setup?: Partial<SetupSettings>;
}

export interface ControlPlane {
  readonly app: ServerApp;
  readonly setup: Setup;
  readonly operations: Operations;
  readonly status: StatusEngine;
  /** Takes up an interrupted run and tells changes to the readers of the event stream. Call once. */
  start(): Promise<void>;
  /** Ends streams, watches and the run of this process. */
  stop(): Promise<void>;
}

/** Puts the control plane together and starts looking at the cluster. */
export function createControlPlane(deps: Deps, options: ControlPlaneOptions): ControlPlane {
  const store = createFileStore(deps, options.paths);
  const releases = createResolvedStore(deps, options.paths.resolvedReleases);
  const late: { status?: StatusEngine } = {};
  const hostAgent = deps.transports.open({ socketPath: options.paths.hostAgentSocket });
  const engineDeps = createEngineDeps(deps, options, { store, releases, hostAgent, status: () => late.status });
  const engines = createEngines(engineDeps, engineSettings(options));
  const { operations, setup, adminPassword, licenseKey, updates } = engines;
  const box = createBoxReader(deps, {
    ...options,
    store,
    releases,
    version: options.build.version,
    operations: {
      current: () => operations.current(),
      planOf: async (id) => (await operations.get(id))?.plan,
    },
  });
  const status = createStatusEngine(deps, statusSources(deps, options, { box, operations }));
  late.status = status;
  const end = new AbortController();
  const hostHistory = createHostHistory(deps, status.current, end.signal);
  /** Read once at the start; later only the end of a setup changes it, in the same moment for everybody. */
  let mode: "setup" | "status" = "setup";
  const app = createServerApp(deps, {
    paths: options.paths,
    routes: (own) => [
      ...roomRoutes(
        {
          ...engines,
          status,
          inventory: { status, deps, kube: options.kube },
          hostHistory,
          maintenance: { clock: deps.clock, hostAgent },
          name: { store, fallback: options.name, changed: status.refresh },
        },
        own,
      ),
      ...(options.routes ?? []),
    ],
    assets: options.assets,
    mode: () => mode,
    rehearsal: options.rehearsal,
    ...(options.securePort === undefined ? {} : { securePort: options.securePort }),
    readiness: () => readiness(deps, options, status),
    documents: () => currentDocuments(status, operations),
    onClaimed: status.refresh,
  });
  const told = [
    status.subscribe((document) => app.events.publish("status", document)),
    updates.subscribe(() => void tellUpdates(deps, updates, { app, signal: end.signal })),
    operations.subscribe((event) => {
      if (event.type === "journal")
        app.events.publish("journal", { operationId: event.operationId, entry: event.entry });
      else app.events.publish("operation", event.operation);
      const current = operations.current();
      if (current?.kind === "setup" && current.state === "done") mode = "status";
    }),
  ];
  const { kept: folder } = options.paths;
  return {
    app: besideRegistry(app, createPartsRegistry(deps, { folder, base: options.registry.place.base, store })),
    setup,
    operations,
    status,
    start: async () => {
      mode = await setup.mode().catch(() => mode);
      await operations.recover();
      told.push(adminPassword.keepClean(end.signal), licenseKey.keepClean(end.signal));
      if (options.kubeProblem === undefined) startMirror(deps, { kube: options.kube, status }, end.signal);
    },
    stop: async () => {
      for (const untold of told) untold();
      end.abort();
      app.stop();
      await operations.stop();
      status.stop();
    },
  };
}

/** What is kept of releases is asked for under `/v2/`, with a login of its own. */
function besideRegistry(app: ServerApp, registry: Fetch): ServerApp {
  return {
    ...app,
    handle: (request, peer) => (isForRegistry(request) ? registry(request) : app.handle(request, peer)),
  };
}

/** Tells what is offered, without the history, which is asked for. */
async function tellUpdates(
  deps: Pick<Deps, "log">,
  updates: Updates,
  to: { readonly app: ServerApp; readonly signal: AbortSignal },
): Promise<void> {
  try {
    const { history: _history, ...view } = await updates.view(to.signal);
    to.app.events.publish("updates", view);
  } catch (error) {
    if (!to.signal.aborted) deps.log.warn("updates not told", { error });
  }
}

/** What a new reader of the event stream gets first. */
function currentDocuments(status: StatusEngine, operations: Operations): readonly EventDocument[] {
  const operation = operations.current();
  const now: EventDocument = { type: "status", data: status.current() };
  return operation === undefined ? [now] : [now, { type: "operation", data: operation }];
}

/** Ready when Kubernetes and the state folder answer. */
async function readiness(deps: Deps, options: ControlPlaneOptions, status: StatusEngine): Promise<Readiness> {
  const folder = await deps.files.stat(options.paths.state);
  const reasons = [...statusReadiness(status), ...(folder === undefined ? ["The state folder does not exist"] : [])];
  return { ready: reasons.length === 0, reasons };
}

function engineSettings(options: ControlPlaneOptions): EngineSettings {
  const { build, paths, rehearsal } = options;
  return { controlPlane: build.version, stateFolder: paths.state, rehearsal, ...options.setup };
}

interface Late {
  readonly store: StateStore;
  readonly releases: ResolvedStore;
  readonly hostAgent: Fetch;
  readonly status: () => StatusEngine | undefined;
}

function createEngineDeps(deps: Deps, options: ControlPlaneOptions, late: Late): EngineDeps {
  const { store, releases, hostAgent } = late;
  const fetch = deps.transports.open({
    ...(options.registry.proxy === undefined ? {} : { proxy: options.registry.proxy }),
  });
  return {
    ...deps,
    store,
    releases,
    hostAgent,
    parts: createPartsShelf(deps, options.paths.kept),
    kube: options.kube,
    registry: options.registry,
    license: createLicenseService(deps, { fetch, url: options.licenseUrl }),
    observe: async (signal) => {
      const status = late.status();
      if (status === undefined) throw new TypeError("the status is asked for before it was made");
      return status.observe(signal);
    },
    inventory: () => late.status()?.inventory() ?? NO_INVENTORY,
  };
}

function statusSources(
  deps: Deps,
  options: ControlPlaneOptions,
  late: { readonly box: StatusSources["box"]; readonly operations: Operations },
): StatusSources {
  const { proxy } = options.registry;
  const direct = deps.transports.open();
  // A look moves nothing: damaged answers stay for whoever works with them.
  const looking = createFileStore(deps, options.paths, { leaveDamaged: true });
  return {
    ...(options.kubeProblem === undefined ? { kube: options.kube } : { kubeProblem: options.kubeProblem }),
    box: late.box,
    operations: {
      current: late.operations.current.bind(late.operations),
      subscribe: (call) => late.operations.subscribe(call),
    },
    registry: () => watchedRegistry({ ...deps, store: looking, registry: options.registry }),
    host: createHostLook(deps, options.paths),
    // A rehearsed node has no kubelet of its own; one that listens here is that of another cluster.
    ...(options.rehearsal ? {} : { kubelet: (signal) => askKubelet(deps.clock, direct, signal) }),
    login: { inside: direct, outside: deps.transports.open(proxy === undefined ? {} : { proxy }) },
    rememberBootstrap: (record) => {
      writeBootstrap(deps, options.paths, record).catch((error: unknown) =>
        deps.log.warn("bootstrap record not written", { error }),
      );
    },
  };
}
