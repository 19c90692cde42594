/**
 * The heartbeat: is the Kubernetes API there, asked beside the watches, because an idle watch cannot tell.
 *
 * A refusal is believed at once; silence twice, so that one slow answer is no outage. Either way it is said within five
 * seconds: 1.5 s until the next question, and twice 1.5 s of silence.
 */
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError, publicError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { KubernetesObservation } from "./observation.ts";

const EVERY_MS = 1_500;
const SILENCE_MS = 1_500;

/** Whether the API server answers, asked again and again; `current` answers from memory. */
export interface Heartbeat {
  current(): KubernetesObservation;
  /** Resolves with the first answer or silence; at once when there is nothing to ask. */
  readonly first: Promise<void>;
}

type State = KubernetesObservation["state"];

/** Asks until the signal fires; `changed` is called when the state is another one. */
export function startHeartbeat(
  deps: { readonly clock: Clock },
  kube: Pick<Kube, "version"> | undefined,
  options: { readonly signal: AbortSignal; readonly changed: () => void; readonly problem?: string | undefined },
): Heartbeat {
  const startedMs = deps.clock.now();
  let seen: KubernetesObservation = {
    state: kube === undefined ? "unconfigured" : "starting",
    sinceMs: startedMs,
    atMs: startedMs,
    ...(options.problem === undefined ? {} : { problem: options.problem }),
  };
  const { promise: first, resolve } = Promise.withResolvers<void>();
  if (kube === undefined) resolve();
  const see = (answer: Answer): void => {
    const atMs = deps.clock.now();
    const isNew = answer.state !== seen.state;
    seen = { ...answer, atMs, sinceMs: isNew ? atMs : seen.sinceMs };
    resolve();
    if (isNew) options.changed();
  };
  if (kube !== undefined) void beat(deps, kube, { signal: options.signal, see });
  return { current: () => seen, first };
}

interface Answer {
  readonly state: State;
  readonly problem?: string;
  readonly version?: string;
}

async function beat(
  deps: { readonly clock: Clock },
  kube: Pick<Kube, "version">,
  work: { readonly signal: AbortSignal; readonly see: (answer: Answer) => void },
): Promise<void> {
  let silences = 0;
  while (!work.signal.aborted) {
    const answer = await ask(deps, kube, work.signal);
    if (work.signal.aborted) return;
    silences = answer === "silence" ? silences + 1 : 0;
    if (answer !== "silence") work.see(answer);
    else if (silences > 1) work.see({ state: "unreachable", problem: "It does not answer in time" });
    if (silences !== 1) await deps.clock.sleep(EVERY_MS, work.signal).catch(() => {});
  }
}

async function ask(
  deps: { readonly clock: Clock },
  kube: Pick<Kube, "version">,
  signal: AbortSignal,
): Promise<Answer | "silence"> {
  try {
    const { gitVersion } = await withDeadline(deps.clock, SILENCE_MS, {
      what: "the Kubernetes API",
      parent: signal,
      work: (limit) => kube.version(limit),
    });
    return { state: "reachable", version: gitVersion };
  } catch (thrown) {
    if (isApplianceError(thrown, "internal/timeout", "net/timeout", "kube/timeout")) return "silence";
    return { state: stateAfter(thrown), problem: publicError(thrown).message };
  }
}

function stateAfter(thrown: unknown): State {
  if (isApplianceError(thrown, "kube/unauthorized")) return "unauthorized";
  if (isApplianceError(thrown, "kube/forbidden")) return "forbidden";
  const isBroken = isApplianceError(
    thrown,
    "kube/server-error",
    "kube/unexpected-answer",
    "kube/throttled",
    "kube/too-large",
  );
  return isBroken ? "broken" : "unreachable";
}
