/**
 * The release of a setup: resolved exactly once per operation, then carried by digest.
 *
 * The first step that needs it asks the registry and saves the digest before it is used; later steps, and the same steps
 * after a crash, read by that digest, mostly from disk. Another answer (channel or version) makes another release.
 */
import { isDigest } from "../core/digest.ts";
import { ApplianceError, type ErrorCode } from "../core/errors.ts";
import { openRegistryFor } from "../release/answered-registry.ts";
import { findRelease, resolveRelease } from "../release/resolve.ts";
import { describeReleaseRef, type FoundRelease, type ReleaseRef, type ResolvedRelease } from "../release/resolved.ts";
import { acceptingExpired } from "../release/trust.ts";
import { readInstalled } from "../status/installed.ts";
import { RELEASE_OF_RUN_SCHEMA, releaseOfRunSchema } from "./documents.ts";
import type { SetupInputs } from "./model.ts";
import type { SetupDeps, SetupSettings } from "./ports.ts";

/** What the answers name: an exact version or digest, else the channel. */
export function refOfAnswers(inputs: Pick<SetupInputs, "channel" | "releaseRef">): ReleaseRef {
  if (inputs.releaseRef === "") return { channel: inputs.channel };
  return isDigest(inputs.releaseRef) ? { digest: inputs.releaseRef } : { version: inputs.releaseRef };
}

type RegistryDeps = Pick<SetupDeps, "clock" | "random" | "log" | "transports" | "registry">;

export interface ResolveForSetup {
  readonly inputs: SetupInputs;
  readonly settings: SetupSettings;
  readonly signal: AbortSignal;
  /** Resolves this instead of what the answers name: the same release by its digest. It may go down no more than that. */
  readonly ref?: ReleaseRef;
}

/** Resolves a release as setup does it: never below what is installed, unless it is named exactly. */
export async function resolveForSetup(deps: SetupDeps, options: ResolveForSetup): Promise<ResolvedRelease> {
  const { inputs } = options;
  const installed = await readInstalled(deps);
  return resolveRelease(deps, openRegistryFor(deps, inputs), options.ref ?? refOfAnswers(inputs), {
    ...judgeOf(deps, options),
    asked: !("channel" in refOfAnswers(inputs)),
    ...(installed === undefined ? {} : { installed: installed.version }),
  });
}

/**
 * Finds the release and who stands for it, and nothing of what it refers to: for a look before anything is changed.
 *
 * @throws {ApplianceError} as `findRelease`.
 */
export function findForSetup(
  deps: RegistryDeps & Pick<SetupDeps, "releases">,
  options: ResolveForSetup,
): Promise<FoundRelease> {
  const { inputs, ref } = options;
  return findRelease(openRegistryFor(deps, inputs), ref ?? refOfAnswers(inputs), judgeOf(deps, options));
}

/** What the box believes, with the decision of the answers. */
function judgeOf(
  deps: Pick<SetupDeps, "registry" | "releases">,
  { inputs, settings, signal }: Pick<ResolveForSetup, "inputs" | "settings" | "signal">,
) {
  return {
    base: deps.registry.place.base,
    running: settings.controlPlane,
    store: deps.releases,
    trust: acceptingExpired(deps.registry.trust, inputs.acceptExpired),
    signal,
  };
}

/** The release of a run with the channel it was found under. */
export interface RunRelease extends ResolvedRelease {
  readonly channel: string | null;
}

export interface RunOptions extends ResolveForSetup {
  readonly operationId: string;
  /** The release that the operator saw in the plan. */
  readonly planned: { readonly ref: string; readonly digest: string } | null;
}

/**
 * Gives the release of a run, resolving it the first time. Safe to call again: after the digest is saved it is the same
 * release, whatever the channel points at by then.
 */
export async function releaseOfRun(deps: SetupDeps, options: RunOptions): Promise<RunRelease> {
  const { inputs, operationId } = options;
  const ref = refOfAnswers(inputs);
  const name = describeReleaseRef(ref);
  const channel = "channel" in ref ? ref.channel : null;
  const saved = await deps.store.readDocument("setup-release", releaseOfRunSchema);
  const resolved = await resolveForSetup(deps, { ...options, ref: await refOfRun(deps, options) }).catch(nameAnswers);
  if (saved?.digest !== resolved.digest || saved.operationId !== operationId || saved.ref !== name) {
    const { digest: found, manifest } = resolved;
    const document = {
      schema: RELEASE_OF_RUN_SCHEMA,
      operationId,
      ref: name,
      channel,
      version: manifest.version,
      digest: found,
    };
    await deps.store.writeDocument("setup-release", document);
  }
  return { ...resolved, channel };
}

/**
 * Answers that mend a release which this box does not believe: another release, or the decision about expired metadata. Empty
 * where the files of the box are meant, and for other codes.
 */
export function answersAgainst(code: ErrorCode): readonly string[] {
  if (code === "trust/expired") return ["acceptExpired"];
  return code.startsWith("trust/") && code !== "trust/bad-key" ? ["channel", "releaseRef"] : [];
}

function nameAnswers(thrown: unknown): never {
  if (!(thrown instanceof ApplianceError)) throw thrown;
  const { code, message, hint, details } = thrown;
  const fields = answersAgainst(code);
  if (fields.length === 0) throw thrown;
  throw new ApplianceError(code, message, {
    cause: thrown,
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, fields },
  });
}

/**
 * What a run goes by: the digest that it has saved or that was planned, as long as the answers name the same; else what they
 * name now.
 */
export async function refOfRun(
  { store }: Pick<SetupDeps, "store">,
  { inputs, operationId, planned }: Pick<RunOptions, "inputs" | "operationId" | "planned">,
): Promise<ReleaseRef> {
  const ref = refOfAnswers(inputs);
  const name = describeReleaseRef(ref);
  const saved = await store.readDocument("setup-release", releaseOfRunSchema);
  const digest = saved?.operationId === operationId && saved.ref === name ? saved.digest : plannedDigest(planned, name);
  return digest === undefined ? ref : { digest };
}

function plannedDigest(planned: RunOptions["planned"], name: string) {
  return planned !== null && planned.ref === name && isDigest(planned.digest) ? planned.digest : undefined;
}
