/** The shape of a preflight check, and how a failure that it did not expect is told. */
import { publicError } from "../core/errors.ts";
import type { Evidence } from "../core/evidence.ts";
import { redactText } from "../core/redact.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import type { SetupInputs } from "./model.ts";
import type { Requirements, SetupDeps, SetupSettings } from "./ports.ts";

export interface PreflightContext extends Omit<SetupDeps, "license" | "observe"> {
  readonly settings: SetupSettings;
  readonly inputs: SetupInputs;
  /** What the run goes by: the answers' release, or the digest that was planned. */
  readonly ref: ReleaseRef;
  readonly requirements: Requirements;
  /** Name servers of the answers; absent: the system's. */
  readonly nameServers: readonly string[] | undefined;
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
