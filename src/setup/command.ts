/** `setup plan`, `run`, `resume`, `answers`, `history`: the wizard without a page, for automation and for a console. */
import { parse, stringify } from "yaml";
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { readClaims } from "../core/claims.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import { statePaths } from "../core/paths.ts";
import { followRun } from "../operation/follow.ts";
import type { OperationView } from "../operation/model.ts";
import { REGISTRY_FLAGS, TRUST_FLAGS } from "../release/registry-flags.ts";
import {
  addressPlanText,
  EXAMPLE_ANSWERS,
  historyText,
  licensePlanText,
  operationText,
  planText,
} from "./command-text.ts";
import { readAnswers } from "./documents.ts";
import { validateAddress, validateAnswers } from "./model.ts";
import { type OpenSetup, openSetup, openStore } from "./open.ts";

/** 64 KiB, as for the same document over HTTP. */
const MAX_ANSWERS_BYTES = 64 * 1024;

const KUBECONFIG: Flag = { name: "kubeconfig", type: "string", value: "<file>", summary: "Kubeconfig of the cluster" };
const ANSWERS: Flag = {
  name: "answers",
  type: "string",
  value: "<file>",
  summary: "Answers as YAML or JSON; - reads standard input",
};

const APP_URL: Flag = { name: "app-url", type: "string", value: "<url>", summary: "The address people will open" };
const DRY_RUN: Flag = { name: "dry-run", type: "boolean", summary: "Show what would be done, and change nothing" };

