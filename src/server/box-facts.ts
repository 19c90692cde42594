/** What the box knows of itself, for the status: name, claim, installed release, addresses, what was remembered. */
import { z } from "zod";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import type { Operations } from "../operation/operations.ts";
import type { StateStore } from "../operation/store.ts";
import { componentsOf } from "../release/model.ts";
import type { ResolvedStore } from "../release/resolved-store.ts";
import { type Installed, readAnswers, readInstalled } from "../setup/documents.ts";
import { applianceId } from "../setup/identity.ts";
import type { BootstrapRecord } from "../status/observation.ts";
import type { BoxFacts } from "../status/sources.ts";
import { readCredential } from "./credential.ts";

const BOOTSTRAP_SCHEMA = "alga.appliance.bootstrap/v1";
const bootstrapSchema = z.object({ schema: z.literal(BOOTSTRAP_SCHEMA), job: z.string(), completedAtMs: z.number() });

const planSchema = z.object({ expectedMs: z.number().nullable() });

/** Milliseconds that the cluster may take to say who it is; the machine id needs no cluster. */
const IDENTITY_MS = 2_000;

export interface BoxFactsSources {
  readonly paths: StatePaths;
  readonly store: StateStore;
  readonly releases: ResolvedStore;
  readonly operations: Operations;
  readonly kube: Kube;
  readonly name: string;
  readonly version: string;
  readonly rehearsal: boolean;
  /** Address of the wizard as the console shows it; null while nobody listens. */
  readonly setupUrl: () => string | null;
}

/** Reads the facts anew. Never throws for what is missing; a damaged document is logged and counts as missing. */
export function createBoxFacts(
  deps: Pick<Deps, "clock" | "files" | "machine" | "network" | "log">,
  sources: BoxFactsSources,
): () => Promise<BoxFacts> {
  let id: string | undefined;
  const componentsFor = createComponentTables(deps, sources);
  return async () => {
    id ??= await identity(deps, sources);
    const installed = await tolerant(deps, () => readInstalled({ store: sources.store, log: deps.log }));
    const answers = await tolerant(deps, () => readAnswers(sources.store));
    const components = await componentsFor(installed);
    const expectedMs = await expectedMsOf(sources.operations);
    return {
      appliance: {
        id: id ?? "unknown",
        name: sources.name,
        version: sources.version,
        addresses: await deps.network.addresses(),
        rehearsal: sources.rehearsal,
      },
      claimed: (await readCredential(deps.files, sources.paths.adminCredential)).state !== "none",
      installed: installed === undefined ? null : shownRelease(installed),
      ...(components === undefined ? {} : { components }),
      bootstrap: await readBootstrap(deps, sources.paths),
      urls: { login: installed?.appUrl ?? answers?.appHostname ?? null, setup: sources.setupUrl() },
      ...(expectedMs === undefined ? {} : { expectedMs }),
    };
  };
}

/** Of release.json only what the status shows. */
function shownRelease({ channel, version, digest, verifiedBy }: Installed): BoxFacts["installed"] {
  return { channel, version, digest, verifiedBy };
}

async function identity(
  deps: Pick<Deps, "clock" | "machine" | "log">,
  sources: BoxFactsSources,
): Promise<string | undefined> {
  const limit = new AbortController();
  const stop = deps.clock.after(IDENTITY_MS, () => limit.abort());
  try {
    return await applianceId({ machine: deps.machine, kube: sources.kube }, limit.signal);
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return undefined;
  } finally {
    stop();
  }
}

async function tolerant<T>(deps: Pick<Deps, "log">, read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isApplianceError(error)) throw error;
    deps.log.warn("document of the box cannot be read", { error });
    return undefined;
  }
}

/**
 * The components of the installed release, from the kept resolve; the network is not asked. What a digest names does not
 * change, so a manifest is read and checked once.
 */
function createComponentTables(
  deps: Pick<Deps, "log">,
  sources: BoxFactsSources,
): (installed: Installed | undefined) => Promise<BoxFacts["components"]> {
  let known: { readonly digest: string; readonly components: BoxFacts["components"] } | undefined;
  return async (installed) => {
    if (installed === undefined) return undefined;
    const { registry, repository, digest } = installed;
    if (known?.digest === digest) return known.components;
    const kept = await tolerant(deps, () => sources.releases.last({ registry, repository, ref: { digest } }));
    if (kept === undefined) return undefined;
    known = { digest, components: componentsOf(kept.manifest) };
    return known.components;
  };
}

async function expectedMsOf(operations: Operations): Promise<number | undefined> {
  const current = operations.current();
  if (current === undefined || current.endedAt !== null) return undefined;
  const plan = planSchema.safeParse((await operations.get(current.id))?.plan);
  return plan.success ? (plan.data.expectedMs ?? undefined) : undefined;
}

/** Remembers for good that the first tenant was created: the job that says so lives for minutes. Safe to call again. */
export async function writeBootstrap(
  deps: Pick<Deps, "files">,
  paths: StatePaths,
  record: BootstrapRecord,
): Promise<void> {
  await deps.files.write(paths.bootstrapRecord, `${JSON.stringify({ schema: BOOTSTRAP_SCHEMA, ...record })}\n`);
}

async function readBootstrap(deps: Pick<Deps, "files" | "log">, paths: StatePaths): Promise<BootstrapRecord | null> {
  const found = await tolerant(deps, async () => {
    const bytes = await deps.files.read(paths.bootstrapRecord, { maxBytes: 64 * 1024 });
    return bytes === undefined ? undefined : bootstrapSchema.safeParse(parseJson(bytes, { what: "bootstrap record" }));
  });
  return found?.success === true ? { job: found.data.job, completedAtMs: found.data.completedAtMs } : null;
}
