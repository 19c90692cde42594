/**
 * Components as data: what the appliance runs, in one table that a release manifest may replace.
 *
 * Everything that differs from one Helm release to the next stands here: its chart, its place, its tier, which image
 * it takes, which of its values an installation sets, and which workloads prove that it works. Status, setup and
 * values read this table; none of them names a component in code.
 */
import { z } from "zod";

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "a Kubernetes name is wanted");
/** A place in a values document: keys joined by dots. */
const valuePath = z.string().regex(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/, "keys joined by dots are wanted");

/** A path in the image. */
const script = z.string().regex(/^\/[A-Za-z0-9_./-]{1,250}$/, "an absolute path is wanted");

const workloadTierSchema = z.enum(["core", "login", "background"]);

const workloadSchema = z.looseObject({
  kind: z.enum(["Deployment", "StatefulSet"]),
  /** Name in the target namespace. */
  name,
  /** The rung that this workload carries; "login" is the application itself. */
  tier: workloadTierSchema,
});

/** Where the values of a component take what an installation decides. Each list may be empty. */
const settingPathsSchema = z.looseObject({
  /** Tag of the component's image (the release manifest's `images`). */
  imageTag: z.array(valuePath).default([]),
  /** Repository of the component's image, moved when the registry is another than the publisher's. */
  imageName: z.array(valuePath).default([]),
  /** Digest of the component's image, set only where the release pins one. */
  imageDigest: z.array(valuePath).default([]),
  /** The whole address people open: "https://psa.example.com". */
  appUrl: z.array(valuePath).default([]),
  /** Host name of that address, with its port where it has one. */
  host: z.array(valuePath).default([]),
  /** Set to the empty string: an appliance has one address and no tenant subdomains. */
  empty: z.array(valuePath).default([]),
  /** "fresh" or "recover". */
  bootstrapMode: z.array(valuePath).default([]),
});

/** One row of the table as a release manifest may write it; what is absent follows from the name and the profile. */
export const componentRowSchema = z.looseObject({
  /** Name of the HelmRelease and of the Helm release. */
  name,
  /** Name of the chart under `charts/`, a key of the manifest's `charts`. */
  chart: name,
  /** The child Kustomization that carries it: alga-core or alga-background. */
  group: z.enum(["core", "background"]),
  /** The rung of the ladder that the component as a whole belongs to. */
  tier: workloadTierSchema,
  /** Namespace of the HelmRelease and its values. */
  releaseNamespace: name.default("alga-system"),
  /** Namespace of the workloads. */
  targetNamespace: name.default("msp"),
  /** Key of the manifest's `images`; absent: the chart brings its images. */
  imageKey: z.string().min(1).max(64).optional(),
  /** Repository of that image below the base of the registry: "alga-psa-ee". */
  imageRepository: z.string().min(1).max(200).optional(),
  /** ConfigMap with the values, in the release namespace. Absent: `appliance-values-<name>`. */
  valuesConfigMap: name.optional(),
  /** Key of the ConfigMap and of the manifest's `profileValues`. Absent: `<name>.<profile>.yaml`. */
  valuesKey: z.string().min(1).max(253).optional(),
  settings: settingPathsSchema.prefault({}),
  /** Components whose HelmReleases must be ready first. */
  dependsOn: z.array(name).default([]),
  /** Helm does not wait for readiness: the application waits for what its own bootstrap job builds. */
  disableWait: z.boolean().default(false),
  workloads: z.array(workloadSchema).min(1).max(32),
  /** Job that creates the first tenant, in the target namespace. */
  bootstrapJob: name.optional(),
  /** Service that answers the login page, in the target namespace. */
  loginService: z.looseObject({ name, port: z.number().int().min(1).max(65535) }).optional(),
  /** Scripts of its image that the appliance runs; absent: where the application has them now. */
  scripts: z.looseObject({ resetAdminPassword: script.optional(), applyLicense: script.optional() }).optional(),
});

