/**
 * From an argument vector to one command with its flags, or to a request for help.
 *
 * `node:util` parseArgs does the words; this file finds the command by its path, checks choices and positionals, and
 * turns every mistake into `cli/usage` with the nearest right word. Pure.
 */
import { parseArgs } from "node:util";
import { ApplianceError } from "../core/errors.ts";
import type { Command, Flag, FlagValue } from "./command.ts";
import { nearest } from "./nearest.ts";

/** Flags that every command knows. */
export const COMMON_FLAGS: readonly Flag[] = [
  { name: "help", short: "h", type: "boolean", summary: "Show this help" },
  {
    name: "output",
    short: "o",
    type: "string",
    value: "<format>",
    choices: ["text", "json", "yaml"],
    fallback: "text",
    summary: "Form of the result",
  },
  { name: "json", type: "boolean", summary: "The same as -o json" },
  { name: "quiet", short: "q", type: "boolean", summary: "Print results and errors only" },
  { name: "verbose", short: "v", type: "boolean", summary: "Log details to stderr" },
  { name: "no-color", type: "boolean", summary: "Use no colors (also by NO_COLOR)" },
  {
    name: "config",
    type: "string",
    value: "<file>",
    summary: "Settings file",
    fallback: "/etc/alga-appliance/config.yaml",
  },
  {
    name: "log-format",
    type: "string",
    value: "<format>",
    choices: ["text", "json"],
    fallback: "text",
    summary: "Form of log lines on stderr",
  },
  { name: "timeout", type: "string", value: "<duration>", summary: "Give up after this time, like 90s or 10m" },
];

export interface Invocation {
  readonly command: Command;
  readonly flags: Readonly<Record<string, FlagValue>>;
  readonly args: readonly string[];
  readonly help: boolean;
}

/**
 * Parses the words after the command's path.
 *
 * @throws {ApplianceError} cli/usage when a flag, value or positional does not fit.
 */
export function parseInvocation(command: Command, words: readonly string[]): Invocation {
  const flags = [
    ...command.flags,
    ...COMMON_FLAGS.filter((common) => !command.flags.some((own) => own.name === common.name)),
  ];
  const { values, positionals } = parseWords(command, { words, flags });
  const help = values.help === true;
  if (!help) {
    for (const flag of flags) checkChoice(command, flag, values[flag.name]);
    checkPositionals(command, positionals);
  }
  return { command, flags: values, args: positionals, help };
}

function parseWords(
  command: Command,
  given: { words: readonly string[]; flags: readonly Flag[] },
): { values: Record<string, FlagValue>; positionals: string[] } {
  const options = Object.fromEntries(
    given.flags.map((flag) => [
      flag.name,
      { type: flag.type, multiple: flag.multiple === true, ...(flag.short === undefined ? {} : { short: flag.short }) },
    ]),
  );
  try {
    const parsed = parseArgs({ args: [...given.words], options, allowPositionals: true, strict: true });
    return { values: { ...parsed.values } as Record<string, FlagValue>, positionals: parsed.positionals };
  } catch (cause) {
    throw usage(command, explain(cause, given.flags), cause);
  }
}

function explain(cause: unknown, flags: readonly Flag[]): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  const unknown = /Unknown option '(-[^' ]*)/.exec(message)?.[1];
  if (unknown === undefined) return message.split(". ")[0]?.replace(/\.$/, "") ?? message;
  const close = nearest(
    unknown.replace(/^-+/, ""),
    flags.map((flag) => flag.name),
  );
  return `there is no flag "${unknown}"${close === undefined ? "" : `, --${close} is near`}`;
}

function checkChoice(command: Command, flag: Flag, value: FlagValue): void {
  if (flag.choices === undefined || value === undefined) return;
  const given = Array.isArray(value) ? value : [value];
  for (const one of given) {
    if (!flag.choices.includes(String(one)))
      throw usage(command, `--${flag.name} is "${one}", one of ${flag.choices.join(", ")} is wanted`);
  }
}

function checkPositionals(command: Command, given: readonly string[]): void {
  const wanted = command.positionals ?? [];
  const missing = wanted.find((positional, index) => positional.optional !== true && given[index] === undefined);
  if (missing !== undefined) throw usage(command, `<${missing.name}> is missing (${missing.summary})`);
  const many = wanted.at(-1)?.multiple === true;
  if (!many && given.length > wanted.length) throw usage(command, `"${given[wanted.length]}" is one word too many`);
}

function usage(command: Command, what: string, cause?: unknown): ApplianceError {
  const name = command.path.join(" ");
  return new ApplianceError("cli/usage", `Cannot run "${name}": ${what}`, {
    cause,
    hint: `alga-appliance ${name} --help`,
  });
}
