/**
 * What a bad disk, a copy by the wrong user or a careless hand did to the folders of the appliance.
 *
 * The state folder is the control plane's and may hold anything: every file is bounded, links are not followed, and nothing of a
 * content is told, because it may be a secret. Reads only; `recover-mend.ts` puts it right.
 */
import { basename, join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { isJournalId } from "../operation/file-store.ts";
import { MAX_JOURNAL_BYTES, parseJournal } from "../operation/journal.ts";
import { CONTROL_PLANE_ID } from "./host-files.ts";

/** What is wrong with one file or folder. */
export interface StateFault {
  /**
   * missing: the folder is not there; not-a-folder: something else has its name; damaged: nothing of the file can be used; torn: the
   * end of a journal or some lines of a history are lost; owner: not the control plane's; open: others can read it.
   */
  readonly kind: "missing" | "not-a-folder" | "damaged" | "torn" | "owner" | "open";
  readonly path: string;
  /** One sentence, without content. */
  readonly why: string;
}

type StateDeps = Pick<Deps, "files" | "exec">;

/** Documents of ours are some kilobytes; release manifests in them at most 4 MiB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_HISTORY_BYTES = 4 * 1024 * 1024;
const FIND_MS = 60_000;
/** Files that nobody but their owner may read. */
const CLOSED = ["setup-token", "admin-credential.json", "answers.json", "sessions.json", "release.json"];

/** Looks at the state folder and at the host's own. Never throws but for the reason of the signal. */
export async function inspectState(
  deps: StateDeps,
  paths: StatePaths,
  signal: AbortSignal,
): Promise<readonly StateFault[]> {
  const state = await folderFault(deps, paths.state);
  const host = await folderFault(deps, paths.host);
  const faults: StateFault[] = [];
  // The host's own folder is made by the first bootstrap: a box that never had one lacks nothing.
  if (host?.kind === "not-a-folder") faults.push(host);
  if (host === undefined) faults.push(...(await contentFaults(deps, paths.host)));
  if (state !== undefined) return [...faults, state];
  faults.push(...(await contentFaults(deps, paths.state)), ...(await openFiles(deps, paths)));
  const owner = await ownerFault(deps, paths.state, signal);
  return owner === undefined ? faults : [...faults, owner];
}

async function folderFault({ files }: StateDeps, path: string): Promise<StateFault | undefined> {
  const kind = (await files.stat(path, { links: "show" }).catch(() => undefined))?.kind;
  if (kind === "directory") return undefined;
  if (kind === undefined) return { kind: "missing", path, why: "the folder is not there" };
  return { kind: "not-a-folder", path, why: "something that is no folder has its name" };
}

async function contentFaults(deps: StateDeps, folder: string): Promise<readonly StateFault[]> {
  const faults: StateFault[] = [];
  for (const name of await deps.files.list(folder)) {
    const path = join(folder, name);
    if (name.endsWith(".json") && !name.startsWith(".")) faults.push(...(await documentFault(deps, path)));
    if (name === "history.ndjson") faults.push(...(await historyFault(deps, path)));
  }
  const journals = join(folder, "journal");
  for (const name of await deps.files.list(journals)) {
    const id = name.replace(/\.ndjson$/, "");
    if (id !== name && isJournalId(id)) faults.push(...(await journalFault(deps, join(journals, name))));
  }
  return faults;
}

/** The bytes of a regular file, or what keeps them from being read. */
async function contentOf(
  { files }: StateDeps,
  path: string,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array } | { readonly why: string }> {
  try {
    if ((await files.stat(path, { links: "show" }))?.kind !== "file") return { why: "it is no plain file" };
    const bytes = await files.read(path, { maxBytes });
    return bytes === undefined ? { why: "it cannot be opened" } : { bytes };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return {
      why: thrown.code === "file/too-large" ? `it is longer than ${maxBytes} bytes` : "the disk does not give it",
    };
  }
}

async function documentFault(deps: StateDeps, path: string): Promise<readonly StateFault[]> {
  const content = await contentOf(deps, path, MAX_DOCUMENT_BYTES);
  const why = "why" in content ? content.why : jsonFault(content.bytes);
  return why === undefined ? [] : [{ kind: "damaged", path, why }];
}

/** What is wrong with the bytes of a document; every document of ours is an object that names its schema. */
function jsonFault(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "it is empty";
  if (bytes.every((byte) => byte === 0)) return `it holds ${bytes.length} zeros and nothing else`;
  try {
    const value = parseJson(bytes, { what: "document", maxBytes: MAX_DOCUMENT_BYTES });
    if (isPlainObject(value) && typeof value.schema === "string" && value.schema.startsWith("alga.")) return undefined;
    return "it is no document of the appliance";
  } catch {
    return `its ${bytes.length} bytes are no JSON: cut off, or written over`;
  }
}

async function historyFault(deps: StateDeps, path: string): Promise<readonly StateFault[]> {
  const content = await contentOf(deps, path, MAX_HISTORY_BYTES);
  if ("why" in content) return [{ kind: "damaged", path, why: content.why }];
  const { good, lost } = historyLines(content.bytes);
  if (lost === 0) return [];
  const kind = good.length === 0 ? "damaged" : "torn";
  return [{ kind, path, why: `${lost} of ${good.length + lost} lines cannot be read` }];
}

/** Lines of a history that can be read, and how many cannot. Pure. */
export function historyLines(bytes: Uint8Array): { readonly good: readonly string[]; readonly lost: number } {
  const lines = new TextDecoder().decode(bytes).split("\n").filter(Boolean);
  const good = lines.filter((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isPlainObject(value) && value.schema === "alga.appliance.history/v1";
    } catch {
      return false;
    }
  });
  return { good, lost: lines.length - good.length };
}