/** A row with nothing left open. */
export type ComponentSpec = z.output<typeof componentRowSchema> & {
  readonly valuesConfigMap: string;
  readonly valuesKey: string;
};
export type WorkloadSpec = z.output<typeof workloadSchema>;
export type SettingName = "imageTag" | "imageName" | "imageDigest" | "appUrl" | "host" | "empty" | "bootstrapMode";
type ComponentRow = z.output<typeof componentRowSchema>;

/** Fills what follows from the name and the profile. */
export function completeComponent(row: ComponentRow, profile: string): ComponentSpec {
  return {
    ...row,
    valuesConfigMap: row.valuesConfigMap ?? `appliance-values-${row.name}`,
    valuesKey: row.valuesKey ?? `${row.name}.${profile}.yaml`,
  };
}

const ROWS: readonly z.input<typeof componentRowSchema>[] = [
  {
    name: "alga-core",
    chart: "sebastian",
    group: "core",
    tier: "login",
    imageKey: "algaCore",
    imageRepository: "alga-psa-ee",
    settings: {
      imageTag: ["setup.image.tag", "server.image.tag"],
      imageName: ["setup.image.name", "server.image.name"],
      appUrl: ["appUrl"],
      host: ["host"],
      empty: ["domainSuffix"],
      bootstrapMode: ["bootstrap.mode"],
    },
    disableWait: true,
    workloads: [
      { kind: "StatefulSet", name: "db", tier: "core" },
      { kind: "StatefulSet", name: "redis", tier: "core" },
      { kind: "Deployment", name: "alga-core-sebastian", tier: "login" },
    ],
    bootstrapJob: "alga-core-sebastian-bootstrap",
    loginService: { name: "alga-core-sebastian", port: 3000 },
  },
  {
    name: "pgbouncer",
    chart: "pgbouncer",
    group: "core",
    tier: "core",
    dependsOn: ["alga-core"],
    workloads: [{ kind: "Deployment", name: "pgbouncer", tier: "core" }],
  },
  {
    name: "temporal",
    chart: "temporal",
    group: "background",
    tier: "background",
    dependsOn: ["alga-core"],
    workloads: [{ kind: "Deployment", name: "temporal", tier: "background" }],
  },
  {
    name: "workflow-worker",
    chart: "workflow-worker",
    group: "background",
    tier: "background",
    imageKey: "workflowWorker",
    imageRepository: "workflow-worker",
    settings: { imageTag: ["image.tag"], imageName: ["image.repository"] },
    dependsOn: ["alga-core", "pgbouncer", "temporal"],
    workloads: [{ kind: "Deployment", name: "workflow-worker", tier: "background" }],
  },
  {
    name: "email-service",
    chart: "email-service",
    group: "background",
    tier: "background",
    imageKey: "emailService",
    imageRepository: "email-service",
    settings: { imageTag: ["image.tag"], imageName: ["image.repository"] },
    dependsOn: ["alga-core", "pgbouncer"],
    workloads: [{ kind: "Deployment", name: "email-service", tier: "background" }],
  },
  {
    name: "temporal-worker",
    chart: "temporal-worker",
    group: "background",
    tier: "background",
    imageKey: "temporalWorker",
    imageRepository: "temporal-worker",
    settings: { imageTag: ["image.tag"], imageName: ["image.repository"], appUrl: ["publicBaseUrl"] },
    dependsOn: ["alga-core", "pgbouncer", "temporal"],
    workloads: [{ kind: "Deployment", name: "temporal-worker", tier: "background" }],
  },
];

/** The six components of a release that names none, with the values keys of a profile. */
export function defaultComponents(profile: string): readonly ComponentSpec[] {
  return ROWS.map((row) => completeComponent(componentRowSchema.parse(row), profile));
}

/** The six components under the profile that every release has so far. */
export const DEFAULT_COMPONENTS: readonly ComponentSpec[] = defaultComponents("single-node");