export const commands: readonly Command[] = [
  {
    path: ["setup", "plan"],
    summary: "Show what a setup with these answers would do",
    description: "Nothing is changed. The password may be left out.",
    flags: [ANSWERS, KUBECONFIG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup plan --answers answers.yaml", about: "Steps, downloads and changes" }],
    run: plan,
  },
  {
    path: ["setup", "run"],
    summary: "Set the appliance up with these answers",
    description:
      "Saves the answers and works until the login page answers or something needs you. Interrupted, it goes on with setup resume, " +
      "or with the control plane. When a setup waits or is blocked, the answers correct it.",
    flags: [ANSWERS, KUBECONFIG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup run --answers answers.yaml", about: "The whole setup without a page" }],
    run: runSetup,
  },
  {
    path: ["setup", "resume"],
    summary: "Go on with a setup that was interrupted or is blocked",
    description: "When another process works on it, follows that one.",
    flags: [KUBECONFIG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [{ command: "alga-appliance setup resume", about: "Try again now" }],
    run: (context) => work(context, resume),
  },
  {
    path: ["setup", "change"],
    summary: "Give an appliance that is set up another address",
    description:
      "Renders the values of the installed release for the new address and starts again what uses it. Going back is the same change " +
      "with the former address.",
    flags: [APP_URL, DRY_RUN, KUBECONFIG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [
      { command: "alga-appliance setup change --app-url https://psa.example.com --dry-run", about: "What it would do" },
      { command: "alga-appliance setup change --app-url https://psa.example.com", about: "Do it" },
    ],
    run: change,
  },
  {
    path: ["setup", "admin-password"],
    summary: "Set the first administrator's password anew",
    description:
      "For a forgotten password. The application's own script sets it for the administrator that setup made; who that is stands in " +
      "the cluster. The password comes from standard input only.",
    flags: [
      { name: "password-stdin", type: "boolean", summary: "Read the password from standard input" },
      KUBECONFIG,
      ...TRUST_FLAGS,
    ],
    examples: [
      {
        command: "alga-appliance setup admin-password --password-stdin < password.txt",
        about: "One line, the password",
      },
    ],
    run: setAdminPassword,
  },
  {
    path: ["setup", "license"],
    summary: "Have the application take another license key, or trade an install code for one",
    description:
      "The application's own script checks the key and takes it; nothing is started again. Key and code come from standard input " +
      "only, the key before is kept, and --former goes back to it. A code is good once: it is used up when the license service " +
      "answers. What it brought is kept until it is applied, so that the same code can be given again after a run that did not end well.",
    flags: [
      { name: "key-stdin", type: "boolean", summary: "Read the key from standard input" },
      { name: "code-stdin", type: "boolean", summary: "Read an install code from standard input" },
      { name: "former", type: "boolean", summary: "Take the key before instead" },
      DRY_RUN,
      KUBECONFIG,
      ...TRUST_FLAGS,
      ...REGISTRY_FLAGS,
    ],
    examples: [
      { command: "alga-appliance setup license --key-stdin --dry-run < license.txt", about: "What the key says" },
      { command: "alga-appliance setup license --key-stdin < license.txt", about: "Apply it" },
      {
        command: "alga-appliance setup license --code-stdin < code.txt",
        about: "Trade a code and apply what it brings",
      },
      { command: "alga-appliance setup license --former", about: "Go back to the key before" },
    ],
    run: applyLicense,
  },
  {
    path: ["setup", "answers"],
    summary: "Print the kept answers without secrets, or an example to fill in",
    flags: [{ name: "example", type: "boolean", summary: "Print a file to fill in" }],
    examples: [{ command: "alga-appliance setup answers --example > answers.yaml", about: "Start an answers file" }],
    run: printAnswers,
  },
  {
    path: ["setup", "history"],
    summary: "List every operation and its end, and who claimed the box",
    flags: [],
    examples: [{ command: "alga-appliance setup history -o json", about: "For scripts" }],
    run: async (context) => {
      const { claims: path } = statePaths(context.settings.get("root") ?? "/");
      const [history, claims] = await Promise.all([
        openStore(context).readHistory(),
        readClaims(context.deps.files, path),
      ]);
      context.out.result({ history, claims }, () => historyText(history, claims));
      return EXIT.done;
    },
  },
];

async function plan(context: CommandContext): Promise<ExitCode> {
  const answers = decided(context, await answersFrom(context));
  validateAnswers(answers, { passwordOptional: true });
  const open = await openSetup(context);
  try {
    const made = await open.setup.plan(answers, context.signal);
    context.out.result(made, () => planText(made));
    return EXIT.done;
  } finally {
    await open.close();
  }
}

/** Wrong answers are told before the cluster is looked for; what is kept from an earlier try need not be given again. */
async function runSetup(context: CommandContext): Promise<ExitCode> {
  const answers = decided(context, await answersFrom(context));
  const store = openStore(context);
  const isKept = (await store.secretNames()).includes("admin-password");
  validateAnswers(answers, { passwordOptional: isKept || (await store.listJournals()).length > 0 });
  return work(context, async ({ setup }) => {
    await setup.start(answers, context.signal);
  });
}

/** Starts the work, tells its progress, and prints how it ended: done, or what it needs. */
async function work(context: CommandContext, begin: (open: OpenSetup) => Promise<void>): Promise<ExitCode> {
  const open = await openSetup(context);
  const { operations } = open;
  try {
    await operations.recover();
    return await followRun(context, operations, { begin: () => begin(open), text: operationText });
  } finally {
    await open.close();
  }
}

async function change(context: CommandContext): Promise<ExitCode> {
  const answers = { appHostname: context.flags["app-url"] };
  // A wrong address is told at once, also where no cluster answers.
  validateAddress(answers);
  if (context.flags["dry-run"] !== true) {
    return work(context, async ({ address }) => {
      await address.start(answers, context.signal);
    });
  }
  const open = await openSetup(context);
  try {
    const made = await open.address.plan(answers, context.signal);
    context.out.result(made, () => addressPlanText(made));
    return EXIT.done;
  } finally {
    await open.close();
  }
}

/** Bytes of a password and its line break. */
const MAX_PASSWORD_BYTES = 4 * 1024;

async function setAdminPassword(context: CommandContext): Promise<ExitCode> {
  if (context.flags["password-stdin"] !== true) {
    throw new ApplianceError("cli/usage", "Cannot set a password without one: --password-stdin is wanted", {
      hint: "alga-appliance setup admin-password --password-stdin < password.txt",
    });
  }
  const typed = new TextDecoder().decode(await context.readStdin(MAX_PASSWORD_BYTES)).replace(/\r?\n$/, "");
  return work(context, async ({ adminPassword }) => {
    await adminPassword.start({ password: typed, passwordConfirm: typed }, context.signal);
  });
}

/** Bytes of a license key and its line break. */
const MAX_KEY_BYTES = 16 * 1024;

async function applyLicense(context: CommandContext): Promise<ExitCode> {
  const asked = await askedLicense(context);
  if (context.flags["dry-run"] !== true) {
    return work(context, async ({ licenseKey }) => {
      await licenseKey.start(asked, context.signal);
    });
  }
  const open = await openSetup(context);
  try {
    const made = await open.licenseKey.plan(asked, context.signal);
    context.out.result(made, () => licensePlanText(made));
    return EXIT.done;
  } finally {
    await open.close();
  }
}

/** Exactly one of the three ways. A key or a code is never an argument: those can be read by everybody on the machine. */
async function askedLicense(context: CommandContext): Promise<object> {
  const { flags } = context;
  const [key, code, former] = [flags["key-stdin"] === true, flags["code-stdin"] === true, flags.former === true];
  if ([key, code, former].filter(Boolean).length !== 1) {
    throw new ApplianceError(
      "cli/usage",
      "Cannot apply a license: one of --key-stdin, --code-stdin and --former is wanted",
      { hint: "alga-appliance setup license --key-stdin < license.txt" },
    );
  }
  if (former) return { former: true };
  const typed = new TextDecoder().decode(await context.readStdin(MAX_KEY_BYTES)).trim();
  if (key) return { licenseKey: typed };
  if (typed !== "") return { installCode: typed };
  throw new ApplianceError("cli/usage", "Cannot trade an install code: standard input is empty, a code is wanted", {
    hint: "alga-appliance setup license --code-stdin < code.txt",
  });
}

async function resume({ operations }: OpenSetup): Promise<void> {
  const view = operations.current();
  if (view === undefined) throw nothingToDo();
  if (isBlocked(view) || view.state === "paused" || view.state === "failed") await operations.resume(view.id);
}

function isBlocked(view: OperationView): boolean {
  return view.steps.some((step) => step.state === "failed");
}

function nothingToDo(): ApplianceError {
  return new ApplianceError("operation/unknown", "Cannot go on: no setup has been started", {
    hint: "alga-appliance setup run --answers <file>",
  });
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
