/** Permissions: rules in the shape of RBAC, asked by every request and by SelfSubjectAccessReview. Off: all is allowed. */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, textAt } from "../../kube/model.ts";
import { forbidden } from "./refusal.ts";
import type { Call } from "./world.ts";

/** Allows verbs on resources; "*" stands for all. */
export interface AccessRule {
  readonly verbs: readonly string[];
  readonly groups: readonly string[];
  /** "pods", "pods/log". */
  readonly resources: readonly string[];
  /** Absent: the whole cluster. */
  readonly namespaces?: readonly string[];
  /** Absent: every name. */
  readonly names?: readonly string[];
}

/** Who asks, and what they may. */
export interface Identity {
  readonly user: string;
  /** Absent: everything. */
  readonly rules?: readonly AccessRule[];
}

interface Question {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

function isAllowed(identity: Identity, question: Question): boolean {
  return identity.rules === undefined || identity.rules.some((rule) => permits(rule, question));
}

function permits(rule: AccessRule, question: Question): boolean {
  const has = (list: readonly string[], value: string): boolean => list.includes("*") || list.includes(value);
  return (
    has(rule.verbs, question.verb) &&
    has(rule.groups, question.group) &&
    has(rule.resources, question.resource) &&
    (rule.namespaces === undefined || (question.namespace !== "" && rule.namespaces.includes(question.namespace))) &&
    (rule.names === undefined || rule.names.includes(question.name))
  );
}

/** @throws {Refusal} 403 in the words of the RBAC authorizer. */
export function requireAccess(identity: Identity, call: Call, verb: string): void {
  const resource = call.subresource === "" ? call.kind.plural : `${call.kind.plural}/${call.subresource}`;
  const { group } = call.kind;
  if (isAllowed(identity, { verb, group, resource, namespace: call.namespace, name: call.name })) return;
  const place = call.namespace === "" ? "at the cluster scope" : `in the namespace "${call.namespace}"`;
  const why = `User "${identity.user}" cannot ${verb} resource "${resource}" in API group "${group}" ${place}`;
  throw forbidden(call.kind, call.name, why);
}

/** Answers a SelfSubjectAccessReview. Everybody may ask. */
export function reviewAccess(identity: Identity, body: unknown): Record<string, unknown> {
  const asked = fieldAt(body, "spec", "resourceAttributes");
  const text = (name: string): string => textAt(asked, name) ?? "";
  const resource = text("subresource") === "" ? text("resource") : `${text("resource")}/${text("subresource")}`;
  const question = {
    verb: text("verb"),
    group: text("group"),
    resource,
    namespace: text("namespace"),
    name: text("name"),
  };
  const status = isAllowed(identity, question)
    ? { allowed: true, reason: identity.rules === undefined ? "" : "RBAC: allowed by the rules of the rehearsal" }
    : { allowed: false };
  return {
    kind: "SelfSubjectAccessReview",
    apiVersion: "authorization.k8s.io/v1",
    metadata: { creationTimestamp: null },
    spec: isPlainObject(body) ? body.spec : {},
    status,
  };
}
