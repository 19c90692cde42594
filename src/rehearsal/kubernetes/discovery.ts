/** What is served: /version, /api, /apis and the resource lists, built from the kinds that are served now. */
import { apiVersionOf, type Kind } from "./kinds.ts";
import { servedKinds, type World } from "./world.ts";

/** The release the lab builds too. */
const GIT_VERSION = "v1.36.3";

/** Answers a discovery path; undefined when the path is none, or names a group that is not served. */
export function discover(world: World, path: string): Record<string, unknown> | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  const [root, ...rest] = parts;
  if (path === "/version") return version();
  if (root === "api")
    return rest.length === 0 ? coreVersions() : rest.length === 1 ? resourceList(world, "", rest[0]) : undefined;
  if (root !== "apis") return undefined;
  const [group, groupVersion, ...more] = rest;
  if (more.length > 0) return undefined;
  if (group === undefined) return { kind: "APIGroupList", apiVersion: "v1", groups: groups(world) };
  if (groupVersion !== undefined) return resourceList(world, group, groupVersion);
  return groups(world).find((one) => one.name === group);
}

function version(): Record<string, unknown> {
  return {
    major: "1",
    minor: "36",
    gitVersion: GIT_VERSION,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "2026-01-01T00:00:00Z",
    goVersion: "go1.26",
    compiler: "gc",
    platform: "linux/amd64",
  };
}

function coreVersions(): Record<string, unknown> {
  return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] };
}

function groups(world: World): readonly Record<string, unknown>[] {
  const kinds = servedKinds(world).filter((kind) => kind.group !== "");
  return [...new Set(kinds.map((kind) => kind.group))].map((name) => {
    const named = [...new Set(kinds.filter((kind) => kind.group === name).map(apiVersionOf))];
    const versions = named.map((groupVersion) => ({ groupVersion, version: groupVersion.slice(name.length + 1) }));
    return { kind: "APIGroup", apiVersion: "v1", name, versions, preferredVersion: versions[0] };
  });
}

function resourceList(
  world: World,
  group: string,
  groupVersion: string | undefined,
): Record<string, unknown> | undefined {
  const kinds = servedKinds(world).filter((kind) => kind.group === group && kind.version === groupVersion);
  if (kinds.length === 0) return undefined;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: group === "" ? groupVersion : `${group}/${groupVersion}`,
    resources: kinds.flatMap(rows),
  };
}

const VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

function rows(kind: Kind): readonly Record<string, unknown>[] {
  const { plural, singular, namespaced } = kind;
  const base = { singularName: singular, namespaced, kind: kind.kind };
  const own = { name: plural, ...base, verbs: kind.virtual === true ? ["create"] : VERBS };
  return kind.hasStatus ? [own, { ...base, name: `${plural}/status`, verbs: ["get", "patch", "update"] }] : [own];
}
