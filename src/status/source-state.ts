/**
 * Whether Flux has what the release pins.
 *
 * A source that is pinned by digest needs the registry once. When later looks fail, Flux calls it not ready but keeps
 * the artifact and goes on, so a box without network is not broken by it.
 */
import { type KubeObject, textAt } from "../kube/model.ts";
import { condition } from "./facts.ts";

/** Tells whether the artifact that the source pins was fetched and is kept. */
export function isKept(source: KubeObject): boolean {
  const wanted = textAt(source, "spec", "ref", "digest");
  const revision = textAt(source, "status", "artifact", "revision") ?? "";
  return wanted !== undefined && wanted !== "" && revision.includes(wanted);
}

/** Tells whether Flux can go on with the source: it is ready, or what it pins is kept. */
export function isSourceReady(source: KubeObject): boolean {
  return condition(source, "Ready")?.status === "True" || isKept(source);
}
