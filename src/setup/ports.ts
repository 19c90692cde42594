/**
 * What setup works through: the ports of the box, the state, the cluster, the registry and the one observation of both.
 *
 * `main` and the rehearsal put it together; nothing in this room opens a connection by itself.
 */
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { StateStore } from "../operation/store.ts";
import type { Requirements } from "../preflight/check.ts";
import type { PartsShelf } from "../release/kept-parts.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { ResolvedStore } from "../release/resolved-store.ts";
import type { ApplianceStatus } from "../status/model.ts";
import type { StorageImages } from "../storage/objects.ts";
import type { LicenseService } from "./license.ts";

export interface SetupDeps
  extends Pick<Deps, "clock" | "random" | "files" | "network" | "machine" | "transports" | "log"> {
  readonly store: StateStore;
  readonly kube: Kube;
  readonly registry: RegistryAccess;
  /** Releases that were resolved before. */
  readonly releases: ResolvedStore;
  /** What Flux reads of releases stays here, for a way back. Absent: nothing is kept. */
  readonly parts?: PartsShelf;
  /** The status of the appliance as its one fold tells it; steps that wait for the cluster judge by nothing else. */
  readonly observe: (signal: AbortSignal) => Promise<ApplianceStatus>;
  readonly license: LicenseService;
}

export interface SetupSettings {
  /** Version of this control plane. */
  readonly controlPlane: string;
  /** Folder of the state, for its free space. */
  readonly stateFolder: string;
  readonly rehearsal: boolean;
  /** What the machine must have; absent: `REQUIREMENTS` of preflight. */
  readonly requirements?: Partial<Requirements>;
  /** Images of the storage provisioner, where the cluster has no default StorageClass. */
  readonly storageImages?: StorageImages;
  /** Iterations of the administrator's password hash. Absent: 210,000. */
  readonly passwordIterations?: number;
  /** Milliseconds between looks at the cluster while a step waits. Absent: 2 s. */
  readonly pollMs?: number;
  /** Milliseconds that a check must fail before a waiting step calls it a problem. Absent: 10 s. */
  readonly graceMs?: number;
  /** How much faster than on a box everything goes; the plan tells its time by it. Absent: 1. */
  readonly pace?: number;
}
