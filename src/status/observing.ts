/**
 * Observing: watches and probes in the background, and the newest of all that they saw.
 *
 * Each look has its own loop, so that one that hangs stops no other. Nothing is judged here.
 */
import type { Deps } from "../core/ports.ts";
import type { KubeObject } from "../kube/model.ts";
import { createWatchCache, type WatchCache, type WatchedKind } from "../kube/watch-cache.ts";
import type { OperationView } from "../operation/model.ts";
import { DEFAULT_COMPONENTS } from "../release/components.ts";
import { createDnsWatch, type DnsWatch } from "./dns-watch.ts";
import { createExcerpts, type Excerpts } from "./excerpts.ts";
import { eventFacts } from "./facts.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { keepNeeded } from "./keep.ts";
import { createKubeletWatch, type KubeletWatch } from "./kubelet-watch.ts";
import { createLoginWatch, type LoginTargets, type LoginWatch } from "./login-watch.ts";
import {
  type ClockObservation,
  type HostObservation,
  LIST_KINDS,
  type ListKey,
  type ListObservation,
  NAMES_ONLY,
  type Observations,
} from "./observation.ts";
import { createRegistryWatch, type RegistryWatch } from "./registry-watch.ts";
import { type Repeated, repeat } from "./repeat.ts";
import type { BoxFacts, StatusSources } from "./sources.ts";
import { createView, type View } from "./view.ts";

export type ObservingDeps = Pick<Deps, "clock" | "random" | "log" | "network">;

export interface Observing {
  /** Everything as it was seen last. Instant. */
  current(): Observations;
  /** Looks at the box, the login page, the registry and the host now. */
  refresh(): void;
  /** Reads what the box knows of itself now; an older answer never replaces it. What cannot be read leaves what was known. */
  readBox(): Promise<void>;
  /** Resolves when each look was taken once and no kind is starting. @throws {ApplianceError} internal/aborted. */
  settled(signal: AbortSignal): Promise<void>;
}

const BOX_MS = 5_000;
const REGISTRY_MS = { good: 60_000, bad: 15_000 } as const;
/** A disk fills in seconds, and a look costs microseconds. */
const HOST_MS = 5_000;
const DNS_MS = { good: 30_000, bad: 10_000 } as const;
const LOGS_MS = 2_000;
const CLOCK_MS = 1_000;
/** What a clock is moved by at once; time servers slew smaller steps. */
const JUMP_MS = 2_000;
/** Objects of one kind that are kept. Of events only warnings are watched. */
const MAX_OBJECTS: Partial<Readonly<Record<ListKey, number>>> = {
  pods: 20_000,
  configMaps: 20_000,
  secrets: 20_000,
  // Of more warnings the newest: the last hour of a box has some hundreds.
  events: 5_000,
};
/** Milliseconds in which changes of the cluster are gathered; a part of the way from a change to the page. */
const BATCH_MS = 20;
/** Of events the warnings, of Secrets not the history that Helm keeps in them. */
const SELECTED: Partial<Readonly<Record<ListKey, string>>> = {
  events: "type=Warning",
  secrets: "type!=helm.sh/release.v1",
};
/** What a change of these kinds may mean for the login page. */
const LOGIN_KEYS: ReadonlySet<string> = new Set<ListKey>(["deployments", "statefulSets"]);

/** Everything that is open while the engine works. */
interface Eyes {
  readonly deps: ObservingDeps;
  readonly sources: StatusSources;
  readonly signal: AbortSignal;
  readonly changed: () => void;
  readonly moved: () => void;
  readonly readBox: () => Promise<void>;
  readonly cache: WatchCache | undefined;
  /** Kinds that were read at least once; what was never read is not "empty". */
  readonly read: Set<ListKey>;
  readonly heartbeat: Heartbeat;
  readonly excerpts: Excerpts;
  readonly login: LoginWatch;
  readonly registry: RegistryWatch;
  readonly dns: DnsWatch;
  readonly kubelets: KubeletWatch | undefined;
  /** What the looks found last. */
  readonly found: { box: BoxFacts; host: HostObservation | null };
}

export interface ObservingOptions {
  /** Ends all looks. */
  readonly signal: AbortSignal;
  /** Called after every change, often. */
  readonly changed: () => void;
  /** Called when the operation has another state, step or problem: while its own listeners are told, and seldom. */
  readonly moved: () => void;
}

