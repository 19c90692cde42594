/** A setup for the command line: the state of the box, the cluster and the registry that flags and settings name. */
import type { CommandContext } from "../cli/command.ts";
import { statePaths } from "../core/paths.ts";
import { createKube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { createOperations } from "../operation/engine.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { Operations } from "../operation/operations.ts";
import type { StateStore } from "../operation/store.ts";
import { createPartsShelf } from "../release/kept-parts.ts";
import { openRegistryOf } from "../release/registry-flags.ts";
import { openLocalSources } from "../status/local-sources.ts";
import { createStatusEngine, type StatusEngine } from "../status/observer.ts";
import { type Address, createAddress } from "./address.ts";
import { type AdminPassword, createAdminPassword } from "./admin-password.ts";
import { createSetup, type Setup } from "./engine.ts";
import { createLicenseService } from "./license.ts";
import { createLicenseKey, type LicenseKey } from "./license-key.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";
import { setupPrograms } from "./programs.ts";

export interface OpenSetup {
  readonly setup: Setup;
  readonly address: Address;
  readonly adminPassword: AdminPassword;
  readonly licenseKey: LicenseKey;
  readonly operations: Operations;
  /** Leaves a run that is not done to the next process. */
  close(): Promise<void>;
}

/** The state folder of the box. */
export function openStore(context: CommandContext): StateStore {
  return createFileStore(context.deps, statePaths(context.settings.get("root") ?? "/"));
}

/**
 * Opens everything that setup works through.
 *
 * @throws {ApplianceError} kube/config when no cluster is named, and what `openRegistryOf` throws.
 */
export async function openSetup(context: CommandContext): Promise<OpenSetup> {
  const { deps } = context;
  const paths = statePaths(context.settings.get("root") ?? "/");
  const { client, access, store: releases } = await openRegistryOf(context);
  const found = await findKubeAccess(deps, {
    kubeconfig: context.settings.get("kubeconfig"),
    environment: context.env,
  });
  const proxy = access.proxy === undefined ? {} : { proxy: access.proxy };
  let status: StatusEngine | undefined;
  const setupDeps: SetupDeps = {
    ...deps,
    store: openStore(context),
    kube: createKube(deps, openConnection(deps.transports, found)),
    registry: access,
    releases,
    parts: createPartsShelf(deps, paths.kept),
    license: createLicenseService(deps, {
      fetch: deps.transports.open(proxy),
      url: context.settings.get("license.url"),
    }),
    // The cluster is watched only when a step waits for it.
    observe: async (signal) => {
      status ??= createStatusEngine(deps, await openLocalSources(context));
      return status.observe(signal);
    },
  };
  const settings: SetupSettings = { controlPlane: context.build.version, stateFolder: paths.state, rehearsal: false };
  const networkReady = (signal: AbortSignal): Promise<boolean> =>
    client.ping(signal).then(
      () => true,
      () => false,
    );
  const operations = createOperations(setupDeps, { programs: setupPrograms(setupDeps, settings), networkReady });
  return {
    operations,
    setup: createSetup(setupDeps, settings, operations),
    address: createAddress(setupDeps, settings, operations),
    adminPassword: createAdminPassword(setupDeps, settings, operations),
    licenseKey: createLicenseKey(setupDeps, settings, operations),
    close: async () => {
      await operations.stop();
      status?.stop();
    },
  };
}
