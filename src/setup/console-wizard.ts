/**
 * The wizard as a dialogue: claim, questions, plan, consent, and then the run. What `console setup` does.
 *
 * It keeps no state but the draft: the control plane has the answers once they are sent, and works on when the person goes away. Called
 * again it goes on where things stand: questions, a run to follow, a problem to correct, or a box that is set up.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Clock } from "../core/ports.ts";
import { Secret } from "../core/secret.ts";
import { hasEnded } from "../operation/fold.ts";
import { askNew, askOne, tellNames } from "./console-ask.ts";
import type { AnswerDocument, WizardClient, WizardConfig } from "./console-client.ts";
import type { Dialogue } from "./console-dialogue.ts";
import type { WizardDraft } from "./console-draft.ts";
import { type Following, followSetup, type SetupEnd } from "./console-follow.ts";
import { agree } from "./console-plan.ts";
import { passwordProblem, questionOf, WIZARD_QUESTIONS, type WizardQuestion } from "./console-questions.ts";

/** What the wizard works with. */
export interface Wizard {
  readonly dialogue: Dialogue;
  readonly client: WizardClient;
  readonly draft: WizardDraft;
  readonly clock: Pick<Clock, "sleep" | "monotonic">;
  readonly signal: AbortSignal;
  /** The setup token where this user may read it: who is root need not type it. */
  readonly token: () => Promise<Secret | undefined>;
}

/** Guesses that are taken at once; the control plane counts too. */
const MAX_GUESSES = 3;

/**
 * Runs the wizard to its end.
 *
 * @returns "done": the box is set up; "left": the person went away, and nothing is lost.
 * @throws {ApplianceError} internal/aborted on Ctrl-C, and what the control plane answers.
 */
export async function runWizard(wizard: Wizard): Promise<SetupEnd> {
  const { dialogue, client } = wizard;
  await openSession(wizard);
  const config = await client.config();
  const { operation } = config;
  if (operation !== null && !hasEnded(operation)) {
    if (operation.problem === null) dialogue.say("", "A setup is running: this follows it.");
    return followSetup(followingOf(wizard), { operation, correct: (fields) => correct(wizard, fields) });
  }
  if (config.mode === "status") {
    dialogue.say("", `This appliance is set up: ${config.defaults.appHostname ?? "its address is on the status page"}`);
    return "done";
  }
  const answers = await askAll(wizard, config);
  return agreeAndRun(wizard, answers);
}

function followingOf(wizard: Wizard): Following {
  return { ...wizard, logIn: () => openSession(wizard) };
}

/** Claims a box that nobody has, or logs in. */
async function openSession(wizard: Wizard): Promise<void> {
  const { dialogue, client } = wizard;
  const { claimed, passwordPolicy } = await client.session().catch((thrown: unknown) => {
    throw isApplianceError(thrown) && thrown.code.startsWith("net/") ? notThere(thrown) : thrown;
  });
  if (claimed) {
    dialogue.say("", "This box has a management password.");
    return guess(wizard, "session/wrong-password", async () =>
      client.logIn(new Secret(await dialogue.askHidden("Management password"))),
    );
  }
  dialogue.say("", "Nobody has claimed this box. Choose its management password: it opens the page, and this wizard.");
  dialogue.say(passwordPolicy.rules.join(" "));
  const password = await askNew(dialogue, "Management password", passwordProblem);
  const known = await wizard.token();
  if (known !== undefined) return client.claim(known, new Secret(password));
  dialogue.say("The setup token stands on the first screen of the box (Alt+F1).");
  return guess(wizard, "session/wrong-token", async () =>
    client.claim(new Secret(await dialogue.askHidden("Setup token")), new Secret(password)),
  );
}

async function guess(
  { dialogue }: Wizard,
  wrong: "session/wrong-password" | "session/wrong-token",
  tryIt: () => Promise<void>,
): Promise<void> {
  for (let guesses = 1; ; guesses += 1) {
    try {
      return await tryIt();
    } catch (thrown) {
      if (!isApplianceError(thrown, wrong) || guesses === MAX_GUESSES) throw thrown;
      dialogue.say(`  ${thrown.message}`);
    }
  }
}

