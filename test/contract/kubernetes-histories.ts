/**
 * Random histories of writes by three managers, played on two API servers; every answer must be the same.
 *
 * Compared are the object with its owners, or the code, conflicts and causes of the refusal. Identities, versions and times
 * differ by nature and are left out. The same seed gives the same history.
 */
import { ApplianceError } from "../../src/core/errors.ts";
import { isPlainObject } from "../../src/core/json.ts";
import type { Kube } from "../../src/kube/client.ts";
import type { KubeObject, ObjectRef } from "../../src/kube/model.ts";

export interface Step {
  readonly text: string;
  readonly manager: string;
  play(kube: Kube): Promise<unknown>;
}

const MANAGERS = ["alga-appliance", "flux", "kubectl"] as const;

/** A small generator (Park and Miller): histories must be the same on every machine. */
function numbers(seed: number): (below: number) => number {
  let state = (seed % 2147483646) + 1;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

type Draw = (below: number) => number;

/** Makes a history for one object. */
export function historyOf(seed: number, namespace: string, length = 25): readonly Step[] {
  const draw = numbers(seed);
  const kind = [configMap, deployment, serviceAccount][draw(3)] ?? configMap;
  return Array.from({ length }, () => stepOf(draw, kind(draw, namespace, `h${seed}`)));
}

function stepOf(draw: Draw, object: KubeObject): Step {
  const manager = MANAGERS[draw(3)] ?? "kubectl";
  const ref: ObjectRef = { apiVersion: object.apiVersion, kind: object.kind, ...object.metadata };
  const { apiVersion: _a, kind: _k, metadata, ...content } = object;
  const force = draw(3) === 0;
  const choice = draw(10);
  const shown = JSON.stringify({ ...content, labels: metadata.labels });
  if (choice < 6) {
    return {
      text: `${manager} applies${force ? " with force" : ""} ${shown}`,
      manager,
      play: (kube) => kube.apply(object, { force }),
    };
  }
  if (choice < 9) {
    const patch = { ...content, metadata: { labels: metadata.labels ?? null } };
    return { text: `${manager} patches ${shown}`, manager, play: (kube) => kube.patch(ref, patch) };
  }
  return { text: `${manager} deletes`, manager, play: (kube) => (draw(2) === 0 ? kube.delete(ref) : kube.get(ref)) };
}

function labelsOf(draw: Draw): { readonly labels?: Record<string, string> } {
  const names = ["a", "b", "c"].filter(() => draw(2) === 0);
  return names.length === 0 ? {} : { labels: Object.fromEntries(names.map((name) => [name, String(draw(2))])) };
}

function configMap(draw: Draw, namespace: string, name: string): KubeObject {
  const keys = ["x", "y", "z"].filter(() => draw(2) === 0);
  const data = Object.fromEntries(keys.map((key) => [key, String(draw(2))]));
  const content = draw(5) === 0 ? {} : { data };
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, ...labelsOf(draw) }, ...content };
}

function serviceAccount(draw: Draw, namespace: string, name: string): KubeObject {
  const secrets = ["s1", "s2", "s3"].filter(() => draw(2) === 0).map((one) => ({ name: one }));
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: {
      name,
      namespace,
      ...labelsOf(draw),
      finalizers: ["a", "b"].filter(() => draw(3) === 0).map((one) => `x.org/${one}`),
    },
    secrets,
    ...(draw(2) === 0 ? { automountServiceAccountToken: draw(2) === 0 } : {}),
  };
}

function deployment(draw: Draw, namespace: string, name: string): KubeObject {
  const labels = { app: name };
  const container = (one: string): Record<string, unknown> => ({
    name: one,
    image: `example.org/${one}:${draw(2)}`,
    ...(draw(2) === 0
      ? { env: ["A", "B"].filter(() => draw(2) === 0).map((key) => ({ name: key, value: String(draw(2)) })) }
      : {}),
    ...(draw(3) === 0 ? { ports: [{ containerPort: 80 + draw(2), name: "p" }] } : {}),
    ...(draw(3) === 0 ? { args: [String(draw(2))] } : {}),
  });
  const containers = ["one", "two", "three"].filter((_, index) => index === 0 || draw(3) === 0).map(container);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, ...labelsOf(draw) },
    spec: {
      ...(draw(2) === 0 ? { replicas: draw(3) } : {}),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, ...(draw(3) === 0 ? { annotations: { n: String(draw(2)) } } : {}) },
        spec: {
          containers,
          ...(draw(3) === 0 ? { nodeSelector: { [`k${draw(2)}`]: "v" } } : {}),
          ...(draw(3) === 0 ? { tolerations: [{ key: `t${draw(2)}`, operator: "Exists" }] } : {}),
        },
      },
    },
  };
}

/** Plays one step and gives what can be compared. */
export async function outcomeOf(step: Step, kube: Kube): Promise<unknown> {
  try {
    return comparable(await step.play(kube));
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    const { reason, conflicts, causes } = thrown.details;
    return {
      refused: thrown.code,
      reason,
      conflicts: sorted(conflicts),
      fields: sorted(conflicts === undefined ? fieldsOf(causes) : []),
    };
  }
}

/** The real server adds a cause of no field when CEL rules were not reached; the in-memory one evaluates none. */
function fieldsOf(causes: unknown): unknown {
  const all = Array.isArray(causes) ? causes : [];
  return all
    .filter((cause: { field?: string }) => cause.field !== "<nil>")
    .map((cause: { field?: string; reason?: string }) => `${cause.reason} ${cause.field}`);
}

function sorted(list: unknown): unknown {
  return Array.isArray(list) ? [...new Set(list.map((one) => JSON.stringify(one)))].sort() : [];
}

const LEFT_OUT = ["uid", "resourceVersion", "creationTimestamp", "time", "deletionTimestamp"];

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (!isPlainObject(value)) return value;
  const entries = Object.entries(value).filter(([name]) => !LEFT_OUT.includes(name));
  const shown = entries.map(
    ([name, inner]) => [name, name === "managedFields" ? owners(inner) : comparable(inner)] as const,
  );
  return Object.fromEntries(shown.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The order of owners says who wrote last, to the second: too coarse to compare. */
function owners(value: unknown): unknown {
  return Array.isArray(value) ? value.map((one) => JSON.stringify(comparable(one))).sort() : value;
}
