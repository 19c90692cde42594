/** Logs of containers, kept in memory for the actors that play pods. */
import { badRequest } from "./refusal.ts";

/** Logs by container. `snapshot` and `restore` carry them over a restart of the rehearsal. */
export interface PodLogs {
  /** Appends to a container's log. `previous` is the log of the container before its last restart. */
  append(at: LogPlace, text: string): void;
  /** Starts a new log, as a restarted container does; the old one becomes the previous. */
  restart(at: LogPlace): void;
  /** The end of a log by the query of the request. @throws {Refusal} 400 when there is none. */
  read(place: LogPlace, query: URLSearchParams): string;
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

/** Makes an empty set of logs; each keeps its last 256 Ki characters. */
export function createPodLogs(): PodLogs {
  const logs = new Map<string, string>();
  const key = (at: LogPlace, previous = false): string =>
    [at.namespace, at.pod, at.container, previous ? "1" : "0"].join("/");
  return {
    append: (at, text) => void logs.set(key(at), `${logs.get(key(at)) ?? ""}${text}`.slice(-MAX_CHARS)),
    restart: (at) => {
      logs.set(key(at, true), logs.get(key(at)) ?? "");
      logs.set(key(at), "");
    },
    read: (at, query) => {
      const previous = query.get("previous") === "true";
      const text = logs.get(key(at, previous));
      if (text === undefined && previous) {
        throw badRequest(`previous terminated container "${at.container}" in pod "${at.pod}" not found`);
      }
      return bounded(text ?? "", query);
    },
    snapshot: () => [...logs],
    restore: (saved) => {
      logs.clear();
      for (const [name, text] of saved) logs.set(name, text);
    },
  };
}

function bounded(text: string, query: URLSearchParams): string {
  const lines = text.split(/(?<=\n)/);
  const tail = query.get("tailLines");
  const shown = (tail === null ? lines : lines.slice(Math.max(0, lines.length - Number(tail)))).join("");
  const limit = query.get("limitBytes");
  return limit === null ? shown : Buffer.from(shown).subarray(0, Number(limit)).toString("utf8");
}
