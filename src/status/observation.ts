/**
 * Observations: everything that the status is folded from, each with the time at which it was seen.
 *
 * An observation says what was seen, never what it means; the fold decides that. What is old or was not seen is
 * `unknown` there, not good news. Nothing here holds a secret. Times are milliseconds since 1970.
 */
import type { PeerCertificate } from "../core/ports.ts";
import type { KubeObject } from "../kube/model.ts";
import type { OperationView } from "../operation/model.ts";
import type { ComponentSpec } from "../release/components.ts";
import type { RegistryState } from "./model.ts";

/** The kinds that are watched, by the name the checks use. */
export const LIST_KINDS = {
  nodes: { apiVersion: "v1", kind: "Node" },
  pods: { apiVersion: "v1", kind: "Pod" },
  deployments: { apiVersion: "apps/v1", kind: "Deployment" },
  statefulSets: { apiVersion: "apps/v1", kind: "StatefulSet" },
  jobs: { apiVersion: "batch/v1", kind: "Job" },
  claims: { apiVersion: "v1", kind: "PersistentVolumeClaim" },
  storageClasses: { apiVersion: "storage.k8s.io/v1", kind: "StorageClass" },
  events: { apiVersion: "v1", kind: "Event" },
  helmReleases: { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease" },
  kustomizations: { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization" },
  ociRepositories: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" },
  helmRepositories: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmRepository" },
  helmCharts: { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmChart" },
  daemonSets: { apiVersion: "apps/v1", kind: "DaemonSet" },
  services: { apiVersion: "v1", kind: "Service" },
  configMaps: { apiVersion: "v1", kind: "ConfigMap" },
  secrets: { apiVersion: "v1", kind: "Secret" },
  leases: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: "kube-node-lease" },
} as const;

/** Kinds of which only the names are read, never what is in them. */
export const NAMES_ONLY: ReadonlySet<ListKey> = new Set(["configMaps", "secrets"]);
/** Kinds without which little is lost: who may not read them is told, and is not at fault. */
export const SPARED: ReadonlySet<ListKey> = new Set([...NAMES_ONLY, "leases"]);

export type ListKey = keyof typeof LIST_KINDS;

/**
 * What is known of one kind. `absent`: the API has no such kind (before Flux is there), which is an answer;
 * `starting`: not read yet; `stale`: the watch broke and the items are as old as `sinceMs`.
 */
export interface ListObservation {
  readonly state: "synced" | "stale" | "forbidden" | "absent" | "starting";
  readonly sinceMs: number;
  readonly items: readonly KubeObject[];
  /** Why it is stale or forbidden, for people. */
  readonly problem?: string;
}

/** Whether the Kubernetes API answers. Asked every two seconds, beside the watches. */
export interface KubernetesObservation {
  readonly state: "reachable" | "unreachable" | "unauthorized" | "forbidden" | "broken" | "unconfigured" | "starting";
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** When it was asked last. */
  readonly atMs: number;
  readonly problem?: string;
  readonly version?: string;
}

export type LoginOutcome =
  | "login-page"
  | "refused"
  | "no-answer"
  | "no-such-name"
  | "certificate"
  | "server-error"
  | "client-error"
  | "redirect-loop"
  | "foreign-redirect"
  | "wrong-page"
  | "broken";

/** One request to the login page, by one address. */
export interface LoginAnswer {
  /** Address asked first, without query. */
  readonly url: string;
  readonly outcome: LoginOutcome;
  readonly atMs: number;
  /** Since when the outcome is the same. */
  readonly sinceMs: number;
  readonly tookMs: number;
  /** HTTP status of the last answer. */
  readonly status?: number;
  /** Addresses that were followed, without query. */
  readonly hops?: readonly string[];
  /** What came back, for people; redacted and bounded. */
  readonly text: string;
  readonly certificate?: PeerCertificate;
}

export interface LoginObservation {
  /** By the Service inside the cluster. */
  readonly service?: LoginAnswer;
  /** By the public address that people type. */
  readonly public?: LoginAnswer;
}

export interface RegistryObservation {
  readonly host: string;
  readonly state: RegistryState;
  readonly atMs: number;
  readonly sinceMs: number;
  readonly text: string;
  readonly tookMs: number;
}

/** How far this box's clock is from a server's; positive: this box is ahead. */
export interface ClockObservation {
  readonly skewMs: number;
  /** Whose clock it was compared with: "registry ghcr.io". */
  readonly against: string;
  readonly atMs: number;
}

/** What the name servers of the box said of the names that it needs. */
export interface DnsObservation {
  readonly atMs: number;
  /** Addresses of the name servers, as the system has them. */
  readonly servers: readonly string[];
  readonly answers: readonly DnsAnswer[];
}

export interface DnsAnswer {
  readonly name: string;
  /** Whose name it is: that of the registry, or the one that people type. */
  readonly use: "registry" | "login";
  /** `no-answer`: no name server could be asked; `no-such-name`: one said that there is none. */
  readonly state: "resolves" | "no-such-name" | "no-answer";
  readonly addresses: readonly string[];
  /** Why not, for people; empty when it resolves. */
  readonly text: string;
  readonly sinceMs: number;
}

/** What the kubelet of this box answers when it is asked for its health: nothing listens, or no good answer comes in time. */
export type KubeletPort = "answers" | "refuses" | "silent" | "unknown";

/** How long nothing was heard of a kubelet. */
export interface KubeletObservation {
  readonly node: string;
  /** When it renewed last, by what it wrote itself, or when that arrived where it wrote a later time. */
  readonly heardAtMs: number;
  /** Silence since then, by the clock that never jumps, without what is no fault of the kubelet. */
  readonly quietMs: number;
  readonly port: KubeletPort;
}

/** What the host says of itself; each part only when it was read. */
export interface HostObservation {
  readonly atMs: number;
  readonly disks?: readonly {
    readonly path: string;
    readonly freeBytes: number;
    readonly totalBytes: number;
    /** When it will be full at the present rate. */
    readonly fullAtMs?: number;
  }[];
  readonly memory?: { readonly totalBytes: number; readonly availableBytes: number };
  /** Only the host agent can tell: the unit of Kubernetes, and disks that say of themselves that they are failing. */
  readonly k3sUnit?: "active" | "activating" | "failed" | "inactive" | "unknown";
  readonly failingDisks?: readonly { readonly path: string; readonly device: string }[];
  /** How far the clock is from the time server that the host follows. */
  readonly offset?: { readonly ms: number; readonly server: string };
  /** When the box started, where it had ended without a shutdown before. */
  readonly uncleanStartMs?: number;
}

/** The tail of a container's log, read because a check wants it; redacted and bounded. */
export interface LogExcerpt {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly text: string;
  readonly atMs: number;
}

/** What `release.json` says is installed. */
export interface InstalledRelease {
  readonly channel: string | null;
  readonly version: string;
  readonly digest: string;
  readonly verifiedBy: string;
  /** Version of the control plane that it wants at least; absent: any. */
  readonly minimumControlPlane?: string;
}

/** That the first tenant was created, remembered because the job is removed minutes after it ended. */
export interface BootstrapRecord {
  readonly job: string;
  readonly completedAtMs: number;
}

export interface ApplianceFacts {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly addresses: readonly string[];
  readonly rehearsal: boolean;
  /** Whether the box holds keys or a root of a publisher; absent where nobody could look. */
  readonly verifies?: boolean;
}

export interface Observations {
  readonly appliance: ApplianceFacts;
  /** null: nobody could tell (a status read from outside the box). */
  readonly claimed: boolean | null;
  readonly operation: OperationView | null;
  /** Milliseconds the running operation is expected to take in all, from its plan. */
  readonly expectedMs?: number;
  readonly installed: InstalledRelease | null;
  readonly components: readonly ComponentSpec[];
  readonly kubernetes: KubernetesObservation;
  /** A kind that is missing here has not been read. */
  readonly lists: Readonly<Partial<Record<ListKey, ListObservation>>>;
  readonly bootstrap: BootstrapRecord | null;
  readonly login: LoginObservation | null;
  readonly registry: RegistryObservation | null;
  readonly clock: ClockObservation | null;
  readonly dns: DnsObservation | null;
  readonly host: HostObservation | null;
  /** Absent: nobody counts. */
  readonly kubelets?: readonly KubeletObservation[];
  readonly logs: readonly LogExcerpt[];
  readonly urls: { readonly login: string | null; readonly setup: string | null };
}

/** How old an observation may be before it proves nothing, in milliseconds. */
export const FRESH_MS = {
  /** The API is asked every 2 s; three missed answers. */
  kubernetes: 10_000,
  /** A watch that broke is taken up again within seconds; after this its items are history. */
  list: 15_000,
  /** Asked every 10 s, and at once after a change of the application. */
  login: 45_000,
  /** Asked every 60 s. */
  registry: 180_000,
  clock: 600_000,
  /** Asked every 30 s. */
  dns: 120_000,
  host: 120_000,
} as const;
