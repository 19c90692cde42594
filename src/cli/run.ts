/**
 * One run of the executable: words in, exit code out.
 *
 * The story: find the noun, load its room, find the verb, parse the flags, make the context, run, and turn whatever is
 * thrown into one message and one exit code. Effects come from `Environment`, so a test can run any command line.
 */
import { ApplianceError, EXIT, type ExitCode, exitCodeOf, isApplianceError } from "../core/errors.ts";
import type { BareContext, Command, CommandContext, Flag } from "./command.ts";
import { commandHelp, nounHelp, overviewHelp, PROGRAM } from "./help.ts";
import { nearest } from "./nearest.ts";
import { expandAlias, type Noun } from "./nouns.ts";
import type { Output, OutputFormat } from "./output.ts";
import { COMMON_FLAGS, type Invocation, parseInvocation } from "./parse.ts";
import { createOutput, printError, type Streams, type ToYaml } from "./terminal-output.ts";

/** What one run needs from the process. */
export interface Environment {
  readonly words: readonly string[];
  /** Base name that the executable was called by. */
  readonly baseName: string;
  readonly streams: Streams;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly columns: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a command without ports is given. */
  readonly bare: Pick<BareContext, "build" | "runtime">;
  /** Makes the context of a command; the real ports are built only now. */
  readonly context: (invocation: Invocation, out: Output) => Promise<CommandContext>;
  /** Told of every failure with its cause, for the log. */
  readonly onFailure: (thrown: unknown) => void;
}

/** Runs one command line to its exit code. Never rejects. */
export async function runCommandLine(nouns: readonly Noun[], environment: Environment): Promise<ExitCode> {
  const words = versionWords(expandAlias(environment.baseName, environment.words));
  try {
    const found = await findCommand(nouns, words);
    if ("help" in found) {
      environment.streams.out(found.help);
      return EXIT.done;
    }
    return await runCommand(found, environment);
  } catch (thrown) {
    return await fail(thrown, formatOf(words), environment);
  }
}

async function runCommand({ command, rest, below }: FoundCommand, environment: Environment): Promise<ExitCode> {
  const invocation = parseInvocation(command, rest);
  if (invocation.help) {
    environment.streams.out(commandHelp(command, below));
    return EXIT.done;
  }
  const options = outputOptions(invocation, environment);
  const out = createOutput(environment.streams, options, await yamlFor(options.format));
  if (command.bare !== undefined) return command.bare({ ...invocation, ...environment.bare, out });
  return command.run(await environment.context(invocation, out));
}

interface FoundCommand {
  readonly command: Command;
  readonly rest: readonly string[];
  /** Those that begin with the same words: "recover plan" of "recover". */
  readonly below: readonly Command[];
}
type Found = { readonly help: string } | FoundCommand;

function belowOf({ path }: Command, commands: readonly Command[]): readonly Command[] {
  return commands.filter(
    (one) => one.path.length > path.length && path.every((word, index) => one.path[index] === word),
  );
}

async function findCommand(nouns: readonly Noun[], words: readonly string[]): Promise<Found> {
  const [name, ...rest] = words;
  if (name === undefined || name === "--help" || name === "-h") return { help: overviewHelp(nouns) };
  // "help host token" is "host token --help".
  if (name === "help") return await findCommand(nouns, [...rest, "--help"]);
  if (name.startsWith("-")) throw flagFirst(name);
  const noun = nouns.find((one) => one.name === name);
  if (noun === undefined)
    throw unknownWord(
      name,
      nouns.map((one) => one.name),
      PROGRAM,
    );
  const commands = await noun.load();
  const verbless = commands.find((one) => one.path.length === 1);
  // "host certificate use" is not "host certificate" with a word too many.
  const [command] = commands
    .filter((one) => one.path.length > 1 && one.path.slice(1).every((word, index) => rest[index] === word))
    .sort((a, b) => b.path.length - a.path.length);
  if (command !== undefined)
    return { command, rest: rest.slice(command.path.length - 1), below: belowOf(command, commands) };
  if (verbless !== undefined) return { command: verbless, rest, below: belowOf(verbless, commands) };
  if (rest[0] === undefined || rest.includes("--help") || rest.includes("-h"))
    return { help: nounHelp(name, commands) };
  const below = commands.filter((one) => one.path.length > 2 && one.path[1] === rest[0]);
  if (below.length > 0) return unknownBelow(`${name} ${rest[0]}`, rest[1], below);
  throw unknownWord(
    rest[0],
    commands.map((one) => one.path[1] ?? ""),
    `${PROGRAM} ${name}`,
  );
}

/** A family of verbs, such as `release trust`, without the verb. */
function unknownBelow(name: string, word: string | undefined, below: readonly Command[]): { readonly help: string } {
  if (word === undefined) return { help: nounHelp(name, below) };
  const verbs = below.map((one) => one.path[2] ?? "");
  throw unknownWord(word, verbs, `${PROGRAM} ${name}`);
}

function flagFirst(flag: string): ApplianceError {
  return new ApplianceError(
    "cli/usage",
    `Cannot run "${PROGRAM} ${flag}": a flag stands before the command, behind it is wanted`,
    {
      hint: `${PROGRAM} --help names the commands`,
    },
  );
}

function unknownWord(word: string, known: readonly string[], prefix: string): ApplianceError {
  const close = nearest(word, known);
  return new ApplianceError("cli/usage", `Cannot run "${prefix} ${word}": there is no such command`, {
    hint: close === undefined ? `${prefix} --help` : `${prefix} ${close}`,
  });
}

async function fail(thrown: unknown, format: OutputFormat, environment: Environment): Promise<ExitCode> {
  if (!isApplianceError(thrown, "internal/aborted")) environment.onFailure(thrown);
  printError(environment.streams, format, thrown, await yamlFor(format));
  return exitCodeOf(thrown);
}

async function yamlFor(format: OutputFormat): Promise<ToYaml | undefined> {
  return format === "yaml" ? (await import("yaml")).stringify : undefined;
}

function outputOptions(invocation: Invocation, environment: Environment): Parameters<typeof createOutput>[1] {
  const { flags } = invocation;
  return {
    format: flags.json === true ? "json" : ((flags.output as OutputFormat | undefined) ?? "text"),
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
    color: flags["no-color"] !== true && environment.env.NO_COLOR === undefined && environment.stdoutIsTerminal,
    terminal: environment.stderrIsTerminal,
    columns: environment.columns,
  };
}

/** The format that was asked for, read roughly, for errors that come before the flags are parsed. */
function formatOf(words: readonly string[]): OutputFormat {
  if (words.includes("--json")) return "json";
  const at = words.findIndex((word) => word === "-o" || word === "--output");
  const value =
    at >= 0
      ? words[at + 1]
      : words.find((word) => word.startsWith("--output=") || word.startsWith("-o="))?.split("=")[1];
  return value === "json" || value === "yaml" ? value : "text";
}

/** `--version` and `-V` are the noun `version`. */
function versionWords(words: readonly string[]): readonly string[] {
  return words[0] === "--version" || words[0] === "-V" ? ["version", ...words.slice(1)] : words;
}

/** Flags of a command together with the common ones, for completion and references. */
export function allFlags(command: Command): readonly Flag[] {
  return [...command.flags, ...COMMON_FLAGS];
}
