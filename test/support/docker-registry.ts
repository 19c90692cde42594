/**
 * Real registries as counterparts: Debian's docker-registry 2.8, or distribution 3 from its Go module. Each is started in a
 * temporary folder with its configuration, on a free port.
 *
 * Also the token service that it wants for token authentication: it signs JSON Web Tokens with a key whose certificate
 * the registry trusts.
 *
 * @see distribution v2.8, docs/spec/auth/jwt.md
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fetch } from "../../src/core/ports.ts";
import { freePort } from "./sockets.ts";
import type { KeyPair } from "./tls.ts";

export const USER = { username: "alga", password: "s3cret" } as const;
/** bcrypt of "s3cret", the only form that docker-registry takes. */
const HTPASSWD = "alga:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";
const START_MS = 10_000;

export type DockerAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic" }
  | {
      readonly kind: "token";
      readonly realm: string;
      readonly service: string;
      readonly issuer: string;
      readonly cert: string;
    };

export interface DockerRegistryOptions {
  readonly auth: DockerAuth;
  readonly tls?: KeyPair;
  /** The program to start; absent: Debian's docker-registry. */
  readonly program?: string;
}

export interface DockerRegistry {
  readonly port: number;
  /** Where it keeps its content: `<storage>/docker/registry/v2/blobs/sha256/ab/<hex>/data`. */
  readonly storage: string;
  /** Kills it and removes its content. */
  stop(): Promise<void>;
}

/** Why docker-registry cannot run here; undefined when it can. */
export function dockerRegistryMissing(): string | undefined {
  const found = spawnSync("docker-registry", ["--version"], { encoding: "utf8" });
  return found.error === undefined && found.status === 0 ? undefined : "docker-registry is not installed";
}

/** Starts one; it answers when this returns. */
export async function startDockerRegistry(options: DockerRegistryOptions): Promise<DockerRegistry> {
  const folder = mkdtempSync(join(tmpdir(), "alga-registry-"));
  const port = await freePort();
  const config = join(folder, "config.yml");
  writeFileSync(config, configuration(folder, port, options));
  const env = { ...process.env, OTEL_TRACES_EXPORTER: "none" };
  const program = options.program ?? "docker-registry";
  const child = spawn(program, ["serve", config], { stdio: ["ignore", "ignore", "pipe"], env });
  const said: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  try {
    await listening(child, said);
  } catch (thrown) {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw thrown;
  }
  return {
    port,
    storage: join(folder, "data"),
    stop: async () => {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function listening(child: ChildProcess, said: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`docker-registry does not start: ${said.join("")}`)), START_MS);
    child.once("exit", (code) => reject(new Error(`docker-registry ended with ${code}: ${said.join("")}`)));
    child.stderr?.on("data", () => {
      if (!said.join("").includes("listening on")) return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** JSON is YAML. */
function configuration(folder: string, port: number, options: DockerRegistryOptions): string {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const { auth, tls } = options;
  return JSON.stringify({
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
    http: {
      addr: `127.0.0.1:${port}`,
      secret: randomUUID(),
      ...(tls === undefined
        ? {}
        : { tls: { certificate: write("tls.pem", tls.cert), key: write("tls.key", tls.key) } }),
    },
    ...(auth.kind === "basic" ? { auth: { htpasswd: { realm: "test", path: write("htpasswd", HTPASSWD) } } } : {}),
    ...(auth.kind === "token"
      ? {
          auth: {
            token: {
              realm: auth.realm,
              service: auth.service,
              issuer: auth.issuer,
              rootcertbundle: write("token.pem", auth.cert),
            },
          },
        }
      : {}),
  });
}

export interface TokenServiceOptions {
  readonly issuer: string;
  readonly service: string;
  /** Signs the tokens; its certificate goes along as x5c. */
  readonly signer: KeyPair;
}

/** A token service: gives `USER` all that is asked for, nobody else anything. */
export function tokenService(options: TokenServiceOptions): Fetch {
  const wanted = `Basic ${Buffer.from(`${USER.username}:${USER.password}`).toString("base64")}`;
  return async (request) => {
    const url = new URL(request.url);
    if (request.headers.get("authorization") !== wanted) return new Response("denied\n", { status: 401 });
    if (url.searchParams.get("service") !== options.service) return new Response("other service\n", { status: 400 });
    const access = url.searchParams.getAll("scope").map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    return Response.json({ token: jwt(access, options), expires_in: 300 });
  };
}

function jwt(access: readonly object[], options: TokenServiceOptions): string {
  const now = Math.floor(Date.now() / 1_000);
  const der = options.signer.cert.replace(/-----[A-Z ]+-----|\s/g, "");
  const header = { typ: "JWT", alg: "ES256", x5c: [der] };
  const claims = {
    iss: options.issuer,
    sub: USER.username,
    aud: options.service,
    exp: now + 300,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access,
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part(header)}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: options.signer.key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
