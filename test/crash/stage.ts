/**
 * What surrounds a setup in the kill tests: an API server, a registry with a sample release, a license service that takes
 * a code once and answers the same request again, and actors that answer at once: a Deployment is ready as soon as it is applied.
 */
import { isApplianceError } from "../../src/core/errors.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Deps, Fetch } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { isKubeObject, type KindRef, type KubeObject } from "../../src/kube/model.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { type ApiServer, createApiServer } from "../../src/rehearsal/kubernetes/api-server.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { isFluxObject, playFlux, playPrefetch } from "./played-flux.ts";

export const INSTALL_CODE = "K7QPM2RX";
const LICENSE = { tenant_id: "tenant-1", edition: "premium", first_jwt: "a.b.c", appliance_credential: "credential-1" };

export interface Stage {
  /** The API server with its actors. */
  readonly kube: Fetch;
  readonly license: Fetch;
  /** Objects as they were written, without what differs from run to run. */
  objects(): Promise<ReadonlyMap<string, unknown>>;
  /** Values of Secret keys that were replaced by another value during the run: "msp/name KEY". */
  readonly replaced: readonly string[];
  /** How often the license service traded a code. */
  redeemed(): number;
  /** The same stage again, apart from this one from now on. */
  copy(): Stage;
}

type StageDeps = Pick<Deps, "clock" | "random">;

/** A registry that serves one release; shared by all runs of a test. */
export function createSampleRegistry(host: string, tenantSecret: "hashed" | "plaintext" = "hashed"): Fetch {
  const server = createRegistryServer();
  buildSampleRelease(server.store, { registry: host, version: "1.0.3", channels: ["stable"], tenantSecret });
  return server.fetch;
}

/** A stage before a setup: one ready node and a default StorageClass. */
export async function createStage(
  deps: StageDeps,
  { playsFlux = false }: { readonly playsFlux?: boolean } = {},
): Promise<Stage> {
  const server = createApiServer(deps);
  await seed(clientOf(deps, server));
  return stageOf(deps, server, { playsFlux, first: new Map(), replaced: [], redeemed: 0, redeemedBy: "" });
}

/** A stage over another API server, with Flux and the kubelet that answer at once. Nothing is put there before. */
export async function createStageOver(
  deps: StageDeps,
  fetch: Fetch,
): Promise<Pick<Stage, "kube" | "license" | "objects">> {
  const kube = clientOf(deps, { fetch });
  await seed(kube);
  const notes: Notes = { playsFlux: true, first: new Map(), replaced: [], redeemed: 0, redeemedBy: "" };
  return {
    kube: reacting(kube, fetch, notes),
    license: (request) => redeem(request, notes),
    objects: () => comparableObjects(kube),
  };
}

interface Notes {
  /** Flux answers at once, and the kubelet fetches images. */
  readonly playsFlux: boolean;
  readonly first: Map<string, string>;
  readonly replaced: string[];
  redeemed: number;
  /** Key of the request that was given the license. */
  redeemedBy: string;
}

function clientOf(deps: StageDeps, server: Pick<ApiServer, "fetch">): Kube {
  const connection = { server: "http://api", fetch: server.fetch, headers: async () => ({}) };
  return createKube({ ...deps, log: SILENT_LOG }, connection, { fieldManager: "stage" });
}

function stageOf(deps: StageDeps, server: ApiServer, notes: Notes): Stage {
  const kube = clientOf(deps, server);
  return {
    replaced: notes.replaced,
    redeemed: () => notes.redeemed,
    kube: reacting(kube, server.fetch, notes),
    license: (request) => redeem(request, notes),
    objects: () => comparableObjects(kube),
    copy: () => {
      const twin = createApiServer(deps, { state: structuredClone(server.snapshot()) });
      return stageOf(deps, twin, { ...notes, first: new Map(notes.first), replaced: [...notes.replaced] });
    },
  };
}

function reacting(kube: Kube, fetch: Fetch, notes: Notes): Fetch {
  return async (request) => {
    const response = await fetch(request);
    const isWrite = response.ok && ["PATCH", "POST", "PUT"].includes(request.method);
    if (isWrite) await react(kube, response.clone(), notes);
    return response;
  };
}

async function redeem(request: Request, notes: Notes): Promise<Response> {
  const body: unknown = await request.json();
  const code = typeof body === "object" && body !== null && "claim_code" in body ? body.claim_code : undefined;
  if (code !== INSTALL_CODE) return Response.json({ code: "invalid_claim_code" }, { status: 400 });
  const key = request.headers.get("idempotency-key") ?? "";
  if (notes.redeemed > 0 && key === notes.redeemedBy && key !== "") return Response.json(LICENSE);
  if (notes.redeemed > 0) return Response.json({ code: "consumed_claim_code" }, { status: 409 });
  notes.redeemed += 1;
  notes.redeemedBy = key;
  return Response.json(LICENSE);
}

