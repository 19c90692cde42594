/** Help texts: the overview of nouns, the verbs of a noun, and one command with its flags and examples. Pure. */
import type { Command, Flag } from "./command.ts";
import { COMMON_FLAGS } from "./parse.ts";

export const PROGRAM = "alga-appliance";

export interface NounLine {
  readonly name: string;
  readonly summary: string;
  /** Heading under which the overview lists it. */
  readonly group: string;
}

/** The overview: what each noun is for, grouped by who uses it. */
export function overviewHelp(nouns: readonly NounLine[]): string {
  const groups = [...new Set(nouns.map((noun) => noun.group))];
  return lines([
    `${PROGRAM} installs, runs, watches, updates and rescues an appliance.`,
    "",
    `Usage: ${PROGRAM} <noun> [verb] [flags]`,
    ...groups.flatMap((group) => [
      "",
      `${group}:`,
      ...table(nouns.filter((noun) => noun.group === group).map((noun) => [noun.name, noun.summary])),
    ]),
    "",
    "Start here:",
    ...table([[`${PROGRAM} rehearse`, "the whole appliance on this machine, nothing is installed"]]),
    "",
    `${PROGRAM} <noun> --help shows more.`,
  ]);
}

/** The verbs of one noun. */
export function nounHelp(noun: string, commands: readonly Command[]): string {
  return lines([
    `Usage: ${PROGRAM} ${noun} <verb> [flags]`,
    "",
    ...table(commands.map((command) => [command.path.slice(1).join(" "), command.summary])),
    "",
    `${PROGRAM} ${noun} <verb> --help shows more.`,
  ]);
}

/** One command: usage, description, flags, examples. @param below Those that begin with the same words, to be found from here. */
export function commandHelp(command: Command, below: readonly Command[] = []): string {
  const positionals = (command.positionals ?? []).map(
    (one) => (one.optional ? `[${one.name}]` : `<${one.name}>`) + (one.multiple ? " ..." : ""),
  );
  const common = COMMON_FLAGS.filter((flag) => !command.flags.some((own) => own.name === flag.name));
  return lines([
    `${command.summary}.`,
    "",
    ["Usage:", PROGRAM, ...command.path, ...positionals, "[flags]"].join(" "),
    ...(command.description === undefined ? [] : ["", ...wrap(command.description, 88)]),
    ...section(
      "Arguments",
      (command.positionals ?? []).map((one) => [one.name, one.summary]),
    ),
    ...section(
      "Also",
      below.map((one) => [one.path.join(" "), one.summary]),
    ),
    ...section("Flags", command.flags.map(flagRow)),
    ...section("Flags of every command", common.map(flagRow)),
    ...(command.examples.length === 0
      ? []
      : ["", "Examples:", ...command.examples.flatMap((example) => [`  # ${example.about}`, `  ${example.command}`])]),
  ]);
}

function flagRow(flag: Flag): [string, string] {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.type === "boolean" ? "" : ` ${flag.value ?? "<value>"}`;
  const notes = [
    ...(flag.choices === undefined ? [] : [flag.choices.join("|")]),
    ...(flag.fallback === undefined ? [] : [`default ${flag.fallback}`]),
    ...(flag.multiple ? ["may be repeated"] : []),
  ];
  return [
    `${short}--${flag.name}${value}`,
    notes.length === 0 ? flag.summary : `${flag.summary} (${notes.join("; ")})`,
  ];
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return rows.length === 0 ? [] : ["", `${title}:`, ...table(rows)];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const width = Math.min(38, Math.max(...rows.map((row) => row[0]?.length ?? 0)));
  return rows.map(([left = "", right = ""]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}

/** Breaks a paragraph into lines of at most `columns` characters; keeps its own line breaks. */
function wrap(text: string, columns: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    const out: string[] = [];
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line.length > 0 && line.length + 1 + word.length > columns) {
        out.push(line);
        line = word;
      } else line = line.length === 0 ? word : `${line} ${word}`;
    }
    return [...out, line];
  });
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
