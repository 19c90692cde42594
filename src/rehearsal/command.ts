/** `rehearse`: the whole appliance on this machine. Prints the address with its token, plays until it is stopped. */
import { join } from "node:path/posix";
import { renderUnicodeCompact } from "uqr";
import { uiFiles } from "../../embed/ui.ts";
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { listenFlags, parsePort, TLS_PORT_FLAG, tlsPort } from "../cli/listen-flags.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import { type StatePaths, statePaths } from "../core/paths.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { ensureSetupToken, readSetupToken } from "../host/setup-token.ts";
import { createKube } from "../kube/client.ts";
import { openTrust } from "../release/trust.ts";
import { untilStopped } from "../server/command.ts";
import { type ControlPlane, createControlPlane } from "../server/control-plane.ts";
import { openSecurePage, type SecurePage } from "../server/secure-listener.ts";
import { type Box, openBox, SAMPLE_BASE } from "./box.ts";
import { CONTROL_PLANE_HEADERS } from "./control-plane-identity.ts";
import { createStage, SCENARIOS, type Stage } from "./faults.ts";
import { LICENSE_HOST } from "./license-service.ts";
import { createMemoryFiles } from "./memory-files.ts";
import type { Publisher } from "./publisher.ts";
import { refusedConnection, rehearsedDeps } from "./rehearsed-deps.ts";
import { scenarioRoutes } from "./scenario-routes.ts";

const DRAIN_MS = 1_000;
/** Milliseconds between looks at the cluster at speed 1, as on a box. */
const POLL_MS = 1_000;
/** Milliseconds that a failure lasts before it counts, at speed 1, as on a box. */
const GRACE_MS = 10_000;
/** Nothing is downloaded and nothing big starts, so a rehearsal is done sooner than its plan says of a box. */
const ON_A_LAPTOP = 6;
const MAX_SPEED = 1_000;

export const commands: readonly Command[] = [
  {
    path: ["rehearse"],
    summary: "Run the whole appliance with an embedded registry and Kubernetes API",
    description:
      "The real control plane with everything around it played: the registry serves a sample release, the Kubernetes API is in " +
      "memory, and actors act as the kubelet, Flux and Helm do. Nothing on this machine is installed or changed.\n\n" +
      `Scenarios: ${SCENARIOS.map((one) => one.name).join(", ")}.`,
    flags: [
      {
        name: "scenario",
        type: "string",
        value: "<name>",
        summary: "Play a failure",
        choices: SCENARIOS.map((one) => one.name),
      },
      { name: "speed", type: "string", value: "<factor>", summary: "How much faster than a real box", fallback: "1" },
      ...listenFlags({ listen: "127.0.0.1", port: "8080, or a free one" }),
      TLS_PORT_FLAG,
      {
        name: "state",
        type: "string",
        value: "<folder>",
        summary: "Keep the rehearsal in this folder across runs",
        fallback: "in memory",
      },
    ],
    examples: [
      { command: "alga-appliance rehearse", about: "An installation that works" },
      {
        command: "alga-appliance rehearse --scenario image-missing --speed 5",
        about: "One image of the release is missing",
      },
      {
        command: "alga-appliance rehearse --port 0 -o json",
        about: "For scripts: one line with addresses and token, then events",
      },
    ],
    run: rehearse,
  },
];

interface Rehearsal {
  readonly box: Box;
  readonly plane: ControlPlane;
  readonly stateDir: string;
  readonly deps: Deps;
  readonly paths: StatePaths;
}

/** What is known only when it listens. */
interface Heard {
  url: string | null;
  secure?: SecurePage;
}

async function rehearse(context: CommandContext): Promise<ExitCode> {
  const address = await addressOf(context);
  const stage = createStage(flagText(context.flags, "scenario") ?? null);
  const heard: Heard = { url: null };
  const rehearsal = await openRehearsal(context, stage, heard);
  try {
    return await perform(context, rehearsal, { address, heard });
  } finally {
    await rehearsal.plane.stop();
    await rehearsal.box.close();
  }
}

