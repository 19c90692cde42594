/** The run on a dumb terminal: a line for each step and each news of it, and a question when it cannot go on by itself. */
import { isApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { hasEnded, needsOperator } from "../operation/fold.ts";
import type { OperationView } from "../operation/model.ts";
import type { WizardClient } from "./console-client.ts";
import type { Dialogue } from "./console-dialogue.ts";

/** How it ended for the person at the terminal. */
export type SetupEnd = "done" | "left";

/** What following needs. */
export interface Following {
  readonly dialogue: Dialogue;
  readonly client: Pick<WizardClient, "operation" | "resume" | "config">;
  readonly clock: Pick<Clock, "sleep" | "monotonic">;
  readonly signal: AbortSignal;
  /** Logs in again: a session ends when the password is changed, or with time. */
  readonly logIn: () => Promise<void>;
}

/** Milliseconds between looks. */
const LOOK_MS = 1_000;
/** Milliseconds that a control plane may be silent: it may be starting anew. */
const SILENT_MS = 300_000;

/**
 * Follows a run until it is done, or the person leaves. The run goes on without anybody who looks.
 *
 * @param given.correct Asks these answers anew and sends them.
 * @throws {ApplianceError} net/ codes when the control plane is silent for five minutes, internal/aborted on Ctrl-C.
 */
export async function followSetup(
  following: Following,
  given: { readonly operation: OperationView; readonly correct: (fields: readonly string[]) => Promise<OperationView> },
): Promise<SetupEnd> {
  const { dialogue, clock, signal } = following;
  const told = new Map<string, string>();
  dialogue.say("", "Ctrl-C leaves; the setup goes on without you.");
  for (let view = given.operation; ; ) {
    for (const line of news(view, told)) dialogue.say(line);
    if (view.state === "done") return finish(following);
    if (hasEnded(view)) {
      dialogue.say(`The setup is ${view.state}. alga-appliance console setup begins it anew.`);
      return "left";
    }
    if (needsOperator(view)) {
      const next = await decide(following, view, given.correct);
      if (next === "left") return next;
      view = next;
    } else {
      await clock.sleep(LOOK_MS, signal);
      view = await look(following, view);
    }
  }
}

async function finish({ dialogue, client }: Following): Promise<SetupEnd> {
  const { defaults } = await client.config();
  dialogue.say("", `Done. People can log in at ${defaults.appHostname ?? "the address of the application"}`);
  return "done";
}

/** The newest view; a control plane that is silent is waited for, because it may be starting anew. */
async function look(
  { dialogue, client, clock, signal, logIn }: Following,
  before: OperationView,
): Promise<OperationView> {
  const sinceMs = clock.monotonic();
  for (let isTold = false; ; ) {
    try {
      return await client.operation(before.id);
    } catch (thrown) {
      if (isApplianceError(thrown, "session/required")) {
        await logIn();
        continue;
      }
      const isSilent = isApplianceError(thrown) && (thrown.code.startsWith("net/") || thrown.code === "http/draining");
      if (!isSilent || clock.monotonic() - sinceMs > SILENT_MS) throw thrown;
      if (!isTold) dialogue.say("The control plane does not answer now. Waiting for it.");
      isTold = true;
      await clock.sleep(LOOK_MS, signal);
    }
  }
}

type Correct = (fields: readonly string[]) => Promise<OperationView>;

/** What is blocked: again, with other answers, or later. What the control plane refuses is told, and asked again. */
async function decide(following: Following, view: OperationView, correct: Correct): Promise<OperationView | "left"> {
  const { dialogue } = following;
  const isCorrectable = (view.problem?.fields.length ?? 0) > 0;
  for (;;) {
    const word = await dialogue.ask(`What now? retry${isCorrectable ? ", correct the answers" : ""}, or leave`);
    if (/^l/i.test(word)) {
      dialogue.say("alga-appliance console setup comes back to this.");
      return "left";
    }
    try {
      const next = await act(following, view, { word, correct });
      if (next !== undefined) return next;
    } catch (thrown) {
      if (!isApplianceError(thrown) || thrown.code === "internal/aborted") throw thrown;
      dialogue.say(`  ${thrown.message}`);
    }
  }
}

async function act(
  { client }: Following,
  { id, problem }: OperationView,
  { word, correct }: { readonly word: string; readonly correct: Correct },
): Promise<OperationView | undefined> {
  const fields = problem?.fields ?? [];
  if (/^r/i.test(word)) return client.resume(id);
  return /^c/i.test(word) && fields.length > 0 ? correct(fields) : undefined;
}

/** What changed since it was told last; `told` keeps it. */
function news(view: OperationView, told: Map<string, string>): readonly string[] {
  const lines = view.steps.flatMap(({ id, title, state, detail }, at) => {
    const text = `${at + 1}/${view.steps.length} ${title}: ${detail ?? state}`;
    if (state === "pending" || told.get(id) === text) return [];
    told.set(id, text);
    return [text];
  });
  const { problem } = view;
  const key = problem === null ? "" : `${problem.message} ${problem.attempt}`;
  if (problem === null || told.get("problem") === key) return lines;
  told.set("problem", key);
  return [
    ...lines,
    `  ${problem.message}`,
    ...problem.evidence.slice(0, 5).map(({ ref, text }) => `    ${ref}: ${text}`),
    ...(problem.hint === null ? [] : [`  Next: ${problem.hint}`]),
    ...(problem.nextAttemptAt === null ? [] : [`  It tries again by itself, at ${problem.nextAttemptAt}`]),
  ];
}
