/** The releases of an update: the wanted one from the registry, the installed one from what is kept. */
import type { Digest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import { openRegistryOfBox } from "../release/answered-registry.ts";
import { parseReleaseManifest, type ReleaseManifest } from "../release/model.ts";
import { resolveOrLast, resolveRelease } from "../release/resolve.ts";
import type { ReleaseRef, ResolvedRelease } from "../release/resolved.ts";
import { acceptingExpired } from "../release/trust.ts";
import type { Installed } from "../status/installed.ts";
import type { UpdateDeps, UpdateSettings } from "./ports.ts";

export interface UpdateResolve {
  readonly settings: UpdateSettings;
  readonly signal: AbortSignal;
  /** Takes expired metadata until then, RFC 3339. */
  readonly acceptExpired?: string | undefined;
}

function resolveOptions(deps: UpdateDeps, { settings, signal, acceptExpired }: UpdateResolve) {
  const { place, trust } = deps.registry;
  return {
    base: place.base,
    running: settings.controlPlane,
    store: deps.releases,
    trust: acceptingExpired(trust, acceptExpired),
    signal,
  };
}

/** Resolves what is wanted. Whether it may go down is the plan's matter. Throws as `resolveRelease` does. */
export async function resolveWanted(
  deps: UpdateDeps,
  ref: ReleaseRef,
  options: UpdateResolve,
): Promise<ResolvedRelease> {
  return resolveRelease(deps, await openRegistryOfBox(deps), ref, resolveOptions(deps, options));
}

/** The manifest of a release from the disk alone; undefined when it is not kept. */
export async function manifestOnDisk(
  deps: Pick<UpdateDeps, "releases">,
  digest: Digest,
): Promise<ReleaseManifest | undefined> {
  const bytes = await deps.releases.bytes(digest);
  return bytes === undefined ? undefined : parseReleaseManifest(bytes.config);
}

/** What is installed as it was resolved, from disk where the registry is silent; undefined when nobody knows it. */
export async function resolveInstalled(
  deps: UpdateDeps,
  installed: Pick<Installed, "digest">,
  options: UpdateResolve,
): Promise<ResolvedRelease | undefined> {
  try {
    const registry = await openRegistryOfBox(deps);
    return await resolveOrLast(deps, registry, { digest: installed.digest }, resolveOptions(deps, options));
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isApplianceError(error)) throw error;
    deps.log.warn("the installed release is not known any more", { digest: installed.digest, error });
    return undefined;
  }
}
