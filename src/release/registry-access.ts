/**
 * How this appliance reaches its registry: host, base, trust and login in one record, for the client and for Flux alike.
 *
 * Credentials are secrets: they leave this process only to the registry and its token service, and to Flux as a Secret.
 */
import type { Deps, TransportOptions } from "../core/ports.ts";
import { createRegistryClient, type RegistryClient, type RegistryDeps, type RegistryOptions } from "../oci/client.ts";
import type { Credentials } from "../oci/credentials.ts";
import type { RegistryPlace } from "./location.ts";
import type { BoxTrust } from "./trust.ts";

export interface RegistryAccess {
  readonly place: RegistryPlace;
  /** No TLS: for loopback, or where the operator says so. */
  readonly plainHttp?: boolean;
  /** PEM of a private CA, trusted beside the built-in ones. */
  readonly ca?: string;
  readonly credentials?: Credentials;
  /** Told when the registry denies access: a login that was found but cannot be used. */
  readonly loginHint?: string;
  readonly proxy?: NonNullable<TransportOptions["proxy"]>;
  /** What this box believes of the releases there. Absent: nothing is verified. */
  readonly trust?: BoxTrust;
  /** Name servers instead of the system's, for boxes with custom DNS. */
  readonly nameServers?: readonly string[];
}

type WireDeps = Pick<Deps, "clock" | "random" | "log" | "transports">;

/** Makes a client of the registry. Nothing is sent yet. */
export function openRegistry(deps: WireDeps, access: RegistryAccess): RegistryClient {
  const wire = registryWire(deps, access);
  return createRegistryClient(wire.deps, wire.options);
}

/**
 * What reading from the registry and pushing to it share: the transport and the login. Nothing is sent yet.
 *
 * @param options.idleTimeoutMs Milliseconds without a byte. Absent: the transport's own.
 */
export function registryWire(
  deps: WireDeps,
  access: RegistryAccess,
  options: { readonly idleTimeoutMs?: number } = {},
): { readonly deps: RegistryDeps; readonly options: RegistryOptions } {
  const { ca, proxy, nameServers, plainHttp, credentials, loginHint, place } = access;
  const fetch = deps.transports.open({
    ...options,
    ...(ca === undefined ? {} : { ca }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(nameServers === undefined ? {} : { nameServers }),
  });
  return {
    deps: { clock: deps.clock, random: deps.random, log: deps.log, fetch },
    options: { registry: place.registry, credentials, loginHint, ...(plainHttp === undefined ? {} : { plainHttp }) },
  };
}
