/** Events as a cluster records them: of warnings one an object and reason, counted up while it goes on; of other news one each. */
import { digestOfValue, shortDigest } from "../../core/digest.ts";
import { toInstant } from "../../core/time.ts";
import { type KubeObject, numberAt, type ObjectRef, refOf } from "../../kube/model.ts";
import type { ActorContext } from "./actor.ts";

export const EVENT = { apiVersion: "v1", kind: "Event" } as const;
/** How often a kubelet says the same again, at speed 1. */
const AGAIN_MS = 20_000;

/** What an event says. */
export interface EventNews {
  readonly reason: string;
  readonly message: string;
  /** Who says it: kubelet, default-scheduler. */
  readonly by: string;
}

/** Records a warning about an object of a namespace. Safe to call at every turn: the same one is counted, not repeated. */
export async function warn(context: ActorContext, object: KubeObject, news: EventNews): Promise<void> {
  const ref = refOfEvent(object, news.reason);
  const there = await context.kube.get(ref);
  const key = `event ${ref.name} ${numberAt(there, "count") ?? 0}`;
  if (there === undefined) return await create(context, ref, { object, news, type: "Warning" });
  if (!context.passed(key, AGAIN_MS)) return;
  const lastTimestamp = toInstant(context.clock.now());
  const { message } = news;
  await context.kube.patch(refOf(there), { message, count: (numberAt(there, "count") ?? 1) + 1, lastTimestamp });
}

/**
 * Records a piece of news once, whatever it is called with later under the same key.
 *
 * @param told.key Tells this piece of news from others about the object.
 */
export async function record(
  context: ActorContext,
  object: KubeObject,
  told: { readonly key: string; readonly type: "Normal" | "Warning"; readonly news: EventNews },
): Promise<void> {
  const ref = refOfEvent(object, told.key);
  if ((await context.kube.get(ref)) === undefined) await create(context, ref, { object, ...told });
}

/** Events of what has no namespace lie in "default". */
function refOfEvent(object: KubeObject, key: string): ObjectRef & { readonly namespace: string } {
  const { namespace = "default", name, uid } = object.metadata;
  const id = shortDigest(digestOfValue({ uid, reason: key })).slice(0, 16);
  return { ...EVENT, namespace, name: `${name}.${id}` };
}

async function create(
  context: ActorContext,
  ref: ObjectRef & { readonly namespace: string },
  told: { readonly object: KubeObject; readonly news: EventNews; readonly type: "Normal" | "Warning" },
): Promise<void> {
  const { object, news, type } = told;
  const { namespace, name, uid } = object.metadata;
  const at = toInstant(context.clock.now());
  await context.kube.create({
    ...EVENT,
    metadata: { namespace: ref.namespace, name: ref.name },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      uid,
    },
    type,
    reason: news.reason,
    message: news.message,
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    source: { component: news.by },
  });
}
