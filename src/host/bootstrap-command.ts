/** `bootstrap`: from a booted machine to a control plane that answers; `bootstrap plan` says what it would do. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import type { OperationView } from "../operation/model.ts";
import { REGISTRY_FLAGS, TRUST_FLAGS } from "../release/registry-flags.ts";
import { runBootstrap } from "./bootstrap.ts";
import type { BootstrapContext } from "./bootstrap-context.ts";
import { BOOTSTRAP_STEPS } from "./bootstrap-steps.ts";
import { tellHandover } from "./console-command.ts";
import { assertRootOnBox, assertSystemd } from "./host-run.ts";
import { hostSettings } from "./host-settings.ts";
import { followsOf } from "./resolve-command.ts";
import { newsOf } from "./run-news.ts";

/** Starts by systemd itself after one that failed: some two minutes, in which what was mended is seen. */
const MAX_RESTARTS = 5;

/** Milliseconds that a start waits for the registry. */
const ASK_MS = 8_000;

const DRY_RUN: Flag = { name: "dry-run", type: "boolean", summary: "Print the steps and touch nothing" };

export const commands: readonly Command[] = [
  {
    path: ["bootstrap"],
    bearsBadSettings: true,
    summary: "Bring up Kubernetes and the control plane of this box",
    description:
      "What alga-appliance-bootstrap.service runs at every boot, as root. Each step finds out what is missing or has drifted and does " +
      "only that; a run that was interrupted goes on where it was. Needs no network.",
    flags: [DRY_RUN, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    examples: [
      { command: "alga-appliance bootstrap", about: "By hand, after the cause of a failure is mended" },
      { command: "alga-appliance bootstrap --dry-run", about: "The steps in their order" },
    ],
    run: bootstrap,
  },
  {
    path: ["bootstrap", "plan"],
    bearsBadSettings: true,
    summary: "Print the steps of a bootstrap in their order",
    flags: [],
    examples: [{ command: "alga-appliance bootstrap plan -o json", about: "As data: phase, title, budget" }],
    run: async (context) => printPlan(context),
  },
];

async function bootstrap(context: CommandContext): Promise<ExitCode> {
  if (context.flags["dry-run"] === true) return printPlan(context);
  const { settings, settingsProblem, deps, out } = context;
  const root = settings.get("root") ?? "/";
  if (root !== "/") throw otherRoot(root);
  await assertRootOnBox(context, "start this box");
  await assertSystemd(deps, "start the appliance");
  const ofHost = hostSettings(context);
  const bootstrapping: BootstrapContext = {
    deps,
    settings: {
      ...ofHost,
      follows: () => followsOf(context, ofHost.paths),
      askMs: ASK_MS,
      ...(settingsProblem === undefined ? {} : { settingsProblem }),
    },
  };
  const told = new Map<string, string>();
  const onView = (view: OperationView): void => {
    for (const line of newsOf(view, told)) out.event(line, () => `${line.title}: ${line.text}`);
  };
  try {
    const code = ending(await runBootstrap(bootstrapping, { signal: context.signal, onView }));
    if (code === EXIT.done) await tellHandover(context);
    return code;
  } catch (thrown) {
    throw (await wasLastStart(context)) ? givenUp(thrown) : thrown;
  }
}

/**
 * Whether systemd has started this often enough by itself. Counted here and not by StartLimitBurst=, which would refuse a person's
 * `systemctl restart` too, just when the cause is mended. A start by hand begins to count anew.
 *
 * @see systemd.service(5), "RestartPreventExitStatus="; org.freedesktop.systemd1(5), "NRestarts"
 */
async function wasLastStart({ deps, signal }: CommandContext): Promise<boolean> {
  if (signal.aborted) return false;
  const argv = ["systemctl", "show", "--property=NRestarts", "--value", "alga-appliance-bootstrap.service"] as const;
  const shown = await deps.exec(argv, { timeoutMs: 10_000, maxBytes: 4_096, signal }).catch(() => undefined);
  return Number(shown?.stdout.trim() ?? 0) >= MAX_RESTARTS;
}

function givenUp(thrown: unknown): unknown {
  if (!(thrown instanceof ApplianceError)) return thrown;
  const { message, hint, details } = thrown;
  const next = hint ?? "Mend what the message names";
  const error = `Cannot start this box: it was tried ${MAX_RESTARTS + 1} times, and a person is wanted. ${message}`;
  return new ApplianceError("host/given-up", error, {
    cause: thrown,
    hint: `${next}, then: systemctl restart alga-appliance-bootstrap`,
    details,
  });
}

function printPlan({ out }: CommandContext): ExitCode {
  const steps = BOOTSTRAP_STEPS.map(({ id, phase, title, about, budgetMs }) => ({ id, phase, title, about, budgetMs }));
  out.result({ schema: "alga.appliance.bootstrap-plan/v1", steps }, () =>
    steps.map(({ phase, title, about }, index) => `${index + 1}. ${title} (${phase})\n   ${about}`).join("\n"),
  );
  return EXIT.done;
}

/** The end as an exit code. @throws {ApplianceError} the problem of a run that could not go on. */
function ending({ state, problem }: OperationView): ExitCode {
  if (state === "done") return EXIT.done;
  if (problem === null) return EXIT.failed;
  const hint = problem.hint === null ? {} : { hint: problem.hint };
  throw new ApplianceError(problem.code as ApplianceError["code"], problem.message, {
    ...hint,
    details: { evidence: problem.evidence },
  });
}

function otherRoot(root: string): ApplianceError {
  return new ApplianceError(
    "config/invalid",
    `Cannot bootstrap under root "${root}": systemd and k3s know only "/", that is wanted`,
    { hint: "alga-appliance bootstrap --dry-run shows the steps anywhere" },
  );
}
