/**
 * What `status` knows of a box without asking its control plane: the state folder where it may be read, and the release
 * selection in the cluster where there is no folder.
 */
import { parse } from "yaml";
import { z } from "zod";
import { isDigest } from "../core/digest.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import type { Kube } from "../kube/calls.ts";
import { numberAt, textAt } from "../kube/model.ts";
import { type ComponentSpec, componentsOf, DEFAULT_COMPONENTS, parseReleaseManifest } from "../release/model.ts";
import type { ResolvedStore } from "../release/resolved-store.ts";
import type { BootstrapRecord, InstalledRelease } from "./observation.ts";
import type { BoxFacts } from "./sources.ts";

export interface LocalBoxOptions {
  readonly paths: StatePaths;
  /** For the component table of the installed release. */
  readonly releases: Pick<ResolvedStore, "bytes">;
  /** Where the selection is read when the box has no `release.json`. */
  readonly kube?: Pick<Kube, "get">;
  /** Of this executable. */
  readonly version: string;
}

type BoxDeps = Pick<Deps, "files" | "network" | "machine">;

/** Setup and the control plane own these documents; only single fields are read here, and none is trusted to be there. */
const MAX_BYTES = 256 * 1024;
const documentSchema = z.record(z.string(), z.unknown());

/** Makes a reader of the facts. What cannot be read counts as not there; nothing is ever written or moved. */
export function createLocalBox(deps: BoxDeps, options: LocalBoxOptions): () => Promise<BoxFacts> {
  const tables = new Map<string, readonly ComponentSpec[]>();
  return async () => {
    const [document, record, claimed, appliance] = await Promise.all([
      readDocument(deps, options.paths.release),
      readDocument(deps, options.paths.bootstrapRecord),
      isClaimed(deps, options.paths),
      applianceFacts(deps, options.version),
    ]);
    const installed = installedOf(document) ?? (await selectedRelease(options.kube));
    const components = installed === null ? undefined : await componentTable(options, installed.digest, tables);
    const appUrl = textAt(document, "appUrl") ?? (await appUrlOf(options.kube, components ?? DEFAULT_COMPONENTS));
    return {
      appliance,
      claimed,
      installed,
      ...(components === undefined ? {} : { components }),
      bootstrap: bootstrapOf(record, document),
      urls: { login: loginUrl(appUrl), setup: null },
    };
  };
}

async function readDocument(deps: Pick<Deps, "files">, path: string): Promise<unknown> {
  try {
    const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
    return bytes === undefined ? undefined : documentSchema.parse(parseJson(bytes, { what: path }));
  } catch {
    return undefined;
  }
}

/** Without a state folder nobody here can tell whether somebody has claimed the box. */
async function isClaimed(deps: Pick<Deps, "files">, paths: StatePaths): Promise<boolean | null> {
  try {
    if ((await deps.files.stat(paths.adminCredential)) !== undefined) return true;
    return (await deps.files.stat(paths.state)) === undefined ? null : false;
  } catch {
    return null;
  }
}

async function applianceFacts(deps: BoxDeps, version: string): Promise<BoxFacts["appliance"]> {
  const [machineId, hostName, addresses] = await Promise.all([
    deps.machine.machineId(),
    deps.machine.hostName(),
    deps.network.addresses(),
  ]);
  return { id: machineId ?? hostName, name: hostName, version, addresses: [...addresses], rehearsal: false };
}

function installedOf(document: unknown): InstalledRelease | null {
  const version = textAt(document, "version");
  const digest = textAt(document, "digest");
  if (version === undefined || digest === undefined) return null;
  const channel = textAt(document, "channel") || null;
  return { channel, version, digest, verifiedBy: textAt(document, "verifiedBy") ?? "none" };
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

/** The address people type, from the values of the component that serves the login page. */
async function appUrlOf(
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

async function componentTable(
  options: LocalBoxOptions,
  digest: string,
  tables: Map<string, readonly ComponentSpec[]>,
): Promise<readonly ComponentSpec[] | undefined> {
  const known = tables.get(digest);
  if (known !== undefined || !isDigest(digest)) return known;
  const bytes = await options.releases.bytes(digest).catch(() => undefined);
  if (bytes === undefined) return undefined;
  const table = componentsOf(parseReleaseManifest(bytes.config));
  tables.clear();
  tables.set(digest, table);
  return table;
}

/** The record of the control plane; else `installedAt`, which setup writes after the login page has answered. */
function bootstrapOf(record: unknown, document: unknown): BootstrapRecord | null {
  const job = textAt(record, "job");
  const completedAtMs = numberAt(record, "completedAtMs");
  if (job !== undefined && completedAtMs !== undefined) return { job, completedAtMs };
  const installedAtMs = parseInstant(textAt(document, "installedAt"));
  return installedAtMs === undefined ? null : { job: "alga-core-sebastian-bootstrap", completedAtMs: installedAtMs };
}

function loginUrl(appUrl: string | undefined): string | null {
  return appUrl !== undefined && URL.canParse(appUrl) ? appUrl : null;
}
