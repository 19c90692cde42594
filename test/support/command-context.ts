/** What one command is given when it runs, over the ports of a test; what it says is kept. */
import type { CommandContext, FlagValue } from "../../src/cli/command.ts";
import { resolveSettings } from "../../src/cli/settings.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Deps } from "../../src/core/ports.ts";

export interface Said {
  value: unknown;
  text: string;
  readonly notices: string[];
}

export interface CommandGiven {
  /** The ports the command may touch; any other is absent, so that touching it fails the test. */
  readonly deps: Partial<Deps>;
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly args?: readonly string[];
  /** Beside the root of the box, which is `/box`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** What a person at the terminal answers. Absent: there is no terminal. */
  readonly askHidden?: (question: string) => Promise<string>;
  readonly askLine?: (question: string) => Promise<string>;
  /** Where to keep what is said. Absent: anew. */
  readonly said?: Said;
}

export function newSaid(): Said {
  return { value: undefined, text: "", notices: [] };
}

/** A context without a terminal, with text output. */
export function commandContext(given: CommandGiven): { readonly context: CommandContext; readonly said: Said } {
  const { flags = {}, args = [], said = newSaid() } = given;
  const env = { ALGA_APPLIANCE_ROOT: "/box", ...given.env };
  const context: CommandContext = {
    flags,
    args,
    env,
    deps: { log: SILENT_LOG, ...given.deps } as Deps,
    settings: resolveSettings({ flags, env }),
    out: {
      result: (value: unknown, text: () => string) => void Object.assign(said, { value, text: text() }),
      notice: (line: string) => void said.notices.push(line),
      progress: () => {},
      event: () => {},
      ...{ format: "text", quiet: false, verbose: false, color: false, terminal: false, columns: 80 },
    },
    build: { version: "1.0.0", revision: "r", target: "t" },
    runtime: "test",
    signal: new AbortController().signal,
    readStdin: async () => new TextEncoder().encode(given.stdin ?? ""),
    ...(given.askHidden === undefined ? {} : { askHidden: given.askHidden }),
    ...(given.askLine === undefined ? {} : { askLine: given.askLine }),
    listen: () => Promise.reject(new Error("not of this test")),
  };
  return { context, said };
}
