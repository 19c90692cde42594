/**
 * The `StateStore` as files under the state folder of a box.
 *
 * Everything is written whole and synced (the `Files` port does it). What cannot be read is moved aside under a name
 * with `.corrupt-`, never deleted and never taken for an empty state in silence.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { encodeEntry, MAX_JOURNAL_BYTES, parseJournal } from "./journal.ts";
import { LEASE_SCHEMA, type Lease, leaseSchema } from "./lease.ts";
import { operationKindSchema, operationStateSchema } from "./model.ts";
import type { DocumentName, HistoryRecord, SecretName, StateStore } from "./store.ts";

/** Documents of ours are some kilobytes; release manifests inside them at most 4 MiB. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
const MAX_SECRET_BYTES = 64 * 1024;
const MAX_HISTORY_BYTES = 4 * 1024 * 1024;
/** A temporary file of a lease may be one that another process writes now. */
const LEFTOVER_AFTER_MS = 60_000;

/** Written and removed by preflight, to see that the state folder keeps what is written. */
export const PROBE = ".preflight";

const SECRETS: readonly SecretName[] = [
  "admin-password",
  "install-code",
  "install-request",
  "license-key",
  "tenant",
  "license",
  "new-admin-password",
  "new-license-key",
  "former-license-key",
  "new-install-code",
  "new-install-request",
  "new-license",
  "new-license-seed",
  "former-license-seed",
  "parts-login",
];
const DOCUMENTS: readonly DocumentName[] = [
  "answers",
  "name",
  "release",
  "setup-release",
  "updates",
  "update-policy",
  "update-run",
  "previous-release",
];

const historyRecordSchema = z.object({
  schema: z.literal("alga.appliance.history/v1"),
  at: z.string(),
  operationId: z.string(),
  kind: operationKindSchema,
  state: operationStateSchema,
  startedAt: z.string(),
  about: z.record(z.string(), z.unknown()),
});

type StoreDeps = Pick<Deps, "files" | "clock">;

export interface FileStoreOptions {
  /** Who only looks leaves a document that cannot be used where it is, for whoever works on the box. */
  readonly leaveDamaged?: boolean;
}

/** Opens the store. Makes no folder before something is written. */
export function createFileStore(deps: StoreDeps, paths: StatePaths, options: FileStoreOptions = {}): StateStore {
  return {
    ...documents(deps, paths, options),
    ...secrets(deps, paths),
    ...journals(deps, paths),
    ...history(deps, paths),
    ...leases(deps, paths),
    sweep: () => sweep(deps, paths),
  };
}

