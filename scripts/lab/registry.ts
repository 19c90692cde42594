// Beside the box, on the bridge: Debian's docker-registry with token authentication and TLS by the lab's private CA, the
// token server, and a name server (CoreDNS) that knows the registry's name. Each can be stopped and started by itself.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureAuthority, TLS } from "./authority.ts";
import { startDaemon, stopDaemon, until } from "./daemon.ts";
import { NETWORK, RUN } from "./places.ts";
import { tryRun } from "./shell.ts";
import { PUBLISHER, TOKEN_ISSUER } from "./token-server.ts";
import { ensureTools, toolPath } from "./tools.ts";

export const REGISTRY = {
  name: "registry.alga.test",
  /** As everybody names it; this machine only through `withNames`. */
  host: "registry.alga.test:5443",
  /** Where it listens. */
  address: `${NETWORK.host}:5443`,
  storage: join(RUN, "registry"),
  credentials: join(RUN, "publisher.json"),
} as const;

/** A second registry, for mirrors: distribution 3, to which everybody may write. */
export const MIRROR = {
  name: "mirror.alga.test",
  host: "mirror.alga.test:5445",
  storage: join(RUN, "mirror"),
} as const;

/** Where a bundle is served to the box. */
export const MEDIA = { name: "media.alga.test", host: "media.alga.test:5446", port: 5446 } as const;

/** The public address of the application where a case has a proxy with TLS in front of it. */
export const PORTAL = { name: "portal.alga.test", port: 5448, url: "https://portal.alga.test:5448" } as const;

const NAMES: readonly string[] = [REGISTRY.name, MIRROR.name, MEDIA.name, PORTAL.name];
const TOKEN_PORT = 5444;
const PASSWORD_FILE = join(RUN, "publisher-password");

/**
 * Starts registry, token server and name server; answers when the registry does.
 * @param options.onlyNames nothing but the name server, for a box that is cut off from every registry
 */
export async function startServices(options: { readonly onlyNames?: boolean } = {}): Promise<void> {
  mkdirSync(REGISTRY.storage, { recursive: true });
  ensureAuthority(NAMES);
  const password = publisherPassword();
  startNames();
  if (options.onlyNames === true) return;
  const tls = [TLS.certificate, TLS.key, TLS.tokenCertificate, TLS.tokenKey];
  const script = join(import.meta.dirname, "token-server.ts");
  startDaemon("tokens", [process.execPath, script, NETWORK.host, String(TOKEN_PORT), ...tls], {
    LAB_PUBLISHER_PASSWORD: password,
  });
  await startRegistry();
}

/** Starts the name server, all names known but those given. */
export function startNames(missing: readonly string[] = []): void {
  startDaemon("names", [toolPath("coredns"), "-conf", writeNames(NAMES.filter((name) => !missing.includes(name)))]);
}

/** Stops the name server: nobody answers the box's questions any more. */
export async function stopNames(): Promise<void> {
  await stopDaemon("names", "SIGKILL");
}

export async function startRegistry(): Promise<void> {
  startDaemon("registry", ["docker-registry", "serve", writeRegistryConfiguration()], { OTEL_TRACES_EXPORTER: "none" });
  await answersWith(REGISTRY.address, "401");
}

async function answersWith(address: string, status: string): Promise<void> {
  const flags = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", TLS.authority];
  await until(
    `the registry at ${address}`,
    60,
    () => tryRun(["curl", ...flags, `https://${address}/v2/`]).stdout === status,
  );
}

/** Starts the second registry; answers when it does. */
export async function startMirror(): Promise<void> {
  mkdirSync(MIRROR.storage, { recursive: true });
  const file = join(RUN, "mirror.json");
  const address = `${NETWORK.host}:${MIRROR.host.split(":")[1]}`;
  const configuration = {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: MIRROR.storage } },
    http: { addr: address, tls: { certificate: TLS.certificate, key: TLS.key } },
  };
  writeFileSync(file, JSON.stringify(configuration));
  const { distribution = "" } = ensureTools(["distribution"]);
  startDaemon("mirror", [distribution, "serve", file], { OTEL_TRACES_EXPORTER: "none" });
  await answersWith(address, "200");
}

export async function stopMirror(): Promise<void> {
  await stopDaemon("mirror", "SIGKILL");
}

export async function stopRegistry(): Promise<void> {
  await stopDaemon("registry", "SIGKILL");
}

/** Stops all of them; safe to call again. */
export async function stopServices(): Promise<void> {
  const names = ["visitor", "portal", "media", "mirror", "registry", "tokens", "names"];
  for (const name of names) await stopDaemon(name, "SIGKILL");
}

/**
 * Changes one byte of an artifact's only layer on the disk of the first registry; the answer puts it back, and may be called
 * twice.
 */
export function damageLayer(digest: string): () => void {
  const manifest = JSON.parse(readFileSync(blobFile(digest), "utf8"));
  const file = blobFile(manifest.layers[0].digest);
  const good = readFileSync(file);
  const bad = Buffer.from(good);
  const middle = Math.floor(bad.length / 2);
  bad[middle] = (bad[middle] ?? 0) ^ 0xff;
  replace(file, bad);
  return () => replace(file, good);
}

function replace(file: string, bytes: Buffer): void {
  rmSync(file, { force: true });
  writeFileSync(file, bytes);
}

function blobFile(digest: string): string {
  const hex = digest.replace("sha256:", "");
  return join(REGISTRY.storage, "docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
}

/**
 * The same command in a mount namespace of its own where the registry's name is known: the name server serves the box
 * only, and this machine's own files stay as they are.
 */
export function withNames(argv: readonly string[]): string[] {
  const hosts = join(RUN, "hosts");
  writeFileSync(hosts, `${readFileSync("/etc/hosts", "utf8")}\n${NETWORK.host} ${NAMES.join(" ")}\n`);
  return ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, ...argv];
}

function publisherPassword(): string {
  if (!existsSync(PASSWORD_FILE)) writeFileSync(PASSWORD_FILE, randomBytes(16).toString("hex"), { mode: 0o600 });
  const password = readFileSync(PASSWORD_FILE, "utf8");
  const auth = Buffer.from(`${PUBLISHER}:${password}`).toString("base64");
  writeFileSync(REGISTRY.credentials, JSON.stringify({ auths: { [REGISTRY.host]: { auth } } }), { mode: 0o600 });
  return password;
}

// No debug or health section: nothing of it listens anywhere but on the bridge.
function writeRegistryConfiguration(): string {
  const file = join(RUN, "registry.json");
  const configuration = {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: REGISTRY.storage }, delete: { enabled: true } },
    http: { addr: REGISTRY.address, tls: { certificate: TLS.certificate, key: TLS.key } },
    auth: {
      token: {
        realm: `https://${REGISTRY.name}:${TOKEN_PORT}/token`,
        service: "alga-lab-registry",
        issuer: TOKEN_ISSUER,
        rootcertbundle: TLS.tokenCertificate,
      },
    },
  };
  writeFileSync(file, JSON.stringify(configuration));
  return file;
}

function writeNames(names: readonly string[]): string {
  const file = join(RUN, "Corefile");
  const hosts = `hosts {\n    ${NETWORK.host} ${names.join(" ")}\n    ${NETWORK.box} appliance.alga.test\n  }`;
  const unknown = "template ANY ANY {\n    rcode NXDOMAIN\n  }";
  writeFileSync(
    file,
    `alga.test:53 {\n  bind ${NETWORK.host}\n  ${hosts}\n  errors\n}\n.:53 {\n  bind ${NETWORK.host}\n  ${unknown}\n}\n`,
  );
  return file;
}