async function seed(kube: Kube): Promise<void> {
  await kube.create({ apiVersion: "v1", kind: "Node", metadata: { name: "box" } });
  const conditions = [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }];
  await kube.patch(
    { apiVersion: "v1", kind: "Node", name: "box" },
    { status: { conditions } },
    { subresource: "status" },
  );
  await kube.create({
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "fast", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
    provisioner: "disk.example.com",
  });
}

/** Plays the controllers for one written object, and notes secrets that change. */
async function react(kube: Kube, response: Response, notes: Notes): Promise<void> {
  const object: unknown = await response.json();
  if (!isKubeObject(object)) return;
  if (object.kind === "Deployment") await makeReady(kube, object);
  if (notes.playsFlux && isFluxObject(object)) await playFlux(kube, object);
  if (notes.playsFlux && object.kind === "Pod") await playPrefetch(kube, object);
  if (object.kind !== "Secret") return;
  for (const [key, value] of Object.entries((object.data ?? {}) as Record<string, string>)) {
    const name = `${object.metadata.namespace}/${object.metadata.name} ${key}`;
    const before = notes.first.get(name);
    if (before !== undefined && before !== value) notes.replaced.push(name);
    notes.first.set(name, value);
  }
}

async function makeReady(kube: Kube, object: KubeObject): Promise<void> {
  const { name, namespace, generation } = object.metadata;
  const conditions = [{ type: "Available", status: "True", reason: "MinimumReplicasAvailable", message: "" }];
  const status = {
    observedGeneration: generation,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions,
  };
  await kube.patch(
    { apiVersion: "apps/v1", kind: "Deployment", name, namespace },
    { status },
    { subresource: "status" },
  );
}

const KINDS: readonly (readonly [string, string])[] = [
  ["v1", "Namespace"],
  ["v1", "ConfigMap"],
  ["v1", "Secret"],
  ["v1", "ServiceAccount"],
  ["v1", "Service"],
  ["v1", "Node"],
  ["apps/v1", "Deployment"],
  ["storage.k8s.io/v1", "StorageClass"],
  ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
  ["rbac.authorization.k8s.io/v1", "ClusterRole"],
  ["rbac.authorization.k8s.io/v1", "ClusterRoleBinding"],
  ["source.toolkit.fluxcd.io/v1", "OCIRepository"],
  ["kustomize.toolkit.fluxcd.io/v1", "Kustomization"],
];

/** Nothing where the kind is not served yet. */
async function listed(kube: Kube, kind: KindRef): Promise<readonly KubeObject[]> {
  try {
    return (await kube.list(kind)).items;
  } catch (thrown) {
    if (isApplianceError(thrown, "kube/not-found")) return [];
    throw thrown;
  }
}

async function comparableObjects(kube: Kube): Promise<ReadonlyMap<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const [apiVersion, kind] of KINDS) {
    for (const item of await listed(kube, { apiVersion, kind }))
      found.set(`${kind} ${item.metadata.namespace ?? ""}/${item.metadata.name}`, withoutTimes(comparable(item)));
  }
  return found;
}

/** Drops what no two runs share: identities, versions and times. Owners of fields stay, their times do not. */
function comparable(object: KubeObject): unknown {
  const { uid: _uid, resourceVersion: _version, creationTimestamp: _at, managedFields, ...metadata } = object.metadata;
  // An API server puts them in the order of their times.
  const owners = (managedFields ?? [])
    .map(({ manager, operation, subresource, fieldsV1 }) => ({ manager, operation, subresource, fieldsV1 }))
    .sort((one, other) => (nameOfOwner(one) < nameOfOwner(other) ? -1 : 1));
  return {
    ...object,
    metadata: { ...metadata, owners },
    ...(object.kind === "Secret" ? { data: comparableData(object) } : {}),
  };
}

function nameOfOwner({ manager, operation, subresource }: Readonly<Record<string, unknown>>): string {
  return `${manager} ${operation} ${subresource}`;
}

function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === "lastTransitionTime" ? undefined : inner)));
}

/** Generated values differ by design; that they are there, once and never replaced, is checked beside this. */
function comparableData(object: KubeObject): unknown {
  const generated = new Set(["ALGA_AUTH_KEY", "INITIAL_ADMIN_PASSWORD_HASH", ".dockerconfigjson"]);
  const entries = Object.entries((object.data ?? {}) as Record<string, string>);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, generated.has(key) ? `${value.length} characters` : value]),
  );
}
