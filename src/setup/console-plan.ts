/** What will happen, and the word to begin: one screen, with everything behind it for who wants to read it. */

import { humanAbout } from "../core/duration.ts";
import { isApplianceError } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { verifiedText } from "../release/resolved.ts";
import type { AnswerDocument, WizardClient, WizardConfig, WizardPlan } from "./console-client.ts";
import type { Dialogue } from "./console-dialogue.ts";
import { WIZARD_QUESTIONS, type WizardQuestion } from "./console-questions.ts";
import { describeChange } from "./plan.ts";

/** What the person said: begin with this plan, change one answer first, or not now. */
export type Consent = { readonly start: string } | { readonly change: WizardQuestion } | "leave";

/**
 * Shows answers and plan, and asks. Where no plan can be made the cause is told, and it is tried again when the person says so.
 * @throws {ApplianceError} setup/invalid-answers, session/required, internal/aborted.
 */
export async function agree(
  { dialogue, client }: PlanTo,
  { answers, config }: { readonly answers: AnswerDocument; readonly config: WizardConfig },
): Promise<Consent> {
  const asked = WIZARD_QUESTIONS.filter(({ when }) => when?.(answers, config) ?? true);
  dialogue.say("", "Your answers", ...asked.map((question, at) => answerLine(question, at, { answers, config })), "");
  const offer = await offerOf({ dialogue, client }, answers);
  for (;;) {
    const deeds = offer.plan() === undefined ? "Ask again? yes" : "Begin? yes, details";
    const word = (await dialogue.ask(`${deeds}, no, or the number of an answer to change`)).toLowerCase();
    if (word === "no" || word === "q") return "leave";
    const change = /^\d{1,2}$/.test(word) ? asked[Number(word) - 1] : undefined;
    if (change !== undefined) return { change };
    const start = await offer.obey(word);
    if (start !== undefined) return { start };
  }
}

interface Offer {
  plan(): WizardPlan | undefined;
  /** The digest to begin with, when the word says so. */
  obey(word: string): Promise<string | undefined>;
}

/** The plan with what may be said to it; one that could not be made is tried again by the same word. */
async function offerOf(to: PlanTo, answers: AnswerDocument): Promise<Offer> {
  let plan = await planOf(to, answers);
  return {
    plan: () => plan,
    obey: async (word) => {
      if (word === "yes" && plan !== undefined) return plan.digest;
      if (word === "yes") plan = await planOf(to, answers);
      if (word.startsWith("d") && plan !== undefined) await to.dialogue.page(detailLines(plan));
      return undefined;
    },
  };
}

interface PlanTo {
  readonly dialogue: Dialogue;
  readonly client: Pick<WizardClient, "plan">;
}

/** The plan, said; undefined with its cause said where the registry gives none now. */
async function planOf({ dialogue, client }: PlanTo, answers: AnswerDocument): Promise<WizardPlan | undefined> {
  try {
    const plan = await client.plan(answers);
    dialogue.say(...planLines(plan));
    return plan;
  } catch (thrown) {
    if (!isApplianceError(thrown) || FATAL.has(thrown.code)) throw thrown;
    dialogue.say(thrown.message, ...(thrown.hint === undefined ? [] : [`Next: ${thrown.hint}`]));
    return undefined;
  }
}

/** What asking again does not mend. */
const FATAL: ReadonlySet<string> = new Set(["setup/invalid-answers", "session/required", "internal/aborted"]);

function answerLine(
  { field, title, secret }: WizardQuestion,
  at: number,
  { answers, config }: { readonly answers: AnswerDocument; readonly config: WizardConfig },
): string {
  const text = answers[field] ?? "";
  const kept = config.secretsKept.includes(field) ? "kept on the box" : "none";
  const shown = secret === true ? (text === "" ? kept : "given, hidden") : text === "" ? "-" : text;
  return `  ${String(at + 1).padStart(2, "0")} ${title}: ${shown}`;
}

function planLines(plan: WizardPlan): readonly string[] {
  const { release, downloads, totalBytes, expectedMs, warnings } = plan;
  const count = (action: string): number => plan.changes.filter((change) => change.action === action).length;
  return [
    `Release ${release.version}${release.channel === null ? "" : ` of channel ${release.channel}`}, ${verifiedText(release)}`,
    `${downloads.length} ${downloads.length === 1 ? "download" : "downloads"}, ${humanBytes(totalBytes)}; about ${humanAbout(expectedMs)}`,
    `${count("create")} objects are created, ${count("change")} changed, ${count("keep")} kept`,
    ...warnings.map((warning) => `Warning: ${warning}`),
  ];
}

function detailLines(plan: WizardPlan): readonly string[] {
  return [
    ...plan.steps.map(({ title, about }, at) => `  ${at + 1}. ${title}. ${about}`),
    "",
    ...plan.downloads.map(({ name, sizeBytes }) => `  ${name}, ${humanBytes(sizeBytes)}`),
    "",
    ...plan.changes.map((change) => `  ${describeChange(change)}`),
    "",
    `Plan ${plan.digest}`,
  ];
}
