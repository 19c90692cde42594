/**
 * The host agent: what the control plane may know and ask of the host, over a Unix socket.
 *
 * Parties: the pod as user 10001, which may have been taken over; root, who may ask too; anybody else is turned away by the socket's
 * mode and again by the kernel's word of who connected. Objects: a closed list of requests (`agent-requests.ts`), each turned into one
 * argument vector of our own words. Reads run side by side, changes one at a time. Every answer is bounded, journals are redacted.
 */
import type { Peer } from "../cli/command.ts";
import { readBody } from "../core/body.ts";
import { withDeadline } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import { json, problem } from "../core/http.ts";
import type { Maintenance } from "../core/maintenance.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { streamOf } from "../core/streams.ts";
import { gatherHostFacts, type HostFacts, type KeptWords } from "./agent-facts.ts";
import { openJournal } from "./agent-journal.ts";
import { pruneImages } from "./agent-prune.ts";
import { CHANGING, type HostRequest, JOURNAL_UNITS, MAX_BODY_BYTES, readHostRequest } from "./agent-requests.ts";
import { listImages, programFailed } from "./containerd.ts";
import { CONTROL_PLANE_ID } from "./host-files.ts";
import { readMaintenance } from "./maintenance.ts";

/** Milliseconds for one request, whatever it does. */
const REQUEST_MS = 60_000;
const PROGRAM_MS = 30_000;
/** Reads at once: each may start a program. */
const MAX_READING = 8;
/** Milliseconds for which facts are told again: several readers ask at once. */
const FACTS_MS = 5_000;

type AgentDeps = Pick<Deps, "clock" | "machine" | "network" | "files" | "exec" | "log">;

/** Answers requests of the socket. */
export type HostAgent = (request: Request, peer: Pick<Peer, "identity">) => Promise<Response>;

export interface HostAgentOptions {
  readonly paths: StatePaths;
  /** Names of images that a pruning must not take; throws where it cannot tell. */
  readonly kept: (signal: AbortSignal) => Promise<ReadonlySet<string>>;
}

/** Makes the agent. It holds nothing but facts of the last seconds and the turn of who changes something. */
export function createHostAgent(deps: AgentDeps, options: HostAgentOptions): HostAgent {
  const work = workOf({ deps, ...options, facts: factsOf(deps, options.paths) });
  return async (request, { identity }) => {
    try {
      assertAllowed(identity);
      const maxBytes = MAX_BODY_BYTES;
      const body = await readBody(request.body, { maxBytes, tooLarge, signal: request.signal });
      const asked = readHostRequest(request.method, new URL(request.url), body);
      return await withDeadline(deps.clock, REQUEST_MS, {
        what: `the request "${asked.kind}"`,
        parent: request.signal,
        work: (signal) => work(asked, { signal, client: request.signal }),
      });
    } catch (thrown) {
      if (!(thrown instanceof ApplianceError)) deps.log.error("request failed", { error: thrown });
      return problem(thrown);
    }
  };
}

/** @throws {ApplianceError} session/required for anybody but root and the control plane. */
function assertAllowed(identity: Peer["identity"]): void {
  if (identity !== undefined && (identity.uid === 0 || identity.uid === CONTROL_PLANE_ID)) return;
  throw new ApplianceError(
    "session/required",
    "Cannot answer: the host agent speaks with root and the control plane alone",
  );
}

/** `signal` ends with the making of the answer, `client` when who asked goes away, also while the answer is read. */
type Work = (
  asked: HostRequest,
  signals: { readonly signal: AbortSignal; readonly client: AbortSignal },
) => Promise<Response>;

function workOf(scope: Scope): Work {
  let changing = false;
  let reading = 0;
  return async (asked, { signal, client }) => {
    if (!CHANGING.has(asked.kind)) {
      if (reading >= MAX_READING)
        throw new ApplianceError("http/busy", "Cannot answer now: too many requests are under way");
      reading += 1;
      const free = (): void => {
        reading -= 1;
      };
      if (asked.kind === "journal") return journal(scope, asked, { signal: client, free });
      return read(scope, asked, signal).finally(free);
    }
    if (changing) {
      throw new ApplianceError(
        "operation/busy",
        `Cannot do "${asked.kind}" now: the host agent changes something else`,
      );
    }
    changing = true;
    try {
      return await change(scope, asked, signal);
    } finally {
      changing = false;
    }
  };
}

