/** Reading a collection: pages by limit and continue, bounded in number, restarted once when the pages expire. */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { ListOptions, Target } from "./calls.ts";
import { isKubeObject, type KubeList, type KubeObject, listAt, textAt } from "./model.ts";
import type { Transport } from "./transport.ts";

const PAGE = 250;
const MAX_OBJECTS = 20_000;
const METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/**
 * Reads all pages. All pages show the state of the first one, whose resourceVersion is returned.
 *
 * @throws {ApplianceError} kube/too-large when there are more objects than `limit`, and no `timeOf` tells the newest.
 * @see Kubernetes API concepts, "Retrieving large results sets in chunks"
 */
export async function listObjects(transport: Transport, target: Target, options: ListOptions): Promise<KubeList> {
  try {
    return await listPages(transport, target, options);
  } catch (thrown) {
    // The state of the first page was compacted while we read: start over, once.
    if (!isApplianceError(thrown, "kube/gone")) throw thrown;
    return await listPages(transport, target, options);
  }
}

async function listPages(transport: Transport, target: Target, options: ListOptions): Promise<KubeList> {
  let items: KubeObject[] = [];
  const { keep, timeOf } = options;
  const limit = options.limit ?? MAX_OBJECTS;
  let resourceVersion = "";
  let next: string | undefined;
  do {
    const page: unknown = await transport.json({
      attempt: target.attempt,
      method: "GET",
      path: target.path,
      query: { ...selectorsOf(options), limit: Math.min(PAGE, limit + 1), continue: next },
      ...(options.metadataOnly === true ? { accept: METADATA_ONLY } : {}),
      signal: options.signal,
    });
    resourceVersion ||= textAt(page, "metadata", "resourceVersion") ?? "";
    const found = itemsOf(page, target);
    items.push(...(keep === undefined ? found : found.map(keep)));
    if (timeOf === undefined && items.length > limit) throw tooMany(target, limit);
    // Sorting is paid for once in as many objects as are kept.
    if (timeOf !== undefined && items.length > 2 * limit) items = newest(items, limit, timeOf);
    next = textAt(page, "metadata", "continue");
  } while (next !== undefined && next !== "");
  return { items: timeOf === undefined ? items : newest(items, limit, timeOf), resourceVersion };
}

/** The newest objects, at most `count`; those that are as old as each other in the order in which they came. */
export function newest<T>(items: readonly T[], count: number, timeOf: (item: T) => number): T[] {
  if (items.length <= count) return [...items];
  return [...items].sort((a, b) => timeOf(b) - timeOf(a)).slice(0, count);
}

/** The selectors of a list or watch as query parameters; one that is not given is left out of the address. */
export function selectorsOf(options: {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}): Readonly<Record<string, string | undefined>> {
  return { labelSelector: options.labelSelector, fieldSelector: options.fieldSelector };
}

/** Items of a list carry no kind of their own; they get the one that was asked for. */
function itemsOf(page: unknown, target: Target): readonly KubeObject[] {
  return listAt(page, "items").flatMap((item) => {
    const object = isPlainObject(item) ? withKind(item, target) : item;
    return isKubeObject(object) ? [object] : [];
  });
}

/** Gives an item (or a PartialObjectMetadata) the apiVersion and kind that were asked for. */
export function withKind(item: Record<string, unknown>, target: Target): Record<string, unknown> {
  return { ...item, apiVersion: target.kind.apiVersion, kind: target.kind.kind };
}

function tooMany(target: Target, limit: number): ApplianceError {
  return new ApplianceError(
    "kube/too-large",
    `Cannot list ${target.attempt.what}: there are more than ${limit} objects, fewer or a selector are wanted`,
  );
}
