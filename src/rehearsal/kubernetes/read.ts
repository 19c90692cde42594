/** Reads: one object, or a collection page by page, whole or as PartialObjectMetadata. */
import type { KubeObject } from "../../kube/model.ts";
import { apiVersionOf, collectionOf } from "./kinds.ts";
import { badRequest, expired, notFound } from "./refusal.ts";
import { selectorOf } from "./selectors.ts";
import { type Call, inVersion, liveObject, type World } from "./world.ts";

/** Rests of lists that clients are still reading, by token. */
export interface Pages {
  take(token: string): Rest | undefined;
  keep(rest: Rest): string;
  clear(): void;
}

interface Rest {
  readonly items: readonly KubeObject[];
  readonly revision: number;
}

const TOKEN_START = "rehearsal-page-";
/** 100 unfinished lists at once; the oldest expire. */
const MAX_PAGES = 100;

/** Makes the memory of unfinished lists; at most 100, the oldest give way. */
export function createPages(): Pages {
  const pages = new Map<string, Rest>();
  let count = 0;
  return {
    take: (token) => pages.get(token),
    keep: (rest) => {
      count += 1;
      const token = Buffer.from(`${TOKEN_START}${count}`).toString("base64url");
      pages.set(token, rest);
      const oldest = pages.keys().next().value;
      if (pages.size > MAX_PAGES && oldest !== undefined) pages.delete(oldest);
      return token;
    },
    clear: () => pages.clear(),
  };
}

/** One object in the version asked for. @throws {Refusal} 404 when it is not there. */
export function read(world: World, call: Call): KubeObject {
  const object = liveObject(world, call);
  if (object === undefined) throw notFound(call.kind, call.name);
  return inVersion(call.kind, object);
}

/** A list with the revision of its first page, which all pages show. */
export function list(world: World, pages: Pages, call: Call): Record<string, unknown> {
  const rest = restOf(world, pages, call);
  const limit = numberOf(call.query.get("limit"));
  const shown = limit === 0 ? rest.items : rest.items.slice(0, limit);
  const left = rest.items.slice(shown.length);
  const more =
    left.length === 0
      ? {}
      : {
          continue: pages.keep({ items: left, revision: rest.revision }),
          ...(call.query.get("labelSelector") || call.query.get("fieldSelector")
            ? {}
            : { remainingItemCount: left.length }),
        };
  return {
    kind: `${call.kind.kind}List`,
    apiVersion: apiVersionOf(call.kind),
    metadata: { resourceVersion: String(rest.revision), ...more },
    items: shown.map((object) => inVersion(call.kind, object)),
  };
}

function restOf(world: World, pages: Pages, call: Call): Rest {
  const token = call.query.get("continue");
  if (token !== null && token !== "") {
    const rest = pages.take(token);
    if (rest !== undefined) return rest;
    if (!isToken(token)) throw badRequest("invalid continue token: continue key is not valid");
    throw expired(
      "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
    );
  }
  const matches = selectorOf(call.kind, call.query);
  const items = world.store.list(collectionOf(call.kind), call.kind.namespaced ? call.namespace : "").filter(matches);
  return { items, revision: world.store.revision() };
}

function isToken(text: string): boolean {
  return Buffer.from(text, "base64url").toString("utf8").startsWith(TOKEN_START);
}

/** The real server takes whatever is no count for no limit. */
function numberOf(text: string | null): number {
  const value = Number(text ?? 0);
  return Number.isInteger(value) && value > 0 ? value : 0;
}

/** Tells whether the caller asked for metadata only, and in which shape. */
export function wantsMetadataOnly(accept: string | null): boolean {
  return /;as=PartialObjectMetadata(List)?\b/.test(accept ?? "");
}

/** The object as PartialObjectMetadata: metadata, and nothing else of it. */
export function partialObject(object: KubeObject): Record<string, unknown> {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

/** A whole list as PartialObjectMetadataList; its own metadata stays. */
export function partialList(whole: Record<string, unknown>): Record<string, unknown> {
  const items = Array.isArray(whole.items) ? whole.items : [];
  return { ...whole, kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", items: items.map(partialObject) };
}
