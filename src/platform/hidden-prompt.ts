/**
 * A question at the terminal: hidden for passphrases, or with what is typed on the screen.
 *
 * The terminal is raw only while a hidden question stands: it is put back when the answer is there, on Ctrl-C, on a signal, when the
 * terminal goes away, and when the process ends in between. Only SIGKILL can leave it raw. A question that is not hidden leaves the
 * terminal as it is: it shows and edits the line by itself.
 */
import { ApplianceError } from "../core/errors.ts";

/** What of a terminal's input stream is used; `process.stdin` is one. */
export interface TerminalInput {
  readonly isRaw?: boolean;
  setRawMode(raw: boolean): unknown;
  resume(): unknown;
  pause(): unknown;
  on(event: string, listener: (chunk: Uint8Array | string) => void): unknown;
  off(event: string, listener: (chunk: Uint8Array | string) => void): unknown;
}

/** What of a process ends it or tells it to end; `process` is one. */
export interface ProcessEnds {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

export interface HiddenPromptPorts {
  readonly input: TerminalInput;
  /** Writes to the person; never what was typed. */
  readonly show: (text: string) => void;
  readonly ends: ProcessEnds;
  readonly signal: AbortSignal;
}

/** Bytes of an answer at most; more is a file that was pasted. */
const MAX_ANSWER_BYTES = 4_096;
/** Signals that end a process and have no handler of their own; the others abort `signal`. */
const ENDING = ["SIGHUP", "SIGQUIT"] as const;

/** Asks one question at the terminal. `echo`: what is typed is shown. */
export type Prompt = (question: string, options?: { readonly echo?: boolean }) => Promise<string>;

/**
 * Makes the function that asks. Ask one question after the other: what is pasted beyond a line answers the next one.
 *
 * Backspace takes a character back, Ctrl-U all, Enter and Ctrl-D end; other keys of control count for nothing.
 *
 * @returns A function from a question to the answer without its line end. It throws internal/aborted on Ctrl-C, on a signal
 *   and when the terminal goes away, and file/too-large beyond 4 KiB.
 */
export function hiddenPrompt(ports: HiddenPromptPorts): Prompt {
  const typed = { ahead: "" };
  return async (question, { echo = false } = {}) => {
    ports.signal.throwIfAborted();
    const { input, ends } = ports;
    if (echo) {
      ports.show(`${question}: `);
      return await readLine(ports, typed);
    }
    const before = input.isRaw === true;
    const restore = (): void => void input.setRawMode(before);
    input.setRawMode(true);
    ends.on("exit", restore);
    try {
      ports.show(`${question}: `);
      return await readLine(ports, typed);
    } finally {
      restore();
      ends.off("exit", restore);
      ports.show("\n");
    }
  };
}

async function readLine(ports: HiddenPromptPorts, typed: { ahead: string }): Promise<string> {
  const { input, ends, signal } = ports;
  const answer = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  const line: Line = { text: "" };
  const take = (text: string): void => {
    const end = type(line, text);
    if (end === "cancelled") answer.reject(aborted("the question was cancelled"));
    else if (Buffer.byteLength(line.text) > MAX_ANSWER_BYTES) answer.reject(tooLong());
    else if (end !== undefined) {
      typed.ahead = end.rest;
      answer.resolve(line.text);
    }
  };
  const onData = (chunk: Uint8Array | string): void =>
    take(typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true }));
  const onGone = (): void => answer.reject(aborted("the terminal is gone"));
  const onEnding = (): void => answer.reject(aborted("the process was told to end"));
  const onAbort = (): void => answer.reject(signal.reason);
  const gone = ["end", "close", "error"];
  signal.addEventListener("abort", onAbort, { once: true });
  for (const event of gone) input.on(event, onGone);
  for (const name of ENDING) ends.on(name, onEnding);
  input.on("data", onData);
  try {
    const { ahead } = typed;
    typed.ahead = "";
    take(ahead);
    input.resume();
    return await answer.promise;
  } finally {
    input.pause();
    input.off("data", onData);
    for (const name of ENDING) ends.off(name, onEnding);
    for (const event of gone) input.off(event, onGone);
    signal.removeEventListener("abort", onAbort);
  }
}

interface Line {
  text: string;
}

/** An arrow or a function key arrives as an escape sequence, whose letters are no part of an answer. */
const KEYS = new RegExp(`${String.fromCharCode(27)}(?:\\[[0-9;?]*[ -/]*[@-~]|O.|.)?`, "gsu");

/** Adds what was typed to a line; answers how it ended, with what came after it, or undefined while it goes on. */
function type(line: Line, text: string): { readonly rest: string } | "cancelled" | undefined {
  const keys = [...text.replace(KEYS, "")];
  for (const [at, key] of keys.entries()) {
    const code = key.charCodeAt(0);
    if (code === 0x03 || code === 0x1c) return "cancelled";
    if (key === "\r" || key === "\n" || code === 0x04) return { rest: keys.slice(at + 1).join("") };
    if (code === 0x15) line.text = "";
    else if (code === 0x7f || code === 0x08) line.text = [...line.text].slice(0, -1).join("");
    else if (code >= 0x20) line.text += key;
  }
  return undefined;
}

function aborted(why: string): ApplianceError {
  return new ApplianceError("internal/aborted", `Cannot go on: ${why}`);
}

function tooLong(): ApplianceError {
  return new ApplianceError(
    "file/too-large",
    `Cannot take answer: it is longer than ${MAX_ANSWER_BYTES} bytes, at most that many are read`,
  );
}
