/** Which events of the cluster concern one component: its pods, what made them, and what Flux says of it. Pure. */
import type { Inventory } from "../state/wire.ts";

type Pod = Inventory["pods"][number];
type Told = Inventory["events"][number];

/**
 * By name: an event says of its object no more than that. A pod carries the name of what made it, with a mark behind it; a pod that
 * is gone was made by the same.
 */
export function eventsOfComponent<T extends Told>(
  events: readonly T[],
  component: { readonly name: string; readonly pods: readonly Pod[] },
): readonly T[] {
  const { name, pods } = component;
  const owners = new Set(pods.map((pod) => `${pod.namespace}/${ownerOf(pod.name)}`));
  return events.filter(
    (one) =>
      one.name === name ||
      owners.has(`${one.namespace}/${one.name}`) ||
      owners.has(`${one.namespace}/${ownerOf(one.name)}`),
  );
}

/** "db" of "db-0", "web" of "web-7d9c5f-x2k4p" and of "web-7d9c5f". */
function ownerOf(pod: string): string {
  return pod.replace(/-[a-z0-9]*\d[a-z0-9]*(?:-[a-z0-9]{5})?$/, "");
}
