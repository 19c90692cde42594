// A small Kubernetes client for the two controller stand-ins: in-cluster credentials, lists, and patches of status.

import { readFileSync } from "node:fs";
import { request } from "node:https";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime?: string;
}

export interface ClusterObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly generation: number;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
  };
  readonly spec: unknown;
  readonly status?: { readonly conditions?: readonly Condition[]; readonly [key: string]: unknown };
}

/** @throws {ClusterError} for every answer but 2xx */
export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  contentType = "application/json",
): Promise<T> {
  const answer = await exchange(method, path, body === undefined ? undefined : JSON.stringify(body), contentType);
  if (answer.status >= 300)
    throw new ClusterError(answer.status, `${method} ${path}: ${answer.status} ${answer.body.slice(0, 300)}`);
  return JSON.parse(answer.body) as T;
}

export class ClusterError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Like `call`, with undefined for 404. */
export async function find<T>(path: string): Promise<T | undefined> {
  try {
    return await call<T>("GET", path);
  } catch (problem) {
    if (problem instanceof ClusterError && problem.status === 404) return undefined;
    throw problem;
  }
}

export async function list<T>(path: string): Promise<T[]> {
  return (await call<{ items: T[] }>("GET", path)).items;
}

/** Merges fields into an object's status; keeps the transition time of each condition whose status has not changed. */
export async function patchStatus(path: string, object: ClusterObject, status: Record<string, unknown>): Promise<void> {
  const conditions = status.conditions as readonly Condition[] | undefined;
  const stamped = conditions?.map((condition) => stamp(condition, object));
  const merged = stamped === undefined ? status : { ...status, conditions: stamped };
  await call("PATCH", `${path}/status`, { status: merged }, "application/merge-patch+json");
}

function stamp(condition: Condition, object: ClusterObject): Condition {
  const before = object.status?.conditions?.find((other) => other.type === condition.type);
  const same = before?.status === condition.status && before.lastTransitionTime !== undefined;
  const lastTransitionTime = same ? before.lastTransitionTime : new Date().toISOString().replace(/\.\d+Z$/, "Z");
  return { ...condition, observedGeneration: object.metadata.generation, lastTransitionTime: lastTransitionTime ?? "" };
}

/** The value of a Secret's or ConfigMap's key, decoded; undefined when object or key is absent. */
export async function readKey(kind: string, namespace: string, name: string, key: string): Promise<string | undefined> {
  const plural = kind === "Secret" ? "secrets" : "configmaps";
  const found = await find<{ data?: Record<string, string> }>(`/api/v1/namespaces/${namespace}/${plural}/${name}`);
  const value = found?.data?.[key];
  return value !== undefined && kind === "Secret" ? Buffer.from(value, "base64").toString("utf8") : value;
}

function exchange(method: string, path: string, body: string | undefined, contentType: string) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const outgoing = request(
      {
        host: process.env.KUBERNETES_SERVICE_HOST,
        port: process.env.KUBERNETES_SERVICE_PORT,
        method,
        path,
        ca: readFileSync(`${ACCOUNT}/ca.crt`),
        timeout: 10_000,
        headers: {
          authorization: `Bearer ${readFileSync(`${ACCOUNT}/token`, "utf8").trim()}`,
          ...(body === undefined ? {} : { "content-type": contentType, "content-length": Buffer.byteLength(body) }),
        },
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk) => chunks.push(chunk));
        incoming.on("end", () =>
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
        );
        incoming.on("error", reject);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("the API server did not answer within 10 s")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
