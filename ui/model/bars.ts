/** The steps of an operation on its own time scale: where each began, and how long it took. Pure. */
import { formatDuration } from "../format.ts";
import type { Tone } from "../parts/tone.ts";
import type { OperationStep, OperationView } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Units of the scale; the drawing stretches it to the room there is. */
export const BAR_WIDTH = 1_000;
/** Narrower than this nobody sees. */
const LEAST = 6;

export interface Bar {
  readonly id: string;
  readonly title: string;
  readonly tone: Tone;
  /** Both in units of the scale. */
  readonly from: number;
  readonly width: number;
  /** "4 min 24 s"; empty before the step began. */
  readonly took: string;
  /** Its state in a word, for steps without a time. */
  readonly word: string;
}

/** Tone of a step's state. */
export const STEP_TONE: Readonly<Record<OperationStep["state"], Tone>> = {
  pending: "unknown",
  running: "progressing",
  waiting: "attention",
  done: "ready",
  failed: "failed",
  skipped: "ready",
};

/** Lays out the steps; `nowMs` is the box's time and ends what still runs. */
export function barsOf(run: OperationView, nowMs: number): readonly Bar[] {
  const startMs = Date.parse(run.startedAt);
  const endMs = run.endedAt === null ? nowMs : Date.parse(run.endedAt);
  const scale = BAR_WIDTH / Math.max(1, endMs - startMs);
  return run.steps.map((step) => {
    const { id, title, state } = step;
    const tone = STEP_TONE[state];
    const word = text(`step-state.${state}`);
    if (step.startedAt === null) return { id, title, tone, from: 0, width: 0, took: "", word };
    const beganMs = Date.parse(step.startedAt);
    const tookMs = Math.max(0, (step.endedAt === null ? endMs : Date.parse(step.endedAt)) - beganMs);
    const width = Math.min(BAR_WIDTH, Math.max(LEAST, Math.round(tookMs * scale)));
    const from = Math.min(BAR_WIDTH - width, Math.max(0, Math.round((beganMs - startMs) * scale)));
    const took = tookMs < 1_000 ? text("unit.below-second") : formatDuration(tookMs);
    return { id, title, tone, from, width, took, word };
  });
}
