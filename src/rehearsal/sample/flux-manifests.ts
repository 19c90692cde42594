/**
 * A small artifact of Flux manifests for the sample release: the kinds that we use, with structural schemas of our own,
 * and the three controllers. It has the shape of the official artifact; it is no Flux.
 *
 * @see Flux v2.9, "Source API v1", "Kustomize API v1", "Helm API v2" (names of kinds and fields)
 */
import { stringify } from "yaml";
import type { KubeObject } from "../../kube/model.ts";
import { packTree } from "../../oci/tar.ts";

/** Version that the sample's controllers carry. */
export const SAMPLE_FLUX_VERSION = "v2.9.0-sample";

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly additionalProperties?: Schema;
  readonly "x-kubernetes-preserve-unknown-fields"?: true;
}

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const count: Schema = { type: "integer" };
const free: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const list = (items: Schema): Schema => ({ type: "array", items });
const record = (properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema => ({
  type: "object",
  properties,
  ...(required.length === 0 ? {} : { required }),
});
const named = record({ name: text }, ["name"]);
const dependencies = list(record({ name: text, namespace: text }, ["name"]));
const sourceReference = record({ apiVersion: text, kind: text, name: text, namespace: text }, ["kind", "name"]);

const registryFields = {
  interval: text,
  timeout: text,
  url: text,
  insecure: flag,
  provider: text,
  certSecretRef: named,
  secretRef: named,
  serviceAccountName: text,
  suspend: flag,
};

const target = record({
  group: text,
  version: text,
  kind: text,
  name: text,
  namespace: text,
  labelSelector: text,
  annotationSelector: text,
});

const helmAction = record({
  createNamespace: flag,
  crds: text,
  disableHooks: flag,
  disableWait: flag,
  disableWaitForJobs: flag,
  remediation: free,
  replace: flag,
  strategy: record({ name: { type: "string", enum: ["RemediateOnFailure", "RetryOnFailure"] }, retryInterval: text }, [
    "name",
  ]),
  timeout: text,
});

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly spec: Schema;
}

const SOURCE_KINDS: readonly Kind[] = [
  {
    group: "source.toolkit.fluxcd.io",
    version: "v1",
    kind: "OCIRepository",
    plural: "ocirepositories",
    spec: record(
      {
        ...registryFields,
        proxySecretRef: named,
        ref: record({ digest: text, semver: text, semverFilter: text, tag: text }),
        layerSelector: record({ mediaType: text, operation: text }),
        verify: free,
        ignore: text,
      },
      ["interval", "url"],
    ),
  },
  {
    group: "source.toolkit.fluxcd.io",
    version: "v1",
    kind: "HelmRepository",
    plural: "helmrepositories",
    spec: record({ ...registryFields, type: { type: "string", enum: ["default", "oci"] }, passCredentials: flag }, [
      "url",
    ]),
  },
  {
    group: "source.toolkit.fluxcd.io",
    version: "v1",
    kind: "HelmChart",
    plural: "helmcharts",
    spec: record(
      {
        chart: text,
        version: text,
        interval: text,
        reconcileStrategy: text,
        sourceRef: sourceReference,
        suspend: flag,
      },
      ["chart", "interval", "sourceRef"],
    ),
  },
];

const KUSTOMIZE_KINDS: readonly Kind[] = [
  {
    group: "kustomize.toolkit.fluxcd.io",
    version: "v1",
    kind: "Kustomization",
    plural: "kustomizations",
    spec: record(
      {
        dependsOn: dependencies,
        force: flag,
        healthChecks: list(free),
        interval: text,
        patches: list(record({ patch: text, target }, ["patch"])),
        path: text,
        postBuild: free,
        prune: flag,
        retryInterval: text,
        serviceAccountName: text,
        sourceRef: sourceReference,
        suspend: flag,
        targetNamespace: text,
        timeout: text,
        wait: flag,
      },
      ["interval", "prune", "sourceRef"],
    ),
  },
];