function documents(
  deps: StoreDeps,
  paths: StatePaths,
  options: FileStoreOptions,
): Pick<StateStore, "readDocument" | "writeDocument" | "removeDocument"> {
  const { files } = deps;
  const pathOf = (name: DocumentName): string => join(paths.state, `${name}.json`);
  return {
    async readDocument<T>(name: DocumentName, schema: z.ZodType<T>): Promise<T | undefined> {
      const bytes = await files.read(pathOf(name), { maxBytes: MAX_DOCUMENT_BYTES });
      if (bytes === undefined) return undefined;
      try {
        return schema.parse(parseJson(bytes, { what: `${name}.json`, maxBytes: MAX_DOCUMENT_BYTES }));
      } catch (cause) {
        if (options.leaveDamaged === true) throw unusable(pathOf(name), { cause });
        throw await moveAside(deps, pathOf(name), cause);
      }
    },
    async writeDocument(name, value) {
      await files.makeDirectory(paths.state);
      await files.write(pathOf(name), `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
    },
    removeDocument: (name) => files.remove(pathOf(name)),
  };
}

async function moveAside(deps: StoreDeps, path: string, cause: unknown): Promise<ApplianceError> {
  const aside = `${path}.corrupt-${toInstant(deps.clock.now()).replaceAll(/[:.]/g, "")}`;
  await deps.files.rename(path, aside);
  const hint = `The file was kept as ${aside}. Put a mended file in its place, or give the answers again in the wizard`;
  return unusable(path, { cause, hint, details: { path, aside } });
}

function unusable(path: string, more: ConstructorParameters<typeof ApplianceError>[2]): ApplianceError {
  return new ApplianceError("file/corrupt", `Cannot use file "${path}": it does not hold what its schema says`, more);
}

function secrets(
  { files }: StoreDeps,
  paths: StatePaths,
): Pick<StateStore, "readSecret" | "writeSecret" | "removeSecret" | "secretNames"> {
  const pathOf = (name: SecretName): string => join(paths.secrets, name);
  return {
    async readSecret(name) {
      const bytes = await files.read(pathOf(name), { maxBytes: MAX_SECRET_BYTES });
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    },
    async writeSecret(name, text) {
      // One effect where the folder is there: what a service gave once must reach the disk with nothing in between.
      if ((await files.stat(paths.secrets)) === undefined) await files.makeDirectory(paths.secrets, { mode: 0o700 });
      await files.write(pathOf(name), text, { mode: 0o600 });
    },
    removeSecret: (name) => files.remove(pathOf(name)),
    async secretNames() {
      const names = await files.list(paths.secrets);
      return SECRETS.filter((name) => names.includes(name));
    },
  };
}

function journals(
  deps: StoreDeps,
  paths: StatePaths,
): Pick<
  StateStore,
  "listJournals" | "createJournal" | "appendJournal" | "readJournal" | "journalFile" | "journalSize" | "repairJournal"
> {
  const { files } = deps;
  const pathOf = (id: string): string => join(paths.journal, `${id}.ndjson`);
  const read = async (id: string): Promise<Uint8Array | undefined> =>
    isJournalId(id) ? files.read(pathOf(id), { maxBytes: MAX_JOURNAL_BYTES }) : undefined;
  return {
    async listJournals() {
      const names = (await files.list(paths.journal)).filter((name) => name.endsWith(".ndjson"));
      return names.map((name) => name.slice(0, -".ndjson".length)).filter(isJournalId);
    },
    async createJournal(id, first) {
      await files.makeDirectory(paths.state);
      await files.makeDirectory(paths.journal);
      return files.create(pathOf(id), encodeEntry(first));
    },
    appendJournal: (id, entry) => files.append(pathOf(id), encodeEntry(entry)),
    async readJournal(id) {
      const bytes = await read(id);
      return bytes === undefined ? undefined : parseJournal(bytes);
    },
    journalFile: async (id) => ({ path: pathOf(id), modifiedMs: (await files.stat(pathOf(id)))?.modifiedMs ?? 0 }),
    journalSize: async (id) => (await files.stat(pathOf(id)))?.sizeBytes,
    async repairJournal(id) {
      const bytes = await read(id);
      if (bytes === undefined) return undefined;
      const { rest, goodBytes } = parseJournal(bytes);
      if (rest === "none") return undefined;
      const aside = `${id}.ndjson.corrupt-${goodBytes}`;
      if (rest === "corrupt") await files.write(join(paths.journal, aside), bytes.subarray(goodBytes));
      await files.truncate(pathOf(id), goodBytes);
      return rest === "corrupt" ? aside : undefined;
    },
  };
}

/** Ids come from requests too: only this form reaches a path. */
export function isJournalId(id: string): boolean {
  return /^\d{4,8}-[a-z]{1,20}$/.test(id);
}

function history({ files }: StoreDeps, paths: StatePaths): Pick<StateStore, "appendHistory" | "readHistory"> {
  const read = async (): Promise<{ records: readonly HistoryRecord[]; wholeBytes: number; allBytes: number }> => {
    const bytes = (await files.read(paths.history, { maxBytes: MAX_HISTORY_BYTES })) ?? new Uint8Array();
    const wholeBytes = bytes.lastIndexOf(10) + 1;
    const lines = new TextDecoder().decode(bytes.subarray(0, wholeBytes)).split("\n").filter(Boolean);
    return { records: lines.flatMap(parseRecord), wholeBytes, allBytes: bytes.length };
  };
  return {
    async appendHistory(record) {
      const { wholeBytes, allBytes } = await read();
      await files.makeDirectory(paths.state);
      if (wholeBytes < allBytes) await files.truncate(paths.history, wholeBytes);
      await files.append(paths.history, `${JSON.stringify(record)}\n`);
    },
    readHistory: async () => (await read()).records,
  };
}

function parseRecord(line: string): HistoryRecord[] {
  try {
    const parsed = historyRecordSchema.safeParse(JSON.parse(line));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}

function leases(
  { files }: StoreDeps,
  paths: StatePaths,
): Pick<StateStore, "readLease" | "createLease" | "writeLease" | "removeLeases"> {
  const pathOf = (number: number): string => join(paths.lease, `${String(number).padStart(8, "0")}.json`);
  const numbers = async (): Promise<readonly number[]> =>
    (await files.list(paths.lease)).flatMap((name) => {
      const match = /^(\d{8})\.json$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    });
  return {
    async readLease() {
      // A lease may be removed between the listing and the reading, because a newer one came.
      for (let tries = 0; tries < 5; tries += 1) {
        const highest = (await numbers()).at(-1);
        if (highest === undefined) return undefined;
        const bytes = await files.read(pathOf(highest), { maxBytes: MAX_SECRET_BYTES });
        if (bytes !== undefined) return parseLease(bytes, highest);
      }
      return undefined;
    },
    async createLease(lease) {
      await files.makeDirectory(paths.state);
      await files.makeDirectory(paths.lease);
      return files.create(pathOf(lease.number), JSON.stringify(lease));
    },
    writeLease: (lease) => files.write(pathOf(lease.number), JSON.stringify(lease)),
    async removeLeases(which) {
      const wanted = (number: number): boolean => ("only" in which ? number === which.only : number < which.below);
      for (const number of (await numbers()).filter(wanted)) await files.remove(pathOf(number));
    },
  };
}

/** A lease that a bad disk garbled binds nobody, but its number still counts. */
function parseLease(bytes: Uint8Array, number: number): Lease {
  try {
    return leaseSchema.parse(parseJson(bytes, { what: "lease" }));
  } catch {
    return {
      schema: LEASE_SCHEMA,
      number,
      holder: "",
      bootId: "",
      pid: 0,
      startTicks: "",
      pidNamespace: "",
      renewedUptimeMs: 0,
      released: true,
    };
  }
}

async function sweep({ files, clock }: StoreDeps, paths: StatePaths): Promise<void> {
  for (const folder of [paths.state, paths.journal, paths.secrets, paths.lease]) {
    const leftovers = (await files.list(folder)).filter((name) => /^\..*\.tmp$/.test(name));
    for (const name of folder === paths.state ? leftovers.filter(isOfDocument) : leftovers) {
      const path = join(folder, name);
      const ageMs = clock.now() - ((await files.stat(path))?.modifiedMs ?? 0);
      if (folder !== paths.lease || Math.abs(ageMs) > LEFTOVER_AFTER_MS) await files.remove(path);
    }
  }
}

function isOfDocument(name: string): boolean {
  return [...DOCUMENTS.map((document) => `${document}.json`), "history.ndjson", PROBE].some((file) =>
    name.startsWith(`.${file}.`),
  );
}
