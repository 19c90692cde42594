/**
 * Finding the API server: a named kubeconfig, the pod's service account, or the usual kubeconfig places, in this order.
 *
 * The environment arrives as a record, so that a test needs no process. Nothing is connected here.
 */
import type { Files, Transports } from "../core/ports.ts";
import { type KubeAccess, loadKubeconfig, refused, tokenFileHeaders } from "./kubeconfig.ts";
import type { KubeConnection } from "./transport.ts";

export type { KubeAccess } from "./kubeconfig.ts";
export { loadKubeconfig } from "./kubeconfig.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const K3S_CONFIG = "/etc/rancher/k3s/k3s.yaml";
const MAX_CA_BYTES = 1024 * 1024;

export interface FindOptions {
  /** From the flag --kubeconfig: wins over everything. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly environment: Environment;
  /** Absent: the folder the kubelet mounts. */
  readonly serviceAccountFolder?: string;
}

/**
 * Finds how to reach the API server.
 *
 * @throws {ApplianceError} kube/config when nothing is there, or what is there cannot be used.
 */
export async function findKubeAccess(deps: { readonly files: Files }, options: FindOptions): Promise<KubeAccess> {
  const context = options.context === undefined ? {} : { context: options.context };
  const named = options.kubeconfig ?? options.environment.KUBECONFIG;
  if (named !== undefined && named !== "") {
    if (named.includes(":")) throw refused(named, "it names several files, one is wanted");
    return await loadKubeconfig(deps, named, context);
  }
  if (options.environment.KUBERNETES_SERVICE_HOST !== undefined) return await inClusterAccess(deps, options);
  const home = options.environment.HOME;
  const usual = [K3S_CONFIG, ...(home === undefined ? [] : [`${home}/.kube/config`])];
  for (const path of usual) {
    if ((await deps.files.stat(path)) !== undefined) return await loadKubeconfig(deps, path, context);
  }
  throw refused(usual.join(", "), "no file is there and this is no pod, one of both is wanted");
}

/**
 * Takes the service account of the pod we run in.
 *
 * @see Kubernetes tasks, "Accessing the Kubernetes API from a Pod", "Directly accessing the REST API"
 */
async function inClusterAccess(deps: { readonly files: Files }, options: FindOptions): Promise<KubeAccess> {
  const folder = options.serviceAccountFolder ?? SERVICE_ACCOUNT;
  const origin = "the service account of this pod";
  const host = options.environment.KUBERNETES_SERVICE_HOST ?? "";
  const port = options.environment.KUBERNETES_SERVICE_PORT ?? "443";
  if (host === "") throw refused(origin, "KUBERNETES_SERVICE_HOST is not set, a pod is wanted");
  const ca = await deps.files.read(`${folder}/ca.crt`, { maxBytes: MAX_CA_BYTES });
  if (ca === undefined) throw refused(origin, `the file ${folder}/ca.crt does not exist, it is wanted`);
  const namespace = await deps.files.read(`${folder}/namespace`, { maxBytes: 1024 });
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    transport: { ca: Buffer.from(ca).toString("utf8"), onlyCa: true, idleTimeoutMs: 0 },
    origin,
    namespace: namespace === undefined ? undefined : Buffer.from(namespace).toString("utf8").trim(),
    headers: tokenFileHeaders(deps.files, `${folder}/token`, origin),
  };
}

/** Opens the transport of an access. Cheap; no connection is made yet. */
export function openConnection(transports: Transports, access: KubeAccess): KubeConnection {
  return { server: access.server, fetch: transports.open(access.transport), headers: access.headers };
}
