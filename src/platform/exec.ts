/**
 * The `Exec` port on child processes: argument vectors only, a group of its own, bounded output, a time limit that holds.
 *
 * What is run becomes the leader of a process group, so that the end of its time ends its children too.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { abortReason } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Exec, ExecOptions, ExecResult } from "../core/ports.ts";

/** 256 KiB: more is never read by a person. */
const MAX_BYTES = 256 * 1024;
/** Milliseconds from SIGTERM to SIGKILL. */
const GRACE_MS = 2_000;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs a program. See `Exec` for what it promises. */
export const systemExec: Exec = (argv, options) =>
  new Promise((resolve, reject) => {
    if (options.signal?.aborted) return reject(abortReason(options.signal));
    const [file, ...words] = argv;
    const child = spawn(file, words, {
      shell: false,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: process.env.PATH ?? PATH, HOME: process.env.HOME ?? "/root", LC_ALL: "C.UTF-8" },
    });
    const maxBytes = options.maxBytes ?? MAX_BYTES;
    const err = kept(maxBytes, "last");
    child.stderr.on("data", err.take);
    // A program that does not read its input is not our failure.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    // A child that left the group keeps the pipes open: after SIGKILL nobody waits for it.
    const letGo = (): void => void [child.stdout, child.stderr].map((stream) => stream.destroy());
    const limit = limited(child.pid, { ...options, file, letGo });
    const out =
      options.onOutput === undefined
        ? kept(maxBytes, "first")
        : handedOver(child.stdout, { maxBytes, take: options.onOutput, stop: limit.stop });
    child.stdout.on("data", out.take);
    child.once("error", (cause) => {
      limit.end();
      reject(cannotRun(file, cause));
    });
    child.once("close", (code, signal) => {
      limit.end();
      const why = limit.why();
      if (why !== undefined) return reject(why);
      resolve(resultOf(code ?? 128 + (signal === null ? 0 : constants.signals[signal]), out, err));
    });
  });

function resultOf(code: number, out: Kept, err: Kept): ExecResult {
  return { code, stdout: out.text(), stderr: err.text(), truncated: out.isCut() || err.isCut() };
}

/** Ends the group when its time is over or the caller gives up; `why` is set then. */
function limited(
  pid: number | undefined,
  { timeoutMs, signal, file, letGo }: ExecOptions & { readonly file: string; readonly letGo: () => void },
): { readonly end: () => void; readonly stop: (reason: unknown) => void; readonly why: () => unknown } {
  let why: unknown;
  let hard: ReturnType<typeof setTimeout> | undefined;
  const stop = (reason: unknown): void => {
    if (why !== undefined) return;
    why = reason;
    endGroup(pid, "SIGTERM");
    hard = setTimeout(() => {
      endGroup(pid, "SIGKILL");
      letGo();
    }, GRACE_MS);
  };
  const onAbort = (): void => stop(signal === undefined ? undefined : abortReason(signal));
  const soft = setTimeout(() => stop(tookTooLong(file, timeoutMs)), timeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  const end = (): void => {
    clearTimeout(soft);
    clearTimeout(hard);
    signal?.removeEventListener("abort", onAbort);
  };
  return { end, stop, why: () => why };
}

function endGroup(pid: number | undefined, signal: "SIGTERM" | "SIGKILL"): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

interface Kept {
  readonly take: (chunk: Uint8Array) => void;
  readonly text: () => string;
  readonly isCut: () => boolean;
}

/** Hands pieces on one after the other; the stream stands still meanwhile, and so does who writes it. */
function handedOver(
  stream: Pick<Readable, "pause" | "resume">,
  options: {
    readonly maxBytes: number;
    readonly take: (bytes: Uint8Array) => Promise<void>;
    readonly stop: (reason: unknown) => void;
  },
): Kept {
  let leftBytes = options.maxBytes;
  let cut = false;
  return {
    take: (chunk) => {
      cut ||= chunk.length > leftBytes;
      const piece = chunk.subarray(0, leftBytes);
      leftBytes -= piece.length;
      if (piece.length === 0) return;
      stream.pause();
      options.take(piece).then(() => stream.resume(), options.stop);
    },
    text: () => "",
    isCut: () => cut,
  };
}

/** Keeps the first or the last bytes of a stream; reads all of it, so that the writer never blocks. */
function kept(maxBytes: number, which: "first" | "last"): Kept {
  let bytes = Buffer.alloc(0);
  let cut = false;
  return {
    take: (chunk) => {
      if (which === "first" && bytes.length >= maxBytes) {
        cut = true;
        return;
      }
      const all = Buffer.concat([bytes, chunk]);
      cut ||= all.length > maxBytes;
      bytes = which === "first" ? all.subarray(0, maxBytes) : Buffer.from(all.subarray(-maxBytes));
    },
    text: () => bytes.toString("utf8"),
    isCut: () => cut,
  };
}

function cannotRun(file: string, cause: Error): ApplianceError {
  const code = "code" in cause ? String(cause.code) : "";
  const what = code === "ENOENT" ? "it is not there" : code === "EACCES" ? "it may not be run" : "it did not start";
  return new ApplianceError("exec/not-found", `Cannot run "${file}": ${what}, a program of the host is wanted`, {
    cause,
  });
}

function tookTooLong(file: string, timeoutMs: number): ApplianceError {
  return new ApplianceError(
    "exec/timeout",
    `Cannot wait longer for "${file}": it did not end after ${Math.round(timeoutMs / 1000)} s`,
  );
}
