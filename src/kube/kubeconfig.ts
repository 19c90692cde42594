/**
 * kubeconfig files: which server, trusted by which authority, with which credentials.
 *
 * A kubeconfig may name programs to run (exec, auth-provider) and may switch certificate checks off; both are refused
 * with a sentence instead of being followed or ignored. Paths in the file are relative to its folder.
 *
 * @see Kubernetes client-go v0.36, tools/clientcmd/api/v1 "Config"
 */
import { dirname, isAbsolute, join } from "node:path/posix";
import { parse } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import { isPlainObject } from "../core/json.ts";
import type { Files, TransportOptions } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { listAt, textAt } from "./model.ts";

/** How to reach an API server, before a transport is opened. */
export interface KubeAccess {
  /** "https://10.0.0.1:6443". */
  readonly server: string;
  readonly transport: TransportOptions;
  /** Where it comes from, for messages: a path, or "the service account". */
  readonly origin: string;
  /** Namespace of the context or the service account. */
  readonly namespace: string | undefined;
  /** Authorization for one request; token files are read again each time. Never logged. */
  headers(): Promise<Record<string, string>>;
}

/** 1 MiB: a kubeconfig of many clusters with inline certificates. */
const MAX_BYTES = 1024 * 1024;
const MAX_TOKEN_BYTES = 64 * 1024;

/**
 * Loads one context of a kubeconfig.
 *
 * @param options.context Absent: the current context of the file.
 * @throws {ApplianceError} kube/config when the file is absent, not a kubeconfig, or asks for something refused.
 */
export async function loadKubeconfig(
  deps: { readonly files: Files },
  path: string,
  options: { readonly context?: string } = {},
): Promise<KubeAccess> {
  const file = { files: deps.files, path, folder: dirname(path) };
  const config = await readConfig(file);
  const name = options.context ?? textAt(config, "current-context") ?? "";
  const context = namedEntry({ config, path }, "contexts", name);
  const cluster = namedEntry({ config, path }, "clusters", textAt(context, "cluster") ?? "");
  const user = namedEntry({ config, path }, "users", textAt(context, "user") ?? "");
  refuseUnsafe(cluster, user, path);
  return {
    server: serverOf(cluster, path),
    transport: await transportOf(file, cluster, user),
    origin: path,
    namespace: textAt(context, "namespace"),
    headers: headersOf(file, user),
  };
}

interface ConfigFile {
  readonly files: Files;
  readonly path: string;
  readonly folder: string;
}

async function readConfig(file: ConfigFile): Promise<unknown> {
  const text = await readText(file, file.path, MAX_BYTES);
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch (cause) {
    throw refused(file.path, "it is not YAML, a kubeconfig is wanted", cause);
  }
}

/** What an entry of a list holds: `contexts` hold a `context` each, and so on. */
function namedEntry(
  { config, path }: { readonly config: unknown; readonly path: string },
  list: "contexts" | "clusters" | "users",
  name: string,
): unknown {
  const entry = listAt(config, list).find((candidate) => textAt(candidate, "name") === name);
  const held = isPlainObject(entry) ? entry[list.slice(0, -1)] : undefined;
  if (isPlainObject(held)) return held;
  throw refused(path, `its list "${list}" has no entry "${name.slice(0, 100)}", one is wanted`);
}

function refuseUnsafe(cluster: unknown, user: unknown, path: string): void {
  const has = (value: unknown, field: string): boolean => isPlainObject(value) && value[field] !== undefined;
  if (isPlainObject(cluster) && cluster["insecure-skip-tls-verify"] === true) {
    throw refused(path, "insecure-skip-tls-verify is set, a certificate-authority is wanted");
  }
  const program = ["exec", "auth-provider"].find((field) => has(user, field));
  if (program !== undefined) {
    throw refused(path, `its user runs a program (${program}), a token or a client certificate is wanted`);
  }
  const old = ["username", "password", "as", "as-groups", "as-uid"].find((field) => has(user, field));
  if (old !== undefined) throw refused(path, `its user has "${old}", a token or a client certificate is wanted`);
}

function serverOf(cluster: unknown, path: string): string {
  const server = (textAt(cluster, "server") ?? "").replace(/\/+$/, "");
  if (!URL.canParse(server) || !/^https?:\/\//.test(server)) {
    throw refused(path, `its server is "${server.slice(0, 100)}", an https address is wanted`);
  }
  const { protocol, hostname } = new URL(server);
  if (protocol === "http:" && !isLoopbackHost(hostname)) {
    throw refused(path, "its server is reached without TLS, an https address is wanted");
  }
  return server;
}

async function transportOf(file: ConfigFile, cluster: unknown, user: unknown): Promise<TransportOptions> {
  const ca = await dataOrFile(file, cluster, "certificate-authority");
  const cert = await dataOrFile(file, user, "client-certificate");
  const key = await dataOrFile(file, user, "client-key");
  if ((cert === undefined) !== (key === undefined)) {
    throw refused(file.path, "its user has only one of client-certificate and client-key, both are wanted");
  }
  const serverName = textAt(cluster, "tls-server-name");
  const proxy = textAt(cluster, "proxy-url");
  return {
    ...(ca === undefined ? {} : { ca, onlyCa: true }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(proxy === undefined ? {} : { proxy: { https: proxy, http: proxy } }),
    // Watches are quiet for long; the client has its own limits on time and silence.
    idleTimeoutMs: 0,
  };
}

async function dataOrFile(file: ConfigFile, entry: unknown, field: string): Promise<string | undefined> {
  const data = textAt(entry, `${field}-data`);
  if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
  const named = textAt(entry, field);
  return named === undefined ? undefined : await readText(file, within(file, named), MAX_BYTES);
}

/** A token file wins over a token, as in client-go: the token may be an old copy of it. */
function headersOf(file: ConfigFile, user: unknown): () => Promise<Record<string, string>> {
  const tokenFile = textAt(user, "tokenFile");
  if (tokenFile !== undefined) return tokenFileHeaders(file.files, within(file, tokenFile), file.path);
  const token = new Secret(textAt(user, "token") ?? "");
  return async () => (token.isEmpty ? {} : { authorization: `Bearer ${token.reveal()}` });
}

/** Headers from a token file that is read for every request, because the kubelet replaces it before it expires. */
export function tokenFileHeaders(files: Files, path: string, origin: string): () => Promise<Record<string, string>> {
  return async () => {
    const text = (await readText({ files, path: origin, folder: dirname(path) }, path, MAX_TOKEN_BYTES)).trim();
    if (text === "") throw refused(origin, `the token file ${path} is empty, a token is wanted`);
    return { authorization: `Bearer ${text}` };
  };
}

function within(file: ConfigFile, path: string): string {
  return isAbsolute(path) ? path : join(file.folder, path);
}

async function readText(file: ConfigFile, path: string, maxBytes: number): Promise<string> {
  const bytes = await file.files.read(path, { maxBytes });
  if (bytes === undefined) throw refused(file.path, `the file ${path} does not exist, it is wanted`);
  return Buffer.from(bytes).toString("utf8");
}

/** A kube/config error with one grammar. */
export function refused(origin: string, why: string, cause?: unknown): ApplianceError {
  return new ApplianceError("kube/config", `Cannot use Kubernetes configuration "${origin}": ${why}`, {
    cause,
    hint: "Give a kubeconfig with --kubeconfig or KUBECONFIG",
  });
}
