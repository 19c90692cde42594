/**
 * A box on a laptop: an embedded registry and an embedded Kubernetes API on loopback sockets, and the actors behind them.
 *
 * What the control plane sees is real HTTP; only who answers is played. With a state folder the cluster is kept across runs.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import type { Listen, Listening } from "../cli/command.ts";
import { parseJson } from "../core/json.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { createRegistryClient } from "../oci/client.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { DEFAULT_COMPONENTS } from "../release/components.ts";
import { PARTS_HOST } from "../release/parts-registry.ts";
import { CONTROL_PLANE_HEADERS, controlPlaneIdentity } from "./control-plane-identity.ts";
import type { Stage } from "./faults.ts";
import { type ApiServer, type ApiServerState, createApiServer } from "./kubernetes/api-server.ts";
import { answerAsApplication, isApplicationServing } from "./login-page.ts";
import { openPublisher, type Publisher } from "./publisher.ts";
import { refusedConnection } from "./rehearsed-deps.ts";
import { openTheater, type TheaterOptions } from "./theater.ts";

/** Of the embedded API: what the control plane has asked it for so far. */
const ASKED_PATH = "/rehearsal/asked";
const SAVE_MS = 2_000;
const PORTS_FILE = "ports.json";
const MAX_CLUSTER_BYTES = 64 * 1024 * 1024;
/** The base under which the embedded registry keeps the sample releases, as at the real one. */
export const SAMPLE_BASE = "nine-minds";

export interface BoxOptions {
  readonly stage: Stage;
  readonly speed: number;
  /** Folder for the cluster and the control plane's state. */
  readonly stateDir: string;
  /** The control plane as the cluster's pods reach it. Absent: it serves them nothing. */
  readonly controlPlane?: Fetch;
}

/** What surrounds the control plane in a rehearsal, until `close()`. */
export interface Box {
  /** `host:port` of the embedded registry. */
  readonly registry: string;
  /** Address of the embedded Kubernetes API. */
  readonly kubernetes: string;
  /** The rehearsed application, for requests to its public address and to its Service. */
  readonly application: Fetch;
  /** Address of the login page on this machine, for the person's browser. */
  readonly loginUrl: string;
  /** Who releases there, and what the box trusts. */
  readonly publisher: Publisher;
  close(): Promise<void>;
}

/** Starts everything that surrounds the control plane. Ports are free ones of loopback. */
export async function openBox(deps: Deps, listen: Listen, options: BoxOptions): Promise<Box> {
  const cluster = await openCluster(deps, options.stateDir);
  const api = await listen({ host: "127.0.0.1", port: 0, handle: cluster.fetch });
  const registry = await openRegistry(deps, listen, options);
  await keepRegistryPort(deps, options.stateDir, registry.port);
  const publisher = await openPublisher(
    deps,
    { ...registry, base: SAMPLE_BASE },
    { memory: statePaths(options.stateDir).trust },
  );
  await publishSamples(publisher);
  const followTrust = (): Promise<void> => publisher.play(options.stage.faults().trust);
  options.stage.onChange(followTrust);
  await followTrust();
  const kubeFor = (manager: string): Kube => embeddedKube(deps, cluster.server, manager);
  const theater = openTheater(deps, {
    stage: options.stage,
    speed: options.speed,
    registryHost: registry.host,
    ...ownRegistry(deps, options),
    registry: createRegistryClient({ ...deps, fetch: registry.fetch }, { registry: registry.host, plainHttp: true }),
    components: DEFAULT_COMPONENTS,
    logs: cluster.server.logs,
    kubeFor,
  });
  const observer = kubeFor("application");
  const application = await listen({
    host: "127.0.0.1",
    port: 0,
    handle: (request) => answerAsApplication(observer, request),
  });
  return {
    registry: registry.host,
    kubernetes: `http://127.0.0.1:${api.port}`,
    loginUrl: `http://127.0.0.1:${application.port}`,
    publisher,
    application: async (request) => {
      if (!(await isApplicationServing(observer))) throw refusedConnection(request);
      return answerAsApplication(observer, request);
    },
    close: async () => {
      await theater.close();
      await cluster.close();
      for (const open of [api, application]) await open.close(0);
      await registry.close();
    },
  };
}

/** What the control plane serves to pods, with the login that they show. */
function ownRegistry(deps: Deps, { controlPlane: fetch }: BoxOptions): Pick<TheaterOptions, "ownRegistry"> {
  if (fetch === undefined) return {};
  const at = { registry: PARTS_HOST, plainHttp: true };
  return { ownRegistry: (credentials) => createRegistryClient({ ...deps, fetch }, { ...at, credentials }) };
}

/**
 * What the publisher has released. The nightly is newer, so that a channel change shows a difference; the three next ones are
 * updates on a good day and on two bad ones.
 */
