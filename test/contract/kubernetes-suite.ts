/**
 * The contract of a Kubernetes API server, as far as this product relies on it: one suite for the in-memory server and for
 * the real kube-apiserver. Each case works in namespaces and on names of its own, so that it can run on a used cluster.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError } from "../../src/core/errors.ts";
import type { Kube } from "../../src/kube/client.ts";
import type { KubeObject, ObjectRef } from "../../src/kube/model.ts";

/** A server under test. */
export interface Subject {
  /** A client whose writes belong to the given manager. */
  kube(manager?: string): Kube;
  /** A raw request to a path of the server. */
  raw(path: string, init?: RequestInit): Promise<Response>;
  /** A client of somebody whom no rule allows anything. */
  nobody(): Kube;
  /** A resource version that is too old to watch from. */
  ancientVersion(): Promise<string>;
}

export type Case = readonly [name: string, run: (subject: Subject, namespace: string) => Promise<void>];

/** Registers all cases; `subject` is asked for when the first one runs. */
export function contract(title: string, cases: readonly Case[], subject: () => Promise<Subject>): void {
  for (const [index, [name, run]] of cases.entries()) {
    test(`${title}: ${name}`, { timeout: 60_000 }, async () => {
      const server = await subject();
      const namespace = `contract-${index}-${Math.random().toString(36).slice(2, 8)}`;
      await server.kube().create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await run(server, namespace);
    });
  }
}

export function configMap(namespace: string, name: string, data: Record<string, string>): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

export function refTo(namespace: string, name: string, kind = "ConfigMap", apiVersion = "v1"): ObjectRef {
  return { apiVersion, kind, namespace, name };
}

export function deployment(namespace: string, name: string, image: string): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "app", image, ports: [{ containerPort: 8080, name: "http" }] }] },
      },
    },
  };
}

/** Runs until it fails and gives the failure. */
export async function failureOf(work: Promise<unknown>): Promise<ApplianceError> {
  try {
    await work;
  } catch (thrown) {
    assert.ok(thrown instanceof ApplianceError, `an ApplianceError is wanted, got ${String(thrown)}`);
    return thrown;
  }
  return assert.fail("it succeeded, a failure is wanted");
}
