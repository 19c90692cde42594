/** `serve`: the control plane as the pod runs it. Prints where it listens, serves until it is told to stop, drains. */
import { uiFiles } from "../../embed/ui.ts";
import type { Command, CommandContext, Flag, Listening } from "../cli/command.ts";
import { listenFlags, parsePort, TLS_PORT_FLAG, tlsPort } from "../cli/listen-flags.ts";
import { ApplianceError, EXIT, type ExitCode, isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { findKubeAccess, openConnection } from "../kube/config.ts";
import { createLiveRegistry } from "../oci/layout-live.ts";
import { DEFAULT_PLACE } from "../release/location.ts";
import { REGISTRY_FLAGS, registryAccess, TRUST_FLAGS } from "../release/registry-flags.ts";
import { readableTrust } from "../release/trust.ts";
import { type ControlPlane, type ControlPlaneOptions, createControlPlane } from "./control-plane.ts";
import { openSecurePage, type SecurePage } from "./secure-listener.ts";

/** Milliseconds that requests get to end after SIGTERM; Kubernetes kills after 20 s. */
const DRAIN_MS = 5_000;

const FLAGS: readonly Flag[] = [
  ...listenFlags({ listen: "::", port: "8080" }),
  TLS_PORT_FLAG,
  {
    name: "kubeconfig",
    type: "string",
    value: "<file>",
    summary: "Kubeconfig of the cluster; in a pod the service account",
  },
  { name: "name", type: "string", value: "<name>", summary: "Name on screens", fallback: "the host name" },
  {
    name: "channel",
    type: "string",
    value: "<name>",
    summary: "Channel that the wizard offers first",
    fallback: "stable",
  },
  {
    name: "store-listen",
    type: "string",
    value: "<host:port>",
    summary: "Serve the store of release load as a registry here; name the same address with --registry",
  },
  ...TRUST_FLAGS,
  ...REGISTRY_FLAGS,
];

export const commands: readonly Command[] = [
  {
    path: ["serve"],
    summary: "Run the control plane: wizard, setup, status",
    description:
      "Serves the wizard and the status until SIGTERM: plain, and over TLS on a second port with a certificate that the box makes " +
      "itself (host certificate shows it). An interrupted setup goes on by itself. Without a cluster it serves too, and says what is " +
      "missing.",
    flags: FLAGS,
    examples: [
      { command: "alga-appliance serve", about: "As the pod does" },
      {
        command: "alga-appliance serve --store-listen 10.0.0.5:5000 --registry 10.0.0.5:5000 --plain-http",
        about: "Without a network: releases come from the box's own store",
      },
      {
        command: "alga-appliance serve --listen 127.0.0.1 --port 0 -o json",
        about: "For a script: prints one line with the address",
      },
    ],
    run: serve,
  },
];

async function serve(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, out } = context;
  const port = parsePort(settings.get("listen.port") ?? "8080");
  const securePort = tlsPort(settings.get("listen.tlsPort"), port);
  const heard: { url: string | null; secure?: SecurePage } = { url: null };
  const plane = await openControlPlane(context, {
    setupUrl: () => heard.url,
    securePort: () => heard.secure?.port() ?? null,
  });
  await plane.app.prepare();
  const registry = await serveStore(context);
  const host = settings.get("listen.host") ?? "::";
  const listening = await context.listen({ host, port, handle: plane.app.handle });
  if (securePort !== undefined) {
    heard.secure = await openSecurePage(deps, {
      listen: context.listen,
      paths: statePaths(settings.get("root") ?? "/"),
      host,
      port: securePort,
      handle: plane.app.handle,
    });
  }
  const url = `http://${urlHost(listening.address)}:${listening.port}`;
  heard.url = `${await reachableUrl(context, listening.port, url)}/setup`;
  out.event({ url, tlsPort: heard.secure?.port() ?? null }, () => servingText(url, heard.secure?.port() ?? null));
  await plane.start();
  await untilStopped(context.signal);
  deps.log.info("control plane stops");
  await Promise.all([
    plane.stop(),
    listening.close(DRAIN_MS),
    heard.secure?.close(DRAIN_MS),
    registry?.close(DRAIN_MS),
  ]);
  return EXIT.done;
}

function servingText(url: string, securePort: number | null): string {
  return `Serving on ${url}${securePort === null ? "" : `, over TLS on port ${securePort}`}`;
}

/**
 * Offers what `release load` brought as a read-only registry, which resolve and Flux ask like any other. Whether the
 * cluster's containerd takes images from it is the host's matter.
 *
 * @throws {ApplianceError} config/invalid for another form than host:port; http/cannot-listen.
 */
async function serveStore({ settings, deps, listen }: CommandContext): Promise<Listening | undefined> {
  const wanted = settings.get("store.listen");
  if (wanted === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(wanted) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535) {
    throw new ApplianceError("config/invalid", `Cannot serve the store on "${wanted}": host:port is wanted`);
  }
  const base = settings.get("registry.repository") ?? DEFAULT_PLACE.base;
  const store = createLiveRegistry(deps, statePaths(settings.get("root") ?? "/").store, { base });
  const listening = await listen({ host, port: Number(port), handle: store.fetch });
  deps.log.info("store is served", { host, port: listening.port, base });
  return listening;
}

async function openControlPlane(
  context: CommandContext,
  heard: Pick<ControlPlaneOptions, "setupUrl" | "securePort">,
): Promise<ControlPlane> {
  const { deps, settings } = context;
  const { kube, problem } = await openKube(context);
  const registry = await registryAccess(context);
  await readableTrust(registry.trust).catch((error: unknown) => {
    deps.log.warn("what this box trusts cannot be read: no release is taken", { error });
  });
  return createControlPlane(deps, {
    paths: statePaths(settings.get("root") ?? "/"),
    build: context.build,
    name: settings.get("name") ?? (await deps.machine.hostName()),
    kube,
    ...(problem === undefined ? {} : { kubeProblem: problem }),
    registry,
    licenseUrl: settings.get("license.url"),
    assets: uiFiles(),
    rehearsal: false,
    ...heard,
  });
}

/** The cluster, or a client that fails with the reason why there is none: the page must come up all the same. */
async function openKube({
  deps,
  settings,
  env,
}: CommandContext): Promise<{ readonly kube: Kube; readonly problem?: string }> {
  try {
    const access = await findKubeAccess(deps, { kubeconfig: settings.get("kubeconfig"), environment: env });
    return { kube: createKube(deps, openConnection(deps.transports, access)) };
  } catch (thrown) {
    if (!isApplianceError(thrown, "kube/config")) throw thrown;
    deps.log.warn("no cluster", { error: thrown });
    const fetch = (): Promise<Response> => Promise.reject(thrown);
    return { kube: createKube(deps, { server: "none", fetch, headers: async () => ({}) }), problem: thrown.message };
  }
}

/** The address that people can open: one of the box's own, when it listens on all of them. */
async function reachableUrl({ deps }: CommandContext, port: number, url: string): Promise<string> {
  const { hostname } = new URL(url);
  if (hostname !== "[::]" && hostname !== "0.0.0.0") return url;
  const [address] = await deps.network.addresses();
  return address === undefined ? `http://localhost:${port}` : `http://${urlHost(address)}:${port}`;
}

function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** Resolves when the process is told to stop. */
export function untilStopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
