/** Label and field selectors: parsed once into a predicate. */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject } from "../../kube/model.ts";
import type { Kind } from "./kinds.ts";
import { badRequest } from "./refusal.ts";

export type Matches = (object: KubeObject) => boolean;

/** Makes the predicate of a list or watch. @throws {Refusal} 400 for what the server does not understand. */
export function selectorOf(kind: Kind, query: URLSearchParams): Matches {
  const labels = parseLabels(query.get("labelSelector") ?? "");
  const fields = parseFields(kind, query.get("fieldSelector") ?? "");
  return (object) => labels.every((matches) => matches(object)) && fields.every((matches) => matches(object));
}

function parseLabels(text: string): readonly Matches[] {
  return splitOutside(text).map(labelTerm);
}

/** Splits at commas that stand in no parentheses. */
function splitOutside(text: string): readonly string[] {
  return (text.match(/(?:[^,(]|\([^)]*\))+/g) ?? []).map((term) => term.trim()).filter((term) => term !== "");
}

function labelTerm(term: string): Matches {
  const value = (object: KubeObject, key: string): string | undefined => object.metadata.labels?.[key];
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const options = list.split(",").map((option) => option.trim());
    return (object) => options.includes(value(object, key) ?? "\0") === (operator === "in");
  }
  const pair = /^([^\s=!]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (pair !== null) {
    const [, key = "", operator, wanted] = pair;
    return (object) => (value(object, key) === wanted) === (operator !== "!=");
  }
  const exists = /^(!?)\s*([^\s=!]+)$/.exec(term);
  if (exists === null) throw badRequest(`unable to parse requirement: found '${term.slice(0, 80)}'`);
  const [, not, key = ""] = exists;
  return (object) => (value(object, key) !== undefined) === (not === "");
}

/** What may be selected by beside metadata.name and metadata.namespace. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Pod: [
    "status.phase",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.podIP",
  ],
  Event: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  Namespace: ["status.phase"],
  Secret: ["type"],
  Node: ["spec.unschedulable"],
  Job: ["status.successful"],
};

function parseFields(kind: Kind, text: string): readonly Matches[] {
  const allowed = ["metadata.name", ...(kind.namespaced ? ["metadata.namespace"] : []), ...(FIELDS[kind.kind] ?? [])];
  return splitOutside(text).map((term) => {
    const [, field = "", operator, wanted = ""] = /^([^=!]+)(==|=|!=)(.*)$/.exec(term) ?? [];
    if (operator === undefined)
      throw badRequest(`invalid selector: '${term.slice(0, 80)}'; can't understand '${term.slice(0, 80)}'`);
    if (!allowed.includes(field)) throw badRequest(`field label not supported: ${field}`);
    return (object) => (fieldText(object, field) === wanted) === (operator !== "!=");
  });
}

function fieldText(object: KubeObject, field: string): string {
  const found = fieldAt(object, ...field.split("."));
  return found === undefined || isPlainObject(found) ? "" : String(found);
}
