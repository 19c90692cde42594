/**
 * The ports: everything the product may do to the world, as interfaces.
 *
 * A function names what it may touch by `Pick<Deps, ...>`; `platform/` implements the ports on `node:*`, tests pass
 * object literals. A port speaks the domain's words (bytes, milliseconds, paths), never a runtime's.
 */
import type { Log } from "./log.ts";

/** Wall time, monotonic time and waiting. */
export interface Clock {
  /** Milliseconds since 1970. May jump: use it for dates, never for budgets. */
  now(): number;
  /** Milliseconds of a clock that never jumps, from an arbitrary start. */
  monotonic(): number;
  /**
   * Waits.
   *
   * @throws {ApplianceError} internal/aborted when the signal fires first.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `ms`; returns the cancellation. Does not keep the process alive. */
  after(ms: number, call: () => void): () => void;
}

export interface Random {
  /** Cryptographically strong bytes. */
  bytes(count: number): Uint8Array;
  /** A UUID of version 4. */
  uuid(): string;
  /** A number from 0 up to 1, for jitter only. */
  fraction(): number;
}

export interface FileStat {
  readonly kind: "file" | "directory" | "other";
  readonly sizeBytes: number;
  /** Octal permission bits, e.g. 0o600. */
  readonly mode: number;
  readonly modifiedMs: number;
}

/** A file that grows out of sight; nobody sees its final name before `commit`. One writer at a time. */
export interface StagedFile {
  /** Adds bytes at its end. Returns when the system took them; they are on disk only after `commit`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Puts the file under its final name: fsync, rename over what was there, fsync of the folder. Ends it. */
  commit(): Promise<void>;
  /** Takes the temporary file away. Safe to call again, and after `commit`, which it does not undo. */
  discard(): Promise<void>;
}

/** A staged file that outlives a writer that fails or dies, so that the next one goes on with it. */
export interface ResumedFile extends StagedFile {
  /** Takes everything from a byte on away again. */
  cut(sizeBytes: number): Promise<void>;
  /** Ends the writing and keeps what was written. Safe to call again, and after `commit`. */
  leave(): Promise<void>;
}

/** A file held open for reading anywhere in it, also when its name is taken away meanwhile. */
export interface OpenedFile {
  /** When it was opened. */
  readonly sizeBytes: number;
  /** Bytes from an offset on: `length` of them, fewer only where the file ends. */
  readAt(offset: number, length: number): Promise<Uint8Array>;
  /** Safe to call again. */
  close(): Promise<void>;
}

/**
 * Files of the box. All paths are absolute. Missing things are `undefined`, not errors.
 *
 * Writing methods throw file/disk-full when the disk has no room and file/unwritable otherwise; nothing half-written is
 * ever visible under the final name.
 */
