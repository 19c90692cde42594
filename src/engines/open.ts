/** The engines for the command line: the state of the box, the cluster and the registry that flags and settings name. */
import type { CommandContext } from "../cli/command.ts";
import { statePaths } from "../core/paths.ts";
import { createKube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { openStore } from "../operation/open-store.ts";
import { createPartsShelf } from "../release/kept-parts.ts";
import { openRegistryOf } from "../release/registry-flags.ts";
import { createLicenseService } from "../setup/license.ts";
import { NO_INVENTORY } from "../status/inventory.ts";
import { openLocalSources } from "../status/local-sources.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { createEngines, type EngineDeps, type Engines } from "./engines.ts";

export interface OpenEngines extends Engines {
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/**
 * Opens everything that a command works through. Nothing is watched and no run goes on by that alone.
 *
 * @throws {ApplianceError} kube/config when no cluster is named, and what `openRegistryOf` throws.
 */
export async function openEngines(context: CommandContext): Promise<OpenEngines> {
  const { deps, settings } = context;
  const paths = statePaths(settings.get("root") ?? "/");
  const { access, store: releases } = await openRegistryOf(context);
  const cluster = await findKubeAccess(deps, { kubeconfig: settings.get("kubeconfig"), environment: context.env });
  let status: StatusEngine | undefined;
  const engineDeps: EngineDeps = {
    ...deps,
    store: openStore(context),
    kube: createKube(deps, openConnection(deps.transports, cluster)),
    registry: access,
    releases,
    parts: createPartsShelf(deps, paths.kept),
    license: createLicenseService(deps, {
      fetch: deps.transports.open(access.proxy === undefined ? {} : { proxy: access.proxy }),
      url: settings.get("license.url"),
    }),
    hostAgent: deps.transports.open({ socketPath: paths.hostAgentSocket }),
    // The cluster is watched only when a step waits for it, or somebody asks how it is.
    observe: async (signal) => {
      status ??= createStatusEngine(deps, await openLocalSources(context));
      return status.observe(signal);
    },
    inventory: () => status?.inventory() ?? NO_INVENTORY,
  };
  const controlPlane = context.build.version;
  const engines = createEngines(engineDeps, { controlPlane, stateFolder: paths.state, rehearsal: false });
  return {
    ...engines,
    close: async () => {
      await engines.operations.stop();
      status?.stop();
    },
  };
}
