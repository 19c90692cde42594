/**
 * A real kube-apiserver with etcd on loopback, for contract tests: private CA, tokens, RBAC, no controllers.
 *
 * The binaries are the lab's (built into its cache by `npm run lab`) and Debian's etcd. Everything it writes is in a
 * temporary folder that goes with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Fetch } from "../../src/core/ports.ts";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { kubeDeps } from "./kubernetes.ts";
import { freePort } from "./sockets.ts";
import { makeCertificates, type TestCertificates } from "./tls.ts";

export interface RealKube {
  readonly server: string;
  /** The CA that signed the server, and a client's certificate by the same CA (user "client.test"). */
  readonly certificates: TestCertificates;
  readonly adminToken: string;
  /** Adds the administrator's token. */
  readonly fetch: Fetch;
  kube(manager?: string): Kube;
  nobody(): Kube;
  /** Kills kube-apiserver (not etcd) as a power cut would. */
  killServer(): Promise<void>;
  /** Starts it again on the same port and waits until it is ready. */
  startServer(): Promise<void>;
  /** Kills both at once, as a power cut would. */
  killAll(): Promise<void>;
  /** Starts both again on the same ports with what was on the disk, and waits until they are ready. */
  startAll(): Promise<void>;
  stop(): Promise<void>;
}

export interface Binaries {
  readonly etcd: string;
  readonly apiServer: string;
}

/** Finds the binaries, or says what is missing. */
export function findBinaries(
  environment: Readonly<Record<string, string | undefined>>,
): Binaries | { readonly missing: string } {
  const base = environment.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const tools = join(environment.ALGA_LAB_CACHE ?? join(base, "alga-appliance-lab"), "tools");
  const folders = existsSync(tools) ? readdirSync(tools).filter((name) => name.startsWith("kubernetes-")) : [];
  const apiServer = folders.map((name) => join(tools, name, "kube-apiserver")).find((path) => existsSync(path));
  const etcd = ["/usr/bin/etcd", "/usr/local/bin/etcd"].find((path) => existsSync(path));
  if (apiServer === undefined) return { missing: "no kube-apiserver in the lab's cache (npm run lab builds it)" };
  if (etcd === undefined) return { missing: "no etcd (apt-get install etcd-server)" };
  return { etcd, apiServer };
}

const ADMIN_TOKEN = "contract-admin-token";
const NOBODY_TOKEN = "contract-nobody-token";
const PATIENCE_MS = 60_000;

/** Starts both and waits until the server is ready (3-6 s). */
export async function startKubeApiServer(binaries: Binaries): Promise<RealKube> {
  const folder = mkdtempSync(join(tmpdir(), "alga-apiserver-"));
  const certificates = makeCertificates();
  writeFiles(folder, certificates);
  const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
  let etcd = startEtcd(binaries, folder, { client, peer });
  let server = startServer(binaries, folder, { client, secure });
  const address = `https://127.0.0.1:${secure}`;
  const open = createTransports().open({ ca: certificates.ca, onlyCa: true, idleTimeoutMs: 0 });
  const kubeFor = (token: string, manager?: string): Kube => {
    const headers = async (): Promise<Record<string, string>> => ({ authorization: `Bearer ${token}` });
    return createKube(
      kubeDeps,
      { server: address, fetch: open, headers },
      manager === undefined ? {} : { fieldManager: manager },
    );
  };
  const real: RealKube = {
    server: address,
    certificates,
    adminToken: ADMIN_TOKEN,
    fetch: (request) => {
      request.headers.set("authorization", `Bearer ${ADMIN_TOKEN}`);
      return open(request);
    },
    kube: (manager) => kubeFor(ADMIN_TOKEN, manager),
    nobody: () => kubeFor(NOBODY_TOKEN),
    killServer: () => kill(server),
    startServer: async () => {
      server = startServer(binaries, folder, { client, secure });
      await untilReady(real, [etcd, server]);
    },
    killAll: async () => void (await Promise.all([kill(server), kill(etcd)])),
    startAll: async () => {
      etcd = startEtcd(binaries, folder, { client, peer });
      await real.startServer();
    },
    stop: async () => {
      await kill(server);
      await kill(etcd);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await untilReady(real, [etcd, server]);
    return real;
  } catch (thrown) {
    await real.stop();
    throw thrown;
  }
}

function writeFiles(folder: string, certificates: TestCertificates): void {
  writeFileSync(join(folder, "ca.pem"), certificates.ca);
  writeFileSync(join(folder, "server.pem"), certificates.server.cert);
  writeFileSync(join(folder, "server.key"), certificates.server.key);
  const tokens = `${ADMIN_TOKEN},admin,1,"system:masters"\n${NOBODY_TOKEN},nobody,2\n`;
  writeFileSync(join(folder, "tokens.csv"), tokens);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  writeFileSync(join(folder, "accounts.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
}

function startEtcd(
  binaries: Binaries,
  folder: string,
  ports: { readonly client: number; readonly peer: number },
): ChildProcess {
  const client = `http://127.0.0.1:${ports.client}`;
  const peer = `http://127.0.0.1:${ports.peer}`;
  const flags = [
    ["--data-dir", join(folder, "etcd")],
    ["--listen-client-urls", client],
    ["--advertise-client-urls", client],
    ["--listen-peer-urls", peer],
    ["--initial-advertise-peer-urls", peer],
    ["--initial-cluster", `default=${peer}`],
  ].flat();
  return spawn(binaries.etcd, [...flags, "--unsafe-no-fsync"], { stdio: "ignore" });
}

function startServer(
  binaries: Binaries,
  folder: string,
  ports: { readonly client: number; readonly secure: number },
): ChildProcess {
  const flags = {
    "etcd-servers": `http://127.0.0.1:${ports.client}`,
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "secure-port": String(ports.secure),
    "tls-cert-file": join(folder, "server.pem"),
    "tls-private-key-file": join(folder, "server.key"),
    "client-ca-file": join(folder, "ca.pem"),
    "token-auth-file": join(folder, "tokens.csv"),
    "authorization-mode": "RBAC",
    "service-account-issuer": "https://kubernetes.default.svc",
    "service-account-key-file": join(folder, "accounts.key"),
    "service-account-signing-key-file": join(folder, "accounts.key"),
    "service-cluster-ip-range": "10.96.0.0/16",
    "endpoint-reconciler-type": "none",
    // There is no controller that would make the default service account of a namespace.
    "disable-admission-plugins": "ServiceAccount",
  };
  const list = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return spawn(binaries.apiServer, list, { stdio: "ignore", cwd: folder });
}

async function untilReady(real: RealKube, children: readonly ChildProcess[]): Promise<void> {
  const endsAt = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await real.fetch(new Request(`${real.server}/readyz`)).catch(() => undefined);
    if (answer?.status === 200) return;
    if (children.some((child) => child.exitCode !== null)) throw new Error("etcd or kube-apiserver ended at once");
    if (Date.now() > endsAt) throw new Error("kube-apiserver is not ready in time");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => void child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
