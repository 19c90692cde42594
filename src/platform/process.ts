/**
 * This process as the `Environment` of a command run: words, streams, settings and the real ports.
 *
 * Imported by `main.ts` alone. The ports are made when a command is about to run, so that help and `version` stay quick.
 */
import { join } from "node:path";
import { isatty } from "node:tty";
import type { CommandContext } from "../cli/command.ts";
import type { Output } from "../cli/output.ts";
import type { Invocation } from "../cli/parse.ts";
import type { Environment } from "../cli/run.ts";
import type { SettingSources, Settings, SettingsOrDefaults } from "../cli/settings.ts";
import { BUILD } from "../core/build.ts";
import { deadline } from "../core/deadline.ts";
import { parseDuration } from "../core/duration.ts";
import { ApplianceError, type LogLevel } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { systemClock } from "./clock.ts";
import { readBounded } from "./file-read.ts";
import { hiddenPrompt, type Prompt } from "./hidden-prompt.ts";
import { processSignal } from "./signals.ts";
import { processTerminal, readStdin, type Terminal, terminalLog } from "./terminal.ts";

/** Settings files are small; a larger one is a mistake. */
const MAX_SETTINGS_BYTES = 256 * 1024;

/**
 * This process as the command line sees it: words, streams, environment, and how a failure is told.
 *
 * @param baseName Name of the executable for help and examples.
 */
export function processEnvironment(baseName: string): Environment {
  const terminal = processTerminal();
  const early = terminalLog(terminal, { level: "error", format: asksForJsonLog(process.argv) ? "json" : "text" });
  const verbose = process.argv.includes("--verbose") || process.argv.includes("-v");
  return {
    words: process.argv.slice(2),
    baseName,
    streams: terminal,
    stdoutIsTerminal: terminal.stdoutIsTerminal,
    stderrIsTerminal: terminal.stderrIsTerminal,
    columns: terminal.columns,
    env: process.env,
    bare: { build: BUILD, runtime: runtimeName() },
    context: (invocation, out) => commandContext(invocation, { out, terminal }),
    onFailure: (thrown) => {
      if (verbose || !(thrown instanceof ApplianceError)) early.error("command failed", { error: thrown });
    },
  };
}

/** The form of log lines, read roughly: a failure may come before the flags are parsed. */
function asksForJsonLog(words: readonly string[]): boolean {
  return (
    words.includes("--log-format=json") || words.some((word, at) => word === "--log-format" && words[at + 1] === "json")
  );
}

/**
 * Ends the process with a code once its output is written.
 *
 * Kept connections and timers of a finished command would otherwise hold the process for seconds.
 */
export async function endProcess(code: number): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((done) => stream.write("", () => done()));
  process.exit(code);
}

async function commandContext(
  invocation: Invocation,
  io: { readonly out: Output; readonly terminal: Terminal },
): Promise<CommandContext> {
  const [{ resolveSettings, settingsOrDefaults }, { createDeps }, { listen }] = await Promise.all([
    import("../cli/settings.ts"),
    import("./deps.ts"),
    import("./http-server.ts"),
  ]);
  const { flags } = invocation;
  const { settings, problem } = await settingsOf(invocation, { resolveSettings, settingsOrDefaults });
  const signal = limited(processSignal(), invocation);
  return {
    flags,
    args: invocation.args,
    out: io.out,
    deps: createDeps(commandLog(invocation, settings, io.terminal)),
    env: process.env,
    settings,
    ...(problem === undefined ? {} : { settingsProblem: problem }),
    build: BUILD,
    runtime: runtimeName(),
    signal,
    readStdin,
    ...askAt(io.terminal, signal),
    listen,
  };
}

/** A file that somebody names is theirs to mend; that of the box must not keep from its work what mends the box. */
async function settingsOf(
  { command, flags }: Invocation,
  {
    resolveSettings,
    settingsOrDefaults,
  }: Pick<typeof import("../cli/settings.ts"), "resolveSettings" | "settingsOrDefaults">,
): Promise<SettingsOrDefaults> {
  const sources = { flags, env: process.env };
  if (command.bearsBadSettings !== true || flags.config !== undefined) {
    return { settings: resolveSettings({ ...sources, ...(await settingsFile(flags.config)) }) };
  }
  try {
    return settingsOrDefaults({ ...sources, ...(await settingsFile(undefined)) });
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    return { settings: resolveSettings(sources), problem: thrown };
  }
}

/** How to ask a person; nothing where nobody would read the question or type an answer. */
function askAt(
  { stderrIsTerminal, err }: Terminal,
  signal: AbortSignal,
): Pick<CommandContext, "askHidden" | "askLine"> {
  if (!stderrIsTerminal || !isatty(0)) return {};
  let prompt: Prompt | undefined;
  const ask: Prompt = (question, options) => {
    // Made when it is used: a process that asks nothing must not touch its standard input.
    prompt ??= hiddenPrompt({ input: process.stdin, show: err, ends: process, signal });
    return prompt(question, options);
  };
  return { askHidden: (question) => ask(question), askLine: (question) => ask(question, { echo: true }) };
}

/** The process's signal, and with `--timeout` also a limit, where the command does not take that flag itself. */
function limited(signal: AbortSignal, { command, flags }: Invocation): AbortSignal {
  const { timeout } = flags;
  if (typeof timeout !== "string" || command.flags.some((flag) => flag.name === "timeout")) return signal;
  return deadline(systemClock, parseDuration(timeout), { what: `"${command.path.join(" ")}"`, parent: signal }).signal;
}

/** The settings file that was asked for, or the one of the box when it is there. */
async function settingsFile(flag: unknown): Promise<Pick<SettingSources, "file">> {
  const path =
    typeof flag === "string" ? flag : join(process.env.ALGA_APPLIANCE_ROOT ?? "/", "etc/alga-appliance/config.yaml");
  const bytes = await readBounded(path, { maxBytes: MAX_SETTINGS_BYTES });
  if (bytes !== undefined) return { file: { path, text: new TextDecoder().decode(bytes) } };
  if (flag === undefined) return {};
  throw new ApplianceError(
    "config/unreadable",
    `Cannot use settings file "${path}": there is no such file, a YAML file is wanted`,
    {
      hint: "Give another one with --config, or leave it away",
    },
  );
}

function commandLog({ flags }: Invocation, settings: Settings, terminal: Terminal): Log {
  const level = flags.verbose === true ? "debug" : settings.get("log.level");
  if (!isLevel(level)) {
    throw new ApplianceError(
      "config/invalid",
      `Cannot use log level "${level}": one of debug, info, warn, error is wanted`,
      { hint: "alga-appliance doctor --settings shows where it comes from" },
    );
  }
  return terminalLog(terminal, { level, format: flags["log-format"] === "json" ? "json" : "text" });
}

function isLevel(text: string | undefined): text is LogLevel {
  return text === "debug" || text === "info" || text === "warn" || text === "error";
}

/** "bun 1.4.5", "deno 2.9.6" or "node 24.0.0", from the versions that every runtime lists. */
function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `bun ${bun}`;
  return deno !== undefined ? `deno ${deno}` : `node ${node}`;
}
