/** `setup plan`, `run`, `resume`, `answers`, `history`: the wizard without a page, for automation and for a console. */
import { parse, stringify } from "yaml";
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { KUBECONFIG_FLAG } from "../cli/kubeconfig-flag.ts";
import { readClaims } from "../core/claims.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { statePaths } from "../core/paths.ts";
import { followRun, resumeRun } from "../operation/follow.ts";
import { openStore } from "../operation/open-store.ts";
import { type Lend, lending } from "../operation/opened.ts";
import { REGISTRY_FLAGS, TRUST_FLAGS } from "../release/registry-flags.ts";
import { changeCommands } from "./change-command.ts";
import { EXAMPLE_ANSWERS, historyText, planText } from "./command-text.ts";
import { readAnswers } from "./documents.ts";
import type { OpenSetup, SetupOpener } from "./opened.ts";
import { validateAnswers } from "./validate.ts";

/** 64 KiB, as for the same document over HTTP. */
const MAX_ANSWERS_BYTES = 64 * 1024;

const ANSWERS: Flag = {
  name: "answers",
  type: "string",
  value: "<file>",
  summary: "Answers as YAML or JSON; - reads standard input",
};

const BEGIN = "alga-appliance setup run --answers <file>";

type Lender = Lend<OpenSetup>;

/**
 * The commands of setup, over the engines that `open` opens: those of the whole box, so that `resume` goes on with any run.
 * Nothing is opened before a command runs.
 */
export function setupCommands(open: SetupOpener): readonly Command[] {
  const lend = lending(open);
  return [
    planCommand(lend),
    runCommand(lend),
    resumeCommand(lend),
    ...changeCommands(lend),
    ANSWERS_COMMAND,
    HISTORY_COMMAND,
  ];
}

function planCommand(lend: Lender): Command {
  return {
    path: ["setup", "plan"],
    summary: "Show what a setup with these answers would do",
    description: "Nothing is changed. The password may be left out.",
    flags: [ANSWERS, KUBECONFIG_FLAG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup plan --answers answers.yaml", about: "Steps, downloads and changes" }],
    run: (context) => plan(context, lend),
  };
}

function runCommand(lend: Lender): Command {
  return {
    path: ["setup", "run"],
    summary: "Set the appliance up with these answers",
    description:
      "Saves the answers and works until the login page answers or something needs you. Interrupted, it goes on with setup resume, " +
      "or with the control plane. When a setup waits or is blocked, the answers correct it.",
    flags: [ANSWERS, KUBECONFIG_FLAG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup run --answers answers.yaml", about: "The whole setup without a page" }],
    run: (context) => runSetup(context, lend),
  };
}

function resumeCommand(lend: Lender): Command {
  return {
    path: ["setup", "resume"],
    summary: "Go on with what was interrupted, is paused or blocked: a setup, an update, a change of the address",
    description:
      "Whatever kind of run has not ended goes on, a way back, a password and a license too. When another process works on it, follows " +
      "that one. Of a run that has ended it says how.",
    flags: [KUBECONFIG_FLAG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup resume", about: "Try again now" }],
    run: (context) => lend(context, ({ operations }) => resumeRun(context, operations, { hint: BEGIN })),
  };
}

const ANSWERS_COMMAND: Command = {
  path: ["setup", "answers"],
  summary: "Print the kept answers without secrets, or an example to fill in",
  flags: [{ name: "example", type: "boolean", summary: "Print a file to fill in" }],
  examples: [{ command: "alga-appliance setup answers --example > answers.yaml", about: "Start an answers file" }],
  run: printAnswers,
};

const HISTORY_COMMAND: Command = {
  path: ["setup", "history"],
  summary: "List every operation and its end, and who claimed the box",
  flags: [],
  examples: [{ command: "alga-appliance setup history -o json", about: "For scripts" }],
  run: history,
};

async function plan(context: CommandContext, lend: Lender): Promise<ExitCode> {
  const answers = decided(context, await answersFrom(context));
  validateAnswers(answers, { passwordOptional: true });
  return lend(context, async ({ setup }) => {
    const made = await setup.plan(answers, context.signal);
    context.out.result(made, () => planText(made));
    return EXIT.done;
  });
}

/** Wrong answers are told before the cluster is looked for; what is kept from an earlier try need not be given again. */
async function runSetup(context: CommandContext, lend: Lender): Promise<ExitCode> {
  const answers = decided(context, await answersFrom(context));
  const store = openStore(context);
  const isKept = (await store.secretNames()).includes("admin-password");
  validateAnswers(answers, { passwordOptional: isKept || (await store.listJournals()).length > 0 });
  return lend(context, ({ operations, setup }) =>
    followRun(context, operations, () => setup.start(answers, context.signal)),
  );
}

async function printAnswers(context: CommandContext): Promise<ExitCode> {
  if (context.flags.example === true) {
    context.out.result(parse(EXAMPLE_ANSWERS), () => EXAMPLE_ANSWERS.trimEnd());
    return EXIT.done;
  }
  const answers = await readAnswers(openStore(context));
  context.out.result(answers ?? {}, () =>
    answers === undefined ? "No answers are kept" : stringify(answers).trimEnd(),
  );
  return EXIT.done;
}

async function history(context: CommandContext): Promise<ExitCode> {
  const { claims: path } = statePaths(context.settings.get("root") ?? "/");
  const [records, claims] = await Promise.all([openStore(context).readHistory(), readClaims(context.deps.files, path)]);
  context.out.result({ history: records, claims }, () => historyText(records, claims));
  return EXIT.done;
}

/** The decision of a flag or a setting is kept with the answers, so that whoever goes on with the setup has it too. */
function decided({ settings }: CommandContext, answers: unknown): unknown {
  const until = settings.get("trust.acceptExpired");
  if (until === undefined || !isPlainObject(answers) || (answers.acceptExpired ?? "") !== "") return answers;
  return { ...answers, acceptExpired: until };
}

/**
 * Reads the answers document. It is untrusted and may hold secrets, so errors never quote it.
 *
 * @throws {ApplianceError} cli/usage without --answers; config/unreadable when the file is missing or no YAML.
 */
async function answersFrom(context: CommandContext): Promise<unknown> {
  const { answers } = context.flags;
  if (typeof answers !== "string") {
    throw new ApplianceError("cli/usage", "Cannot set up without answers: --answers <file> is wanted", {
      hint: "alga-appliance setup answers --example > answers.yaml",
    });
  }
  const bytes =
    answers === "-"
      ? await context.readStdin(MAX_ANSWERS_BYTES)
      : await context.deps.files.read(answers, { maxBytes: MAX_ANSWERS_BYTES });
  if (bytes === undefined) throw unreadable(answers, "there is no such file");
  try {
    return parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { maxAliasCount: 10 });
  } catch {
    throw unreadable(answers, "it is not YAML");
  }
}

function unreadable(path: string, what: string): ApplianceError {
  return new ApplianceError("config/unreadable", `Cannot read answers "${path}": ${what}, a YAML file is wanted`, {
    hint: "alga-appliance setup answers --example shows one",
  });
}
