/** Logs of containers, kept in memory for the actors that play pods. Each line has its instant, as the kubelet keeps it. */
import { badRequest } from "./refusal.ts";

/** Logs by container. `snapshot` and `restore` carry them over a restart of the rehearsal. */
export interface PodLogs {
  /** Appends to a container's log. `previous` is the log of the container before its last restart. */
  append(at: LogPlace, text: string): void;
  /** Starts a new log, as a restarted container does; the old one becomes the previous, and who follows it sees its end. */
  restart(at: LogPlace): void;
  /** The end of a log by the query of the request. @throws {Refusal} 400 when there is none. */
  read(place: LogPlace, query: URLSearchParams): string;
  /** Calls with what is appended from now on, and once with undefined at the end of the container. Answers what ends the calls. */
  follow(place: LogPlace, query: URLSearchParams, call: (text: string | undefined) => void): () => void;
  snapshot(): readonly (readonly [string, string])[];
  restore(logs: readonly (readonly [string, string])[]): void;
}

export interface LogPlace {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** 256 KiB a container: the tail is what is looked at. */
const MAX_CHARS = 256 * 1024;
const STAMP = /^\d{4}-\d\d-\d\dT\S+ /;

/** Makes an empty set of logs; each keeps its last 256 Ki characters. @param now The instant of a new line, RFC 3339 in UTC. */
export function createPodLogs(now: () => string): PodLogs {
  const logs = new Map<string, string>();
  const followers = new Map<string, Set<(text: string | undefined) => void>>();
  const key = (at: LogPlace, previous = false): string =>
    [at.namespace, at.pod, at.container, previous ? "1" : "0"].join("/");
  const tell = (name: string, text: string | undefined): void => {
    for (const call of [...(followers.get(name) ?? [])]) call(text);
  };
  return {
    append: (at, text) => {
      const name = key(at);
      const before = logs.get(name) ?? "";
      const stamped = stamp(text, { now, continues: before !== "" && !before.endsWith("\n") });
      logs.set(name, wholeLines(before + stamped));
      tell(name, stamped);
    },
    restart: (at) => {
      logs.set(key(at, true), logs.get(key(at)) ?? "");
      logs.set(key(at), "");
      tell(key(at), undefined);
    },
    read: (at, query) => {
      const previous = query.get("previous") === "true";
      const text = logs.get(key(at, previous));
      if (text === undefined && previous) {
        throw badRequest(`previous terminated container "${at.container}" in pod "${at.pod}" not found`);
      }
      return bounded(text ?? "", query);
    },
    follow: (at, query, call) => {
      const name = key(at);
      const listener = (text: string | undefined): void => call(text === undefined ? text : shown(text, query));
      followers.set(name, (followers.get(name) ?? new Set()).add(listener));
      return () => {
        followers.get(name)?.delete(listener);
        if (followers.get(name)?.size === 0) followers.delete(name);
      };
    },
    snapshot: () => [...logs],
    restore: (saved) => {
      logs.clear();
      for (const [name, text] of saved) logs.set(name, text);
      for (const name of [...followers.keys()]) tell(name, undefined);
    },
  };
}

/** Writes the instant before each line that begins in the text. */
function stamp(text: string, { now, continues }: { readonly now: () => string; readonly continues: boolean }): string {
  const at = now();
  const lines = text.split(/(?<=\n)/);
  return lines.map((line, index) => (line === "" || (continues && index === 0) ? line : `${at} ${line}`)).join("");
}

/** Keeps the end, from the beginning of a line on. */
function wholeLines(text: string): string {
  return text.length <= MAX_CHARS ? text : text.slice(-MAX_CHARS).replace(/^[^\n]*\n/, "");
}

function bounded(text: string, query: URLSearchParams): string {
  const since = query.get("sinceTime")?.slice(0, "2026-11-21T00:00:00".length) ?? "";
  const lines = text.split(/(?<=\n)/).filter((line) => line >= since || !STAMP.test(line));
  const tail = query.get("tailLines");
  const last = (tail === null ? lines : lines.slice(Math.max(0, lines.length - Number(tail)))).join("");
  const limit = query.get("limitBytes");
  const told = shown(last, query);
  return limit === null ? told : Buffer.from(told).subarray(0, Number(limit)).toString("utf8");
}

function shown(text: string, query: URLSearchParams): string {
  if (query.get("timestamps") === "true") return text;
  return text
    .split(/(?<=\n)/)
    .map((line) => line.replace(STAMP, ""))
    .join("");
}
