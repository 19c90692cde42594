/** `recover`: says what is wrong with a box and puts it right, from this executable alone; `recover plan` only says it. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { OperationView } from "../operation/model.ts";
import type { StateStore } from "../operation/store.ts";
import { assertRootOnBox, assertSystemd } from "./host-run.ts";
import { hostSettings } from "./host-settings.ts";
import { type Diagnosis, diagnoseBox, RECOVER_PLAN_SCHEMA, runRecover } from "./recover.ts";
import type { LostDocuments } from "./recover-look.ts";
import { diagnosisText, reportOf, reportText } from "./recover-report.ts";
import { RECOVER_STEPS, type RecoverContext } from "./recover-steps.ts";
import { unfinishedReset } from "./reset.ts";
import { newsOf } from "./run-news.ts";
import { isClaimed } from "./setup-token.ts";

/** What recover asks of other rooms: the state from the cluster, an image of this executable. */
export interface RecoverRooms {
  readonly lost: (
    deps: Pick<Deps, "clock" | "log"> & { readonly kube: Kube; readonly store: StateStore },
    signal: AbortSignal,
  ) => Promise<readonly string[]>;
  readonly rebuild: (
    deps: Pick<Deps, "clock" | "log"> & { readonly kube: Kube; readonly store: StateStore },
    signal: AbortSignal,
  ) => ReturnType<RecoverContext["rebuild"]>;
  readonly writeOwnImage: (
    deps: Deps,
    path: string,
    options: { readonly tag: string; readonly signal: AbortSignal },
  ) => ReturnType<RecoverContext["makeOwnImage"]>;
}

const DOWNGRADE: Flag = {
  name: "allow-downgrade",
  type: "boolean",
  summary: "Take an older control plane too, where no other can be had",
};

/** The commands, with what other rooms do for them. */
export function recoverCommands(rooms: RecoverRooms): readonly Command[] {
  return [
    {
      path: ["recover"],
      bearsBadSettings: true,
      summary: "Say what is wrong with this box and put it right, without loss",
      description:
        "Run as root on a box that does not come up, also from a copy of the executable. Looks first and says what it will do; then " +
        "puts damaged files aside, brings up Kubernetes, imports the images and applies the control plane again. Deletes nothing, needs " +
        "no network, and never takes an older control plane than ran before. Interrupted, it goes on where it was.",
      flags: [
        { name: "dry-run", type: "boolean", summary: "Say what is wrong and what would be done, and touch nothing" },
        { name: "yes", type: "boolean", summary: "Do not ask" },
        DOWNGRADE,
      ],
      examples: [
        { command: "alga-appliance recover", about: "Looks, tells, asks, and puts right" },
        { command: "alga-appliance recover --yes -o json", about: "Without a terminal" },
        {
          command: "ALGA_APPLIANCE_ROOT=/mnt ./alga-appliance recover --yes",
          about: "The files of a box whose disk is mounted in a rescue system",
        },
      ],
      run: (context) => recover(context, rooms),
    },
    {
      path: ["recover", "plan"],
      bearsBadSettings: true,
      summary: "Say what is wrong with this box, and what recover would do",
      flags: [DOWNGRADE],
      examples: [
        { command: "alga-appliance recover plan -o json", about: "Findings with cause and evidence, as data" },
      ],
      run: async (context) => {
        await assertRootOnBox(context, "look at this box");
        const scene = sceneOf(context, rooms);
        return printPlan(context, await diagnoseBox(scene.recovering, scene.options));
      },
    },
  ];
}

interface Scene {
  readonly recovering: RecoverContext;
  readonly options: { readonly signal: AbortSignal; readonly lost: LostDocuments };
}

function sceneOf(context: CommandContext, rooms: RecoverRooms): Scene {
  const { deps, flags, signal, build } = context;
  const ofHost = hostSettings(context);
  const store = createFileStore(deps, ofHost.paths, { leaveDamaged: true });
  const recovering: RecoverContext = {
    deps,
    settings: { ...ofHost, askMs: 1_000, allowDowngrade: flags["allow-downgrade"] === true },
    rebuild: (kube, into, limit) => rooms.rebuild({ ...deps, kube, store: into }, limit),
    // Run from sources the program is the runtime, which is nothing for the box.
    ownExecutable: build.target === "source" ? null : "/proc/self/exe",
    makeOwnImage: (path, options) => rooms.writeOwnImage(deps, path, options),
  };
  return { recovering, options: { signal, lost: (kube, limit) => rooms.lost({ ...deps, kube, store }, limit) } };
}

async function recover(context: CommandContext, rooms: RecoverRooms): Promise<ExitCode> {
  const { deps, out, flags, signal } = context;
  await assertRootOnBox(context, "look at this box");
  const { recovering, options } = sceneOf(context, rooms);
  const before = await diagnoseBox(recovering, options);
  if (flags["dry-run"] === true) return printPlan(context, before);
  if (recovering.settings.paths.root === "/") await assertSystemd(deps, "recover the appliance");
  const reset = await unfinishedReset(recovering);
  if (reset !== undefined) {
    out.notice(`The reset that began ${reset.view.startedAt} is given up by this. To finish it: alga-appliance reset`);
  }
  await consent(context, before);
  const told = new Map<string, string>();
  const view = await runRecover(recovering, {
    signal,
    findings: before.findings,
    onView: (now: OperationView) => {
      for (const line of newsOf(now, told)) out.progress(`${line.title}: ${line.text}`);
    },
    onNoJournal: (why) => out.notice(`No journal of this run can be kept (${why}); it goes on without one.`),
  });
  const { paths, port } = recovering.settings;
  const report = reportOf(view, {
    before: before.findings,
    after: await diagnoseBox(recovering, options),
    claimed: await isClaimed(deps, paths),
    addresses: await deps.network.addresses(),
    port,
  });
  out.result(report, () => reportText(report));
  return view.state === "done" && report.left.every(({ next, mend }) => next === null && mend !== null)
    ? EXIT.done
    : EXIT.notReady;
}

/** Asks the person at the terminal; without one --yes is wanted. */
async function consent({ flags, out, askLine }: CommandContext, { findings }: Diagnosis): Promise<void> {
  if (flags.yes === true) return;
  out.notice(diagnosisText(findings));
  if (askLine === undefined) {
    throw new ApplianceError(
      "cli/usage",
      "Cannot recover without being asked: --yes is wanted where there is no terminal",
      {
        hint: "alga-appliance recover --dry-run says what would be done",
      },
    );
  }
  const answer = await askLine("\nPut it right? Type yes");
  if (answer.trim().toLowerCase() === "yes") return;
  throw new ApplianceError("internal/aborted", "Cannot go on: the answer was not yes, so nothing was changed");
}

function printPlan({ out, settings }: CommandContext, { findings }: Diagnosis): ExitCode {
  const isBox = (settings.get("root") ?? "/") === "/";
  const steps = RECOVER_STEPS.filter(({ filesOnly }) => isBox || filesOnly).map(({ id, title, about, budgetMs }) => ({
    id,
    title,
    about,
    budgetMs,
  }));
  out.result({ schema: RECOVER_PLAN_SCHEMA, findings, steps }, () =>
    [
      diagnosisText(findings),
      "",
      "Recover would:",
      ...steps.map(({ title, about }, index) => `${index + 1}. ${title}\n   ${about}`),
    ].join("\n"),
  );
  return EXIT.done;
}