/** All questions in their order. "<" goes back to the one before, "?" tells more. */
async function askAll(wizard: Wizard, config: WizardConfig): Promise<AnswerDocument> {
  const { dialogue, draft } = wizard;
  let answers: AnswerDocument = { ...config.defaults, ...(await draft.load()) };
  dialogue.say(
    "",
    "Enter takes what stands in [ ]. < goes back, ? tells more. Ctrl-C leaves; what you typed is kept, without passwords.",
  );
  if (!(await draft.save(answers))) dialogue.say("Answers are not kept between two calls: only root can.");
  if (config.channelsProblem !== null) tellProblem(dialogue, config.channelsProblem);
  const asked: WizardQuestion[] = [];
  for (;;) {
    const next = WIZARD_QUESTIONS.find((one) => !asked.includes(one) && (one.when?.(answers, config) ?? true));
    if (next === undefined) return answers;
    if (asked.at(-1)?.part !== next.part) dialogue.say("", next.part);
    const answer = await askOne(dialogue, next, { answers, config });
    if (answer === "back") {
      asked.pop();
      continue;
    }
    asked.push(next);
    answers = { ...answers, [next.field]: answer.text };
    await draft.save(answers);
    if (next.field === "appHostname" || next.field === "dnsServers" || next.field === "dnsMode") {
      await tellNames(wizard, answers);
    }
  }
}

/** Why no channels can be offered: whatever is typed, the plan will say so again. */
function tellProblem(dialogue: Dialogue, { message, hint }: NonNullable<WizardConfig["channelsProblem"]>): void {
  dialogue.say("", message, ...(hint === undefined ? [] : [`Next: ${hint}`]));
}

/** From answers to a run: plan, consent, start; what the control plane refuses is asked again. */
async function agreeAndRun(wizard: Wizard, answers: AnswerDocument): Promise<SetupEnd> {
  const { dialogue, client, draft } = wizard;
  for (let given = answers; ; ) {
    const config = await client.config();
    const change = async (questions: readonly WizardQuestion[]): Promise<void> => {
      for (const question of questions) {
        const answer = await askOne(dialogue, question, { answers: given, config });
        if (answer !== "back") given = { ...given, [question.field]: answer.text };
      }
      await draft.save(given);
    };
    try {
      const agreed = await agree(wizard, { answers: sent(given), config });
      if (agreed === "leave") {
        dialogue.say("Nothing was changed. Your answers are kept; alga-appliance console setup goes on with them.");
        return "left";
      }
      if ("change" in agreed) await change([agreed.change]);
      else {
        const operation = await client.start({ ...sent(given), planDigest: agreed.start });
        await draft.forget();
        return await followSetup(followingOf(wizard), { operation, correct: (fields) => correct(wizard, fields) });
      }
    } catch (thrown) {
      const questions = wrongQuestions(dialogue, thrown);
      await change(questions);
    }
  }
}

/** Asks the fields that a problem names, and sends them. */
async function correct(wizard: Wizard, fields: readonly string[]) {
  const { client, dialogue } = wizard;
  const config = await client.config();
  let answers: AnswerDocument = config.defaults;
  for (const question of WIZARD_QUESTIONS.filter(({ field }) => fields.includes(field))) {
    const answer = await askOne(dialogue, question, { answers, config });
    if (answer !== "back") answers = { ...answers, [question.field]: answer.text };
  }
  return client.start(sent(answers));
}

/** Says what is wrong with which answer. @throws whatever is not about answers. */
function wrongQuestions(dialogue: Dialogue, thrown: unknown): readonly WizardQuestion[] {
  if (isApplianceError(thrown, "setup/release-changed")) {
    dialogue.say("", thrown.message);
    return [];
  }
  const errors = isApplianceError(thrown, "setup/invalid-answers") ? thrown.details.errors : undefined;
  const named = Array.isArray(errors) ? errors.filter(isFieldError) : [];
  const questions = named.flatMap(
    ({ field }) => questionOf(field === "adminPasswordConfirm" ? "adminPassword" : field) ?? [],
  );
  if (questions.length === 0) throw thrown;
  for (const { detail } of named) dialogue.say("", `  ${detail}`);
  return questions;
}

function isFieldError(value: unknown): value is { readonly field: string; readonly detail: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "field" in value &&
    "detail" in value &&
    typeof value.field === "string"
  );
}

/** The document that is sent: what was not answered is left away. */
function sent(answers: AnswerDocument): AnswerDocument {
  const given = Object.entries(answers).filter(([, text]) => text !== "");
  const password = answers.adminPassword ?? "";
  return { ...Object.fromEntries(given), ...(password === "" ? {} : { adminPasswordConfirm: password }) };
}

function notThere(cause: ApplianceError): ApplianceError {
  return new ApplianceError("net/unreachable", "Cannot set up: the control plane of this box does not answer yet", {
    cause,
    hint: "alga-appliance console banner says how far the box is, systemctl status alga-appliance-bootstrap what hinders it",
  });
}

/** The error of a place where nobody can be asked: the answers come by a file there. */
export function noTerminal(): ApplianceError {
  return new ApplianceError(
    "cli/usage",
    "Cannot ask anything: standard input and error are no terminal, one is wanted",
    {
      hint: "Give the answers in a file: alga-appliance setup run --answers <file>",
    },
  );
}
