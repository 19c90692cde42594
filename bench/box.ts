/**
 * The rehearsal in two processes, so that the control plane is measured alone: `surroundings` plays registry, Kubernetes API,
 * actors and login page; `plane <addresses>` is the control plane. Each prints one line of addresses; then the plane prints one
 * line for each change of its operation.
 */

import { uiFiles } from "../embed/ui.ts";
import { BUILD } from "../src/core/build.ts";
import { SILENT_LOG } from "../src/core/log.ts";
import { statePaths } from "../src/core/paths.ts";
import { ensureSetupToken, readSetupToken } from "../src/host/setup-token.ts";
import { createKube } from "../src/kube/client.ts";
import { createDeps } from "../src/platform/deps.ts";
import { listen } from "../src/platform/http-server.ts";
import { processSignal } from "../src/platform/signals.ts";
import { type Box, openBox, SAMPLE_BASE } from "../src/rehearsal/box.ts";
import { createStage } from "../src/rehearsal/faults.ts";
import { createMemoryFiles } from "../src/rehearsal/memory-files.ts";
import { rehearsedDeps } from "../src/rehearsal/rehearsed-deps.ts";
import { untilStopped } from "../src/server/command.ts";
import { createControlPlane } from "../src/server/control-plane.ts";

const STATE = "/bench";
const SPEED = 5;

type Addresses = Pick<Box, "registry" | "kubernetes" | "loginUrl"> & {
  /** Of a real API server. */
  readonly access?: { readonly ca: string; readonly token: string };
};

const real = createDeps(SILENT_LOG);
const kept = { ...real, files: createMemoryFiles(() => real.clock.now()) };
const stage = createStage(null);
const signal = processSignal();
const [role, addresses = "{}"] = process.argv.slice(2);
await kept.files.makeDirectory(STATE);
if (role === "surroundings") await playSurroundings();
else await runPlane(JSON.parse(addresses));

async function playSurroundings(): Promise<void> {
  const box = await openBox(kept, listen, { stage, speed: SPEED, stateDir: STATE });
  say({ registry: box.registry, kubernetes: box.kubernetes, loginUrl: box.loginUrl });
  await untilStopped(signal);
  await box.close();
}

async function runPlane(around: Addresses): Promise<void> {
  const deps = rehearsedDeps(kept, { stage, application: atLoginPage(around) });
  const paths = statePaths(STATE);
  await deps.files.makeDirectory(paths.state);
  await ensureSetupToken(deps, paths.setupToken);
  const { access } = around;
  const trusted = access === undefined ? {} : { ca: access.ca, onlyCa: true };
  const fetch = deps.transports.open({ idleTimeoutMs: 0, ...trusted });
  const headers = async (): Promise<Record<string, string>> =>
    access === undefined ? {} : { authorization: `Bearer ${access.token}` };
  const plane = createControlPlane(deps, {
    paths,
    build: BUILD,
    name: "bench",
    kube: createKube(deps, { server: around.kubernetes, fetch, headers }),
    registry: { place: { registry: around.registry, base: SAMPLE_BASE }, plainHttp: true },
    licenseUrl: undefined,
    assets: uiFiles(),
    rehearsal: true,
    setupUrl: () => null,
    setup: { pollMs: 200, passwordIterations: 10_000 },
  });
  await plane.app.prepare();
  const listening = await listen({ host: "127.0.0.1", port: 0, handle: plane.app.handle });
  const token = (await readSetupToken(deps.files, paths.setupToken))?.reveal();
  say({ url: `http://127.0.0.1:${listening.port}`, token });
  plane.operations.subscribe((event) => {
    if (event.type === "operation") say(event);
  });
  await plane.start();
  await untilStopped(signal);
  await plane.stop();
  await listening.close(0);
}

/** Whatever the public address of the application is, the login page of the surroundings answers. */
function atLoginPage(around: Addresses): (request: Request) => Promise<Response> {
  const open = real.transports.open();
  return (request) => {
    const { pathname, search } = new URL(request.url);
    return open(new Request(`${around.loginUrl}${pathname}${search}`, { headers: request.headers }));
  };
}

function say(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