export interface Files {
  /** @throws {ApplianceError} file/too-large, file/unreadable. */
  read(path: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined>;
  /** Writes a whole file: temporary name in the same folder, mode, fsync, rename, fsync of the folder. Default mode 0o600. */
  write(path: string, content: Uint8Array | string, options?: { readonly mode?: number }): Promise<void>;
  /**
   * Creates a file with its whole content only if the name is free, atomically (link of a synced temporary file).
   * @returns false when the name was taken; its content is untouched.
   */
  create(path: string, content: Uint8Array | string, options?: { readonly mode?: number }): Promise<boolean>;
  /**
   * Starts a file of any size that is written piece by piece. Default mode 0o600. A process that dies leaves a hidden
   * temporary file `.<name>.<random>.tmp` beside it. Calls of the result throw file/disk-full or file/unwritable.
   */
  stage(path: string, options?: { readonly mode?: number }): Promise<StagedFile>;
  /**
   * Goes on with a file of any size whose beginning lies under another name of the same folder: its first `keepBytes` stay,
   * and it is made where there is none. A failing write leaves what was written. Default mode 0o600.
   */
  resume(
    path: string,
    options: { readonly partial: string; readonly keepBytes: number; readonly mode?: number },
  ): Promise<ResumedFile>;
  /**
   * Opens a regular file for reading piece by piece; undefined when there is none.
   * @param options.links "refuse": a symbolic link is file/unreadable. Default: followed.
   * @throws {ApplianceError} file/unreadable.
   */
  openRead(path: string, options?: { readonly links?: "refuse" }): Promise<OpenedFile | undefined>;
  /** Appends one piece and returns after fsync. Creates the file (0o600) and syncs its folder when it is new. */
  append(path: string, content: Uint8Array | string): Promise<void>;
  /** Cuts a file to a size, then fsync: for a journal whose last line was torn by a power cut. */
  truncate(path: string, sizeBytes: number): Promise<void>;
  /** Removes a file or an empty folder. Safe to call again. */
  remove(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Names in a folder, sorted; empty when it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** @param options.links "show": a symbolic link is itself, of kind "other". Default: what it points at. */
  stat(path: string, options?: { readonly links?: "show" }): Promise<FileStat | undefined>;
  /** Makes a folder and its parents. Safe to call again. Default mode 0o750. */
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** Room for an unprivileged writer on the file system of a path. */
  space(path: string): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}

/**
 * The one way to speak HTTP: registry, Kubernetes, host agent, login page.
 *
 * Redirects are never followed (a wrapper does it where it is right), bodies stream, and nothing is retried. Failures are
 * `ApplianceError` of the area `net/`; an abort of `request.signal` rejects with internal/aborted.
 */
export type Fetch = (request: Request) => Promise<Response>;

/** How one `Fetch` reaches its servers. */
export interface TransportOptions {
  /** PEM roots trusted beside the built-in ones; with `onlyCa` instead of them. */
  readonly ca?: string;
  readonly onlyCa?: boolean;
  /** PEM client certificate and key. */
  readonly cert?: string;
  readonly key?: string;
  /** Verify this name instead of the one in the URL. */
  readonly serverName?: string;
  /** A Unix socket that carries all requests, whatever host their URL names. */
  readonly socketPath?: string;
  /** Proxy for https and http by the usual environment rules; absent: direct. */
  readonly proxy?: { readonly https?: string; readonly http?: string; readonly no?: string };
  /** Name servers instead of the system's, for boxes with custom DNS. */
  readonly nameServers?: readonly string[];
  /** Milliseconds to a connection, TLS included. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Milliseconds without a byte while a body or an answer is awaited. Default 30 s; 0 disables (watches). */
  readonly idleTimeoutMs?: number;
  /** Bytes of all response headers together. Default 64 KiB. */
  readonly maxHeaderBytes?: number;
}

export interface Transports {
  /** Opens a transport. Cheap; connections are made per request and reused by the implementation. */
  open(options?: TransportOptions): Fetch;
}

export interface PeerCertificate {
  readonly subject: string;
  readonly issuer: string;
  readonly names: readonly string[];
  readonly validFromMs: number;
  readonly validToMs: number;
  readonly trusted: boolean;
  /** Why it is not trusted, in OpenSSL's words. */
  readonly problem?: string;
}

/** Looks at the network from this machine. */
export interface Network {
  /** Name servers of the system, from resolv.conf; empty when there are none. */
  nameServers(): Promise<readonly string[]>;
  /**
   * Addresses of a name, IPv4 first; asked from the given servers or the system's way.
   * @throws {ApplianceError} net/dns with the reason (no such name, no answer, refused).
   */
  resolve(
    name: string,
    options?: { readonly servers?: readonly string[]; readonly timeoutMs?: number },
  ): Promise<readonly string[]>;
  /** Addresses of this machine that others can reach: no loopback, no link-local, no container bridges. */
  addresses(): Promise<readonly string[]>;
  /** Tells whether something listens on a TCP port of this machine. */
  isListening(port: number): Promise<boolean>;
  /** Reads the certificate that a server shows, trusted or not. */
  certificate(
    host: string,
    port: number,
    options?: { readonly ca?: string; readonly timeoutMs?: number },
  ): Promise<PeerCertificate>;
}

/** What the machine says of itself. */
export interface Machine {
  /** Changes at every boot (/proc/sys/kernel/random/boot_id). */
  bootId(): Promise<string>;
  /** Milliseconds since boot, by a clock that all processes of this boot share and nobody can set. */
  uptimeMs(): Promise<number>;
  /** Stable for an installation: /etc/machine-id where it is there. */
  machineId(): Promise<string | undefined>;
  hostName(): Promise<string>;
  memory(): Promise<{ readonly totalBytes: number; readonly availableBytes: number }>;
  cpuCount(): number;
  /** This process: pid, start time in clock ticks since boot, and the number of its PID namespace. */
  self(): Promise<ProcessIdentity>;
  /** Start time in ticks of a process of this PID namespace, undefined when there is none. */
  processStart(pid: number): Promise<string | undefined>;
  /** A text console as the kernel shows it, by its number; undefined where there is none, or this user may not see it. */
  screen(number: number): Promise<TextScreen | undefined>;
}

/** What stands on a text console. */
export interface TextScreen {
  readonly rows: number;
  readonly columns: number;
  /** Two bytes for each sign, in its font's numbers, with its colors. */
  readonly cells: Uint8Array;
}

export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
  readonly pidNamespace: string;
}

/** What a program left behind when it ended. */
export interface ExecResult {
  /** Exit code; 128 and the number of the signal when a signal ended it, as shells count. */
  readonly code: number;
  /** At most `maxBytes`, from its beginning; empty with `onOutput`. */
  readonly stdout: string;
  /** At most `maxBytes`, from its end: that is where the cause stands. */
  readonly stderr: string;
  /** Something was left away on either. */
  readonly truncated: boolean;
}

export interface ExecOptions {
  /** Milliseconds; then SIGTERM to it and all it started, and SIGKILL 2 s later. */
  readonly timeoutMs: number;
  /** Bytes kept of each stream. Default 256 KiB. */
  readonly maxBytes?: number;
  /**
   * Takes standard output piece by piece instead of keeping it, `maxBytes` of it in all; the program waits while it works. When it
   * rejects, the program is ended and the whole rejects with that.
   */
  readonly onOutput?: (bytes: Uint8Array) => Promise<void>;
  /** Standard input; a secret goes in here, never into an argument. Absent: empty. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program of the host by its argument vector. There is no shell, so no argument can be more than an argument. The
 * program gets PATH, HOME and a plain locale, nothing else of this process. An exit code other than 0 is a result.
 *
 * @throws {ApplianceError} exec/not-found, exec/timeout, internal/aborted.
 */
export type Exec = (argv: readonly [string, ...string[]], options: ExecOptions) => Promise<ExecResult>;

/** Everything there is. Functions take a `Pick` of it. */
export interface Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly transports: Transports;
  readonly network: Network;
  readonly machine: Machine;
  readonly exec: Exec;
  readonly log: Log;
}
