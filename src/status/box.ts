/**
 * What a box knows of itself, for the status: name, claim, installed release, addresses, what was remembered.
 *
 * The control plane and a `status` without one read it here, so that both say the same. Only reads; what is missing counts
 * as missing, and a damaged document is logged and counts as missing too. Who stands outside of the box, without a state
 * folder, takes the release selection that setup left in the cluster.
 */
import { parse } from "yaml";
import { z } from "zod";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import type { Kube } from "../kube/calls.ts";
import { textAt } from "../kube/model.ts";
import type { OperationView } from "../operation/model.ts";
import type { StateStore } from "../operation/store.ts";
import { type ComponentSpec, componentsOf, DEFAULT_COMPONENTS, parseReleaseManifest } from "../release/model.ts";
import type { ResolvedStore } from "../release/resolved-store.ts";
import { readChosenName } from "./appliance-name.ts";
import { createDiskTrend } from "./disk-trend.ts";
import { applianceId } from "./identity.ts";
import { type Installed, readInstalled } from "./installed.ts";
import type { ApplianceFacts, BootstrapRecord, HostObservation, InstalledRelease } from "./observation.ts";
import type { BoxFacts } from "./sources.ts";

const BOOTSTRAP_SCHEMA = "alga.appliance.bootstrap/v1";
const bootstrapSchema = z.object({ schema: z.literal(BOOTSTRAP_SCHEMA), job: z.string(), completedAtMs: z.number() });
const MAX_RECORD_BYTES = 64 * 1024;
/** Of the answers and of the plan only what is shown; setup owns the rest. */
const answersSchema = z.looseObject({ answers: z.looseObject({ appHostname: z.string() }) });
const planSchema = z.object({ expectedMs: z.number().nullable() });

/** Milliseconds that the cluster may take to say who it is; the machine id needs no cluster. */
const IDENTITY_MS = 2_000;

export interface BoxSources {
  readonly paths: StatePaths;
  readonly store: Pick<StateStore, "readDocument" | "readHistory">;
  /** For the component table of the installed release; the network is not asked. */
  readonly releases: Pick<ResolvedStore, "bytes">;
  readonly kube?: Pick<Kube, "get">;
  /** Shown while none was chosen in the settings. Absent: the host name. */
  readonly name?: string | undefined;
  /** Of this executable. */
  readonly version: string;
  readonly rehearsal?: boolean;
  /** Address of the wizard as the console shows it; null while nobody listens. */
  readonly setupUrl?: () => string | null;
  readonly operations?: {
    readonly current: () => OperationView | undefined;
    /** The plan of an operation, as its journal keeps it; asked once for each. */
    readonly planOf: (id: string) => Promise<unknown>;
  };
}

type BoxDeps = Pick<Deps, "clock" | "files" | "machine" | "network" | "log">;

/** Makes a reader of the facts; each call reads anew, except for what a digest names. */
export function createBoxReader(deps: BoxDeps, sources: BoxSources): () => Promise<BoxFacts> {
  let id: string | undefined;
  const componentsFor = createComponentTables(deps, sources);
  const expectedMsOf = createExpectation(sources);
  return async () => {
    id ??= await identity(deps, sources);
    const hasFolder = (await deps.files.stat(sources.paths.state)) !== undefined;
    const installed = await tolerant(deps, () => readInstalled({ store: sources.store, log: deps.log }));
    const shown = installed === undefined && !hasFolder ? await selectedRelease(sources.kube) : shownOf(installed);
    const components = await componentsFor(shown?.digest);
    const expectedMs = await expectedMsOf();
    return {
      appliance: {
        id: id ?? "unknown",
        ...(await applianceFacts(deps, sources)),
        ...(await trustFacts(deps, sources)),
      },
      // Without a state folder nobody here can tell whether somebody has claimed the box.
      claimed: hasFolder ? (await deps.files.stat(sources.paths.adminCredential)) !== undefined : null,
      installed: shown,
      ...(components === undefined ? {} : { components }),
      bootstrap: (await readBootstrap(deps, sources.paths)) ?? bootstrapOf(installed, components),
      urls: {
        login: await loginUrl(deps, sources, { installed, components, hasFolder }),
        setup: sources.setupUrl?.() ?? null,
      },
      ...(expectedMs === undefined ? {} : { expectedMs }),
    };
  };
}

