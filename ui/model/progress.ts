/**
 * An installation as the six rungs a person follows, folded from the operation's finer steps. Pure.
 *
 * A step that no group knows becomes a rung of its own, so a newer box is still shown whole.
 */
import type { Tone } from "../parts/tone.ts";
import type { OperationStep, OperationView } from "../state/wire.ts";
import type { PlainKey } from "../strings.ts";

export interface Group {
  readonly id: string;
  readonly name: PlainKey;
  readonly steps: readonly string[];
  /** What it usually takes; the scale of the estimate until the run shows its own pace. */
  readonly usualMs: number;
}

export const GROUPS: readonly Group[] = [
  { id: "checks", name: "group.checks", steps: ["preflight"], usualMs: 10_000 },
  { id: "base", name: "group.base", steps: ["storage", "flux"], usualMs: 60_000 },
  { id: "release", name: "group.release", steps: ["release"], usualMs: 10_000 },
  {
    id: "application",
    name: "group.application",
    steps: ["namespaces", "values", "secrets", "selection", "source", "reconcile"],
    usualMs: 480_000,
  },
  { id: "tenant", name: "group.tenant", steps: ["tenant"], usualMs: 60_000 },
  { id: "login", name: "group.login", steps: ["login"], usualMs: 20_000 },
];

export interface ProgressRung {
  readonly id: string;
  /** Name of the group, or undefined for a step of its own. */
  readonly name: PlainKey | undefined;
  /** Title of a step of its own. */
  readonly title: string;
  readonly tone: Tone;
  readonly line: string | undefined;
  readonly startedAt: string | undefined;
  readonly endedAt: string | undefined;
  /** The operation stopped or waits here. */
  readonly here: boolean;
}

/** Folds the steps of an operation into rungs, in the order in which they run. */
export function rungsOf(operation: OperationView): readonly ProgressRung[] {
  const known = new Set(GROUPS.flatMap((group) => group.steps));
  const grouped = GROUPS.flatMap((group) => {
    const steps = operation.steps.filter((step) => group.steps.includes(step.id));
    return steps.length === 0 ? [] : [fold({ id: group.id, name: group.name, steps }, operation)];
  });
  const own = operation.steps
    .filter((step) => !known.has(step.id))
    .map((step) => fold({ id: step.id, name: undefined, steps: [step] }, operation));
  return [...grouped, ...own];
}

interface Folded {
  readonly id: string;
  readonly name: PlainKey | undefined;
  readonly steps: readonly OperationStep[];
}

function fold({ id, name, steps }: Folded, operation: OperationView): ProgressRung {
  const active = steps.find((step) => ["running", "waiting", "failed"].includes(step.state));
  const finished = steps.every(isOver);
  const last = [...steps].reverse().find((step) => step.detail !== null && step.detail !== "");
  const begun = steps.map((step) => step.startedAt).filter((at) => at !== null);
  const ends = steps.map((step) => step.endedAt).filter((at) => at !== null);
  const here = steps.some((step) => step.id === operation.step) && !finished;
  return {
    id,
    name,
    title: steps[0]?.title ?? id,
    tone: toneOf(operation, { active, finished, here, begun: begun.length > 0 }),
    line: active === undefined ? (last?.detail ?? undefined) : (active.detail ?? active.title),
    startedAt: begun.sort()[0],
    endedAt: finished ? ends.sort().at(-1) : undefined,
    here,
  };
}

interface Seen {
  readonly active: OperationStep | undefined;
  readonly finished: boolean;
  readonly here: boolean;
  readonly begun: boolean;
}

function toneOf(operation: OperationView, { active, finished, here, begun }: Seen): Tone {
  if (finished) return "ready";
  if (here && (operation.state === "blocked" || operation.state === "failed")) return "failed";
  if (here && ["waiting", "paused", "cancelled"].includes(operation.state)) return "attention";
  if (active?.state === "failed") return "failed";
  if (active?.state === "waiting") return "attention";
  return active !== undefined || begun ? "progressing" : "unknown";
}

function isOver(step: OperationStep): boolean {
  return step.state === "done" || step.state === "skipped";
}

/**
 * Estimates the time left: the usual times of what is still to do, scaled by the pace of this run so far.
 *
 * @returns Milliseconds, or undefined when the operation does not move.
 */
export function timeLeftMs(operation: OperationView, nowMs: number): number | undefined {
  if (operation.state !== "running") return undefined;
  const rungs = rungsOf(operation);
  const pace = paceOf(rungs);
  return rungs
    .filter((rung) => rung.tone !== "ready")
    .reduce((left, rung) => left + Math.max(1_000, usualOf(rung) * pace - elapsedMs(rung, nowMs)), 0);
}

/** How long a rung has taken until now, in milliseconds; 0 before it began. */
export function elapsedMs(rung: ProgressRung, nowMs: number): number {
  if (rung.startedAt === undefined) return 0;
  return Math.max(0, (rung.endedAt === undefined ? nowMs : Date.parse(rung.endedAt)) - Date.parse(rung.startedAt));
}

/** Time taken over time usual, of the rungs that are done; held between a twentieth and three. */
function paceOf(rungs: readonly ProgressRung[]): number {
  const done = rungs.filter((rung) => rung.tone === "ready");
  const usual = done.reduce((sum, rung) => sum + usualOf(rung), 0);
  if (usual < 60_000) return 1;
  const taken = done.reduce((sum, rung) => sum + elapsedMs(rung, 0), 0);
  return Math.min(3, Math.max(0.05, taken / usual));
}

function usualOf(rung: ProgressRung): number {
  return GROUPS.find((group) => group.id === rung.id)?.usualMs ?? 10_000;
}
