/**
 * The engines of an appliance over one set of operations: setup, what of it is changed later, and updates.
 *
 * The control plane and every command that works put them together here, so whoever opens a box can go on with whatever was
 * interrupted, of whatever kind it is.
 */
import { createOperations } from "../operation/engine.ts";
import type { Operations } from "../operation/operations.ts";
import { watchedRegistry } from "../release/answered-registry.ts";
import { type Address, createAddress } from "../setup/address.ts";
import { type AdminPassword, createAdminPassword } from "../setup/admin-password.ts";
import { createSetup, type Setup } from "../setup/engine.ts";
import { createLicenseKey, type LicenseKey } from "../setup/license-key.ts";
import type { SetupDeps, SetupSettings } from "../setup/ports.ts";
import { setupPrograms } from "../setup/programs.ts";
import { createUpdates, type Updates } from "../update/engine.ts";
import type { UpdateDeps, UpdateSettings } from "../update/ports.ts";
import { updatePrograms } from "../update/program.ts";

/** What all of them work through: one state, one cluster, one registry, one observation. */
export type EngineDeps = SetupDeps & UpdateDeps;

export type EngineSettings = SetupSettings & UpdateSettings;

export interface Engines {
  readonly operations: Operations;
  readonly setup: Setup;
  readonly address: Address;
  readonly adminPassword: AdminPassword;
  readonly licenseKey: LicenseKey;
  readonly updates: Updates;
}

/** Puts them together. Nothing is read, written or asked before the first call. */
export function createEngines(deps: EngineDeps, settings: EngineSettings): Engines {
  const operations = createOperations(deps, {
    programs: { ...setupPrograms(deps, settings), ...updatePrograms(deps, settings) },
    networkReady: (signal) => registryAnswers(deps, signal),
  });
  return {
    operations,
    setup: createSetup(deps, settings, operations),
    address: createAddress(deps, settings, operations),
    adminPassword: createAdminPassword(deps, settings, operations),
    licenseKey: createLicenseKey(deps, settings, operations),
    updates: createUpdates(deps, settings, operations),
  };
}

/**
 * Whether it is worth trying again what failed by the network: the registry answers, with or without a login. It is asked as the steps
 * ask it, by the name servers of the answers.
 */
async function registryAnswers(deps: EngineDeps, signal: AbortSignal): Promise<boolean> {
  try {
    await watchedRegistry(deps).ping(signal);
    return true;
  } catch (error) {
    deps.log.debug("registry does not answer", { error });
    return false;
  }
}
