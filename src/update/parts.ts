/**
 * Where Flux reads a release on the way back: from the registry, or from the box itself where that has no answer.
 *
 * What the box keeps is offered to Flux by the control plane. The next good update leads back to the registry.
 */
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import { PARTS_SECRET_REF, type SourceAccess } from "../flux/source.ts";
import { readinessOf } from "../kube/readiness.ts";
import { openRegistryOfBox } from "../release/answered-registry.ts";
import { type KeptPart, partsOf } from "../release/kept-parts.ts";
import { closeParts, openParts } from "../release/parts-registry.ts";
import { readInstalled } from "../status/installed.ts";
import type { UpdateCall } from "./context.ts";
import type { UpdateDeps } from "./ports.ts";
import { type KeptRelease, readPrevious } from "./previous.ts";

/** Milliseconds until a registry has answered for all parts of a release. */
const ASK_MS = 20_000;

/** Where a kept release is read from. */
export interface Way {
  /** What the box keeps; absent: the registry. */
  readonly parts?: SourceAccess;
  /** One sentence for the operator; absent where the registry answers. */
  readonly told?: string;
}

/** Finds from where Flux can read a kept release now. Asks the registry; changes nothing but the login for Flux. */
export async function findWay(call: UpdateCall, kept: Pick<KeptRelease, "installed" | "parts">): Promise<Way> {
  const { deps } = call.context;
  if (kept.parts.length === 0) return {};
  const problem = await registryProblem(call, kept.parts);
  if (problem === undefined) return {};
  const lacking = await deps.parts.lacking(kept.parts, call.signal);
  const { version } = kept.installed;
  if (lacking.length > 0) {
    deps.log.warn("neither registry nor box has the release to go back to", { version, lacking, problem });
    return { told: `The registry has no answer (${problem}), and the box does not have ${lacking[0]} of ${version}` };
  }
  await deps.parts.name(kept.parts);
  const parts = await openParts(deps, deps.registry.place.base);
  return { parts, told: `The registry has no answer: Flux reads ${version} from this box until the next good update` };
}

/** Why the registry cannot give all of these, undefined when it can. */
async function registryProblem(
  { context, signal }: UpdateCall,
  parts: readonly KeptPart[],
): Promise<string | undefined> {
  const { deps } = context;
  const { base } = deps.registry.place;
  const work = async (limit: AbortSignal): Promise<void> => {
    const registry = await openRegistryOfBox(deps);
    const places = parts.map(({ repository, digest }) => ({
      digest,
      repository: base === "" ? repository : `${base}/${repository}`,
    }));
    await Promise.all(places.map(({ repository, digest }) => registry.resolve(repository, digest, { signal: limit })));
  };
  try {
    await withDeadline(deps.clock, ASK_MS, { what: "the registry", parent: signal, work });
    return undefined;
  } catch (thrown) {
    signal.throwIfAborted();
    if (!isApplianceError(thrown)) throw thrown;
    return thrown.message;
  }
}

const SOURCES = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository" } as const;

/** Tells whether Flux says of any source that it cannot be had. */
export async function isSourceFailing({ context, signal }: UpdateCall): Promise<boolean> {
  const { items } = await context.deps.kube.list(SOURCES, { signal });
  return items.some((source) => readinessOf(source).state === "failed");
}

/** The parts of what is installed; undefined when nobody knows them any more. */
export async function partsOfInstalled(
  deps: Pick<UpdateDeps, "files" | "log" | "store" | "releases" | "registry">,
): Promise<readonly KeptPart[] | undefined> {
  const installed = await readInstalled(deps);
  const found = installed === undefined ? undefined : await deps.releases.artifacts(installed.digest);
  if (installed === undefined || found === undefined) return undefined;
  return partsOf({ artifacts: found.artifacts, registry: installed.registry }, deps.registry.place.base);
}

/** Leaves on the box what is installed, what can be gone back to, and what is named. Safe to call again. */
export async function clearShelf({ context }: UpdateCall, named: readonly KeptPart[] = []): Promise<void> {
  const { deps } = context;
  const installed = await partsOfInstalled(deps);
  // Without knowing what is installed nothing is known to be too much.
  if (installed === undefined) return;
  const previous = await readPrevious(deps.store);
  await deps.parts.keepOnly([...installed, ...(previous?.parts ?? []), ...(previous?.earlier?.parts ?? []), ...named]);
}

/** Ends what a way back from the box itself has opened: Flux reads from the registry again. Safe to call again. */
export async function closeWay({ context, signal }: UpdateCall): Promise<void> {
  await context.deps.kube.delete(PARTS_SECRET_REF, { signal });
  await closeParts(context.deps);
}
