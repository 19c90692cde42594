/** What the sample release's charts render to: the workloads of a component as objects. Pure. */
import { type KubeObject, textAt } from "../../kube/model.ts";
import type { ComponentSpec, WorkloadSpec } from "../../release/components.ts";

/** What a chart is rendered with. */
export interface Rendering {
  readonly values: Readonly<Record<string, unknown>>;
  /** Image that the chart names itself, for its database, cache or pooler. */
  readonly bundled: string;
}

/** Objects of one component with the image that its values name. */
export function workloadObjects(component: ComponentSpec, { values, bundled }: Rendering): readonly KubeObject[] {
  const image = imageOf(component, values) ?? bundled;
  const workloads = component.workloads.map((workload) =>
    workloadObject(component, workload, workload.tier === component.tier ? image : bundled),
  );
  const { bootstrapJob: job, loginService } = component;
  return [
    ...workloads,
    ...(job === undefined ? [] : [bootstrapJob(component, job, image)]),
    ...(loginService === undefined ? [] : [service(component, loginService)]),
  ];
}

function imageOf(component: ComponentSpec, values: Readonly<Record<string, unknown>>): string | undefined {
  const at = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : textAt(values, ...path.split("."));
  const name = at(component.settings.imageName.at(-1));
  const tag = at(component.settings.imageTag.at(-1));
  return name === undefined || tag === undefined ? undefined : `${name}:${tag}`;
}

function workloadObject(component: ComponentSpec, workload: WorkloadSpec, image: string): KubeObject {
  const labels = {
    "app.kubernetes.io/name": workload.name,
    "app.kubernetes.io/instance": component.name,
    "app.kubernetes.io/managed-by": "Helm",
  };
  const stateful = workload.kind === "StatefulSet";
  return {
    apiVersion: "apps/v1",
    kind: workload.kind,
    metadata: { namespace: component.targetNamespace, name: workload.name, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: { "app.kubernetes.io/name": workload.name } },
      template: { metadata: { labels }, spec: { containers: [{ name: "main", image }] } },
      ...(stateful ? { serviceName: workload.name, volumeClaimTemplates: [volumeClaim()] } : {}),
    },
  };
}

function service(
  component: ComponentSpec,
  { name, port }: { readonly name: string; readonly port: number },
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: component.targetNamespace, name, labels: { "app.kubernetes.io/instance": component.name } },
    spec: { selector: { "app.kubernetes.io/name": name }, ports: [{ name: "http", port }] },
  };
}

function volumeClaim(): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "data" },
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "local-path",
      resources: { requests: { storage: "1Gi" } },
    },
  };
}

function bootstrapJob(component: ComponentSpec, name: string, image: string): KubeObject {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { namespace: component.targetNamespace, name, labels: { "app.kubernetes.io/instance": component.name } },
    spec: {
      backoffLimit: 2,
      ttlSecondsAfterFinished: 300,
      template: {
        spec: {
          restartPolicy: "Never",
          containers: [
            { name: "main", image, envFrom: [{ secretRef: { name: "appliance-initial-tenant", optional: true } }] },
          ],
        },
      },
    },
  };
}
