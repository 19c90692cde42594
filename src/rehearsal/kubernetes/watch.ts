/**
 * Watches: a stream of JSON lines, resumed from a revision, with bookmarks, ended by time, by the client or by a fault.
 *
 * An object that leaves the selection is DELETED for the watcher, one that enters it is ADDED. A revision that history no
 * longer holds is answered with an ERROR event of code 410, as the real server's watch cache does.
 */
import type { Clock } from "../../core/ports.ts";
import type { KubeObject } from "../../kube/model.ts";
import { apiVersionOf, collectionOf } from "./kinds.ts";
import { partialObject } from "./read.ts";
import { expired, plainError, type Refusal } from "./refusal.ts";
import { type Matches, selectorOf } from "./selectors.ts";
import type { Change } from "./store.ts";
import { type Call, inVersion, type World } from "./world.ts";

export interface WatchDeps {
  readonly clock: Pick<Clock, "after">;
  /** Milliseconds between bookmarks. */
  readonly bookmarkMs: number;
  /** All open watches, so that faults can end them. */
  readonly open: Set<() => void>;
}

interface Event {
  readonly type: string;
  readonly object: unknown;
}

/** 30 min, as the real server's lower default. */
const DEFAULT_SECONDS = 1800;
/** Lines a slow reader may leave unread before its watch is ended. */
const MAX_UNREAD = 5000;

/**
 * Opens a watch from the revision of the query: missing or "0" begins with what is there. Ends after `timeoutSeconds`, when the
 * client leaves, or after 5000 unread lines.
 *
 * @throws {Refusal} 500 for a revision that is no number, as the real server.
 */
export function watch(world: World, call: Call, options: WatchDeps & { readonly metadataOnly: boolean }): Response {
  const matches = selectorOf(call.kind, call.query);
  const from = call.query.get("resourceVersion") ?? "";
  if (from !== "" && !/^\d+$/.test(from)) {
    throw plainError(`resourceVersion: Invalid value: "${from}": strconv.ParseUint: parsing "${from}": invalid syntax`);
  }
  const view = { call, matches, metadataOnly: options.metadataOnly };
  const first = firstEvents(world, view, from);
  const headers = { "content-type": "application/json" };
  if ("error" in first) return new Response(lineOf({ type: "ERROR", object: first.error.status() }), { headers });
  return new Response(stream(world, view, { ...options, first: first.events, from: Number(from) }), { headers });
}

interface View {
  readonly call: Call;
  readonly matches: Matches;
  readonly metadataOnly: boolean;
}

function firstEvents(
  world: World,
  view: View,
  from: string,
): { readonly events: readonly Event[] } | { readonly error: Refusal } {
  if (from === "" || from === "0") {
    const { kind, namespace } = view.call;
    const found = world.store.list(collectionOf(kind), kind.namespaced ? namespace : "").filter(view.matches);
    return { events: found.map((object) => eventOf(view, "ADDED", object)) };
  }
  const revision = Number(from);
  if (revision < world.store.compacted()) {
    return { error: expired(`too old resource version: ${from} (${world.store.compacted() + 1})`) };
  }
  return { events: world.store.since(revision).flatMap((change) => eventsOf(view, change)) };
}

function stream(
  world: World,
  view: View,
  options: WatchDeps & { readonly first: readonly Event[]; readonly from: number },
): ReadableStream<Uint8Array> {
  const seconds = Number(view.call.query.get("timeoutSeconds") ?? DEFAULT_SECONDS) || DEFAULT_SECONDS;
  const bookmarks = view.call.query.get("allowWatchBookmarks") === "true";
  let close = (): void => {};
  const start = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const send = (event: Event): void => {
      if ((controller.desiredSize ?? 0) < -MAX_UNREAD) close();
      else controller.enqueue(new TextEncoder().encode(lineOf(event)));
    };
    const mark = (): void => send(bookmark(view, world.store.revision()));
    const stops = [
      // A watch from a version that is still to come waits for it.
      world.store.subscribe((change) => {
        if (change.revision > options.from) eventsOf(view, change).forEach(send);
      }),
      options.clock.after(seconds * 1000, () => {
        if (bookmarks) mark();
        close();
      }),
      ...(bookmarks ? [every(options, mark)] : []),
    ];
    close = () => {
      close = () => {};
      options.open.delete(end);
      for (const stop of stops) stop();
      closeQuietly(controller);
    };
    const end = (): void => close();
    options.open.add(end);
    options.first.forEach(send);
  };
  return new ReadableStream({ start, cancel: () => close() });
}

/** Closes a stream whose reader may have gone already. */
export function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close();
  } catch {
    // The reader has cancelled: there is nothing left to close.
  }
}

function every(deps: Pick<WatchDeps, "clock" | "bookmarkMs">, call: () => void): () => void {
  let stop = deps.clock.after(deps.bookmarkMs, function again() {
    call();
    stop = deps.clock.after(deps.bookmarkMs, again);
  });
  return () => stop();
}

function eventsOf(view: View, change: Change): readonly Event[] {
  const { kind, namespace } = view.call;
  if (change.collection !== collectionOf(kind)) return [];
  if (kind.namespaced && namespace !== "" && change.object.metadata.namespace !== namespace) return [];
  const was = change.before !== undefined && view.matches(change.before);
  const is = change.type !== "DELETED" && view.matches(change.object);
  if (!was && !is) return [];
  const type = was ? (is ? "MODIFIED" : "DELETED") : "ADDED";
  return [eventOf(view, type, change.object)];
}

function eventOf(view: View, type: string, object: KubeObject): Event {
  const shown = inVersion(view.call.kind, object);
  return { type, object: view.metadataOnly ? partialObject(shown) : shown };
}

function bookmark(view: View, revision: number): Event {
  const metadata = { resourceVersion: String(revision), creationTimestamp: null };
  const typed = view.metadataOnly
    ? { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1" }
    : { kind: view.call.kind.kind, apiVersion: apiVersionOf(view.call.kind) };
  return { type: "BOOKMARK", object: { ...typed, metadata } };
}

function lineOf(event: Event): string {
  return `${JSON.stringify(event)}\n`;
}
