/** Follows a log over an event stream; the browser resumes it by itself after a gap, without a line twice. */
import { useEffect, useState } from "preact/hooks";
import { text } from "../strings.ts";

export interface FollowedLog {
  /** Undefined until the first piece came. */
  readonly lines: readonly string[] | undefined;
  readonly problem: { readonly message: string; readonly hint?: string | undefined } | undefined;
  /** Lines that the box left out because too many came at once. */
  readonly left: number;
  /** The container has ended: nothing more comes. */
  readonly ended: boolean;
}

/** A container may write for ever; the page keeps what one can read. */
const KEPT_LINES = 5_000;
/** New lines are shown this often at most: a container that writes thousands a second must not stop the page. */
const PAINT_MS = 100;
/** A container that has said nothing yet is told so after this long. */
const QUIET_MS = 700;
const AGAIN_MS = 3_000;
const NOTHING: FollowedLog = { lines: undefined, problem: undefined, left: 0, ended: false };

interface Piece {
  readonly lines: readonly string[];
  readonly left: number;
}

/** Opens the stream of this path and closes it with the component, which is made anew for another path. */
export function useFollowedLog(path: string): FollowedLog {
  const [log, setLog] = useState<FollowedLog>(NOTHING);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let pieces: Piece[] = [];
    // A stream that we open again begins with the same end of the log.
    let anew = attempt > 0;
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const later = (ms: number, work: () => void): void => void timers.add(setTimeout(work, ms));
    const paint = (): void => {
      const [taken, base] = [pieces, anew ? { lines: [], left: 0 } : {}];
      pieces = [];
      anew = false;
      setLog((now) => grown({ ...now, ...base }, taken));
    };
    const source = new EventSource(path);
    const listen = (type: string, take: (data: string) => void): void =>
      source.addEventListener(type, (event) => take(event.data));
    source.addEventListener("open", () => later(QUIET_MS, () => setLog((now) => ({ ...now, lines: now.lines ?? [] }))));
    // A stream that breaks is resumed by the browser; one that is refused is asked for again by us.
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      setLog((now) => ({ ...now, problem: { message: text("log.refused") } }));
      later(AGAIN_MS, () => setAttempt((count) => count + 1));
    });
    listen("log", (data) => {
      pieces.push(JSON.parse(data) as Piece);
      if (pieces.length === 1) later(PAINT_MS, paint);
    });
    listen("problem", (data) => setLog((now) => ({ ...now, problem: JSON.parse(data) as FollowedLog["problem"] })));
    listen("end", (data) => {
      source.close();
      const { reason } = JSON.parse(data) as { readonly reason: string };
      setLog((now) => ({ ...now, ended: reason === "ended" }));
    });
    return () => {
      source.close();
      for (const timer of timers) clearTimeout(timer);
    };
  }, [path, attempt]);
  return log;
}

function grown(log: FollowedLog, pieces: readonly Piece[]): FollowedLog {
  const lines = [...(log.lines ?? []), ...pieces.flatMap((piece) => piece.lines)].slice(-KEPT_LINES);
  const left = log.left + pieces.reduce((sum, piece) => sum + piece.left, 0);
  return { ...log, lines, left, problem: undefined };
}
