/**
 * The shape of a command: plain data and one function.
 *
 * Every room describes its CLI edge with `Command`; `main.ts` holds the table of nouns and loads a room only when its
 * noun is typed, because start-up time is felt. Results go to stdout, progress and logs to stderr.
 */
import type { BuildInfo } from "../core/build.ts";
import type { ApplianceError, ExitCode } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Output } from "./output.ts";
import type { Settings } from "./settings.ts";

export interface Flag {
  /** Long name without dashes: "registry-ca". */
  readonly name: string;
  readonly short?: string;
  readonly type: "string" | "boolean";
  /** May be given several times; the value is then a list. */
  readonly multiple?: boolean;
  /** What the value is, for help: "<file>". */
  readonly value?: string;
  /** One sentence without a final period. */
  readonly summary: string;
  /** Shown in help; the command applies it. */
  readonly fallback?: string;
  /** The only values accepted. */
  readonly choices?: readonly string[];
}

export interface Positional {
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
}

export interface Example {
  readonly command: string;
  readonly about: string;
}

export type FlagValue = string | boolean | readonly string[] | undefined;

/** One verb as data: the parser, the help, the completion and the reference are all made from it. */
export interface Command {
  /** Words after the executable: ["release", "resolve"]. */
  readonly path: readonly string[];
  /** One sentence, no final period. */
  readonly summary: string;
  /** More, where a person needs it. */
  readonly description?: string;
  readonly flags: readonly Flag[];
  readonly positionals?: readonly Positional[];
  readonly examples: readonly Example[];
  readonly run: (context: CommandContext) => Promise<ExitCode>;
  /** It mends or tells: a settings file that nobody can use must not stop it. It then runs without, and is told of it. */
  readonly bearsBadSettings?: true;
  /** The same for a command that needs neither ports nor settings: they are not loaded then, which is felt. */
  readonly bare?: (context: BareContext) => Promise<ExitCode>;
}

export interface CommandContext {
  readonly flags: Readonly<Record<string, FlagValue>>;
  readonly args: readonly string[];
  readonly out: Output;
  /** The real ports. */
  readonly deps: Deps;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Every setting with its origin: flag, environment, file, default. */
  readonly settings: Settings;
  /** Why the settings file was passed over; only for a command that bears it. */
  readonly settingsProblem?: ApplianceError;
  readonly build: BuildInfo;
  /** Name and version of the JavaScript runtime: "bun 1.4.5". */
  readonly runtime: string;
  /** Fires on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Reads standard input to its end; bounded. */
  readonly readStdin: (maxBytes: number) => Promise<Uint8Array>;
  /** Asks the person at the terminal, who sees nothing of what is typed. Absent where standard input or error is no terminal. */
  readonly askHidden?: (question: string) => Promise<string>;
  /** The same with what is typed on the screen. Absent where `askHidden` is. */
  readonly askLine?: (question: string) => Promise<string>;
  /** Starts a server on a socket and hands requests to `handle`; only long-running verbs use it. */
  readonly listen: Listen;
}

export type BareContext = Pick<CommandContext, "flags" | "args" | "out" | "build" | "runtime">;

/** Where a server listens and what answers there. Exactly one of `port` and `socketPath` is given. */
export interface ListenOptions {
  /** Interface and port; port 0 takes a free one. */
  readonly host?: string;
  readonly port?: number;
  /** Or a Unix socket with its mode. */
  readonly socketPath?: string;
  readonly socketMode?: number;
  readonly limits?: ListenLimits;
  /** PEM certificate (with its chain) and key: TLS from the first byte on. Not with a Unix socket. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Only with a Unix socket: asks the kernel who connected, and closes a connection of which it cannot tell. */
  readonly identify?: boolean;
  readonly handle: (request: Request, peer: Peer) => Promise<Response>;
}

/** Who is at the other end. */
export interface Peer {
  readonly address: string;
  /** With `identify`. */
  readonly identity?: PeerIdentity;
}

/** A process of this machine, by the kernel. */
export interface PeerIdentity {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ListenLimits {
  readonly maxHeaderBytes?: number;
  readonly headersTimeoutMs?: number;
  /** Milliseconds for a whole request to arrive. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds in which a reader must take a piece of its answer. */
  readonly stallTimeoutMs?: number;
  readonly maxConnections?: number;
}

export interface Listening {
  readonly address: string;
  readonly port: number;
  /** Stops accepting, lets requests end within the time, then closes all connections. */
  close(drainMs: number): Promise<void>;
}

export type Listen = (options: ListenOptions) => Promise<Listening>;
