/**
 * Who may change the storage now: one Lease of Kubernetes, for the host's commands and for the pod alike.
 *
 * The two share neither processes nor a clock that could be trusted, so nothing is judged by either. A holder writes into the lease
 * while it works; who waits watches the lease's version by its own monotonic clock, and takes it over when it has not changed for
 * its whole time. A holder proves before each call that the lease is still at the version it wrote: one that slept too long finds
 * another version and stops. At most one works; what a stopped one had under way is repeated by the next.
 *
 * @see Kubernetes API reference, "Lease v1 coordination.k8s.io"; client-go, tools/leaderelection (observed time)
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { type KubeObject, numberAt, textAt } from "../kube/model.ts";
import { ensureNamespace } from "./namespace.ts";

/** In the namespace of the control plane, which a box always has. */
export const STORAGE_LEASE = {
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  namespace: "alga-appliance-control-plane",
  name: "storage",
} as const;

/** Seconds without a change after which a lease is nobody's: far longer than a call of a healthy API takes. */
const TTL_SECONDS = 30;
const MAX_TTL_SECONDS = 600;
/** Milliseconds after which a holder writes again, before its next call. */
const RENEW_MS = 5_000;
const LOOK_MS = 2_000;

type LeaseDeps = Pick<Deps, "clock" | "random"> & { readonly kube: Kube };

export interface LeaseOptions {
  /** "host" or "pod": whom the other side reads of. */
  readonly holder: string;
  /** Milliseconds to wait for another holder. */
  readonly busyMs: number;
  readonly signal: AbortSignal;
  /** Told at each look while another one holds it. */
  readonly onWait?: (holder: string) => void;
}

export interface StorageLease {
  /** The same cluster; each call of it proves first that the lease is still ours. */
  readonly kube: Kube;
  /** Gives it back. Safe to call again; does nothing when it was lost. */
  release(): Promise<void>;
}

/**
 * Takes the lease, or waits until its holder is done or silent.
 *
 * @throws {ApplianceError} storage/busy when another one still works after `busyMs`; calls of the result throw operation/lease-lost.
 */
export async function takeStorageLease(deps: LeaseDeps, options: LeaseOptions): Promise<StorageLease> {
  const { signal } = options;
  const identity = `${options.holder}/${deps.random.uuid()}`;
  const endsAt = deps.clock.monotonic() + options.busyMs;
  let seen = { version: "", atMs: deps.clock.monotonic() };
  for (;;) {
    const live = await deps.kube.get(STORAGE_LEASE, { signal });
    const nowMs = deps.clock.monotonic();
    const version = live?.metadata.resourceVersion ?? "";
    if (seen.version !== version) seen = { version, atMs: nowMs };
    const taken = await takeFree(deps, { live, identity, signal }, nowMs - seen.atMs);
    if (taken === "lost the race") continue;
    if (taken !== "held") return hold(deps, taken, { identity, signal });
    const holder = textAt(live, "spec", "holderIdentity") ?? "";
    if (nowMs >= endsAt) throw busy(holder);
    options.onWait?.(nameOf(holder));
    await deps.clock.sleep(LOOK_MS, signal);
  }
}

/** @param unchangedMs Milliseconds that the lease was seen at the same version. */
async function takeFree(
  deps: LeaseDeps,
  taking: Taking,
  unchangedMs: number,
): Promise<KubeObject | "held" | "lost the race"> {
  const { live, identity } = taking;
  // The answer to our own write may have been lost on its way.
  if (live !== undefined && isHeldBy(live, identity)) return live;
  if (live !== undefined && !isFree(live, unchangedMs)) return "held";
  return (await take(deps, taking)) ?? "lost the race";
}

/** Who works on the storage now: "host" or "pod"; undefined when nobody says so. */
export function holderOf(lease: KubeObject | undefined): string | undefined {
  const identity = textAt(lease, "spec", "holderIdentity");
  return identity === undefined || identity === "" ? undefined : nameOf(identity);
}

function isHeldBy(lease: KubeObject, identity: string): boolean {
  return textAt(lease, "spec", "holderIdentity") === identity;
}

function nameOf(identity: string): string {
  return (identity.split("/", 1)[0] ?? "").slice(0, 64);
}

