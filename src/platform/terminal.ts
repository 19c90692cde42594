/** Standard streams of the process: what is a terminal, how wide it is, and writing that survives a closed pipe. */
import { ApplianceError, type LogLevel } from "../core/errors.ts";
import { createLog, formatJsonLine, formatTextLine, type Log } from "../core/log.ts";

/** Standard output and standard error. `columns` is the width of a terminal, 80 where there is none. Writing never throws. */
export interface Terminal {
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly columns: number;
  out(text: string): void;
  err(text: string): void;
}

/** The terminal of this process. A reader that goes away (`| head`) ends output silently instead of the process. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe);
  return {
    stdoutIsTerminal: process.stdout.isTTY === true,
    stderrIsTerminal: process.stderr.isTTY === true,
    columns: process.stdout.columns ?? 80,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
  };
}

function ignoreClosedPipe(error: Error & { readonly code?: string }): void {
  if (error.code !== "EPIPE") throw error;
}

/** A log on standard error, as text for people or as JSON lines for collectors. */
export function terminalLog(
  terminal: Pick<Terminal, "err">,
  options: { readonly level: LogLevel; readonly format: "text" | "json" },
): Log {
  const shape = options.format === "json" ? formatJsonLine : formatTextLine;
  return createLog({
    now: () => Date.now(),
    level: options.level,
    write: (record) => terminal.err(`${shape(record)}\n`),
  });
}

/**
 * Reads standard input to its end.
 *
 * @throws {ApplianceError} file/too-large when it is longer than `maxBytes`.
 */
export async function readStdin(maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : new Uint8Array(chunk);
    size += bytes.length;
    if (size > maxBytes) throw tooLong(maxBytes);
    parts.push(bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function tooLong(maxBytes: number): ApplianceError {
  return new ApplianceError(
    "file/too-large",
    `Cannot read standard input: it is longer than ${maxBytes} bytes, at most that many are read`,
  );
}
