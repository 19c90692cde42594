/** Updates for the command line: the state of the box, the cluster and the registry that flags and settings name. */
import type { CommandContext } from "../cli/command.ts";
import { statePaths } from "../core/paths.ts";
import { createKube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { createOperations } from "../operation/engine.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { Operations } from "../operation/operations.ts";
import { createPartsShelf } from "../release/kept-parts.ts";
import { openRegistryOf } from "../release/registry-flags.ts";
import { NO_INVENTORY } from "../status/inventory.ts";
import { openLocalSources } from "../status/local-sources.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { createUpdates, type Updates } from "./engine.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";
import { rollbackProgram, updateProgram } from "./program.ts";

export interface OpenUpdates {
  readonly updates: Updates;
  readonly operations: Operations;
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/**
 * Opens everything that updates work through.
 *
 * @throws {ApplianceError} kube/config when no cluster is named, and what `openRegistryOf` throws.
 */
export async function openUpdates(context: CommandContext): Promise<OpenUpdates> {
  const { deps } = context;
  const paths = statePaths(context.settings.get("root") ?? "/");
  const { client, access, store: releases } = await openRegistryOf(context);
  const kubeconfig = context.settings.get("kubeconfig");
  const found = await findKubeAccess(deps, { kubeconfig, environment: context.env });
  let status: StatusEngine | undefined;
  const updateDeps: UpdateDeps = {
    ...deps,
    store: createFileStore(deps, paths),
    kube: createKube(deps, openConnection(deps.transports, found)),
    registry: access,
    releases,
    parts: createPartsShelf(deps, paths.kept),
    // The cluster is watched only when somebody asks how it is.
    observe: async (signal) => {
      status ??= createStatusEngine(deps, await openLocalSources(context));
      return status.observe(signal);
    },
    inventory: () => status?.inventory() ?? NO_INVENTORY,
  };
  const settings: UpdateSettings = { controlPlane: context.build.version, stateFolder: paths.state };
  const programs = { update: updateProgram(updateDeps, settings), rollback: rollbackProgram(updateDeps, settings) };
  const networkReady = (signal: AbortSignal): Promise<boolean> =>
    client.ping(signal).then(
      () => true,
      () => false,
    );
  const operations = createOperations({ ...deps, store: updateDeps.store }, { programs, networkReady });
  return {
    operations,
    updates: createUpdates(updateDeps, settings, operations),
    close: async () => {
      await operations.stop();
      status?.stop();
    },
  };
}
