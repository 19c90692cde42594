// Beside the box, on the bridge: Debian's docker-registry with token authentication and TLS by the lab's private CA, the
// token server, and a name server (CoreDNS) that knows the registry's name. Each can be stopped and started by itself.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureAuthority, TLS } from "./authority.ts";
import { startDaemon, stopDaemon, until } from "./daemon.ts";
import { NETWORK, RUN } from "./places.ts";
import { tryRun } from "./shell.ts";
import { PUBLISHER, TOKEN_ISSUER } from "./token-server.ts";
import { toolPath } from "./tools.ts";

export const REGISTRY = {
  name: "registry.alga.test",
  /** As everybody names it; this machine only through `withNames`. */
  host: "registry.alga.test:5443",
  /** Where it listens. */
  address: `${NETWORK.host}:5443`,
  storage: join(RUN, "registry"),
  credentials: join(RUN, "publisher.json"),
} as const;

const TOKEN_PORT = 5444;
const PASSWORD_FILE = join(RUN, "publisher-password");

/** Starts registry, token server and name server; answers when the registry does. Safe to call again. */
export async function startServices(): Promise<void> {
  mkdirSync(REGISTRY.storage, { recursive: true });
  ensureAuthority(REGISTRY.name);
  const password = publisherPassword();
  startDaemon("names", [toolPath("coredns"), "-conf", writeNames()]);
  const tls = [TLS.certificate, TLS.key, TLS.tokenCertificate, TLS.tokenKey];
  const script = join(import.meta.dirname, "token-server.ts");
  startDaemon("tokens", [process.execPath, script, NETWORK.host, String(TOKEN_PORT), ...tls], {
    LAB_PUBLISHER_PASSWORD: password,
  });
  await startRegistry();
}

export async function startRegistry(): Promise<void> {
  startDaemon("registry", ["docker-registry", "serve", writeRegistryConfiguration()], { OTEL_TRACES_EXPORTER: "none" });
  await until("the registry", 60, () => {
    const answer = tryRun([
      "curl",
      "-s",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "--cacert",
      TLS.authority,
      `https://${REGISTRY.address}/v2/`,
    ]);
    return answer.stdout === "401";
  });
}

export async function stopRegistry(): Promise<void> {
  await stopDaemon("registry", "SIGKILL");
}

/** Stops all three; safe to call again. */
export async function stopServices(): Promise<void> {
  for (const name of ["registry", "tokens", "names"]) await stopDaemon(name, "SIGKILL");
}

/**
 * The same command in a mount namespace of its own where the registry's name is known: the name server serves the box
 * only, and this machine's own files stay as they are.
 */
export function withNames(argv: readonly string[]): string[] {
  const hosts = join(RUN, "hosts");
  writeFileSync(hosts, `${readFileSync("/etc/hosts", "utf8")}\n${NETWORK.host} ${REGISTRY.name}\n`);
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

function writeNames(): string {
  const file = join(RUN, "Corefile");
  const hosts = `hosts {\n    ${NETWORK.host} ${REGISTRY.name}\n    ${NETWORK.box} appliance.alga.test\n  }`;
  const unknown = "template ANY ANY {\n    rcode NXDOMAIN\n  }";
  writeFileSync(
    file,
    `alga.test:53 {\n  bind ${NETWORK.host}\n  ${hosts}\n  errors\n}\n.:53 {\n  bind ${NETWORK.host}\n  ${unknown}\n}\n`,
  );
  return file;
}
