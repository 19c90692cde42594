/**
 * A process that can die: every write to the disk and to the cluster is counted, and before or after the wanted one
 * everything stops for ever, as after SIGKILL or a power cut.
 */
import type { Deps, Fetch, Files } from "../../src/core/ports.ts";

export type When = "before" | "after";

export interface Mortal {
  readonly deps: Deps;
  readonly kube: Fetch;
  /** Names of the writes so far: "append step-done flux", "write answers.json", "PATCH /api/v1/namespaces/msp". */
  readonly writes: readonly string[];
}

export interface MortalOptions {
  readonly kube: Fetch;
  /** Folder whose name is left out of the names of writes. */
  readonly stateFolder: string;
  /** Told before and after each write, while nothing else of this process writes; true ends the process there. */
  readonly diesAt: (name: string, when: When) => boolean;
  /** Ends the process. Where it returns, every port hangs from then on, as for a process that is no more. */
  readonly die: () => void;
}

const WRITERS = ["write", "create", "append", "truncate", "remove", "rename", "makeDirectory"] as const;

export function makeMortal(deps: Deps, options: MortalOptions): Mortal {
  const writes: string[] = [];
  let dead = false;
  const die = (): Promise<never> => {
    dead = true;
    options.die();
    return new Promise(() => {});
  };
  const alive = <T>(work: () => Promise<T>): Promise<T> => (dead ? new Promise(() => {}) : work());
  const counted = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    if (dead) return new Promise(() => {});
    writes.push(name);
    if (options.diesAt(name, "before")) return die();
    const result = await work();
    return options.diesAt(name, "after") || dead ? die() : result;
  };
  const kube: Fetch = (request) => {
    const { pathname } = new URL(request.url);
    const isWrite = request.method !== "GET" && !pathname.endsWith("selfsubjectaccessreviews");
    const send = (): Promise<Response> => options.kube(request);
    return isWrite ? counted(`${request.method} ${pathname}`, send) : alive(send);
  };
  const files: Files = { ...deps.files };
  for (const name of WRITERS) {
    const real = deps.files[name] as (path: string, ...more: unknown[]) => Promise<unknown>;
    const mortal = (path: string, ...more: unknown[]): Promise<unknown> =>
      counted(nameOf(name, withoutRoot(path, options.stateFolder), more[0]), () => real(path, ...more));
    Object.assign(files, { [name]: mortal });
  }
  const clock = {
    ...deps.clock,
    sleep: (ms: number, signal?: AbortSignal) => alive(() => deps.clock.sleep(ms, signal)),
  };
  return { deps: { ...deps, files, clock }, kube, writes };
}

/** Lines of a journal are named by what they say; leases by what they are, because each process has a number of its own. */
function nameOf(verb: string, path: string, content: unknown): string {
  if (path.startsWith("lease/")) return `${verb} lease`;
  if (verb !== "append" || !path.startsWith("journal/")) return `${verb} ${path}`;
  const entry = JSON.parse(String(content)) as { readonly kind: string; readonly step?: string };
  return `${verb} ${entry.kind} ${entry.step ?? ""}`.trim();
}

function withoutRoot(path: string, stateFolder: string): string {
  return path === stateFolder ? "." : path.replace(`${stateFolder}/`, "");
}
