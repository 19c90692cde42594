/**
 * What is kept of releases, offered to Flux inside the cluster: a read-only registry under `/v2/` of the control plane.
 *
 * Parties: anybody on the network may knock at this port. Nothing is there until a way back has made a login for Flux, and
 * nothing without that login: what lies here may have come from a private registry. The login ends with the next good update.
 */
import type { Deps, Fetch } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { createLiveRegistry } from "../oci/layout-live.ts";
import { RegistryError } from "../oci/registry-answers.ts";
import { createAuthGate } from "../oci/registry-auth.ts";
import type { StateStore } from "../operation/store.ts";
import type { RegistryAccess } from "./registry-access.ts";

/** The Service of the control plane, as the cluster's pods reach it. */
export const PARTS_HOST = "appliance-control-plane.alga-appliance-control-plane.svc.cluster.local:8080";
const USER = "flux";
const LOGIN_BYTES = 32;

export interface PartsRegistryOptions {
  /** Folder of the shelf. */
  readonly folder: string;
  /** Path before all repositories, as the registry of this box has it. */
  readonly base: string;
  readonly store: Pick<StateStore, "readSecret">;
}

/** Makes the registry. Reads nothing before the first request; answers 404 to everybody while there is no login. */
export function createPartsRegistry(deps: Pick<Deps, "files" | "clock">, options: PartsRegistryOptions): Fetch {
  const { folder, base, store } = options;
  const shelf = createLiveRegistry(deps, folder, { base });
  return async (request) => {
    const password = await store.readSecret("parts-login");
    if (password === undefined) return new Response(null, { status: 404 });
    const users = [{ username: USER, password, actions: ["pull"] }];
    const gate = createAuthGate({ kind: "basic", realm: "alga-appliance", users }, { ...deps, random: undefined });
    try {
      gate.check(request, { action: "pull" });
    } catch (thrown) {
      if (thrown instanceof RegistryError) return thrown.answer;
      throw thrown;
    }
    return shelf.fetch(request);
  };
}

/** Tells whether a request is for a registry. @see OCI distribution-spec v1.1.1, "Endpoints" */
export function isForRegistry(request: Request): boolean {
  const { pathname } = new URL(request.url);
  return pathname === "/v2" || pathname.startsWith("/v2/");
}

/** How Flux reaches what is kept; makes the login when there is none. Safe to call again: the login stays the same. */
export async function openParts(
  deps: Pick<Deps, "random"> & { readonly store: Pick<StateStore, "readSecret" | "writeSecret"> },
  base: string,
): Promise<Pick<RegistryAccess, "place" | "plainHttp" | "credentials">> {
  const kept = await deps.store.readSecret("parts-login");
  const login = kept ?? Buffer.from(deps.random.bytes(LOGIN_BYTES)).toString("base64url");
  if (kept === undefined) await deps.store.writeSecret("parts-login", login);
  return {
    place: { registry: PARTS_HOST, base },
    plainHttp: true,
    credentials: { kind: "password", username: USER, password: new Secret(login) },
  };
}

/** Ends the login: the registry is not there any more. Safe to call again. */
export async function closeParts({ store }: { readonly store: Pick<StateStore, "removeSecret"> }): Promise<void> {
  await store.removeSecret("parts-login");
}