async function publishSamples({ publish }: Publisher): Promise<void> {
  await publish({ version: "1.1.0-nightly.4", channels: ["nightly"], createdAt: "2026-02-11T02:10:00Z" });
  await publish({ version: "1.1.0", channels: ["next"], createdAt: "2026-03-02T09:00:00Z" });
  const bad = { createdAt: "2026-03-03T09:00:00Z" };
  await publish({ ...bad, version: "1.2.0", channels: ["next-crash"], fault: "crashing-application" });
  await publish({ ...bad, version: "1.3.0", channels: ["next-missing"], fault: "missing-image" });
  await publish({ version: "1.0.3", channels: ["stable"], createdAt: "2026-01-20T09:00:00Z" });
}

function embeddedKube(deps: Deps, server: ApiServer, manager: string): Kube {
  return createKube(
    deps,
    { server: "http://embedded", fetch: server.fetch, headers: async () => ({}) },
    { fieldManager: manager },
  );
}

interface Cluster {
  readonly server: ApiServer;
  /** Answers a write once it is on the disk, as etcd does: what the control plane was told survives a power cut. */
  readonly fetch: Fetch;
  close(): Promise<void>;
}

/**
 * The cluster with its objects of an earlier run. Saved with each write that comes from outside, at the end, and every two
 * seconds for what the actors did: they do again what was lost.
 */
async function openCluster(deps: Deps, stateDir: string): Promise<Cluster> {
  const path = join(stateDir, "cluster.json");
  const bytes = await deps.files.read(path, { maxBytes: MAX_CLUSTER_BYTES });
  const kept =
    bytes === undefined
      ? {}
      : { state: parseJson(bytes, { what: `cluster "${path}"`, maxBytes: MAX_CLUSTER_BYTES }) as ApiServerState };
  const server = createApiServer(deps, kept);
  let saved = bytes === undefined ? -1 : server.revision();
  const stop = new AbortController();
  const write = async (): Promise<void> => {
    const revision = server.revision();
    if (revision === saved) return;
    await deps.files.write(path, JSON.stringify(server.snapshot()));
    saved = revision;
  };
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  // Whoever comes while one is being written waits for the next, together with the others.
  const save = (): Promise<void> => {
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        running = write();
        return running;
      });
    return next;
  };
  const saving = (async () => {
    while (!stop.signal.aborted) {
      await deps.clock.sleep(SAVE_MS, stop.signal).catch(() => {});
      await save().catch((error: unknown) => deps.log.warn("cluster not saved", { error }));
    }
  })();
  const identity = controlPlaneIdentity();
  const asControlPlane = server.as(identity);
  return {
    server,
    fetch: async (request) => {
      if (new URL(request.url).pathname === ASKED_PATH) return Response.json(server.asked(identity.user));
      const isControlPlane = request.headers.get("authorization") === CONTROL_PLANE_HEADERS.authorization;
      const response = await (isControlPlane ? asControlPlane(request) : server.fetch(request));
      if (request.method !== "GET") await save();
      return response;
    },
    close: async () => {
      stop.abort();
      await saving;
      server.stop();
    },
  };
}

const portsSchema = z.object({ registry: z.number().int().min(1).max(65_535) });

/** The registry's port of an earlier run: its address stands in the cluster's objects and in what was resolved. */
async function keptRegistryPort(deps: Pick<Deps, "files">, stateDir: string): Promise<number> {
  const path = join(stateDir, PORTS_FILE);
  const bytes = await deps.files.read(path, { maxBytes: 1_024 });
  if (bytes === undefined) return 0;
  const kept = portsSchema.safeParse(parseJson(bytes, { what: `ports "${path}"` }));
  return kept.success ? kept.data.registry : 0;
}

async function keepRegistryPort(deps: Pick<Deps, "files">, stateDir: string, registry: number): Promise<void> {
  await deps.files.write(join(stateDir, PORTS_FILE), JSON.stringify({ registry }));
}

interface OpenRegistry {
  readonly host: string;
  readonly port: number;
  readonly fetch: Fetch;
  readonly store: ReturnType<typeof createRegistryServer>["store"];
  close(): Promise<void>;
}

/** The registry on a socket that closes while a scenario says that nothing listens there. */
async function openRegistry(
  deps: Deps,
  listen: Listen,
  { stage, stateDir }: Pick<BoxOptions, "stage" | "stateDir">,
): Promise<OpenRegistry> {
  const clock = { now: () => deps.clock.now() + stage.faults().clockSkewMs };
  const server = createRegistryServer({ clock });
  const open = (port: number): Promise<Listening> => listen({ host: "127.0.0.1", port, handle: server.fetch });
  let listening: Listening | undefined = await open(await keptRegistryPort(deps, stateDir));
  const { port } = listening;
  let queue = Promise.resolve();
  const follow = async (): Promise<void> => {
    const wanted = !stage.faults().registryDown;
    if (wanted && listening === undefined) listening = await open(port);
    if (!wanted && listening !== undefined) {
      const closing = listening;
      listening = undefined;
      await closing.close(0);
    }
  };
  const change = (): Promise<void> => {
    queue = queue.then(follow);
    return queue;
  };
  stage.onChange(change);
  await change();
  return {
    host: `127.0.0.1:${port}`,
    port,
    fetch: server.fetch,
    store: server.store,
    close: async () => {
      await queue;
      await listening?.close(0);
    },
  };
}
