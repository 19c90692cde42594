/**
 * Does every kubelet still speak: its Lease, watched, and the port on which the one of this box tells its health.
 *
 * A kubelet renews its Lease in `kube-node-lease` every 10 s. Kubernetes itself calls a node silent only 40 s after the last
 * renewal, and looks every 5 s; we count from the renewals as they arrive here, by the clock that never jumps, so that neither
 * a clock that is set nor a time that the kubelet wrote can accuse anybody. What is not the kubelet's silence is not counted:
 * while Kubernetes is away the count begins anew, while the watch is broken or this process was itself asleep it stands still,
 * and beyond 11 s it goes on only while a fresh read of the Leases shows the same. A read that shows more than the watch told
 * means that the watch hangs: then all watches are opened again.
 *
 * @see Kubernetes, "Nodes", section "Node heartbeats"; pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction 0.25 of 40 s
 */
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Clock, Fetch } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import { type KubeObject, textAt } from "../kube/model.ts";
import { nameOf } from "./facts.ts";
import type { KubeletObservation, KubeletPort } from "./observation.ts";

export interface KubeletWatch {
  /** One entry a Lease, with the silence as counted until the last look. */
  current(): readonly KubeletObservation[];
  /** Counts on; answers the milliseconds until the next look. */
  look(signal: AbortSignal): Promise<number>;
}

export interface KubeletSources {
  /** The Leases as the watch has them; undefined while it is broken, starting or not allowed. */
  readonly watched: () => readonly KubeObject[] | undefined;
  /** Whether Kubernetes answers. */
  readonly isReachable: () => boolean;
  /** The Leases read now, beside the watch; rejects when they cannot be. */
  readonly read: (signal: AbortSignal) => Promise<readonly KubeObject[]>;
  /** Asks the kubelet of this box; absent where there is none to ask. */
  readonly port?: ((signal: AbortSignal) => Promise<KubeletPort>) | undefined;
  /** The watch did not tell what a read shows. */
  readonly watchHangs: () => void;
  /** For a process that looks once: absent where there is time to count. */
  readonly ages?: Ages | undefined;
}

/**
 * How a process that has just begun knows since when a kubelet is silent: by the clock of the API server, against what the kubelet wrote.
 * Both are one clock where there is one node, and there alone it counts. A clock that was set within the last renewal can accuse for
 * these seconds; who goes on running counts by itself and must not use it.
 */
export interface Ages {
  /** Resolves when it is known whether Kubernetes answers. */
  readonly ready: Promise<void>;
  /** Milliseconds since 1970 by the last answer of the API server; undefined before one. */
  readonly serverNow: () => number | undefined;
}

const LOOK_MS = 1_000;
/** A look that comes later than this was late because this process did not run; so was whatever should have told it. */
const ASLEEP_MS = 3_000;
/** One renewal is late. */
const LATE_MS = 11_000;
const READ_MS = 3_000;

interface Heard {
  /** What the kubelet wrote at its last renewal. */
  readonly renewal: string;
  readonly atMs: number;
  quietMs: number;
}