async function applianceFacts(deps: BoxDeps, sources: BoxSources): Promise<Omit<ApplianceFacts, "id">> {
  const chosen = await tolerant(deps, () => readChosenName(sources.store));
  return {
    name: chosen ?? sources.name ?? (await deps.machine.hostName()),
    version: sources.version,
    addresses: await deps.network.addresses(),
    rehearsal: sources.rehearsal === true,
  };
}

/** Whether a person has put a publisher's key or root on the box; whether they can be read is told where a release is judged. */
async function trustFacts(deps: BoxDeps, { paths }: BoxSources): Promise<Pick<ApplianceFacts, "verifies">> {
  if ((await deps.files.stat(paths.state)) === undefined) return {};
  const verifies = await tolerant(deps, async () => {
    const names = await deps.files.list(paths.trustedKeys);
    return names.some((name) => name.endsWith(".pem")) || (await deps.files.stat(paths.trustRoot)) !== undefined;
  });
  return verifies === undefined ? {} : { verifies };
}

/** Of release.json only what the status shows. */
function shownOf(installed: Installed | undefined): InstalledRelease | null {
  if (installed === undefined) return null;
  const { channel, version, digest, verifiedBy } = installed;
  return { channel, version, digest, verifiedBy };
}

async function identity(deps: BoxDeps, { kube }: BoxSources): Promise<string | undefined> {
  const limit = new AbortController();
  const stop = deps.clock.after(IDENTITY_MS, () => limit.abort());
  try {
    const nothing: Pick<Kube, "get"> = { get: async () => undefined };
    return await applianceId({ machine: deps.machine, kube: kube ?? nothing }, limit.signal);
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

/** Component tables from kept resolves. What a digest names does not change, so a manifest is read and checked once. */
function createComponentTables(
  deps: BoxDeps,
  { releases }: BoxSources,
): (digest: string | undefined) => Promise<readonly ComponentSpec[] | undefined> {
  let known: { readonly digest: string; readonly components: readonly ComponentSpec[] } | undefined;
  return async (digest) => {
    if (digest === undefined) return undefined;
    if (known?.digest === digest) return known.components;
    const components = await tolerant(deps, async () => {
      const kept = await releases.bytes(digest as Installed["digest"]);
      return kept === undefined ? undefined : componentsOf(parseReleaseManifest(kept.config));
    });
    if (components !== undefined) known = { digest, components };
    return components;
  };
}

/** How long the running operation takes in all; its plan does not change, so the journal is read once. */
function createExpectation({ operations }: BoxSources): () => Promise<number | undefined> {
  let known: { readonly id: string; readonly expectedMs: number | undefined } | undefined;
  return async () => {
    const current = operations?.current();
    if (operations === undefined || current === undefined || current.endedAt !== null) return undefined;
    if (known?.id !== current.id) {
      const plan = planSchema.safeParse(await operations.planOf(current.id));
      known = { id: current.id, expectedMs: plan.data?.expectedMs ?? undefined };
    }
    return known.expectedMs;
  };
}

/** The address people type: of the installation, of the answers to one that is not there yet, or of the values in the cluster. */
async function loginUrl(
  deps: BoxDeps,
  sources: BoxSources,
  known: {
    readonly installed: Installed | undefined;
    readonly components: readonly ComponentSpec[] | undefined;
    readonly hasFolder: boolean;
  },
): Promise<string | null> {
  const answers = await tolerant(deps, () => sources.store.readDocument("answers", answersSchema));
  const url =
    known.installed?.appUrl ??
    answers?.answers.appHostname ??
    (known.hasFolder ? undefined : await appUrlInCluster(sources.kube, known.components ?? DEFAULT_COMPONENTS));
  return url !== undefined && URL.canParse(url) ? url : null;
}

/** The selection that setup leaves in the cluster; who only has a kubeconfig reads the release there. */
async function selectedRelease(kube: Pick<Kube, "get"> | undefined): Promise<InstalledRelease | null> {
  const selection = await kube
    ?.get({ apiVersion: "v1", kind: "ConfigMap", namespace: "alga-system", name: "appliance-release-selection" })
    .catch(() => undefined);
  const version = textAt(selection, "data", "releaseVersion");
  const digest = textAt(selection, "data", "manifestDigest");
  if (version === undefined || digest === undefined) return null;
  return { channel: textAt(selection, "data", "selectedChannel") || null, version, digest, verifiedBy: "none" };
}

/** From the values of the component that serves the login page. */
async function appUrlInCluster(
  kube: Pick<Kube, "get"> | undefined,
  components: readonly ComponentSpec[],
): Promise<string | undefined> {
  const component = components.find((one) => one.loginService !== undefined);
  const path = component?.settings.appUrl[0];
  if (component === undefined || path === undefined) return undefined;
  const ref = {
    apiVersion: "v1",
    kind: "ConfigMap",
    namespace: component.releaseNamespace,
    name: component.valuesConfigMap,
  };
  const values = textAt(await kube?.get(ref).catch(() => undefined), "data", component.valuesKey);
  try {
    return values === undefined ? undefined : textAt(parse(values), ...path.split("."));
  } catch {
    return undefined;
  }
}

/** Remembers for good that the first tenant was created: the job that says so lives for minutes. Safe to call again. */
export async function writeBootstrap(
  deps: Pick<Deps, "files">,
  paths: StatePaths,
  record: BootstrapRecord,
): Promise<void> {
  await deps.files.write(paths.bootstrapRecord, `${JSON.stringify({ schema: BOOTSTRAP_SCHEMA, ...record })}\n`);
}

async function readBootstrap(deps: BoxDeps, paths: StatePaths): Promise<BootstrapRecord | null> {
  const found = await tolerant(deps, async () => {
    const bytes = await deps.files.read(paths.bootstrapRecord, { maxBytes: MAX_RECORD_BYTES });
    return bytes === undefined ? undefined : bootstrapSchema.safeParse(parseJson(bytes, { what: "bootstrap record" }));
  });
  return found?.success === true ? { job: found.data.job, completedAtMs: found.data.completedAtMs } : null;
}

/** Setup has seen the login page answer, which it does not without a tenant. */
function bootstrapOf(
  installed: Installed | undefined,
  components: readonly ComponentSpec[] | undefined,
): BootstrapRecord | null {
  const completedAtMs = parseInstant(installed?.installedAt);
  const job = (components ?? DEFAULT_COMPONENTS).find((one) => one.bootstrapJob !== undefined)?.bootstrapJob;
  return completedAtMs === undefined || job === undefined ? null : { job, completedAtMs };
}

/** Looks at the room where the state lies, at its growth since the first look, and at memory. A look rejects as the ports do. */
export function createHostLook(
  deps: Pick<Deps, "clock" | "files" | "machine">,
  paths: StatePaths,
): () => Promise<HostObservation> {
  const trend = createDiskTrend();
  return async () => {
    const [space, memory] = await Promise.all([deps.files.space(paths.state), deps.machine.memory()]);
    const atMs = deps.clock.now();
    const disk = { path: paths.state, ...space };
    const leftMs = trend.see(disk, deps.clock.monotonic());
    return { atMs, disks: [{ ...disk, ...(leftMs === undefined ? {} : { fullAtMs: atMs + leftMs }) }], memory };
  };
}
