/**
 * What a command may say, and where: one document or lines on stdout, progress on stderr.
 *
 * With `-o json` stdout holds one document, or one object a line where a command streams.
 */
export type OutputFormat = "text" | "json" | "yaml";

/** How a command is asked to say it. */
export interface OutputOptions {
  readonly format: OutputFormat;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Colors may be used on stdout. */
  readonly color: boolean;
  /** Stderr is a terminal: progress may be drawn. */
  readonly terminal: boolean;
  /** Characters a line of the terminal; 80 where there is none. */
  readonly columns: number;
}

export interface Output extends OutputOptions {
  /** The result: `text()` for people, `value` for json and yaml. Call once. */
  result(value: unknown, text: () => string): void;
  /** One object of a stream: a JSON line, or a line of text. */
  event(value: unknown, text: () => string): void;
  /** One line of progress on stderr; dropped with --quiet and with -o json on no terminal. */
  progress(line: string): void;
  /** A line that people must see: stderr. */
  notice(line: string): void;
}
