/** `setup change`, `admin-password`, `license`: what of a finished setup can be changed later. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { KUBECONFIG_FLAG } from "../cli/kubeconfig-flag.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { followRun } from "../operation/follow.ts";
import type { Lend } from "../operation/opened.ts";
import { REGISTRY_FLAGS, TRUST_FLAGS } from "../release/registry-flags.ts";
import { addressPlanText, licensePlanText } from "./command-text.ts";
import type { OpenSetup } from "./opened.ts";
import { validateAddress } from "./validate.ts";

/** Bytes of a password and its line break. */
const MAX_PASSWORD_BYTES = 4 * 1024;
/** Bytes of a license key and its line break. */
const MAX_KEY_BYTES = 16 * 1024;

const APP_URL: Flag = { name: "app-url", type: "string", value: "<url>", summary: "The address people will open" };
const DRY_RUN: Flag = { name: "dry-run", type: "boolean", summary: "Show what would be done, and change nothing" };

type Lender = Lend<OpenSetup>;

/** The commands, over what `lend` opens for each. */
export function changeCommands(lend: Lender): readonly Command[] {
  return [addressCommand(lend), passwordCommand(lend), licenseCommand(lend)];
}

function addressCommand(lend: Lender): Command {
  return {
    path: ["setup", "change"],
    summary: "Give an appliance that is set up another address",
    description:
      "Renders the values of the installed release for the new address and starts again what uses it. Going back is the same change " +
      "with the former address.",
    flags: [APP_URL, DRY_RUN, KUBECONFIG_FLAG, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [
      {
        command: "alga-appliance setup change --app-url https://psa.example.com --dry-run",
        about: "What it would do",
      },
      { command: "alga-appliance setup change --app-url https://psa.example.com", about: "Do it" },
    ],
    run: (context) => change(context, lend),
  };
}

function passwordCommand(lend: Lender): Command {
  return {
    path: ["setup", "admin-password"],
    summary: "Set the first administrator's password anew",
    description:
      "For a forgotten password. The application's own script sets it for the administrator that setup made; who that is stands in " +
      "the cluster. The password comes from standard input only.",
    flags: [
      { name: "password-stdin", type: "boolean", summary: "Read the password from standard input" },
      KUBECONFIG_FLAG,
      ...TRUST_FLAGS,
    ],
    examples: [
      {
        command: "alga-appliance setup admin-password --password-stdin < password.txt",
        about: "One line, the password",
      },
    ],
    run: (context) => setAdminPassword(context, lend),
  };
}

function licenseCommand(lend: Lender): Command {
  return {
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
      KUBECONFIG_FLAG,
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
    run: (context) => applyLicense(context, lend),
  };
}

async function change(context: CommandContext, lend: Lender): Promise<ExitCode> {
  const answers = { appHostname: context.flags["app-url"] };
  // A wrong address is told at once, also where no cluster answers.
  validateAddress(answers);
  return lend(context, async ({ address, operations }) => {
    if (context.flags["dry-run"] !== true) {
      return followRun(context, operations, () => address.start(answers, context.signal));
    }
    const made = await address.plan(answers, context.signal);
    context.out.result(made, () => addressPlanText(made));
    return EXIT.done;
  });
}

async function setAdminPassword(context: CommandContext, lend: Lender): Promise<ExitCode> {
  if (context.flags["password-stdin"] !== true) {
    throw new ApplianceError("cli/usage", "Cannot set a password without one: --password-stdin is wanted", {
      hint: "alga-appliance setup admin-password --password-stdin < password.txt",
    });
  }
  const typed = new TextDecoder().decode(await context.readStdin(MAX_PASSWORD_BYTES)).replace(/\r?\n$/, "");
  const body = { password: typed, passwordConfirm: typed };
  return lend(context, ({ adminPassword, operations }) =>
    followRun(context, operations, () => adminPassword.start(body, context.signal)),
  );
}

async function applyLicense(context: CommandContext, lend: Lender): Promise<ExitCode> {
  const asked = await askedLicense(context);
  return lend(context, async ({ licenseKey, operations }) => {
    if (context.flags["dry-run"] !== true) {
      return followRun(context, operations, () => licenseKey.start(asked, context.signal));
    }
    const made = await licenseKey.plan(asked, context.signal);
    context.out.result(made, () => licensePlanText(made));
    return EXIT.done;
  });
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
