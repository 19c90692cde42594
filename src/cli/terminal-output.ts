/** `Output` on a terminal or a pipe: the one place that decides what is printed where. */
import { publicError } from "../core/errors.ts";
import type { Output, OutputFormat, OutputOptions } from "./output.ts";

/** Standard output for results and standard error for everything else. Texts come with their own line ends. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** A value as YAML text. JSON is YAML too, so the real one is loaded only where somebody asked for it: it takes 10 ms. */
export type ToYaml = (value: unknown) => string;

const JSON_AS_YAML: ToYaml = (value) => `${JSON.stringify(value, null, 2)}\n`;

/** Makes the output of one command run. */
export function createOutput(streams: Streams, options: OutputOptions, toYaml: ToYaml = JSON_AS_YAML): Output {
  const print = (value: unknown, text: () => string, pretty: boolean): void => {
    if (options.format === "json") streams.out(`${JSON.stringify(value, null, pretty ? 2 : undefined)}\n`);
    else if (options.format === "yaml") streams.out(pretty ? toYaml(value) : `---\n${toYaml(value)}`);
    else streams.out(endLine(text()));
  };
  return {
    ...options,
    result: (value, text) => print(value, text, true),
    event: (value, text) => print(value, text, false),
    progress: (line) => {
      if (!options.quiet && (options.terminal || options.format === "text")) streams.err(endLine(line));
    },
    notice: (line) => streams.err(endLine(line)),
  };
}

/** Prints an error: one JSON document on stdout with `-o json`, else the message and the hint on stderr. */
export function printError(
  streams: Streams,
  format: OutputFormat,
  thrown: unknown,
  toYaml: ToYaml = JSON_AS_YAML,
): void {
  const shown = publicError(thrown);
  if (format === "json") streams.out(`${JSON.stringify({ error: shown })}\n`);
  else if (format === "yaml") streams.out(toYaml({ error: shown }));
  else {
    streams.err(`${shown.message}\n`);
    for (const line of fieldLines(shown.details?.errors)) streams.err(`  ${line}\n`);
    if (shown.hint !== undefined) streams.err(`Next: ${shown.hint}\n`);
  }
}

function fieldLines(errors: unknown): string[] {
  if (!Array.isArray(errors)) return [];
  return errors.map((one: { field?: unknown; detail?: unknown }) => `${String(one.field)}: ${String(one.detail)}`);
}

function endLine(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
