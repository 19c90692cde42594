/**
 * Mirrors the summary into the cluster: the ConfigMap `appliance-status` and an Event for each change.
 *
 * A convenience that nothing depends on: it never holds the status up, writes at most once in ten seconds and tells an Event only
 * when the state or its reason changed. Without a permission or a cluster it says so once in the log and tries again later.
 */
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { Kube } from "../kube/calls.ts";
import type { KubeObject } from "../kube/model.ts";
import { configMapOf, eventNameIn, eventNameOf, eventOf, MIRROR, newsOf } from "./mirror-objects.ts";
import type { ApplianceStatus } from "./model.ts";
import type { StatusEngine } from "./observer.ts";
import { repeat } from "./repeat.ts";

/** Changes within this time become one. */
const EVERY_MS = 10_000;
/** The cluster is away, or the namespace is not there yet. */
const AWAY_MS = 30_000;
/** A permission seldom comes by itself. */
const DENIED_MS = 300_000;
/** Without a change only what somebody took away is put back. */
const AGAIN_MS = 600_000;

type MirrorDeps = Pick<Deps, "clock" | "log">;

/** Starts to mirror; ends with the signal. Never throws. */
export function startMirror(
  deps: MirrorDeps,
  sources: {
    readonly kube: Pick<Kube, "get" | "apply">;
    readonly status: Pick<StatusEngine, "current" | "observe" | "subscribe">;
  },
  signal: AbortSignal,
): void {
  const mirror = createMirror(deps, sources.kube);
  // What is told first is what was seen, not that nothing was seen yet.
  let settled = false;
  const work = async (): Promise<number> => {
    if (!settled) await sources.status.observe(signal);
    settled = true;
    return await mirror(sources.status.current(), signal);
  };
  const look = repeat(deps, work, { what: "mirror", signal, minMs: EVERY_MS });
  const stop = sources.status.subscribe(look.soon);
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
}

/** Makes the writer of one mirror: writes what is new, and answers in how many milliseconds it wants to look again. */
function createMirror(
  deps: MirrorDeps,
  kube: Pick<Kube, "get" | "apply">,
): (status: ApplianceStatus, signal: AbortSignal) => Promise<number> {
  /** Name of the last Event; undefined before the first look. */
  let last: string | undefined;
  let told = "";
  return async (status, signal) => {
    try {
      last = await write(deps, kube, { status, last, signal });
      told = "";
      return AGAIN_MS;
    } catch (thrown) {
      if (!isApplianceError(thrown)) throw thrown;
      const isDenied = isApplianceError(thrown, "kube/forbidden", "kube/unauthorized");
      if (isDenied && told !== thrown.code) deps.log.warn("summary not mirrored into the cluster", { error: thrown });
      else deps.log.debug("summary not mirrored into the cluster", { error: thrown });
      told = thrown.code;
      return isDenied ? DENIED_MS : AWAY_MS;
    }
  };
}

async function write(
  deps: MirrorDeps,
  kube: Pick<Kube, "get" | "apply">,
  given: { readonly status: ApplianceStatus; readonly last: string | undefined; readonly signal: AbortSignal },
): Promise<string> {
  const { status, signal } = given;
  const now = toInstant(deps.clock.now());
  const before = await kube.get({ apiVersion: "v1", kind: "ConfigMap", ...MIRROR }, { signal });
  const map = configMapOf(status, { before, now });
  const isSame = before !== undefined && newsOf(before) === newsOf(map);
  // Nobody else should write it; who did loses, because it says what is true.
  const about = isSame ? before : await kube.apply(map, { force: true, signal });
  const event = eventNameOf(status);
  // A restart of this process alone is no news.
  const last = given.last ?? (before === undefined ? undefined : eventNameIn(before));
  if (event !== last) await tell(kube, { status, about, now, signal });
  return event;
}

/** Tells a change: a new Event, or one more of the same. */
async function tell(
  kube: Pick<Kube, "get" | "apply">,
  given: {
    readonly status: ApplianceStatus;
    readonly about: KubeObject;
    readonly now: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { status, about, now, signal } = given;
  const ref = { apiVersion: "v1", kind: "Event", namespace: MIRROR.namespace, name: eventNameOf(status) };
  const before = await kube.get(ref, { signal });
  await kube.apply(eventOf(status, { about, before, now }), { force: true, signal });
}
