/** `host-agent`: the daemon of the host on its Unix socket, until it is stopped. */
import type { Command, CommandContext } from "../cli/command.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { createHostAgent } from "./agent.ts";
import { gatherHostFacts } from "./agent-facts.ts";
import { neededImages } from "./agent-prune.ts";

/** Milliseconds that requests get to end after SIGTERM. */
const DRAIN_MS = 3_000;

/** A client of the socket is one pod and root. */
const LIMITS = {
  maxHeaderBytes: 4_096,
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  stallTimeoutMs: 10_000,
  maxConnections: 32,
} as const;

export const commands: readonly Command[] = [
  {
    path: ["host-agent"],
    bearsBadSettings: true,
    summary: "Tell the control plane about the host, over a Unix socket",
    description:
      "What alga-host-agent.service runs, as root. Only root and the control plane are answered, and only what is on a closed list: " +
      "facts, journals of named units, images; prune images, apply the control plane again, reboot with consent.",
    flags: [],
    examples: [{ command: "alga-appliance host-agent", about: "As the unit does" }],
    run: serveAgent,
  },
];

/** `host facts`: the same document for the operator. */
export const factsCommand: Command = {
  path: ["host", "facts"],
  summary: "Print what the host says of itself: system, k3s, addresses, disks, time",
  flags: [],
  examples: [{ command: "alga-appliance host facts -o json", about: "The document that the host agent answers" }],
  run: async ({ deps, settings, signal, out }) => {
    const facts = await gatherHostFacts(deps, statePaths(settings.get("root") ?? "/"), { signal });
    out.result(facts, () => {
      const disks = facts.disks.map(
        ({ path, device, smart }) => `disk        ${path} (${device})${smart === null ? "" : `, SMART ${smart}`}`,
      );
      return [
        `system      ${facts.os.prettyName ?? "unknown"}, kernel ${facts.kernel ?? "unknown"}`,
        `k3s         ${facts.k3s.version ?? "not installed"}, ${facts.k3s.unit}`,
        ...facts.addresses.map((one) => `address     ${one.address}/${one.prefix} (${one.interface})`),
        ...facts.routes.map(
          (one) => `route       ${one.to}${one.via === null ? "" : ` via ${one.via}`} (${one.interface})`,
        ),
        ...facts.nameServers.map((one) => `name server ${one}`),
        ...disks,
        `clock       ${facts.time.synchronized === true ? "in step" : "not in step"}${facts.time.server === null ? "" : ` with ${facts.time.server}`}`,
      ].join("\n");
    });
    return EXIT.done;
  },
};

async function serveAgent({ deps, settings, signal, out, listen }: CommandContext): Promise<ExitCode> {
  const paths = statePaths(settings.get("root") ?? "/");
  const agent = createHostAgent(deps, { paths, kept: () => neededImages(deps, paths) });
  const listening = await listen({
    socketPath: paths.hostAgentSocket,
    socketMode: 0o660,
    identify: true,
    limits: LIMITS,
    handle: agent,
  });
  out.event({ socket: paths.hostAgentSocket }, () => `Answering on ${paths.hostAgentSocket}`);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await listening.close(DRAIN_MS);
  return EXIT.done;
}