function isFree(lease: KubeObject, unchangedMs: number): boolean {
  if (holderOf(lease) === undefined) return true;
  const seconds = numberAt(lease, "spec", "leaseDurationSeconds") ?? TTL_SECONDS;
  return unchangedMs >= Math.min(Math.max(seconds, 1), MAX_TTL_SECONDS) * 1_000;
}

interface Taking {
  readonly live: KubeObject | undefined;
  readonly identity: string;
  readonly signal: AbortSignal;
}

/** Writes ourselves into it, only at the version that was seen; undefined when somebody else was faster. */
async function take(deps: LeaseDeps, { live, identity, signal }: Taking): Promise<KubeObject | undefined> {
  const { kube } = deps;
  const now = microTime(deps.clock.now());
  const transitions = numberAt(live, "spec", "leaseTransitions") ?? -1;
  const spec = {
    holderIdentity: identity,
    leaseDurationSeconds: TTL_SECONDS,
    acquireTime: now,
    renewTime: now,
    leaseTransitions: transitions + 1,
  };
  try {
    if (live !== undefined) {
      const { resourceVersion } = live.metadata;
      return await kube.patch(STORAGE_LEASE, { metadata: { resourceVersion }, spec }, { signal });
    }
    const { namespace, name, ...kind } = STORAGE_LEASE;
    // A cluster that no bootstrap has seen has none.
    await ensureNamespace(kube, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }, signal);
    return await kube.create({ ...kind, metadata: { namespace, name }, spec }, { signal });
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/conflict", "kube/not-found")) return undefined;
    throw thrown;
  }
}

function hold(
  deps: LeaseDeps,
  first: KubeObject,
  { identity, signal }: { readonly identity: string; readonly signal: AbortSignal },
): StorageLease {
  let version = first.metadata.resourceVersion;
  let writtenMs = deps.clock.monotonic();
  let isOurs = true;
  const renew = async (): Promise<void> => {
    const atMs = deps.clock.monotonic();
    const spec = { renewTime: microTime(deps.clock.now()) };
    try {
      const written = await deps.kube.patch(
        STORAGE_LEASE,
        { metadata: { resourceVersion: version }, spec },
        { signal },
      );
      version = written.metadata.resourceVersion;
    } catch (thrown) {
      if (!isApplianceError(thrown, "kube/conflict", "kube/not-found")) throw thrown;
      const live = await deps.kube.get(STORAGE_LEASE, { signal });
      isOurs = live !== undefined && isHeldBy(live, identity);
      if (!isOurs) throw lost(thrown);
      version = live?.metadata.resourceVersion;
    }
    writtenMs = atMs;
  };
  const confirm = async (): Promise<void> => {
    if (!isOurs) throw lost();
    if (deps.clock.monotonic() - writtenMs < RENEW_MS) return;
    await renew();
  };
  return {
    kube: guarded(deps.kube, confirm),
    release: async () => {
      if (!isOurs) return;
      isOurs = false;
      const freed = { metadata: { resourceVersion: version }, spec: { holderIdentity: null, renewTime: null } };
      try {
        await deps.kube.patch(STORAGE_LEASE, freed);
      } catch (thrown) {
        // Nobody waits longer than its time, and what was done is done.
        if (!(thrown instanceof ApplianceError)) throw thrown;
      }
    },
  };
}

/** Every call that a run makes while it works or waits proves the lease; so it is renewed without a clock of its own. */
function guarded(kube: Kube, confirm: () => Promise<void>): Kube {
  const after =
    <A extends readonly unknown[], R>(call: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      await confirm();
      return await call(...given);
    };
  return {
    ...kube,
    get: after(kube.get),
    list: after(kube.list),
    apply: after(kube.apply),
    patch: after(kube.patch),
    replace: after(kube.replace),
    create: after(kube.create),
    delete: after(kube.delete),
  };
}

/** For people: nothing is judged by it. @see Kubernetes API reference, "MicroTime" */
function microTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}

function busy(holder: string): ApplianceError {
  return new ApplianceError(
    "storage/busy",
    `Cannot change the storage: "${nameOf(holder)}" is at work on it, one at a time is wanted`,
    { hint: "Wait until it is done, then try again; a holder that died is replaced after half a minute" },
  );
}

function lost(cause?: unknown): ApplianceError {
  return new ApplianceError("operation/lease-lost", "Cannot go on with the storage: somebody else has taken it over", {
    cause,
  });
}
