/** Warnings as a cluster records them: one Event an object and reason, counted up while it goes on. */
import { digestOfValue, shortDigest } from "../../core/digest.ts";
import { toInstant } from "../../core/time.ts";
import { type KubeObject, numberAt, refOf } from "../../kube/model.ts";
import type { ActorContext } from "./actor.ts";

const EVENT = { apiVersion: "v1", kind: "Event" } as const;
/** How often a kubelet says the same again, at speed 1. */
const AGAIN_MS = 20_000;

export interface WarningNews {
  readonly reason: string;
  readonly message: string;
  /** Who says it: kubelet, default-scheduler. */
  readonly by: string;
}

/** Records a warning about an object of a namespace. Safe to call at every turn: the same one is counted, not repeated. */
export async function warn(
  context: ActorContext,
  object: KubeObject,
  { reason, message, by }: WarningNews,
): Promise<void> {
  const { namespace = "default", name, uid } = object.metadata;
  const id = shortDigest(digestOfValue({ uid, reason })).slice(0, 16);
  const ref = { ...EVENT, namespace, name: `${name}.${id}` };
  const there = await context.kube.get(ref);
  const key = `event ${ref.name} ${numberAt(there, "count") ?? 0}`;
  const lastTimestamp = toInstant(context.clock.now());
  if (there === undefined) {
    await context.kube.create({
      ...EVENT,
      metadata: { namespace, name: ref.name },
      involvedObject: { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid },
      type: "Warning",
      reason,
      message,
      count: 1,
      firstTimestamp: lastTimestamp,
      lastTimestamp,
      source: { component: by },
    });
    return;
  }
  if (!context.passed(key, AGAIN_MS)) return;
  await context.kube.patch(refOf(there), { message, count: (numberAt(there, "count") ?? 1) + 1, lastTimestamp });
}
