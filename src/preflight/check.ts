/** The shape of a preflight check, and how a failure that it did not expect is told. */
import { type ErrorCode, publicError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import type { Deps } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";
import type { Kube } from "../kube/calls.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import type { FoundRelease } from "../release/resolved.ts";

/** What a machine must have. Sizes in bytes. */
export interface Requirements {
  readonly freeDiskBytes: number;
  readonly memoryBytes: number;
  readonly cpus: number;
  /** Lowest and highest minor version of Kubernetes 1.x. */
  readonly kubernetes: { readonly min: number; readonly max: number };
  /** TCP ports that the application takes on the host. */
  readonly ports: readonly number[];
  /** Difference to the registry's clock, in milliseconds. */
  readonly clockSkewMs: number;
}

/** What the checks look at: the machine, the registry, the cluster and the release that is wanted. Setup and updates share them. */
export interface PreflightContext
  extends Pick<Deps, "clock" | "random" | "files" | "network" | "machine" | "transports" | "log"> {
  readonly kube: Kube;
  readonly registry: RegistryAccess;
  /** Folder of the state, for its free space. */
  readonly stateFolder: string;
  readonly requirements: Requirements;
  /** Name servers of the answers; undefined: the system's. */
  readonly nameServers: readonly string[] | undefined;
  /** Finds the release that is wanted, and who stands for it. Throws what stands against it. */
  readonly find: (signal: AbortSignal) => Promise<FoundRelease>;
  /** Names of answers that mend a failure of this code; empty where none does. */
  readonly answersAgainst: (code: ErrorCode) => readonly string[];
}

/** What one check found. */
export type Finding =
  | {
      readonly ok: true;
      readonly evidence: readonly Evidence[];
      /** What the operator should know all the same, in a few words: "release unverified". */
      readonly warning?: string;
    }
  | {
      readonly ok: false;
      /** Where the check knows it better than by its own code: that, and what is so then. */
      readonly code?: string;
      readonly wrong?: string;
      readonly cause: string;
      readonly evidence: readonly Evidence[];
      readonly next: string;
      /** Answers that mend it. */
      readonly fields?: readonly string[];
    };

/** One thing that must hold before anything is changed. `look` changes nothing and ends when the signal fires. */
export interface PreflightCheck {
  readonly code: string;
  /** What is wanted, as a sentence. */
  readonly title: string;
  /** What is so when it fails. */
  readonly wrong: string;
  /** Whether looking again later, with nothing changed here, may find it well. */
  readonly retrySafe: boolean;
  look(context: PreflightContext, signal: AbortSignal): Promise<Finding>;
}

/** A failure that a check did not expect is still told as one. */
export function findingOf(thrown: unknown): Extract<Finding, { ok: false }> {
  const { code, message, hint } = publicError(thrown);
  const cause = `${redactText(message)}.`;
  return {
    ok: false,
    cause,
    evidence: [{ ref: code, text: redactText(message) }],
    next: hint ?? "Mend the cause, then try again",
  };
}
