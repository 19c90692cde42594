/** `update`: ask the channel, look at the plan, run it, go back, read what was done. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { KUBECONFIG_FLAG } from "../cli/kubeconfig-flag.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { followRun } from "../operation/follow.ts";
import { openStore } from "../operation/open-store.ts";
import { type Lend, lending } from "../operation/opened.ts";
import { REGISTRY_FLAGS, TRUST_FLAGS } from "../release/registry-flags.ts";
import { historyText, planText, viewText } from "./command-text.ts";
import { haltCommands } from "./halt-command.ts";
import { updateRecords } from "./history.ts";
import type { OpenUpdates, UpdatesOpener } from "./opened.ts";
import { POLICY_COMMAND } from "./policy-command.ts";

const WHICH: readonly Flag[] = [
  { name: "channel", type: "string", value: "<name>", summary: "What a channel offers", fallback: "the followed one" },
  { name: "version", type: "string", value: "<version>", summary: "Exactly this version; pins the box to it" },
  { name: "digest", type: "string", value: "<sha256:...>", summary: "Exactly this release; pins the box to it" },
];
const YES: Flag = { name: "yes", type: "boolean", summary: "Do not ask for the digest of a plan that was seen" };
const COMMON: readonly Flag[] = [KUBECONFIG_FLAG, ...TRUST_FLAGS, ...REGISTRY_FLAGS];

type Lender = Lend<OpenUpdates>;

/**
 * The commands of updates, over the engines that `open` opens: those of the whole box, so that `resume` goes on with any run.
 * Nothing is opened before a command runs.
 */
export function updateCommands(open: UpdatesOpener): readonly Command[] {
  const lend = lending(open);
  return [
    checkCommand(lend),
    planCommand(lend),
    runCommand(lend),
    rollbackCommand(lend),
    ...haltCommands(COMMON, lend),
    POLICY_COMMAND,
    HISTORY_COMMAND,
  ];
}

function checkCommand(lend: Lender): Command {
  return {
    path: ["update", "check"],
    summary: "Ask what the channel offers",
    description: "Without an answer of the registry it shows what is known from before, and says why.",
    flags: [WHICH[0] as Flag, ...COMMON],
    examples: [
      { command: "alga-appliance update check", about: "The followed channel" },
      { command: "alga-appliance update check --channel nightly", about: "Another one; it is not followed for it" },
    ],
    run: (context) => lend(context, (opened) => checkNow(context, opened)),
  };
}

function planCommand(lend: Lender): Command {
  return {
    path: ["update", "plan"],
    summary: "Show what an update would do",
    description: "Nothing is changed. The last line is the digest by which the plan can be run.",
    flags: [...WHICH, ...COMMON],
    examples: [
      { command: "alga-appliance update plan", about: "What the followed channel offers" },
      { command: "alga-appliance update plan --version 1.0.4 -o json", about: "For a script" },
    ],
    run: (context) => lend(context, (opened) => plan(context, opened)),
  };
}

function runCommand(lend: Lender): Command {
  return {
    path: ["update", "run"],
    summary: "Update the appliance and go back by itself when people cannot log in",
    description:
      "Give the digest of the plan that you have seen with --plan-digest, or --yes to take the plan as it is now. The work goes on " +
      "in the control plane when this command ends.",
    flags: [
      ...WHICH,
      {
        name: "plan-digest",
        type: "string",
        value: "<sha256:...>",
        summary: "The plan that was seen; another one is refused",
      },
      YES,
      ...COMMON,
    ],
    examples: [
      { command: "alga-appliance update run --yes", about: "To what the followed channel offers" },
      { command: "alga-appliance update run --version 1.0.4 --yes", about: "To exactly this version" },
    ],
    run: (context) => runUpdate(context, lend),
  };
}

function rollbackCommand(lend: Lender): Command {
  return {
    path: ["update", "rollback"],
    summary: "Go back to the release before",
    description:
      "Its values and its source are kept on the box. Data that the newer release has changed stays as it is.",
    flags: [{ name: "yes", type: "boolean", summary: "Do not ask" }, ...COMMON],
    examples: [{ command: "alga-appliance update rollback --yes", about: "Install the release before again" }],
    run: (context) => goBack(context, lend),
  };
}

const HISTORY_COMMAND: Command = {
  path: ["update", "history"],
  summary: "List every update and how it ended",
  flags: [],
  examples: [{ command: "alga-appliance update history -o json", about: "For scripts" }],
  run: history,
};

/** What the flags name, as the body of a request. */
function requestOf({ flags, settings }: CommandContext): Record<string, string> {
  const named = ["channel", "version", "digest"].flatMap((name) => {
    const text = flagText(flags, name);
    return text === undefined ? [] : [[name, text]];
  });
  const until = settings.get("trust.acceptExpired");
  return { ...Object.fromEntries(named), ...(until === undefined ? {} : { acceptExpired: until }) };
}

async function checkNow(context: CommandContext, { updates }: OpenUpdates): Promise<ExitCode> {
  const view = await updates.check(requestOf(context), context.signal);
  context.out.result(view, () => viewText(view));
  return view.channel.problem === null ? EXIT.done : EXIT.failed;
}

async function plan(context: CommandContext, { updates }: OpenUpdates): Promise<ExitCode> {
  const made = await updates.plan(requestOf(context), context.signal);
  context.out.result(made, () => planText(made));
  return made.notNow.length === 0 ? EXIT.done : EXIT.conflict;
}

/** What is missing on the command line is told before the cluster is looked for. */
async function runUpdate(context: CommandContext, lend: Lender): Promise<ExitCode> {
  const seen = flagText(context.flags, "plan-digest");
  if (seen === undefined) assertYes(context, "Cannot update: --plan-digest <sha256:...> or --yes is wanted");
  const request = requestOf(context);
  return lend(context, ({ operations, updates }) =>
    followRun(context, operations, async () => {
      const planDigest = seen ?? (await updates.plan(request, context.signal)).digest;
      await updates.start({ ...request, planDigest }, context.signal);
    }),
  );
}

async function goBack(context: CommandContext, lend: Lender): Promise<ExitCode> {
  assertYes(context, "Cannot go back without being asked: --yes is wanted");
  return lend(context, ({ operations, updates }) =>
    followRun(context, operations, () => updates.rollback(context.signal)),
  );
}

function assertYes({ flags }: CommandContext, message: string): void {
  if (flags.yes === true) return;
  throw new ApplianceError("cli/usage", message, { hint: "Look at it first: alga-appliance update plan" });
}

async function history(context: CommandContext): Promise<ExitCode> {
  const records = updateRecords(await openStore(context, { leaveDamaged: true }).readHistory());
  context.out.result({ history: records }, () => historyText(records));
  return EXIT.done;
}
