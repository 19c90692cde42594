/**
 * Credentials of registries: from flags, or from the files that Docker, podman and skopeo keep.
 *
 * Credential helpers are named in a hint and never run: the appliance starts no foreign program with secrets. A file
 * that cannot be read or parsed is an error, not "anonymous", because the operator gave it for a reason.
 *
 * @see docker/cli v28, config.json "auths"; containers-auth.json(5)
 */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Files } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";

export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: Secret }
  /** A refresh token that the token service trades for an access token. */
  | { readonly kind: "identity"; readonly token: Secret }
  /** A bearer token for the registry itself. */
  | { readonly kind: "bearer"; readonly token: Secret };

export interface FoundCredentials {
  /** Undefined: go anonymously. */
  readonly credentials: Credentials | undefined;
  /** Where they are from, for people: a path. */
  readonly source?: string;
  /** Set when a helper holds what we look for; show it when the registry then denies access. */
  readonly hint?: string;
}

/** 1 MiB: the files hold a line per registry. */
const MAX_BYTES = 1024 * 1024;

/** The usual places, first found wins per registry. @see containers-auth.json(5), "Paths" */
export function credentialPlaces(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const home = env.HOME;
  return [
    env.REGISTRY_AUTH_FILE,
    env.XDG_RUNTIME_DIR === undefined ? undefined : join(env.XDG_RUNTIME_DIR, "containers/auth.json"),
    home === undefined ? undefined : join(env.XDG_CONFIG_HOME ?? join(home, ".config"), "containers/auth.json"),
    env.DOCKER_CONFIG === undefined ? undefined : join(env.DOCKER_CONFIG, "config.json"),
    home === undefined ? undefined : join(home, ".docker/config.json"),
  ].filter((path) => path?.startsWith("/") === true) as readonly string[];
}

/**
 * Looks for credentials of a registry, or of a repository in it, in auth files.
 *
 * @param paths Absolute paths in order of preference; missing files are passed over.
 * @param target `host[:port]` with an optional `/repository`.
 * @throws {ApplianceError} config/invalid when a file is not what it should be; file/unreadable when it cannot be read.
 */
export async function findCredentials(
  files: Pick<Files, "read">,
  paths: readonly string[],
  target: string,
): Promise<FoundCredentials> {
  let hint: string | undefined;
  for (const path of paths) {
    const bytes = await files.read(path, { maxBytes: MAX_BYTES });
    if (bytes === undefined) continue;
    const found = credentialsIn(parseAuthFile(bytes, path), target, path);
    if (found.credentials !== undefined) return { ...found, source: path };
    hint ??= found.hint;
  }
  return { credentials: undefined, ...(hint === undefined ? {} : { hint }) };
}

function parseAuthFile(bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  try {
    const value = parseJson(bytes, { what: `registry credentials in "${path}"`, maxBytes: MAX_BYTES });
    if (isPlainObject(value)) return value;
  } catch (cause) {
    throw unusable(path, "it is not JSON", cause);
  }
  throw unusable(path, "it is not a JSON object");
}

function credentialsIn(file: Readonly<Record<string, unknown>>, target: string, path: string): FoundCredentials {
  const auths = isPlainObject(file.auths) ? file.auths : {};
  for (const key of lookupKeys(target)) {
    const entry = Object.entries(auths).find(([name]) => normalKey(name) === key)?.[1];
    const credentials = isPlainObject(entry) ? readEntry(entry, path) : undefined;
    if (credentials !== undefined) return { credentials };
  }
  const helper = helperOf(file, target);
  if (helper === undefined) return { credentials: undefined };
  return {
    credentials: undefined,
    hint: `"${path}" leaves the login to the helper docker-credential-${helper}, which is not run: give --username and --password-stdin`,
  };
}

/** `host/a/b`, `host/a`, `host`: the most specific entry wins. @see containers-auth.json(5) */
function lookupKeys(target: string): readonly string[] {
  const parts = target.toLowerCase().split("/");
  const keys = parts.map((_part, index) => parts.slice(0, parts.length - index).join("/"));
  return parts[0] === "docker.io" || parts[0] === "registry-1.docker.io"
    ? [...keys, "index.docker.io", "docker.io"]
    : keys;
}

/** Docker writes keys such as https://index.docker.io/v1/. */
function normalKey(key: string): string {
  return key
    .toLowerCase()
    .replace(/^https?:\/\//, "")
    .replace(/\/v[12]\/?$/, "")
    .replace(/\/$/, "");
}

function readEntry(entry: Readonly<Record<string, unknown>>, path: string): Credentials | undefined {
  const text = (field: string): string => (typeof entry[field] === "string" ? entry[field] : "");
  if (text("registrytoken") !== "") return { kind: "bearer", token: new Secret(text("registrytoken")) };
  if (text("identitytoken") !== "") return { kind: "identity", token: new Secret(text("identitytoken")) };
  if (text("auth") !== "") return readAuth(text("auth"), path);
  if (text("username") === "") return undefined;
  return { kind: "password", username: text("username"), password: new Secret(text("password")) };
}

function readAuth(encoded: string, path: string): Credentials {
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon <= 0) throw unusable(path, 'a field "auth" is not base64 of user:password');
  // Old versions of Docker padded the password with NUL bytes.
  const password = decoded.slice(colon + 1).replace(/\u0000+$/, "");
  return { kind: "password", username: decoded.slice(0, colon), password: new Secret(password) };
}

function helperOf(file: Readonly<Record<string, unknown>>, target: string): string | undefined {
  const helpers = isPlainObject(file.credHelpers) ? file.credHelpers : {};
  const named = lookupKeys(target)
    .map((key) => helpers[key])
    .find((helper) => typeof helper === "string");
  const helper = named ?? file.credsStore;
  return typeof helper === "string" && helper !== "" ? helper.slice(0, 60) : undefined;
}

function unusable(path: string, is: string, cause?: unknown): ApplianceError {
  return new ApplianceError("config/invalid", `Cannot use registry credentials in "${path}": ${is}`, {
    hint: "Mend the file, or name another one with --registry-config",
    cause,
  });
}
