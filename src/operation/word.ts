/**
 * The operator's word to the process that works on a run: a command beside a control plane cannot reach into it.
 *
 * The word is a document in the state; who works looks for it once a second, does it, and takes it away. A word for a run that has
 * ended, or that may not be done any more, is taken away without a deed. It outlives both processes: the next worker finds it.
 */
import { z } from "zod";
import type { Deps } from "../core/ports.ts";
import { toInstant } from "../core/time.ts";
import { hasEnded, type Run } from "./fold.ts";
import type { OperationView } from "./model.ts";
import { ended, workedElsewhere } from "./records.ts";
import type { Program } from "./step.ts";
import { assertPausable, assertStoppable } from "./stoppable.ts";
import type { StateStore } from "./store.ts";

const WORD_SCHEMA = "alga.appliance.operator-word/v1";
/** Milliseconds until the process that works must have heard it, and between looks whether it has. */
const HEARD_MS = 20_000;
const POLL_MS = 250;

const wordSchema = z.object({
  schema: z.literal(WORD_SCHEMA),
  operationId: z.string(),
  deed: z.enum(["pause", "resume", "cancel"]),
  at: z.string(),
});
export type Spoken = Pick<z.infer<typeof wordSchema>, "operationId" | "deed">;

type WordDeps = Pick<Deps, "clock" | "log"> & { readonly store: StateStore };

/**
 * Leaves a word, in place of one that nobody heard, and waits until it was done.
 *
 * @param options.look The run as it is when the word was done; throws when it cannot be done any more.
 * @throws {ApplianceError} what `look` throws; operation/busy when nobody has heard within 20 s. The word is gone either way.
 */
export async function sayWord(
  { store, clock }: WordDeps,
  word: Spoken,
  options: { readonly look: () => Promise<OperationView | undefined>; readonly signal: AbortSignal },
): Promise<OperationView> {
  await store.writeDocument("operator-word", { schema: WORD_SCHEMA, ...word, at: toInstant(clock.now()) });
  try {
    for (const endMs = clock.monotonic() + HEARD_MS; clock.monotonic() < endMs; ) {
      await clock.sleep(POLL_MS, options.signal);
      const view = await options.look();
      if (view !== undefined) return view;
    }
    throw workedElsewhere();
  } finally {
    await store.removeDocument("operator-word");
  }
}

/** The run once a word was done; undefined while it was not. @throws {ApplianceError} when it cannot be done any more. */
export function heard({ deed }: Spoken, program: Program | undefined, run: Run): OperationView | undefined {
  const { view, pauseAsked, id } = run;
  if (deed === "cancel") {
    if (view.state === "cancelled") return view;
    if (hasEnded(view)) throw ended("operation/not-cancellable", id, view);
    assertStoppable(program, run);
    return undefined;
  }
  if (deed === "resume") return pauseAsked ? undefined : view;
  if (pauseAsked || view.state === "paused") return view;
  if (hasEnded(view)) throw ended("operation/not-pausable", id, view);
  assertPausable(program, run);
  return undefined;
}

/** Does what was said of the run that this process works on. What may not be done is logged; who said it sees why himself. */
export async function heedWord(
  { store, log }: WordDeps,
  workedOn: string,
  perform: (deed: Spoken["deed"]) => Promise<unknown>,
): Promise<void> {
  const word = await store.readDocument("operator-word", wordSchema).catch(() => undefined);
  if (word === undefined) return;
  try {
    if (word.operationId === workedOn) await perform(word.deed);
  } catch (error) {
    log.info("the word of the operator was not done", { deed: word.deed, error });
  }
  await store.removeDocument("operator-word");
}
