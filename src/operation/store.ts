/**
 * The state of the appliance as a port: documents, secrets, journals, history and the lease.
 *
 * Files on a box (`file-store.ts`); nothing else knows where the state lies. Every document carries its schema and is
 * checked when it is read. Secrets are apart from documents, so that nothing can print them by reading answers.
 */
import type { z } from "zod";
import type { JournalEntry, ParsedJournal } from "./journal.ts";
import type { Lease } from "./lease.ts";
import type { OperationKind, OperationState } from "./model.ts";

/** Names of documents: a file beside the others, "answers" is answers.json. */
export type DocumentName =
  | "answers"
  | "name"
  | "release"
  | "setup-release"
  | "updates"
  | "update-policy"
  | "update-run"
  | "operator-word"
  | "pulse"
  | "previous-release";

/** Names of secrets that setup keeps until they are used. */
export type SecretName =
  | "admin-password"
  | "install-code"
  | "install-request"
  | "license-key"
  | "tenant"
  | "license"
  | "new-admin-password"
  | "new-license-key"
  | "former-license-key"
  | "new-install-code"
  | "new-install-request"
  | "new-license"
  | "new-license-seed"
  | "former-license-seed"
  | "parts-login";

/** One operation and its end, in history.ndjson. */
export interface HistoryRecord {
  readonly schema: "alga.appliance.history/v1";
  readonly at: string;
  readonly operationId: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  readonly startedAt: string;
  /** What the operation worked on, e.g. the release digest; never a secret. */
  readonly about: Readonly<Record<string, unknown>>;
}

/**
 * The state of the box on disk: documents, secrets and journals. Every write is whole or not there; secrets are never
 * logged.
 */
export interface StateStore {
  /**
   * Reads a document.
   * @throws {ApplianceError} file/corrupt once when it does not hold what its schema says: it was moved aside under the
   *   name that the message tells, and the next read finds nothing.
   */
  readDocument<T>(name: DocumentName, schema: z.ZodType<T>): Promise<T | undefined>;
  /** Writes a whole document; the value carries `schema`. */
  writeDocument<T extends { readonly schema: string }>(name: DocumentName, value: T): Promise<void>;
  removeDocument(name: DocumentName): Promise<void>;

  readSecret(name: SecretName): Promise<string | undefined>;
  writeSecret(name: SecretName, text: string): Promise<void>;
  /** Safe to call again. */
  removeSecret(name: SecretName): Promise<void>;
  secretNames(): Promise<readonly SecretName[]>;

  /** Ids of all operations, oldest first. */
  listJournals(): Promise<readonly string[]>;
  /** @returns false when the id is taken. */
  createJournal(id: string, first: JournalEntry): Promise<boolean>;
  appendJournal(id: string, entry: JournalEntry): Promise<void>;
  readJournal(id: string): Promise<ParsedJournal | undefined>;
  /** Path of a journal and when it was last written, in milliseconds since 1970; for what is told about it. */
  journalFile(id: string): Promise<{ readonly path: string; readonly modifiedMs: number }>;
  /** Bytes of a journal, to notice that another process wrote; undefined when there is none. */
  journalSize(id: string): Promise<number | undefined>;
  /**
   * Cuts what cannot be trusted off the end. Only for the holder of the lease.
   * @returns the name under which unreadable lines were kept, undefined when nothing but a torn line was cut.
   */
  repairJournal(id: string): Promise<string | undefined>;

  appendHistory(record: HistoryRecord): Promise<void>;
  readHistory(): Promise<readonly HistoryRecord[]>;

  /** The lease with the highest number, undefined when there never was one. */
  readLease(): Promise<Lease | undefined>;
  /** Creates the lease of this number. @returns false when the number is taken. */
  createLease(lease: Lease): Promise<boolean>;
  /** Replaces the lease of the same number: only its holder does. */
  writeLease(lease: Lease): Promise<void>;
  /** Removes leases below a number, and this one when it lost. */
  removeLeases(which: { readonly below: number } | { readonly only: number }): Promise<void>;

  /** Removes what an interrupted write left behind. Only for the holder of the lease. */
  sweep(): Promise<void>;
}