const HELM_KINDS: readonly Kind[] = [
  {
    group: "helm.toolkit.fluxcd.io",
    version: "v2",
    kind: "HelmRelease",
    plural: "helmreleases",
    spec: record(
      {
        chart: record(
          {
            spec: record(
              { chart: text, version: text, interval: text, reconcileStrategy: text, sourceRef: sourceReference },
              ["chart", "sourceRef"],
            ),
          },
          ["spec"],
        ),
        chartRef: sourceReference,
        dependsOn: dependencies,
        driftDetection: free,
        install: helmAction,
        interval: text,
        maxHistory: count,
        postRenderers: list(free),
        releaseName: text,
        storageNamespace: text,
        suspend: flag,
        targetNamespace: text,
        timeout: text,
        upgrade: helmAction,
        values: free,
        valuesFrom: list(
          record({ kind: text, name: text, optional: flag, targetPath: text, valuesKey: text }, ["kind", "name"]),
        ),
      },
      ["interval"],
    ),
  },
];

function definition({ group, version, kind, plural, spec }: Kind): KubeObject {
  const names = { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() };
  const openAPIV3Schema = record({ apiVersion: text, kind: text, metadata: { type: "object" }, spec, status: free });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, labels: { "app.kubernetes.io/part-of": "flux" } },
    spec: {
      group,
      names,
      scope: "Namespaced",
      versions: [
        { name: version, served: true, storage: true, schema: { openAPIV3Schema }, subresources: { status: {} } },
      ],
    },
  };
}

/** Service account and Deployment of one controller, without a namespace as in the official artifact. */
function controller(name: string, images: string): readonly KubeObject[] {
  const labels = { "app.kubernetes.io/component": name, "app.kubernetes.io/part-of": "flux" };
  const container = {
    name: "manager",
    image: `${images}/${name}:${SAMPLE_FLUX_VERSION}`,
    imagePullPolicy: "IfNotPresent",
    args: ["--events-addr=", "--watch-all-namespaces", "--enable-leader-election"],
    env: [{ name: "RUNTIME_NAMESPACE", valueFrom: { fieldRef: { fieldPath: "metadata.namespace" } } }],
    ports: [{ name: "healthz", containerPort: 9440, protocol: "TCP" }],
    readinessProbe: { httpGet: { path: "/readyz", port: "healthz" } },
    resources: { requests: { cpu: "100m", memory: "64Mi" }, limits: { cpu: "1", memory: "1Gi" } },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, labels } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, ...labels } },
          spec: { serviceAccountName: name, containers: [container] },
        },
      },
    },
  ];
}

const CONTROLLERS: Readonly<Record<string, readonly Kind[]>> = {
  "source-controller": SOURCE_KINDS,
  "kustomize-controller": KUSTOMIZE_KINDS,
  "helm-controller": HELM_KINDS,
};

/** What the controllers may do: reconcile everything, as in the official artifact. */
function rbac(): readonly KubeObject[] {
  const subjects = ["kustomize-controller", "helm-controller"].map((name) => ({
    kind: "ServiceAccount",
    name,
    namespace: "flux-system",
  }));
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
  const metadata = { name: "cluster-reconciler", labels: { "app.kubernetes.io/part-of": "flux" } };
  return [{ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding", metadata, roleRef, subjects }];
}

/** The sample's controllers. */
export const SAMPLE_CONTROLLERS: readonly string[] = Object.keys(CONTROLLERS);

/**
 * The layer of the artifact: one file a controller and one for the permissions.
 *
 * @param images Registry and path of the controllers' images: "ghcr.io/fluxcd".
 */
export function fluxManifestsLayer(images: string): Uint8Array {
  const files = Object.entries(CONTROLLERS).map(([name, kinds]) => ({
    path: `${name}.yaml`,
    bytes: yamlFile([...kinds.map(definition), ...controller(name, images)]),
  }));
  return packTree([...files, { path: "rbac.yaml", bytes: yamlFile(rbac()) }]);
}

function yamlFile(objects: readonly KubeObject[]): Uint8Array {
  const options = { lineWidth: 0, aliasDuplicateObjects: false } as const;
  return new TextEncoder().encode(objects.map((object) => stringify(object, options)).join("---\n"));
}