/** Starts all looks; they end with the signal. */
export function startObserving(deps: ObservingDeps, sources: StatusSources, options: ObservingOptions): Observing {
  const { kube } = sources;
  const problem = sources.kubeProblem;
  const found: Eyes["found"] = { box: UNKNOWN_BOX, host: null };
  const cache = kube === undefined ? undefined : createWatchCache(kube, watchedKinds(), deps, { batchMs: BATCH_MS });
  const heartbeat = startHeartbeat(deps, kube, { ...options, problem });
  const eyes: Eyes = {
    deps,
    sources,
    ...options,
    cache,
    read: new Set(),
    heartbeat,
    kubelets: watchKubelets(deps, sources, { cache, heartbeat }),
    excerpts: createExcerpts(deps, kube),
    login: createLoginWatch({ ...deps, ...sources.login, kube }),
    registry: createRegistryWatch(deps.clock, () => sources.registry?.()),
    dns: createDnsWatch(deps.clock, deps.network),
    found,
    readBox: newestOf(sources.box, (box) => {
      found.box = box;
    }),
  };
  const looks = startLooks(eyes);
  follow(eyes, looks);
  watchClock(eyes, looks);
  return {
    current: () => observations(eyes),
    refresh: () => {
      for (const one of looks.all.values()) one.soon();
    },
    readBox: () =>
      eyes.readBox().catch((error: unknown) => {
        deps.log.debug("box not read", { error });
      }),
    settled: async (signal) => {
      await Promise.all([looks.first, eyes.heartbeat.first, eyes.cache?.settled(signal)]);
      // The first look at the page may have come before the cluster said that there is one.
      if (eyes.login.current() === null) await eyes.login.look(loginTargets(eyes), signal);
    },
  };
}

/** Counts the silence of kubelets by their Leases: as the watch has them, and read beside it before anybody is accused. */
function watchKubelets(
  { clock, log }: ObservingDeps,
  { kube, kubelet, kubeNow }: StatusSources,
  given: { readonly cache: WatchCache | undefined; readonly heartbeat: Heartbeat },
): KubeletWatch | undefined {
  const { cache, heartbeat } = given;
  if (kube === undefined || cache === undefined) return undefined;
  return createKubeletWatch(clock, {
    watched: () => {
      const { state, items } = cache.list("leases" satisfies ListKey);
      return state === "synced" ? items : undefined;
    },
    isReachable: () => heartbeat.current().state === "reachable",
    read: async (signal) => (await kube.list(LIST_KINDS.leases, { signal, keep: keepNeeded })).items,
    port: kubelet,
    ages: kubeNow === undefined ? undefined : { ready: heartbeat.first, serverNow: kubeNow },
    watchHangs: () => {
      log.warn("watches hang and are opened again", { kind: LIST_KINDS.leases.kind });
      cache.reopen();
    },
  });
}

/** Asks anew at each call; an answer to an earlier question never replaces that to a later one. */
function newestOf<T>(ask: () => Promise<T>, keep: (answer: T) => void): () => Promise<void> {
  let asked = 0;
  let kept = 0;
  return async () => {
    asked += 1;
    const turn = asked;
    const answer = await ask();
    if (turn < kept) return;
    kept = turn;
    keep(answer);
  };
}

function observations(eyes: Eyes): Observations {
  const { sources, heartbeat, login, registry, dns, excerpts, found, cache, read } = eyes;
  const { box, host } = found;
  return {
    ...box,
    components: box.components ?? DEFAULT_COMPONENTS,
    operation: sources.operations?.current() ?? null,
    kubernetes: heartbeat.current(),
    lists: cache === undefined ? {} : listsOf(cache, read),
    login: login.current(),
    registry: registry.registry(),
    clock: registry.clock() ?? offsetOf(host),
    dns: dns.current(),
    host,
    kubelets: eyes.kubelets?.current() ?? [],
    logs: excerpts.current(),
  };
}

/** Where no registry tells the time, the host agent may. A positive offset of a time server means that this clock is behind. */
function offsetOf(host: HostObservation | null): ClockObservation | null {
  if (host?.offset === undefined) return null;
  const { ms, server } = host.offset;
  return {
    skewMs: Math.round(-ms),
    against: server === "" ? "A time server" : `Time server ${server}`,
    atMs: host.atMs,
  };
}

/** What is said before the box was read for the first time. */
const UNKNOWN_BOX: BoxFacts = {
  appliance: { id: "", name: "", version: "", addresses: [], rehearsal: false },
  claimed: null,
  installed: null,
  bootstrap: null,
  urls: { login: null, setup: null },
};

function watchedKinds(): readonly WatchedKind[] {
  return (Object.keys(LIST_KINDS) as ListKey[]).map((key) => ({
    key,
    ...LIST_KINDS[key],
    keep: keepNeeded,
    ...(SELECTED[key] === undefined ? {} : { fieldSelector: SELECTED[key] }),
    ...(key === "events" ? { timeOf: (event: KubeObject) => eventFacts(event).atMs } : {}),
    ...(NAMES_ONLY.has(key) ? { metadataOnly: true } : {}),
    ...(MAX_OBJECTS[key] === undefined ? {} : { maxObjects: MAX_OBJECTS[key] }),
  }));
}

function listsOf(cache: WatchCache, read: Set<ListKey>): Observations["lists"] {
  const lists: Partial<Record<ListKey, ListObservation>> = {};
  for (const key of Object.keys(LIST_KINDS) as ListKey[]) {
    const { state, since, items, problem } = cache.list(key);
    if (state === "synced" || state === "absent") read.add(key);
    lists[key] = {
      state: state === "stale" && !read.has(key) ? "starting" : state,
      sinceMs: since,
      items,
      ...(problem === undefined ? {} : { problem: problem.message }),
    };
  }
  return lists;
}