async function perform(
  context: CommandContext,
  rehearsal: Rehearsal,
  at: { readonly address: Address; readonly heard: Heard },
): Promise<ExitCode> {
  const { plane } = rehearsal;
  await plane.app.prepare();
  const { host: interfaceOf, port, securePort } = at.address;
  const listening = await context.listen({ host: interfaceOf, port, handle: plane.app.handle });
  if (securePort !== undefined) {
    // Its certificate is for this machine, not for the box that is played.
    const { network } = context.deps;
    at.heard.secure = await openSecurePage(
      { ...rehearsal.deps, network },
      {
        listen: context.listen,
        paths: rehearsal.paths,
        host: interfaceOf,
        port: securePort,
        handle: plane.app.handle,
      },
    );
  }
  try {
    const host = listening.address.includes(":") ? `[${listening.address}]` : listening.address;
    const url = `http://${host}:${listening.port}`;
    at.heard.url = `${url}/setup`;
    await announce(context, rehearsal, url);
    streamEvents(context, plane);
    await plane.start();
    await untilStopped(context.signal);
    return EXIT.done;
  } finally {
    plane.app.stop();
    await Promise.all([listening.close(DRAIN_MS), at.heard.secure?.close(DRAIN_MS)]);
  }
}

async function openRehearsal(context: CommandContext, stage: Stage, heard: Heard): Promise<Rehearsal> {
  const speed = speedOf(context);
  const folder = flagText(context.flags, "state");
  const stateDir = folder === undefined ? "/rehearsal" : absolute(folder, context);
  const real =
    folder === undefined ? { ...context.deps, files: createMemoryFiles(() => context.deps.clock.now()) } : context.deps;
  await real.files.makeDirectory(stateDir);
  const paths = statePaths(stateDir);
  const late: { plane?: ControlPlane } = {};
  const controlPlane: Fetch = async (request) => {
    if (late.plane === undefined) throw refusedConnection(request);
    return late.plane.app.handle(request, { address: "127.0.0.1" });
  };
  const box = await openBox(real, context.listen, { stage, speed, stateDir, controlPlane });
  const deps = rehearsedDeps(real, { stage, application: box.application });
  await putTrust(deps, stateDir, box.publisher);
  await deps.files.makeDirectory(paths.state);
  if ((await deps.files.stat(paths.adminCredential)) === undefined) await ensureSetupToken(deps, paths.setupToken);
  const plane = createControlPlane(deps, {
    paths,
    build: context.build,
    name: "box-7f3a",
    kube: createKube(deps, {
      server: box.kubernetes,
      fetch: deps.transports.open({ idleTimeoutMs: 0 }),
      headers: async () => CONTROL_PLANE_HEADERS,
    }),
    registry: {
      place: { registry: box.registry, base: SAMPLE_BASE },
      plainHttp: true,
      trust: openTrust(deps, { get: (key) => (key === "root" ? stateDir : context.settings.get(key)) }),
    },
    licenseUrl: `https://${LICENSE_HOST}`,
    assets: uiFiles(),
    rehearsal: true,
    setupUrl: () => heard.url,
    securePort: () => heard.secure?.port() ?? null,
    routes: scenarioRoutes(stage),
    setup: {
      pollMs: Math.max(50, POLL_MS / speed),
      graceMs: Math.max(500, GRACE_MS / speed),
      pace: speed * ON_A_LAPTOP,
      passwordIterations: 10_000,
    },
  });
  late.plane = plane;
  return { box, plane, stateDir: folder === undefined ? "memory" : stateDir, deps, paths };
}

