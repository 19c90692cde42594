/**
 * A Kubernetes API with as many pods and events as a large cluster has, in a process of its own: `large-cluster.ts <pods> <events>`.
 * Prints one line: the address, and the bytes of all its pods and events as JSON.
 *
 * The objects have what real ones have, managedFields above all. Every second event is a warning.
 */
import { SILENT_LOG } from "../src/core/log.ts";
import type { KubeObject } from "../src/kube/model.ts";
import { createDeps } from "../src/platform/deps.ts";
import { listen } from "../src/platform/http-server.ts";
import { processSignal } from "../src/platform/signals.ts";
import { createApiServer } from "../src/rehearsal/kubernetes/api-server.ts";
import { untilStopped } from "../src/server/command.ts";

const [pods = 0, events = 0] = process.argv.slice(2).map(Number);
const NOW = Date.now();
const NAMESPACES = ["msp", "alga-system", "kube-system", ...Array.from({ length: 37 }, (_, index) => `team-${index}`)];

const instant = (agoMs: number): string => `${new Date(NOW - agoMs).toISOString().slice(0, 19)}Z`;
const namespaceAt = (index: number): string => NAMESPACES[index % NAMESPACES.length] ?? "msp";

/** What the API server writes beside every object: who set which field. */
function managedFields(manager: string, fields: readonly string[]): readonly object[] {
  const owned = Object.fromEntries(fields.map((field) => [`f:${field}`, { ".": {}, "f:value": {}, "f:detail": {} }]));
  return [
    {
      manager: "kube-controller-manager",
      operation: "Update",
      apiVersion: "v1",
      time: instant(60_000),
      fieldsType: "FieldsV1",
      fieldsV1: { "f:metadata": { "f:labels": owned }, "f:spec": owned },
    },
    {
      manager,
      operation: "Update",
      apiVersion: "v1",
      time: instant(30_000),
      subresource: "status",
      fieldsType: "FieldsV1",
      fieldsV1: { "f:status": owned },
    },
  ];
}

function pod(index: number): KubeObject {
  const name = `service-${index % 97}-6d8f7c9b5-${index.toString(36).padStart(5, "x")}`;
  const containers = ["main", "sidecar"].map((container) => ({
    name: container,
    image: `registry.example.com/team/${container}:1.${index % 50}.0`,
    env: Array.from({ length: 12 }, (_, at) => ({
      name: `SETTING_${at}`,
      value: `value of setting ${at} of pod ${index}`,
    })),
    ports: [{ name: "http", containerPort: 8080, protocol: "TCP" }],
    resources: { requests: { cpu: "100m", memory: "256Mi" }, limits: { memory: "512Mi" } },
    livenessProbe: {
      httpGet: { path: "/healthz", port: "http", scheme: "HTTP" },
      periodSeconds: 10,
      timeoutSeconds: 1,
      failureThreshold: 3,
      successThreshold: 1,
    },
    volumeMounts: [{ name: "token", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true }],
    terminationMessagePath: "/dev/termination-log",
    imagePullPolicy: "IfNotPresent",
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: namespaceAt(index),
      uid: `00000000-0000-4000-8000-${index.toString(16).padStart(12, "0")}`,
      resourceVersion: String(index + 10),
      creationTimestamp: instant(3_600_000),
      labels: {
        app: `service-${index % 97}`,
        "pod-template-hash": "6d8f7c9b5",
        "app.kubernetes.io/managed-by": "Helm",
      },
      annotations: { "checksum/config": `sha256:${index.toString(16).padStart(64, "0")}` },
      ownerReferences: [
        {
          apiVersion: "apps/v1",
          kind: "ReplicaSet",
          name: `service-${index % 97}-6d8f7c9b5`,
          uid: `rs-${index % 97}`,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      managedFields: managedFields("kubelet", [
        "conditions",
        "containerStatuses",
        "hostIP",
        "phase",
        "podIP",
        "startTime",
        "labels",
        "affinity",
      ]),
    },
    spec: {
      nodeName: `node-${index % 50}`,
      serviceAccountName: "default",
      containers,
      volumes: [
        {
          name: "token",
          projected: { sources: [{ serviceAccountToken: { expirationSeconds: 3607, path: "token" } }] },
        },
      ],
      tolerations: [
        { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 },
      ],
    },
    status: {
      phase: "Running",
      hostIP: "192.0.2.1",
      podIP: `10.42.${index >> 8}.${index & 255}`,
      startTime: instant(3_590_000),
      conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
        type,
        status: "True",
        lastProbeTime: null,
        lastTransitionTime: instant(3_580_000),
      })),
      containerStatuses: containers.map(({ name: container, image }) => ({
        name: container,
        image,
        imageID: `${image}@sha256:${index.toString(16).padStart(64, "a")}`,
        containerID: `containerd://${index.toString(16).padStart(64, "b")}`,
        ready: true,
        started: true,
        restartCount: 0,
        state: { running: { startedAt: instant(3_570_000) } },
        lastState: {},
      })),
    },
  };
}

function event(index: number): KubeObject {
  const isWarning = index % 2 === 0;
  const namespace = namespaceAt(index);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `service-${index % 97}.${index.toString(16).padStart(16, "0")}`,
      namespace,
      uid: `00000000-0000-4000-9000-${index.toString(16).padStart(12, "0")}`,
      resourceVersion: String(index + 100_000),
      creationTimestamp: instant(index * 60),
      managedFields: managedFields("kubelet", ["count", "firstTimestamp", "involvedObject"]),
    },
    involvedObject: {
      apiVersion: "v1",
      kind: "Pod",
      namespace,
      name: `service-${index % 97}-6d8f7c9b5-${(index % 5_000).toString(36).padStart(5, "x")}`,
      uid: `pod-${index % 5_000}`,
      resourceVersion: String(index),
    },
    type: isWarning ? "Warning" : "Normal",
    reason: isWarning ? "BackOff" : "Pulled",
    message: isWarning
      ? `Back-off restarting failed container main in pod service-${index % 97}_${namespace}(00000000-0000-4000-8000-${index})`
      : `Successfully pulled image "registry.example.com/team/main:1.${index % 50}.0" in 1.${index % 900}s`,
    count: 1 + (index % 40),
    firstTimestamp: instant(3_000_000),
    lastTimestamp: instant(index * 60),
    source: { component: "kubelet", host: `node-${index % 50}` },
    reportingComponent: "kubelet",
    reportingInstance: `node-${index % 50}`,
  };
}

const made = {
  "/pods": Array.from({ length: pods }, (_, index) => pod(index)),
  "/events": Array.from({ length: events }, (_, index) => event(index)),
};
const real = createDeps(SILENT_LOG);
const state = { store: { revision: 1_000_000, objects: Object.entries(made) }, logs: [] };
const server = createApiServer(real, { state });
const { port } = await listen({ host: "127.0.0.1", port: 0, handle: (request) => server.fetch(request) });
const bytes = Object.values(made).reduce((sum, items) => sum + Buffer.byteLength(JSON.stringify(items)), 0);
process.stdout.write(`${JSON.stringify({ server: `http://127.0.0.1:${port}`, bytes })}\n`);
await untilStopped(processSignal());
process.exit(0);
