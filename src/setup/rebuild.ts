/**
 * State documents of a box whose disk lost them, made anew from what the cluster knows: the release that Flux keeps, the address in
 * the values, the organisation in its Secret. Reads the cluster only, and writes what is not there: a document that is there wins.
 *
 * What no object tells (name servers of custom DNS, who signed the release) is left at its plainest, and said.
 */
import { parse } from "yaml";
import { isDigest } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import type { Kube } from "../kube/calls.ts";
import { conditionOf, fieldAt, textAt } from "../kube/model.ts";
import type { StateStore } from "../operation/store.ts";
import { DEFAULT_COMPONENTS } from "../release/components.ts";
import { INSTALLED_SCHEMA, type Installed, readInstalled } from "../status/installed.ts";
import { answersDigest, readAnswers, writeAnswers } from "./documents.ts";
import type { SetupInputs } from "./model.ts";
import { APP_NAMESPACE, LICENSE_SECRET, secretValues, TENANT_SECRET } from "./objects.ts";

type RebuildDeps = Pick<Deps, "clock" | "log"> & { readonly kube: Kube; readonly store: StateStore };

/** Names of documents with what was written, and sentences for the operator. */
export interface Rebuilt {
  readonly documents: readonly ("answers" | "release")[];
  readonly notes: readonly string[];
}

/** What the cluster knows; undefined where no release was ever handed to it. */
interface Known {
  readonly installed: Installed;
  /** undefined: the Secret of the organisation is not there. */
  readonly inputs: SetupInputs | undefined;
}

/**
 * Names the documents that the state folder lacks and the cluster can give. Reads only.
 * @throws {ApplianceError} the kube/ codes while the cluster does not answer.
 */
export async function lostDocuments(
  deps: RebuildDeps,
  signal: AbortSignal,
): Promise<readonly ("answers" | "release")[]> {
  const known = await whatClusterKnows(deps, signal);
  if (known === undefined) return [];
  const lacksAnswers = known.inputs !== undefined && (await readAnswers(deps.store)) === undefined;
  return [
    ...(lacksAnswers ? (["answers"] as const) : []),
    ...((await readInstalled(deps)) === undefined ? (["release"] as const) : []),
  ];
}

/**
 * Writes what is lost. Safe to call again, and after being killed anywhere: what is there is not touched.
 * @throws {ApplianceError} the kube/ codes; file/unwritable, file/disk-full.
 */
export async function rebuildDocuments(deps: RebuildDeps, signal: AbortSignal): Promise<Rebuilt> {
  const lost = await lostDocuments(deps, signal);
  const known = lost.length === 0 ? undefined : await whatClusterKnows(deps, signal);
  if (known === undefined) return { documents: [], notes: [] };
  const { installed, inputs } = known;
  if (lost.includes("answers") && inputs !== undefined) {
    await writeAnswers(deps.store, inputs, toInstant(deps.clock.now()));
  }
  if (lost.includes("release")) await deps.store.writeDocument("release", installed);
  return { documents: lost, notes: notesOf(known, lost) };
}

function notesOf({ installed }: Known, lost: Rebuilt["documents"]): readonly string[] {
  return [
    ...(lost.includes("answers")
      ? ["Name servers of custom DNS are not known to the cluster: the system's are used"]
      : []),
    ...(lost.includes("release") && installed.installedAt === null
      ? ["The cluster does not show a finished installation: setup goes on where it was"]
      : []),
  ];
}

/** The component that carries the address. */
const CORE = DEFAULT_COMPONENTS.find(({ name }) => name === "alga-core");

async function whatClusterKnows({ kube }: Pick<RebuildDeps, "kube">, signal: AbortSignal): Promise<Known | undefined> {
  const config = (namespace: string, name: string) =>
    kube.get({ apiVersion: "v1", kind: "ConfigMap", namespace, name }, { signal });
  const secret = async (name: string) =>
    secretValues(await kube.get({ apiVersion: "v1", kind: "Secret", namespace: APP_NAMESPACE, name }, { signal }));
  const namespace = CORE?.releaseNamespace ?? "alga-system";
  const selection = await config(namespace, "appliance-release-selection");
  const values = await config(namespace, CORE?.valuesConfigMap ?? "appliance-values-alga-core");
  const said = (key: string): string => textAt(selection, "data", key) ?? "";
  const digest = said("manifestDigest");
  const appUrl = addressIn(values === undefined ? undefined : fieldAt(values, "data"));
  if (!isDigest(digest) || said("releaseVersion") === "" || appUrl === undefined) return undefined;
  const inputs = inputsOf(await secret(TENANT_SECRET), {
    channel: said("selectedChannel"),
    version: said("releaseVersion"),
    appUrl,
    edition: (await secret(LICENSE_SECRET)).EDITION_CHOICE,
  });
  const installed: Installed = {
    schema: INSTALLED_SCHEMA,
    channel: said("selectedChannel") === "" ? null : said("selectedChannel"),
    version: said("releaseVersion"),
    digest,
    verifiedBy: "none",
    answersDigest: inputs === undefined ? digest : answersDigest(inputs),
    registry: said("registryHost"),
    repository: said("repository"),
    appUrl,
    installedAt: await provenAt(kube, signal),
  };
  return { installed, inputs };
}

/** The address people open, from the values of the application. */
function addressIn(data: unknown): string | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const path = (CORE?.settings.appUrl[0] ?? "appUrl").split(".");
  for (const text of Object.values(data)) {
    try {
      const found = textAt(parse(String(text), { maxAliasCount: 10 }), ...path);
      if (found !== undefined && URL.canParse(found)) return found;
    } catch {
      // Values that somebody broke by hand tell nothing.
    }
  }
  return undefined;
}

function inputsOf(
  tenant: Readonly<Record<string, string>>,
  about: {
    readonly channel: string;
    readonly version: string;
    readonly appUrl: string;
    readonly edition: string | undefined;
  },
): SetupInputs | undefined {
  const { INITIAL_TENANT_NAME: tenantName, INITIAL_ADMIN_EMAIL: adminEmail } = tenant;
  if (tenantName === undefined || adminEmail === undefined) return undefined;
  return {
    channel: about.channel === "" ? "stable" : about.channel,
    releaseRef: about.channel === "" ? about.version : "",
    appHostname: about.appUrl,
    dnsMode: "system",
    dnsServers: "",
    tenantName,
    adminFirstName: tenant.INITIAL_ADMIN_FIRST_NAME ?? "",
    adminLastName: tenant.INITIAL_ADMIN_LAST_NAME ?? "",
    adminEmail,
    editionChoice: about.edition === "ce" ? "ce" : "ee",
  };
}

/** Since when the application is installed, as Flux says; null where it never was ready. */
async function provenAt(kube: Kube, signal: AbortSignal): Promise<string | null> {
  const release = await kube.get(
    {
      apiVersion: "helm.toolkit.fluxcd.io/v2",
      kind: "HelmRelease",
      namespace: CORE?.releaseNamespace ?? "alga-system",
      name: CORE?.name ?? "alga-core",
    },
    { signal },
  );
  const ready = release === undefined ? undefined : conditionOf(release, "Ready");
  if (ready?.status !== "True") return null;
  const since = textAt(ready, "lastTransitionTime");
  return since === undefined || Number.isNaN(Date.parse(since)) ? null : toInstant(Date.parse(since));
}