interface Scope extends HostAgentOptions {
  readonly deps: AgentDeps;
  readonly facts: (signal: AbortSignal) => Promise<HostFacts>;
}

/** The facts, at most some seconds old. */
function factsOf(deps: AgentDeps, paths: StatePaths): Scope["facts"] {
  const kept: KeptWords = new Map();
  let last: { readonly atMs: number; readonly facts: HostFacts } | undefined;
  return async (signal) => {
    const nowMs = deps.clock.monotonic();
    if (last !== undefined && nowMs - last.atMs < FACTS_MS) return last.facts;
    const facts = await gatherHostFacts(deps, paths, { signal, kept });
    last = { atMs: nowMs, facts };
    return facts;
  };
}

async function read({ deps, paths, facts }: Scope, asked: HostRequest, signal: AbortSignal): Promise<Response> {
  if (asked.kind === "facts") return json(await facts(signal));
  if (asked.kind === "images") return json({ images: [...(await listImages(deps, paths, signal))].sort() });
  if (asked.kind === "maintenance") return json(await maintenanceOf(deps, paths));
  return json({ ok: true, service: "alga-host-agent" });
}

/** @throws {ApplianceError} http/not-found while there is none. */
async function maintenanceOf(deps: AgentDeps, paths: StatePaths): Promise<Maintenance> {
  const found = await readMaintenance(deps, paths);
  if (found !== undefined) return found;
  throw new ApplianceError("http/not-found", "Cannot tell of maintenance: no bootstrap has noted anything yet");
}

/** @param free Gives the turn back; a stream holds it until its end. */
async function journal(
  { deps }: Scope,
  { unit, lines }: Extract<HostRequest, { kind: "journal" }>,
  { signal, free }: { readonly signal: AbortSignal; readonly free: () => void },
): Promise<Response> {
  const argv = [
    "journalctl",
    "--no-pager",
    "--output=short-iso",
    `--lines=${lines}`,
    `--unit=${JOURNAL_UNITS[unit]}`,
  ] as const;
  const pieces = await openJournal(deps, { argv, signal, timeoutMs: REQUEST_MS, onEnd: free });
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };
  return new Response(streamOf(pieces), { headers });
}

async function change({ deps, paths, kept }: Scope, asked: HostRequest, signal: AbortSignal): Promise<Response> {
  deps.log.info("host is asked for a change", { kind: asked.kind });
  if (asked.kind === "prune-images") {
    return json({ ok: true, removed: await pruneImages(deps, paths, { kept, signal }) });
  }
  if (asked.kind === "reboot") await assertConsent(deps, asked.consent);
  const argv = PROGRAMS[asked.kind === "reboot" ? "reboot" : "reapply"];
  const result = await deps.exec(argv, { timeoutMs: PROGRAM_MS, signal });
  if (result.code !== 0) throw programFailed(argv.join(" "), result);
  return json({ ok: true, started: asked.kind }, { status: 202 });
}

/** Programs of the two changes that systemd does; neither is waited for. */
const PROGRAMS = {
  // Bootstrap chooses the image and goes back to a healthy one by itself.
  reapply: ["systemctl", "restart", "--no-block", "alga-appliance-bootstrap.service"],
  reboot: ["systemctl", "reboot", "--no-block"],
} as const;

/** @throws {ApplianceError} http/bad-request unless the operator typed the name of the machine. */
async function assertConsent(deps: AgentDeps, consent: string): Promise<void> {
  const name = await deps.machine.hostName();
  if (consent === name) return;
  throw new ApplianceError(
    "http/bad-request",
    `Cannot reboot: the consent is another text, the name of the box "${name}" is wanted`,
  );
}

function tooLarge(): ApplianceError {
  return new ApplianceError(
    "http/too-large",
    `Cannot take the request: its body is longer than ${MAX_BODY_BYTES} bytes`,
  );
}
