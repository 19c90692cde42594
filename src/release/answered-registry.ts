/**
 * The registry as the operator's answers have it asked: by the name servers that they name, where the system's are not meant.
 *
 * Setup has the answers in its hands before they are kept; whatever comes later reads the kept ones.
 */
import { z } from "zod";
import type { Deps } from "../core/ports.ts";
import type { RegistryClient } from "../oci/client.ts";
import type { StateStore } from "../operation/store.ts";
import { openRegistry, type RegistryAccess } from "./registry-access.ts";

/** How names are asked, of the answers. */
export interface NameChoice {
  /** "custom" where `dnsServers` counts. */
  readonly dnsMode: string;
  /** IP addresses, separated by commas. */
  readonly dnsServers: string;
}

type WireDeps = Pick<Deps, "clock" | "random" | "log" | "transports"> & { readonly registry: RegistryAccess };

/** Of the kept answers only how names are asked; setup owns the rest. */
const answersSchema = z.looseObject({ answers: z.looseObject({ dnsMode: z.string(), dnsServers: z.string() }) });

/** Name servers to ask, in their order; undefined: the system's. */
export function nameServersOf({ dnsMode, dnsServers }: NameChoice): readonly string[] | undefined {
  return dnsMode === "custom" ? dnsServers.split(",").map((server) => server.trim()) : undefined;
}

/** Name servers of the kept answers; undefined: the system's, also where no answers are kept or they cannot be read. */
export async function nameServersOfBox(deps: {
  readonly store: Pick<StateStore, "readDocument">;
}): Promise<readonly string[] | undefined> {
  const kept = await deps.store.readDocument("answers", answersSchema).catch(() => undefined);
  return kept === undefined ? undefined : nameServersOf(kept.answers);
}

/** A client of the registry that asks the name servers of these answers. Nothing is sent yet. */
export function openRegistryFor(deps: WireDeps, answers: NameChoice): RegistryClient {
  return openRegistryAsking(deps, nameServersOf(answers));
}

/** A client of the registry that asks the name servers of the kept answers. Nothing is sent yet. */
export async function openRegistryOfBox(
  deps: WireDeps & { readonly store: Pick<StateStore, "readDocument"> },
): Promise<RegistryClient> {
  return openRegistryAsking(deps, await nameServersOfBox(deps));
}

/**
 * The registry as something to look at: each ping asks the name servers that are kept by then. Those of the system may be the ones that
 * are broken, so whoever asks them calls a registry away that every fetch reaches.
 *
 * @param deps.store One that leaves damaged documents, where this only looks.
 */
export function watchedRegistry(
  deps: WireDeps & { readonly store: Pick<StateStore, "readDocument"> },
): Pick<RegistryClient, "registry" | "ping"> {
  return {
    registry: deps.registry.place.registry,
    ping: async (signal) => (await openRegistryOfBox(deps)).ping(signal),
  };
}

/** A client that asks these name servers; undefined: those of the access, else the system's. Nothing is sent yet. */
export function openRegistryAsking(deps: WireDeps, nameServers: readonly string[] | undefined): RegistryClient {
  return openRegistry(deps, { ...deps.registry, ...(nameServers === undefined ? {} : { nameServers }) });
}