async function journalFault(deps: StateDeps, path: string): Promise<readonly StateFault[]> {
  const content = await contentOf(deps, path, MAX_JOURNAL_BYTES);
  if ("why" in content) return [{ kind: "damaged", path, why: content.why }];
  const { entries, goodBytes, rest } = parseJournal(content.bytes);
  if (entries[0]?.kind !== "planned") return [{ kind: "damaged", path, why: "its first line cannot be read" }];
  if (rest === "none") return [];
  const lost = content.bytes.length - goodBytes;
  return [{ kind: "torn", path, why: `its last ${lost} bytes cannot be read, ${entries.length} entries can` }];
}

async function openFiles({ files }: StateDeps, paths: StatePaths): Promise<readonly StateFault[]> {
  const inside = async (folder: string): Promise<readonly string[]> =>
    (await files.list(folder)).map((name) => join(folder, name));
  const secrets = [...(await inside(paths.secrets)), ...(await inside(paths.tls))];
  const faults: StateFault[] = [];
  for (const path of [...CLOSED.map((name) => join(paths.state, name)), ...secrets]) {
    const stat = await files.stat(path, { links: "show" });
    if (stat?.kind !== "file" || (stat.mode & 0o077) === 0) continue;
    faults.push({
      kind: "open",
      path,
      why: `its mode is ${stat.mode.toString(8).padStart(4, "0")}: others can read it`,
    });
  }
  return faults;
}

/** Files that are not the control plane's, by find(1); where it cannot be asked nothing is said. */
async function ownerFault({ exec }: StateDeps, folder: string, signal: AbortSignal): Promise<StateFault | undefined> {
  const id = String(CONTROL_PLANE_ID);
  const strange = ["(", "!", "-uid", id, "-o", "!", "-gid", id, ")"];
  const argv = ["find", folder, "-xdev", ...strange, "-printf", "%U:%G %P\\n"] as const;
  const found = await exec(argv, { timeoutMs: FIND_MS, maxBytes: 64 * 1024, signal }).catch(() => undefined);
  signal.throwIfAborted();
  const lines = (found?.stdout ?? "").split("\n").filter(Boolean);
  const [first] = lines;
  if (first === undefined) return undefined;
  const [owner = "", name = ""] = first.split(" ");
  const many = found?.truncated === true ? `more than ${lines.length}` : String(lines.length);
  const shown = name === "" ? basename(folder) : name.slice(0, 100);
  return { kind: "owner", path: folder, why: `${many} of its files belong to others, "${shown}" to ${owner}` };
}
