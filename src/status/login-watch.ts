/** Asks the login page again and again: through its Service and by the public address, and remembers since when. */
import { isApplianceError } from "../core/errors.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { textAt } from "../kube/model.ts";
import type { ComponentSpec } from "../release/components.ts";
import { type ProbeAnswer, probeLogin } from "./login-probe.ts";
import type { LoginAnswer, LoginObservation } from "./observation.ts";

/** While it answers, and while it does not: an application that starts is wanted at once. */
const GOOD_MS = 10_000;
const BAD_MS = 3_000;

export interface LoginWatchDeps extends Pick<Deps, "clock" | "network"> {
  readonly kube: Pick<Kube, "get"> | undefined;
  /** Inside the cluster: no proxy. Absent: we stand outside, where its addresses mean nothing. */
  readonly inside?: Fetch;
  /** By the public name. */
  readonly outside: Fetch;
  /** A text that the login page always holds, where it has no password field in its HTML. */
  readonly marker?: string;
}

/** Whether the login page answers, by the cluster and by the address people type; `current` is null before the first look. */
export interface LoginWatch {
  current(): LoginObservation | null;
  /** One look at both ways. @returns milliseconds until the next one is due. */
  look(targets: LoginTargets, signal: AbortSignal): Promise<number>;
}

export interface LoginTargets {
  readonly components: readonly ComponentSpec[];
  /** The address people type; null before it is known. */
  readonly publicUrl: string | null;
  /** Whether the application is on the cluster at all. */
  readonly expected: boolean;
}

/** Makes a watch of the login page; it asks only when it is told to look. */
export function createLoginWatch(deps: LoginWatchDeps): LoginWatch {
  let seen: LoginObservation | null = null;
  return {
    current: () => seen,
    look: async (targets, signal) => {
      if (!targets.expected) {
        seen = null;
        return BAD_MS;
      }
      const [service, open] = await Promise.all([askService(deps, targets, signal), askPublic(deps, targets, signal)]);
      seen = {
        ...(service === undefined ? {} : { service: since(service, seen?.service) }),
        ...(open === undefined ? {} : { public: since(open, seen?.public) }),
      };
      return [service, open].every((one) => one === undefined || one.outcome === "login-page") ? GOOD_MS : BAD_MS;
    },
  };
}

function since(answer: ProbeAnswer, before: LoginAnswer | undefined): LoginAnswer {
  const isSame = before !== undefined && before.outcome === answer.outcome && before.url === answer.url;
  return { ...answer, sinceMs: isSame ? before.sinceMs : answer.atMs };
}

async function askService(
  deps: LoginWatchDeps,
  targets: LoginTargets,
  signal: AbortSignal,
): Promise<ProbeAnswer | undefined> {
  const component = targets.components.find((one) => one.loginService !== undefined);
  if (component?.loginService === undefined || deps.kube === undefined || deps.inside === undefined) return undefined;
  const { name, port } = component.loginService;
  const host = await serviceHost(deps.kube, { namespace: component.targetNamespace, name }, signal);
  if (host === undefined) return undefined;
  const { publicUrl } = targets;
  const aliases = publicUrl === null || !URL.canParse(publicUrl) ? [] : [new URL(publicUrl).hostname];
  return probeLogin({ clock: deps.clock, fetch: deps.inside }, `http://${host}:${port}/`, {
    aliases,
    signal,
    ...(deps.marker === undefined ? {} : { marker: deps.marker }),
  });
}

/** The cluster address, which needs no name service; the name where the Service has none. Undefined: it is not there. */
async function serviceHost(
  kube: Pick<Kube, "get">,
  ref: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const byName = `${ref.name}.${ref.namespace}.svc.cluster.local`;
  try {
    const service = await kube.get({ apiVersion: "v1", kind: "Service", ...ref }, { signal });
    const address = textAt(service, "spec", "clusterIP");
    if (service === undefined) return undefined;
    if (address === undefined || address === "" || address === "None") return byName;
    return address.includes(":") ? `[${address}]` : address;
  } catch (thrown) {
    if (isApplianceError(thrown, "internal/aborted")) throw thrown;
    return byName;
  }
}

async function askPublic(
  deps: LoginWatchDeps,
  targets: LoginTargets,
  signal: AbortSignal,
): Promise<ProbeAnswer | undefined> {
  if (targets.publicUrl === null || !URL.canParse(targets.publicUrl)) return undefined;
  return probeLogin({ clock: deps.clock, fetch: deps.outside, network: deps.network }, targets.publicUrl, {
    signal,
    ...(deps.marker === undefined ? {} : { marker: deps.marker }),
  });
}
