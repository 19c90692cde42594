/**
 * The theater: turns of all actors, one after the other, until the rehearsal ends.
 *
 * Real delays are divided by the speed. An actor that fails is logged and gets its next turn, as a controller does.
 */
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { ComponentSpec } from "../release/components.ts";
import type { Actor, ActorContext } from "./actors/actor.ts";
import { diaryActor } from "./actors/diary.ts";
import { helmActor } from "./actors/helm.ts";
import { jobActor } from "./actors/jobs.ts";
import { kustomizeActor } from "./actors/kustomize.ts";
import { nodeActor } from "./actors/node.ts";
import { podActor } from "./actors/pods.ts";
import { sourceActor, type Tree } from "./actors/source.ts";
import type { Stage } from "./faults.ts";
import type { PodLogs } from "./kubernetes/api-server.ts";

/** Milliseconds between turns at speed 1. */
const TURN_MS = 250;
const SHORTEST_TURN_MS = 20;
/** As a kubelet's. */
const RENEWAL_MS = 10_000;

export interface TheaterOptions {
  readonly stage: Stage;
  /** A client for an actor: writes as this field manager. */
  readonly kubeFor: (manager: string) => Kube;
  readonly registry: RegistryClient;
  readonly registryHost: string;
  /** What the control plane serves itself, for Flux. Absent: nothing. */
  readonly ownRegistry?: ActorContext["ownRegistry"];
  /** No node reaches any other registry. Absent: what lies there is taken as present. */
  readonly isCutOff?: boolean;
  readonly components: readonly ComponentSpec[];
  /** Where pods write what they print. */
  readonly logs: PodLogs;
  /** Milliseconds between two signs of life of the kubelet. Absent: 10 s at any speed, because who watches it counts real seconds. */
  readonly renewalMs?: number;
  /** 1 is about as slow as a real box on a good day; 20 is for tests. */
  readonly speed: number;
}

export interface Theater {
  /** Ends after the turn that is being played. */
  close(): Promise<void>;
}

/** Raises the curtain: actors play until `close()`. */
export function openTheater(deps: Pick<Deps, "clock" | "log">, options: TheaterOptions): Theater {
  const cast = castOf();
  const contexts = cast.map((actor) => contextOf(deps, options, actor));
  const stop = new AbortController();
  const playing = play();
  return {
    close: async () => {
      stop.abort();
      await playing;
    },
  };

  async function play(): Promise<void> {
    while (!stop.signal.aborted) {
      for (const [index, actor] of cast.entries()) await turn(actor, contexts[index]);
      await deps.clock.sleep(Math.max(SHORTEST_TURN_MS, TURN_MS / options.speed), stop.signal).catch(() => {});
    }
  }

  async function turn(actor: Actor, context: ActorContext | undefined): Promise<void> {
    if (context === undefined || stop.signal.aborted) return;
    try {
      await actor.act(context);
    } catch (error) {
      deps.log.debug("actor missed a turn", { actor: actor.name, error });
    }
  }
}

function castOf(): readonly Actor[] {
  const trees = new Map<string, Tree>();
  return [nodeActor, podActor, jobActor, sourceActor(trees), kustomizeActor(trees), helmActor(trees), diaryActor()];
}

function contextOf(deps: Pick<Deps, "clock" | "log">, options: TheaterOptions, actor: Actor): ActorContext {
  const firstSeen = new Map<string, number>();
  return {
    kube: options.kubeFor(actor.name),
    registry: options.registry,
    registryHost: options.registryHost,
    ...(options.ownRegistry === undefined ? {} : { ownRegistry: options.ownRegistry }),
    isCutOff: options.isCutOff === true,
    components: options.components,
    logs: options.logs,
    clock: deps.clock,
    renewalMs: options.renewalMs ?? RENEWAL_MS,
    log: deps.log.with({ actor: actor.name }),
    faults: () => options.stage.faults(),
    forget: (key) => void firstSeen.delete(key),
    passed: (key, ms) => {
      const now = deps.clock.monotonic();
      const since = firstSeen.get(key) ?? now;
      firstSeen.set(key, since);
      return now - since >= ms / options.speed;
    },
  };
}
