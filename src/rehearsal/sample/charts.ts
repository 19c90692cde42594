/**
 * The charts of the sample release: small, valid Helm charts that render the workloads of the component table.
 *
 * @see Helm v4 documentation, "Charts", "Use OCI-based registries"
 */
import { stringify } from "yaml";
import { type PackedChart, packChartFiles } from "../../publishing/chart.ts";
import type { ComponentSpec, WorkloadSpec } from "../../release/components.ts";

export interface ChartInput {
  readonly component: ComponentSpec;
  readonly version: string;
  /** Image of workloads that the chart brings itself: "ghcr.io/nine-minds/sample-base:1". */
  readonly bundledImage: string;
}

/** Packs the chart of one component. The same input gives the same bytes. */
export function sampleChart(input: ChartInput): PackedChart {
  const { component, version } = input;
  const description = `Sample of the component ${component.name}`;
  const meta = {
    apiVersion: "v2",
    name: component.chart,
    version,
    appVersion: version,
    description,
    type: "application",
  };
  const workloads = component.workloads.map((workload) => workloadTemplate(workload, input));
  const job = component.bootstrapJob === undefined ? [] : [jobTemplate(component.bootstrapJob, component)];
  const service = component.loginService === undefined ? [] : [serviceTemplate(component.loginService)];
  const files = {
    "Chart.yaml": stringify(meta),
    "values.yaml": stringify(defaultValues(input)),
    "templates/all.yaml": [...workloads, ...job, ...service].join("---\n"),
  };
  const bytes = Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)] as const);
  return packChartFiles(new Map(bytes), component.chart);
}

/** Every path that the component table sets, so that the chart renders without any values too. */
function defaultValues({ component, bundledImage }: ChartInput): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const { settings } = component;
  const image = bundledImage.slice(0, bundledImage.lastIndexOf(":"));
  const put = (paths: readonly string[], value: string): void => {
    for (const path of paths) setAt(values, path.split("."), value);
  };
  put(settings.imageName, image);
  put(settings.imageTag, bundledImage.slice(bundledImage.lastIndexOf(":") + 1));
  put([...settings.appUrl, ...settings.host, ...settings.empty, ...settings.bootstrapMode], "");
  return values;
}

function setAt(values: Record<string, unknown>, path: readonly string[], value: string): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) values[key] = value;
  else {
    const inner = (values[key] ?? {}) as Record<string, unknown>;
    values[key] = inner;
    setAt(inner, rest, value);
  }
}

/** The last image setting is the one that the workload itself runs (the first may belong to a job). */
function imageOf(component: ComponentSpec): string | undefined {
  const [name, tag] = [component.settings.imageName.at(-1), component.settings.imageTag.at(-1)];
  return name === undefined || tag === undefined ? undefined : `"{{ .Values.${name} }}:{{ .Values.${tag} }}"`;
}

function workloadTemplate(workload: WorkloadSpec, { component, bundledImage }: ChartInput): string {
  const own = workload.tier === component.tier ? imageOf(component) : undefined;
  return `apiVersion: apps/v1
kind: ${workload.kind}
metadata:
  name: ${workload.name}
  labels:
    app.kubernetes.io/name: ${workload.name}
    app.kubernetes.io/instance: {{ .Release.Name }}
spec:
  replicas: 1
${workload.kind === "StatefulSet" ? `  serviceName: ${workload.name}\n` : ""}  selector:
    matchLabels:
      app.kubernetes.io/name: ${workload.name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: ${workload.name}
    spec:
      containers:
        - name: main
          image: ${own ?? `"${bundledImage}"`}
          imagePullPolicy: IfNotPresent
`;
}

function jobTemplate(name: string, component: ComponentSpec): string {
  return `apiVersion: batch/v1
kind: Job
metadata:
  name: ${name}
  labels:
    app.kubernetes.io/instance: {{ .Release.Name }}
spec:
  backoffLimit: 6
  ttlSecondsAfterFinished: 300
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: bootstrap
          image: ${imageOf(component) ?? '""'}
          envFrom:
            - secretRef:
                name: appliance-initial-tenant
                optional: true
            - secretRef:
                name: appliance-license-seed
                optional: true
`;
}

function serviceTemplate(service: { readonly name: string; readonly port: number }): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${service.name}
spec:
  selector:
    app.kubernetes.io/name: ${service.name}
  ports:
    - name: http
      port: ${service.port}
`;
}
