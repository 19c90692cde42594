/** What a running or stopped operation says of itself; mostly another check explains it. */
import { parseInstant } from "../../core/time.ts";
import type { OperationKind, OperationView } from "../../operation/model.ts";
import { OPERATION_WORDS } from "../../operation/run-text.ts";
import { evidence, oneLine } from "../evidence.ts";
import type { TierName } from "../model.ts";
import type { CheckRule, Finding } from "./rule.ts";

/** Which rung a step of setup works on; steps that are not named work on the platform. */
const STEP_TIER: Readonly<Record<string, TierName>> = { reconcile: "core", tenant: "bootstrap", login: "login" };

/** What these kinds are about, whatever their step. */
const KIND_TIER: Partial<Readonly<Record<OperationKind, TierName>>> = {
  address: "login",
  password: "full",
  license: "full",
};

export const OPERATION_CHECKS: readonly CheckRule[] = [
  {
    code: "operation/blocked",
    tier: "platform",
    title: "No operation has stopped half-way",
    about: "Setup, an update or a recovery has stopped at a step and needs the operator.",
    next: "Correct what is named, then let the operation go on",
    retrySafe: true,
    needs: [],
    // An update that failed has come to its end by itself: nothing stands half-way.
    find: ({ seen }) => find(seen.operation, seen.operation?.kind === "setup" ? ["blocked", "failed"] : ["blocked"]),
  },
  {
    code: "operation/waiting",
    tier: "platform",
    title: "No operation waits for another try",
    about: "A step did not succeed and is tried again by itself.",
    next: null,
    retrySafe: true,
    needs: [],
    find: ({ seen }) => find(seen.operation, ["waiting"]),
  },
  {
    code: "operation/paused",
    tier: "platform",
    title: "No operation is paused",
    about:
      "Somebody has paused an operation. It stands still where that is safe, also after a restart, until it is let go on.",
    next: "Let it go on, or stop it, on its page under Operations; for an update: alga-appliance update resume",
    retrySafe: true,
    needs: [],
    find: ({ seen }) => paused(seen.operation),
  },
];

function paused(operation: OperationView | null): Finding[] {
  if (operation?.state !== "paused") return [];
  const step = operation.steps.find((one) => one.id === operation.step);
  const title = oneLine(step?.title ?? operation.step ?? "start", 80);
  return [
    {
      scope: {},
      tier: KIND_TIER[operation.kind] ?? STEP_TIER[operation.step ?? ""] ?? "platform",
      state: "progressing",
      headline: `${OPERATION_WORDS[operation.kind].toLowerCase()} is paused before the step "${title}"`,
      title: `${OPERATION_WORDS[operation.kind]} is paused.`,
      cause: `${OPERATION_WORDS[operation.kind]} stands still before the step "${title}", because somebody has paused it.`,
      evidence: [
        evidence(`Operation ${operation.id}`, `${operation.progress.done} of ${operation.progress.total} steps done`),
      ],
      sinceMs: parseInstant(step?.startedAt),
    },
  ];
}

function find(operation: OperationView | null, states: readonly OperationView["state"][]): Finding[] {
  const problem = operation?.problem;
  if (operation === null || problem === null || problem === undefined || !states.includes(operation.state)) return [];
  const waiting = operation.state === "waiting";
  const step = operation.steps.find((one) => one.id === operation.step);
  const message = oneLine(problem.message, 400).replace(/\.$/, "");
  return [
    {
      scope: {},
      tier: KIND_TIER[operation.kind] ?? STEP_TIER[operation.step ?? ""] ?? "platform",
      state: waiting ? "progressing" : "failed",
      headline: message.slice(0, 1).toLowerCase() + message.slice(1),
      title: `${message}.`,
      cause: `${OPERATION_WORDS[operation.kind]} ${waiting ? "waits" : "has stopped"} at the step "${oneLine(step?.title ?? operation.step ?? "start", 80)}".`,
      evidence: problem.evidence.slice(0, 4).map((one) => evidence(one.ref, one.text)),
      ...(problem.hint === null ? {} : { next: oneLine(problem.hint, 400) }),
      retrySafe: problem.retrySafe,
      sinceMs: parseInstant(step?.startedAt),
    },
  ];
}
