/**
 * The ports of a rehearsal: the real ones, except for what a laptop is not.
 *
 * Disk, memory and network of the box are played, so that a rehearsal goes alike on every machine and a scenario can change them.
 * Requests to the application's address and to Services of the cluster are answered by the rehearsed application, those to the
 * license service by a rehearsed one; requests to loopback (embedded registry, embedded Kubernetes API) go over real sockets.
 */
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { Deps, Fetch, Files, Machine, Network, Transports } from "../core/ports.ts";
import type { Stage } from "./faults.ts";
import { createRehearsedLicenses, LICENSE_HOST } from "./license-service.ts";

const GB = 1_000_000_000;
const DAY_MS = 86_400_000;

/** Address of the box in the rehearsal: TEST-NET-1, which nobody has. */
const BOX_ADDRESS = "192.0.2.10";

export interface Played {
  readonly stage: Stage;
  /** Answers for the application; rejects with net/unreachable while nothing listens. */
  readonly application: Fetch;
}

/** Puts the played machine, network, disk and transports over the real ports; `real` is not changed. Nothing leaves loopback. */
export function rehearsedDeps(real: Deps, played: Played): Deps {
  return {
    ...real,
    files: rehearsedFiles(real.files, played.stage),
    machine: rehearsedMachine(real.machine),
    network: rehearsedNetwork(real),
    transports: rehearsedTransports(real.transports, { ...played, licenses: createRehearsedLicenses() }),
  };
}

function rehearsedFiles(files: Files, stage: Stage): Files {
  return {
    ...files,
    space: async () => ({ totalBytes: 118 * GB, freeBytes: stage.faults().diskFull ? 0.4 * GB : 77 * GB }),
  };
}

function rehearsedMachine(machine: Machine): Machine {
  return {
    ...machine,
    machineId: async () => "7f3a0000000000000000000000000000",
    hostName: async () => "box-7f3a",
    memory: async () => ({ totalBytes: 16 * GB, availableBytes: 9.8 * GB }),
    cpuCount: () => 4,
    screen: async () => undefined,
  };
}

function rehearsedNetwork(real: Deps): Network {
  return {
    ...real.network,
    nameServers: async () => ["192.0.2.53"],
    resolve: async (name, options) => (isLoopbackHost(name) ? real.network.resolve(name, options) : [BOX_ADDRESS]),
    addresses: async () => [BOX_ADDRESS],
    isListening: async () => false,
    certificate: async (host) => ({
      subject: `CN=${host}`,
      issuer: "CN=Rehearsal CA",
      names: [host],
      validFromMs: real.clock.now() - DAY_MS,
      validToMs: real.clock.now() + 90 * DAY_MS,
      trusted: true,
    }),
  };
}

interface Others {
  readonly application: Fetch;
  readonly licenses: Fetch;
}

function rehearsedTransports(transports: Transports, { application, licenses }: Others): Transports {
  return {
    open: (options) => {
      const direct = transports.open(options);
      return (request) => {
        const { hostname } = new URL(request.url);
        if (isLoopbackHost(hostname)) return direct(request);
        return hostname === LICENSE_HOST ? licenses(request) : application(request);
      };
    },
  };
}

/** What a refused connection looks like through the `Fetch` port. */
export function refusedConnection(request: Request): ApplianceError {
  const { host } = new URL(request.url);
  return new ApplianceError("net/unreachable", `Cannot reach "${host}": connection refused`);
}