/** Changes of the cluster and of operations wake the looks that they concern. */
function follow({ cache, sources, signal, changed, moved }: Eyes, looks: Looks): void {
  let before = "";
  const stopOperations = sources.operations?.subscribe(() => {
    changed();
    looks.all.get("box")?.soon();
    const now = turnOf(sources.operations?.current());
    if (now === before) return;
    before = now;
    moved();
    // What was seen of the registry, the disks and missing kinds before this step may have been mended since.
    for (const look of looks.all.values()) look.soon();
    cache?.retry();
  });
  cache?.onChange((keys) => {
    changed();
    if ([...keys].some((key) => LOGIN_KEYS.has(key))) looks.all.get("login")?.soon();
    if (keys.has("pods")) looks.all.get("logs")?.soon();
  });
  const stop = (): void => {
    stopOperations?.();
    cache?.stop();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
}

/**
 * A clock that was set is compared with the registry's at once, not at the next look a minute later: from this moment on
 * certificates and tokens may be refused.
 */
function watchClock({ deps, signal }: Eyes, looks: Looks): void {
  const apart = (): number => deps.clock.now() - deps.clock.monotonic();
  let before = apart();
  const compare = async (): Promise<number> => {
    const now = apart();
    if (Math.abs(now - before) > JUMP_MS) looks.all.get("registry")?.soon();
    before = now;
    return CLOCK_MS;
  };
  repeat(deps, compare, { what: "clock", signal, minMs: CLOCK_MS });
}

/** Where a run is, without the lines of progress that its steps tell. */
function turnOf(operation: OperationView | undefined): string {
  const steps = operation?.steps.map((step) => step.state).join(" ");
  return `${operation?.id} ${operation?.state} ${operation?.step} ${operation?.problem?.code} ${steps}`;
}

interface Looks {
  readonly all: ReadonlyMap<string, Repeated>;
  /** Resolves when each look was taken once. */
  readonly first: Promise<void>;
}

/** Starts the repeated looks by name; none is taken more often than once a second. */
function startLooks(eyes: Eyes): Looks {
  const { deps, signal, changed } = eyes;
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const table = Object.entries(lookTable(eyes)).filter(([, look]) => look !== undefined);
  const waiting = new Set(table.map(([what]) => what));
  const repeated = table.map(([what, look]) => {
    const once = async (): Promise<number> => {
      try {
        return (await look?.()) ?? BOX_MS;
      } finally {
        changed();
        waiting.delete(what);
        if (waiting.size === 0) resolve();
      }
    };
    return [what, repeat(deps, once, { what, signal, minMs: 1_000 })] as const;
  });
  return { all: new Map(repeated), first };
}

type Look = () => Promise<number>;

function lookTable(
  eyes: Eyes,
): Readonly<Record<"box" | "login" | "logs" | "registry" | "dns" | "host" | "kubelets", Look | undefined>> {
  const { sources, signal, found, kubelets } = eyes;
  const { host } = sources;
  return {
    box: async () => {
      await eyes.readBox();
      return BOX_MS;
    },
    login: () => eyes.login.look(loginTargets(eyes), signal),
    logs: async () => {
      await eyes.excerpts.read(viewOf(eyes), signal);
      return LOGS_MS;
    },
    registry:
      sources.registry === undefined
        ? undefined
        : async () => {
            const { state } = await eyes.registry.look(signal);
            const isGood = state === "answers" && (eyes.registry.clock()?.skewMs ?? 0) === 0;
            return isGood ? REGISTRY_MS.good : REGISTRY_MS.bad;
          },
    dns: async () => {
      await eyes.dns.look({ registry: sources.registry?.()?.registry ?? null, login: found.box.urls.login });
      const isGood = (eyes.dns.current()?.answers ?? []).every((one) => one.state === "resolves");
      return isGood ? DNS_MS.good : DNS_MS.bad;
    },
    host:
      host === undefined
        ? undefined
        : async () => {
            found.host = await host(signal);
            return HOST_MS;
          },
    kubelets: kubelets === undefined ? undefined : () => kubelets.look(signal),
  };
}

function viewOf(eyes: Eyes): View {
  return createView(observations(eyes), eyes.deps.clock.now());
}

/** The page is asked when the application is on the cluster, or was installed and the cluster does not answer. */
function loginTargets(eyes: Eyes): LoginTargets {
  const { seen, workloads } = viewOf(eyes);
  const isThere = workloads.some((one) => one.spec.tier === "login" && one.object !== undefined);
  const isHidden = seen.installed !== null && seen.kubernetes.state !== "reachable";
  return { components: seen.components, publicUrl: seen.urls.login, expected: isThere || isHidden };
}
