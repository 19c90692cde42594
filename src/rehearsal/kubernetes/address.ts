/** From a URL to a call: which kind, namespace, object and subresource a path names. */
import type { Kind } from "./kinds.ts";
import { notServed, Refusal } from "./refusal.ts";
import { type Call, servedKinds, type World } from "./world.ts";

/**
 * Understands a resource path.
 *
 * @throws {Refusal} 404 when the group, the resource or the subresource is not served.
 */
export function addressOf(world: World, url: URL, manager: string): Call {
  const parts = url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const { group, version, rest } = groupOf(parts);
  const kinds = servedKinds(world).filter((kind) => kind.group === group && kind.version === version);
  if (kinds.length === 0) throw new Refusal(404, "NotFound", "404 page not found");
  const place = placeOf(kinds, rest);
  if (place === undefined) throw notServed();
  return {
    ...place,
    query: url.searchParams,
    manager: url.searchParams.get("fieldManager") ?? manager,
    dryRun: url.searchParams.getAll("dryRun").includes("All"),
  };
}

function groupOf(parts: readonly string[]): {
  readonly group: string;
  readonly version: string;
  readonly rest: readonly string[];
} {
  const [root, first = "", second = "", ...rest] = parts;
  if (root === "api") return { group: "", version: first, rest: second === "" ? rest : [second, ...rest] };
  return { group: first, version: second, rest };
}

type Place = Pick<Call, "kind" | "namespace" | "name" | "subresource">;

function placeOf(kinds: readonly Kind[], rest: readonly string[]): Place | undefined {
  // /namespaces/<n>/<plural>...: but /namespaces/<n> and /namespaces/<n>/status are the namespace itself.
  const inNamespace = rest[0] === "namespaces" && rest.length > 2 && kindNamed(kinds, rest[2]) !== undefined;
  const [plural, name = "", subresource = "", ...more] = inNamespace ? rest.slice(2) : rest;
  const kind = kindNamed(kinds, plural);
  if (kind === undefined || more.length > 0 || (inNamespace && !kind.namespaced)) return undefined;
  if (kind.namespaced && !inNamespace && name !== "") return undefined;
  if (!isServed(kind, subresource)) return undefined;
  return { kind, namespace: inNamespace ? (rest[1] ?? "") : "", name, subresource };
}

function kindNamed(kinds: readonly Kind[], plural: string | undefined): Kind | undefined {
  return kinds.find((kind) => kind.plural === plural);
}

function isServed(kind: Kind, subresource: string): boolean {
  if (subresource === "") return true;
  if (subresource === "status") return kind.hasStatus;
  return kind.kind === "Pod" && subresource === "log";
}
