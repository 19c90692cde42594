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
import { type AgentFacts, askAgent } from "./host-agent.ts";
import { createUncleanStart } from "./host-maintenance.ts";
import { applianceId } from "./identity.ts";
import { type Installed, readInstalled } from "./installed.ts";
import type { ApplianceFacts, BootstrapRecord, HostObservation, InstalledRelease } from "./observation.ts";
import type { BoxFacts } from "./sources.ts";

const BOOTSTRAP_SCHEMA = "alga.appliance.bootstrap/v1";
const bootstrapSchema = z.object({ schema: z.literal(BOOTSTRAP_SCHEMA), job: z.string(), completedAtMs: z.number() });
const MAX_RECORD_BYTES = 64 * 1024;
/** What is smaller is a boot partition or the like. */
const MIN_DISK_BYTES = 4 * 1024 * 1024 * 1024;
/** Of the answers and of the plan only what is shown; setup owns the rest. */
const answersSchema = z.looseObject({ answers: z.looseObject({ appHostname: z.string() }) });
const planSchema = z.object({ expectedMs: z.number().nullable() });

/** Milliseconds that the cluster may take to say who it is; the machine id needs no cluster. */
const IDENTITY_MS = 2_000;

interface DiskRoom {
  readonly path: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

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
  const contentsOf = createContents(deps, sources);
  const expectedMsOf = createExpectation(sources);
  return async () => {
    id ??= await identity(deps, sources);
    const hasFolder = (await deps.files.stat(sources.paths.state)) !== undefined;
    const installed = await tolerant(deps, () => readInstalled({ store: sources.store, log: deps.log }));
    const shown = installed === undefined && !hasFolder ? await selectedRelease(sources.kube) : shownOf(installed);
    const contents = await contentsOf(shown?.digest);
    const components = contents?.components;
    const expectedMs = await expectedMsOf();
    return {
      appliance: {
        id: id ?? "unknown",
        ...(await applianceFacts(deps, sources)),
        ...(await trustFacts(deps, sources)),
      },
      // Without a state folder nobody here can tell whether somebody has claimed the box.
      claimed: hasFolder ? (await deps.files.stat(sources.paths.adminCredential)) !== undefined : null,
      installed: withMinimum(shown, contents?.minimumControlPlane),
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

function withMinimum(shown: InstalledRelease | null, minimum: string | undefined): InstalledRelease | null {
  return shown === null || minimum === undefined ? shown : { ...shown, minimumControlPlane: minimum };
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

/** Of a manifest what the status needs. */
interface Contents {
  readonly components: readonly ComponentSpec[];
  readonly minimumControlPlane: string | undefined;
}

/** Contents of kept releases. What a digest names does not change, so a manifest is read and checked once. */
function createContents(
  deps: BoxDeps,
  { releases }: BoxSources,
): (digest: string | undefined) => Promise<Contents | undefined> {
  let known: { readonly digest: string; readonly contents: Contents } | undefined;
  return async (digest) => {
    if (digest === undefined) return undefined;
    if (known?.digest === digest) return known.contents;
    const contents = await tolerant(deps, async () => {
      const kept = await releases.bytes(digest as Installed["digest"]);
      if (kept === undefined) return undefined;
      const manifest = parseReleaseManifest(kept.config);
      return { components: componentsOf(manifest), minimumControlPlane: manifest.minimumControlPlane };
    });
    if (contents !== undefined) known = { digest, contents };
    return contents;
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

/**
 * Looks at the room where the state lies, at its growth since the first look, at memory, and asks the host agent for what only the
 * host can see. A look rejects as the ports do; without an agent it tells the rest.
 */
export function createHostLook(
  deps: Pick<Deps, "clock" | "files" | "machine" | "transports">,
  paths: StatePaths,
): (signal: AbortSignal) => Promise<HostObservation> {
  const trend = createDiskTrend();
  const agent = deps.transports.open({ socketPath: paths.hostAgentSocket });
  const uncleanStart = createUncleanStart(deps.clock, agent);
  return async (signal) => {
    const has = await hasAgent(deps, paths);
    const [space, memory, facts, uncleanStartMs] = await Promise.all([
      deps.files.space(paths.state),
      deps.machine.memory(),
      has ? askAgent(deps.clock, agent, signal) : undefined,
      has ? uncleanStart(signal) : null,
    ]);
    const atMs = deps.clock.now();
    const seen = [{ path: paths.state, ...space }, ...otherDisks(facts, paths)];
    const disks = seen.map((disk) => {
      const leftMs = trend.see(disk, deps.clock.monotonic());
      return { ...disk, ...(leftMs === undefined ? {} : { fullAtMs: atMs + leftMs }) };
    });
    const start = uncleanStartMs === null ? {} : { uncleanStartMs };
    return { atMs, disks, memory: facts?.memory ?? memory, ...unseenWithout(facts), ...start };
  };
}

async function hasAgent(deps: Pick<Deps, "files">, paths: StatePaths): Promise<boolean> {
  return (await deps.files.stat(paths.hostAgentSocket).catch(() => undefined)) !== undefined;
}

/** File systems beside the one that the state lies on, which was looked at from here; small ones are none that fill up. */
function otherDisks(facts: AgentFacts | undefined, paths: StatePaths): readonly DiskRoom[] {
  const isOther = ({ path, totalBytes }: DiskRoom): boolean =>
    path !== paths.state &&
    !`${paths.state}/`.startsWith(`${path.replace(/\/$/, "")}/`) &&
    totalBytes >= MIN_DISK_BYTES;
  const disks = facts?.disks ?? [];
  return disks.map(({ path, freeBytes, totalBytes }) => ({ path, freeBytes, totalBytes })).filter(isOther);
}

function unseenWithout(facts: AgentFacts | undefined): Pick<HostObservation, "k3sUnit" | "failingDisks" | "offset"> {
  if (facts === undefined) return {};
  const failing = facts.disks.filter(({ smart }) => smart === "failed");
  const offsetMs = facts.time?.offsetMs ?? undefined;
  return {
    ...(facts.k3s == null ? {} : { k3sUnit: facts.k3s.unit }),
    failingDisks: failing.map(({ path, device }) => ({ path, device: device ?? "" })),
    ...(offsetMs === undefined ? {} : { offset: { ms: offsetMs, server: facts.time?.server ?? "" } }),
  };
}
