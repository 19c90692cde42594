#!/usr/bin/env bun
/**
 * The composition root: the table of nouns, the real ports, and from a result to an exit code.
 *
 * Nothing imports this file. Rooms are loaded when their noun is typed: `version` costs 3 ms because it loads nothing.
 */
import { basename } from "node:path";
import type { CommandContext } from "./cli/command.ts";
import type { Noun } from "./cli/nouns.ts";
import { runCommandLine } from "./cli/run.ts";
import { commands as versionCommands } from "./cli/version-command.ts";
import type { OpenEngines } from "./engines/open.ts";

/** The command table, in the order in which help shows it. */
export const NOUNS: readonly Noun[] = [
  {
    name: "rehearse",
    group: "On a laptop",
    summary: "Run the whole appliance with an embedded registry and Kubernetes API",
    load: async () => (await import("./rehearsal/command.ts")).commands,
  },
  {
    name: "serve",
    group: "On the box",
    summary: "Run the control plane: wizard, setup, status",
    load: async () => (await import("./server/command.ts")).commands,
  },
  {
    name: "bootstrap",
    group: "On the box",
    summary: "Bring up Kubernetes and the control plane of this box",
    load: async () => (await import("./host/bootstrap-command.ts")).commands,
  },
  {
    name: "console",
    group: "On the box",
    summary: "Show on the screen of the box how it is and how to reach it, and set it up there",
    load: async () => [
      ...(await import("./host/console-command.ts")).commands,
      ...(await import("./setup/console-command.ts")).commands,
    ],
  },
  {
    name: "host-agent",
    group: "On the box",
    summary: "Tell the control plane about the host, over a Unix socket",
    load: async () => (await import("./host/agent-command.ts")).commands,
  },
  {
    name: "host",
    group: "On the box",
    summary: "Make the setup token, show the host's facts, and which control plane it runs",
    load: async () => (await import("./host/command.ts")).commands,
  },
  {
    name: "setup",
    group: "For operators",
    summary: "Plan, run and resume the installation without a browser",
    load: async () => (await import("./setup/command.ts")).setupCommands(openEngines),
  },
  {
    name: "status",
    group: "For operators",
    summary: "Show how the appliance is, or wait until it is ready",
    load: async () => (await import("./status/command.ts")).commands,
  },
  {
    name: "update",
    group: "For operators",
    summary: "Look for, plan and run updates, and go back",
    load: async () => (await import("./update/command.ts")).updateCommands(openEngines),
  },
  {
    name: "recover",
    group: "For operators",
    summary: "Say what is wrong with a box that does not come up, and put it right",
    load: async () => {
      const { recoverCommands } = await import("./host/recover-command.ts");
      const { lostDocuments, rebuildDocuments } = await import("./setup/rebuild.ts");
      const { writeOwnImage } = await import("./publishing/own-image.ts");
      return recoverCommands({ lost: lostDocuments, rebuild: rebuildDocuments, writeOwnImage });
    },
  },
  {
    name: "reset",
    group: "For operators",
    summary: "Remove the appliance and its data from a box, back to its first boot",
    load: async () => (await import("./host/reset-command.ts")).commands,
  },
  {
    name: "release",
    group: "For publishers",
    summary: "Build, sign, publish, find and mirror releases",
    load: async () => (await import("./publishing/commands.ts")).commands,
  },
  {
    name: "doctor",
    group: "Everywhere",
    summary: "Say what this machine lacks, and where settings come from",
    load: async () => (await import("./cli/doctor-command.ts")).commands,
  },
  {
    name: "completion",
    group: "Everywhere",
    summary: "Print a completion script for bash, zsh or fish",
    load: async () => (await import("./cli/completion-command.ts")).completionCommands(NOUNS),
  },
  {
    name: "version",
    group: "Everywhere",
    summary: "Print version, revision, runtime and target",
    load: async () => versionCommands,
  },
];

/** Loaded when a command works: words and plans of the command line do without. */
async function openEngines(context: CommandContext): Promise<OpenEngines> {
  return (await import("./engines/open.ts")).openEngines(context);
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { endProcess, processEnvironment } = await import("./platform/process.ts");
  await endProcess(await runCommandLine(NOUNS, processEnvironment(basename(process.argv0))));
}