/** What a person puts on a box: the publisher's key and root, where every command of it finds them. */
async function putTrust({ files }: Pick<Deps, "files">, stateDir: string, publisher: Publisher): Promise<void> {
  const { trustedKeys, trustRoot } = statePaths(stateDir);
  await files.makeDirectory(trustedKeys);
  await files.write(join(trustedKeys, "publisher.pem"), publisher.key.pem);
  await files.write(trustRoot, publisher.root);
}

interface Address {
  readonly host: string;
  readonly port: number;
  /** Absent: plain only. */
  readonly securePort?: number | undefined;
}

/** The asked ports; without them 8080 and 8443, or free ones when those are taken. Looked at before anything is opened. */
async function addressOf({ flags, deps }: CommandContext): Promise<Address> {
  const host = flagText(flags, "listen") ?? "127.0.0.1";
  const asked = flagText(flags, "port");
  const freeOr = async (port: number): Promise<number> => ((await deps.network.isListening(port)) ? 0 : port);
  const wanted = asked === undefined ? 8080 : parsePort(asked);
  const securePort = tlsPort(flagText(flags, "tls-port"), wanted);
  return {
    host,
    port: asked === undefined ? await freeOr(wanted) : wanted,
    securePort: securePort === undefined ? undefined : await freeOr(securePort),
  };
}

async function announce(context: CommandContext, rehearsal: Rehearsal, url: string): Promise<void> {
  const { box, stateDir, deps } = rehearsal;
  const root = flagText(context.flags, "state") === undefined ? "/rehearsal" : stateDir;
  const token = (await readSetupToken(deps.files, statePaths(root).setupToken))?.reveal() ?? null;
  const setupUrl = token === null ? `${url}/` : `${url}/setup?token=${token}`;
  const shown = {
    url,
    setupUrl,
    token,
    registry: box.registry,
    kubernetes: box.kubernetes,
    loginUrl: box.loginUrl,
    stateDir,
  };
  context.out.event(shown, () => announcement({ setupUrl, token, box }));
}

function announcement(shown: { readonly setupUrl: string; readonly token: string | null; readonly box: Box }): string {
  return [
    "",
    "  This is a rehearsal: nothing on this computer is installed or changed.",
    "",
    `  Open      ${shown.setupUrl}`,
    shown.token === null ? "  It is claimed: log in with the password you chose." : `  Token     ${shown.token}`,
    ...qrCode(shown.setupUrl),
    `  Registry  ${shown.box.registry}     Kubernetes  ${shown.box.kubernetes}`,
    "  Stop with Ctrl-C.",
    "",
  ].join("\n");
}

/** For a phone in the same network; a loopback address is of no use to it. */
function qrCode(url: string): readonly string[] {
  if (isLoopbackHost(new URL(url).host)) return [];
  const rows = renderUnicodeCompact(url, { border: 2 }).split("\n");
  return ["", ...rows.map((row) => `  ${row}`), ""];
}

/** With -o json every change is one line, so that a script can follow without the HTTP API. */
function streamEvents({ out }: CommandContext, plane: ControlPlane): void {
  plane.operations.subscribe((event) => {
    if (event.type !== "operation") return;
    const { operation } = event;
    const step = operation.steps.find((one) => one.id === operation.step);
    if (out.format === "text")
      out.progress(`  ${operation.state}: ${step?.title ?? "done"}${step?.detail ? ` (${step.detail})` : ""}`);
    else out.event(event, () => "");
  });
}

function speedOf(context: CommandContext): number {
  const given = flagText(context.flags, "speed") ?? "1";
  const speed = Number(given);
  if (Number.isFinite(speed) && speed > 0 && speed <= MAX_SPEED) return speed;
  throw new ApplianceError(
    "cli/usage",
    `Cannot play at speed "${given}": a number above 0 and up to ${MAX_SPEED} is wanted`,
  );
}

function absolute(folder: string, { env }: CommandContext): string {
  return folder.startsWith("/") ? folder : `${env.PWD ?? ""}/${folder}`;
}
