/** One question of the text wizard at a time: its default, its rule, and the way back. */
import { isApplianceError } from "../core/errors.ts";
import type { AnswerDocument, NamesFound, WizardClient, WizardConfig } from "./console-client.ts";
import type { Dialogue } from "./console-dialogue.ts";
import { answerProblem, type WizardQuestion } from "./console-questions.ts";

/** What stands in the place of an answer when the person goes back. */
const BACK = "<";

type Check = (typed: string) => string | undefined;

/** What is known when a question is asked. */
export interface Known {
  readonly answers: AnswerDocument;
  readonly config: WizardConfig;
}

/**
 * Asks until there is an answer that can be used, or the person goes back by "<". Enter takes what is known, "?" tells more, and "-"
 * empties what may be empty.
 */
export async function askOne(
  dialogue: Dialogue,
  question: WizardQuestion,
  known: Known,
): Promise<"back" | { readonly text: string }> {
  const text =
    question.secret === true ? await askSecret(dialogue, question, known) : await askText(dialogue, question, known);
  return text === BACK ? "back" : { text };
}

async function askText(dialogue: Dialogue, question: WizardQuestion, { answers, config }: Known): Promise<string> {
  const fallback = answers[question.field] || question.fallback?.(config) || "";
  const title = promptOf(question, { config, fallback });
  for (;;) {
    const typed = await dialogue.ask(title);
    if (typed === BACK) return typed;
    const text = typed === "" ? fallback : typed === "-" && question.optional === true ? "" : typed;
    const problem = typed === "?" ? question.help : answerProblem(question, text, config);
    if (problem === undefined) return text;
    dialogue.say(`  ${problem}`);
  }
}

function promptOf(
  { title, choices }: WizardQuestion,
  { config, fallback }: { readonly config: WizardConfig; readonly fallback: string },
): string {
  const offered = choices?.(config) ?? [];
  return `${title}${offered.length === 0 ? "" : ` (${offered.join(", ")})`}${fallback === "" ? "" : ` [${fallback}]`}`;
}

async function askSecret(dialogue: Dialogue, question: WizardQuestion, { config }: Known): Promise<string> {
  const { field, title, help, twice } = question;
  dialogue.say(`  ${config.secretsKept.includes(field) ? "The box keeps one already: Enter leaves it." : help}`);
  const check: Check = (typed) => (typed === BACK ? undefined : answerProblem(question, typed, config));
  if (twice === true) return askNew(dialogue, title, check);
  for (;;) {
    const typed = (await dialogue.askHidden(title)).trim();
    const problem = check(typed);
    if (problem === undefined) return typed;
    dialogue.say(`  ${problem}`);
  }
}

/** Asks for a new password until it can be used and was typed twice alike. An empty one, or "<", is not asked again. */
export async function askNew(dialogue: Dialogue, title: string, check: Check): Promise<string> {
  for (;;) {
    const typed = await dialogue.askHidden(title);
    const problem = check(typed);
    if (problem !== undefined) dialogue.say(`  ${problem}`);
    else if (typed === "" || typed === BACK) return typed;
    else if ((await dialogue.askHidden(`${title}, again`)) === typed) return typed;
    else dialogue.say("  The two differ: type it twice alike.");
  }
}

/** Says what the name servers know of the address. Only a note: who knows better goes on. */
export async function tellNames(
  { dialogue, client }: { readonly dialogue: Dialogue; readonly client: Pick<WizardClient, "nameServers"> },
  answers: AnswerDocument,
): Promise<void> {
  const isCustom = answers.dnsMode === "custom";
  if (isCustom && (answers.dnsServers ?? "") === "") return;
  try {
    const found = await client.nameServers(isCustom ? answers : { ...answers, dnsServers: "" });
    for (const note of notesOf(found)) dialogue.say(`  Note: ${note}`);
  } catch (thrown) {
    if (!isApplianceError(thrown) || thrown.code === "internal/aborted") throw thrown;
    dialogue.say(`  Note: ${thrown.message}`);
  }
}

function notesOf({ servers, application }: NamesFound): readonly string[] {
  const silent = servers
    .filter(({ state }) => state !== "works")
    .map(({ address, text }) => `name server ${address}: ${text}`);
  if (application === null || application.leadsHere) return silent;
  const { name, addresses, suggestion } = application;
  const meant = suggestion === null ? "" : `; did you mean ${suggestion}?`;
  const note =
    addresses.length === 0
      ? `no name server knows ${name}${meant}`
      : `${name} leads to ${addresses.join(", ")}, not to this box`;
  return [...silent, note];
}
