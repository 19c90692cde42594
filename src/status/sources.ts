/** Where the engine takes its observations from: the cluster, the box, the operations, the registry, the login page. */
import type { Fetch } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { OperationView } from "../operation/model.ts";
import type { ComponentSpec } from "../release/components.ts";
import type {
  ApplianceFacts,
  BootstrapRecord,
  HostObservation,
  InstalledRelease,
  KubeletPort,
  Observations,
} from "./observation.ts";
import type { RegistryPort } from "./registry-watch.ts";

/** What the box knows of itself; read anew at every change of an operation and every few seconds. */
export interface BoxFacts {
  readonly appliance: ApplianceFacts;
  readonly claimed: boolean | null;
  readonly installed: InstalledRelease | null;
  /** Absent: the six of a release that names none. */
  readonly components?: readonly ComponentSpec[];
  readonly bootstrap: BootstrapRecord | null;
  readonly urls: Observations["urls"];
  /** Milliseconds that the running operation takes in all, from its plan. */
  readonly expectedMs?: number;
}

/** Where the status comes from. What is absent is told as unknown, never guessed. */
export interface StatusSources {
  /** Absent: no Kubernetes is known, and `kubeProblem` says why. */
  readonly kube?: Kube;
  readonly kubeProblem?: string;
  /** The time by the last answer of Kubernetes, for a process that looks once; absent for one that goes on running. */
  readonly kubeNow?: () => number | undefined;
  readonly box: () => Promise<BoxFacts>;
  readonly operations?: {
    readonly current: () => OperationView | undefined;
    readonly subscribe: (call: () => void) => () => void;
  };
  /** The registry of the installed release; asked anew, so that a changed setting counts. */
  readonly registry?: () => RegistryPort | undefined;
  readonly host?: (signal: AbortSignal) => Promise<HostObservation>;
  /** Asks the kubelet of this box for its health; absent where we do not share its network. */
  readonly kubelet?: (signal: AbortSignal) => Promise<KubeletPort>;
  /** For the login page: inside the cluster without proxy (absent: we stand outside), and as people come. */
  readonly login: { readonly inside?: Fetch; readonly outside: Fetch; readonly marker?: string };
  /** Told once when the first tenant was seen to be created, so that it outlives the job. */
  readonly rememberBootstrap?: (record: BootstrapRecord) => void;
}
