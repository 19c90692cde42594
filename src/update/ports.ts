/** What updates work through: the state, the cluster, the registry and the one observation. `serve` puts it together. */
import type { Deps, Fetch } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { StateStore } from "../operation/store.ts";
import type { Requirements } from "../preflight/check.ts";
import type { PartsShelf } from "../release/kept-parts.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { ResolvedStore } from "../release/resolved-store.ts";
import type { Inventory } from "../status/inventory.ts";
import type { ApplianceStatus } from "../status/model.ts";
import type { WatchSettings } from "../status/waiting.ts";

/** The ports of an update. Everything that comes through them is checked where it is used. */
export interface UpdateDeps
  extends Pick<Deps, "clock" | "random" | "files" | "network" | "machine" | "transports" | "log"> {
  readonly store: StateStore;
  readonly kube: Kube;
  readonly registry: RegistryAccess;
  /** Releases that were resolved before. */
  readonly releases: ResolvedStore;
  /** What Flux reads of the releases that are kept. */
  readonly parts: PartsShelf;
  readonly observe: (signal: AbortSignal) => Promise<ApplianceStatus>;
  /** Pods and warnings as the observation has them, from memory. */
  readonly inventory: () => Inventory;
  /** The agent of the host, over its socket. Absent: there is none. */
  readonly hostAgent?: Fetch;
}

export interface UpdateSettings extends WatchSettings {
  /** Version of this control plane. */
  readonly controlPlane: string;
  /** Folder of the state, for its free space. */
  readonly stateFolder: string;
  /** What of the machine's requirements differs from a box. */
  readonly requirements?: Partial<Requirements>;
  /** How much faster than on a box everything goes. Absent: 1. */
  readonly pace?: number;
}

/** Milliseconds of a box as they are at this pace. */
export function atPace(settings: Pick<UpdateSettings, "pace">, ms: number): number {
  return Math.round(ms / (settings.pace ?? 1));
}
