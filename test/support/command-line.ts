/** A command line of the product in this process, on the real ports: what it says, its exit code, and a way to stop it. */

import { runCommandLine } from "../../src/cli/run.ts";
import { resolveSettings } from "../../src/cli/settings.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Deps } from "../../src/core/ports.ts";
import { NOUNS } from "../../src/main.ts";
import { createDeps } from "../../src/platform/deps.ts";
import { listen } from "../../src/platform/http-server.ts";

export interface CommandLineOptions {
  /** Folder under which all paths of the box lie. */
  readonly root: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ports in place of the real ones. */
  readonly deps?: Partial<Deps>;
  readonly signal?: AbortSignal;
  /** Told of each piece on standard output. */
  readonly onOutput?: (text: string) => void;
}

export interface CommandLineResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What was thrown, with its cause; undefined when nothing was. */
  readonly failure: unknown;
}

/** Runs words to their end. */
export async function runWords(words: readonly string[], options: CommandLineOptions): Promise<CommandLineResult> {
  const said = { stdout: "", stderr: "" };
  let failure: unknown;
  const env = { ALGA_APPLIANCE_ROOT: options.root, PWD: options.root, ...options.env };
  const code = await runCommandLine(NOUNS, {
    words,
    baseName: "alga-appliance",
    streams: {
      out: (text) => {
        said.stdout += text;
        options.onOutput?.(text);
      },
      err: (text) => {
        said.stderr += text;
      },
    },
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    columns: 80,
    env,
    bare: { build: { version: "1.0.3", revision: "test", target: "test" }, runtime: "test" },
    onFailure: (thrown) => {
      failure = thrown;
    },
    context: async (invocation, out) => ({
      ...invocation,
      out,
      deps: { ...createDeps(SILENT_LOG), ...options.deps },
      env,
      settings: resolveSettings({ flags: invocation.flags, env }),
      build: { version: "1.0.3", revision: "test", target: "test" },
      runtime: "test",
      signal: options.signal ?? new AbortController().signal,
      readStdin: async () => new Uint8Array(),
      listen,
    }),
  });
  return { code, ...said, failure };
}

export interface RunningWords {
  /** The first line on standard output, as JSON. */
  readonly first: Record<string, unknown>;
  /** Stops it as SIGTERM would. */
  stop(): Promise<CommandLineResult>;
}

/** Starts words that serve until they are stopped; returns when their first line is there. */
export async function startWords(words: readonly string[], options: CommandLineOptions): Promise<RunningWords> {
  const stop = new AbortController();
  let heard = "";
  const first = Promise.withResolvers<Record<string, unknown>>();
  const end = runWords(words, {
    ...options,
    signal: stop.signal,
    onOutput: (text) => {
      heard += text;
      if (heard.includes("\n")) first.resolve(JSON.parse(heard.split("\n")[0] ?? ""));
    },
  });
  end.then(({ stderr }) => first.reject(new Error(`it ended before its first line: ${stderr}`)));
  return {
    first: await first.promise,
    stop: async () => {
      stop.abort();
      return end;
    },
  };
}