/** Watches the kubelets of all nodes. Asks nobody before the first look. */
export function createKubeletWatch(clock: Clock, sources: KubeletSources): KubeletWatch {
  const heard = new Map<string, Heard>();
  const looked = { atMs: clock.monotonic(), askedMs: 0 };
  let port: KubeletPort = "unknown";
  /** Takes renewals that are new; says whether there was one. */
  const hear = (leases: readonly KubeObject[]): boolean => {
    const names = new Set(leases.map(nameOf));
    for (const name of heard.keys()) if (!names.has(name)) heard.delete(name);
    const news = leases.filter((lease) => heard.get(nameOf(lease))?.renewal !== renewalOf(lease));
    for (const lease of news) heard.set(nameOf(lease), heardOf(lease, clock.now()));
    return news.length > 0;
  };
  const longest = (): number => Math.max(0, ...[...heard.values()].map(({ quietMs }) => quietMs));
  const count = (ms: number): void => {
    for (const one of heard.values()) one.quietMs += ms;
  };
  /** Looks again beside the watch before a silence is believed; often at first, at last every 10 s. */
  const doubt = async (passedMs: number, signal: AbortSignal): Promise<void> => {
    const quietMs = longest();
    if (quietMs < LATE_MS) port = "unknown";
    if (quietMs < LATE_MS || looked.atMs - looked.askedMs < Math.min(10 * LOOK_MS, quietMs / 20)) return;
    looked.askedMs = looked.atMs;
    const leases = await readLeases(clock, sources, signal);
    // Nobody can say that it was silent, nor that it was not: the time does not count.
    if (leases === undefined) return count(-passedMs);
    if (hear(leases)) sources.watchHangs();
    port = (await sources.port?.(signal)) ?? "unknown";
  };
  let ages = sources.ages;
  /** Once: what was silent before this process began. */
  const age = async ({ ready, serverNow }: Ages, signal: AbortSignal): Promise<void> => {
    await ready;
    if (!sources.isReachable()) return;
    hear((await readLeases(clock, sources, signal)) ?? []);
    looked.atMs = clock.monotonic();
    const [one, another] = heard.values();
    const [renewedMs, nowMs] = [parseInstant(one?.renewal ?? ""), serverNow()];
    if (one === undefined || another !== undefined || renewedMs === undefined || nowMs === undefined) return;
    one.quietMs = Math.max(0, nowMs - renewedMs);
  };
  return {
    // The port is that of this box: with more nodes nobody knows whose.
    current: () =>
      [...heard].map(([node, { atMs, quietMs }]) => {
        const own = heard.size === 1 && quietMs >= LATE_MS;
        return { node, heardAtMs: atMs, quietMs, port: own ? port : "unknown" };
      }),
    look: async (signal) => {
      if (ages !== undefined) {
        const once = ages;
        ages = undefined;
        await age(once, signal);
      }
      const nowMs = clock.monotonic();
      const passedMs = nowMs - looked.atMs;
      looked.atMs = nowMs;
      const leases = sources.watched();
      if (!sources.isReachable()) heard.clear();
      else if (leases !== undefined) {
        const awake = passedMs <= ASLEEP_MS;
        if (awake) count(passedMs);
        hear(leases);
        if (awake) await doubt(passedMs, signal);
      }
      return LOOK_MS;
    },
  };
}

/** Whoever hears a renewal late, as after a restart of this process, says since when by what the kubelet wrote. */
function heardOf(lease: KubeObject, nowMs: number): Heard {
  const renewal = renewalOf(lease);
  return { renewal, atMs: Math.min(nowMs, parseInstant(renewal) ?? nowMs), quietMs: 0 };
}

/** A kubelet that never wrote a time has never renewed. */
function renewalOf(lease: KubeObject): string {
  return textAt(lease, "spec", "renewTime") ?? "";
}

async function readLeases(
  clock: Clock,
  sources: Pick<KubeletSources, "read">,
  signal: AbortSignal,
): Promise<readonly KubeObject[] | undefined> {
  try {
    return await withDeadline(clock, READ_MS, { what: "the leases of the nodes", parent: signal, work: sources.read });
  } catch (thrown) {
    if (signal.aborted || !isApplianceError(thrown)) throw thrown;
    return undefined;
  }
}

/** Where a kubelet tells its health on the box it runs on, k3s' built-in one too. @see kubelet, --healthz-port 10248 */
const HEALTH = "http://127.0.0.1:10248/healthz";
const HEALTH_MS = 1_500;

/**
 * Asks the kubelet of this box for its health. Only for who shares the network of the box: the pod of the control plane does.
 *
 * @throws {ApplianceError} internal/aborted when the signal fires.
 */
export async function askKubelet(clock: Pick<Clock, "after">, fetch: Fetch, signal: AbortSignal): Promise<KubeletPort> {
  try {
    return await withDeadline(clock, HEALTH_MS, {
      what: "the kubelet",
      parent: signal,
      work: async (limit) => {
        const answer = await fetch(new Request(HEALTH, { signal: limit }));
        await answer.body?.cancel();
        return answer.status === 200 ? "answers" : "silent";
      },
    });
  } catch (thrown) {
    if (signal.aborted || !isApplianceError(thrown)) throw thrown;
    return isApplianceError(thrown, "net/unreachable") ? "refuses" : "silent";
  }
}
