/** `update pause`, `resume`, `cancel`: standing still where that is safe, also beside the control plane that works. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { createOperations } from "../operation/engine.ts";
import { createFileStore } from "../operation/file-store.ts";
import { needsOperator } from "../operation/fold.ts";
import { followRun } from "../operation/follow.ts";
import type { OperationView } from "../operation/model.ts";
import type { Operations } from "../operation/operations.ts";
import { endText, haltText } from "./command-text.ts";
import type { OpenUpdates } from "./open.ts";
import { stepsOfUpdates } from "./program.ts";

type WithUpdates = (
  context: CommandContext,
  work: (context: CommandContext, open: OpenUpdates) => Promise<ExitCode>,
) => Promise<ExitCode>;

/** The commands. @param common Flags of commands that work. @param withUpdates Opens what an update works through. */
export function haltCommands(common: readonly Flag[], withUpdates: WithUpdates): readonly Command[] {
  return [
    {
      path: ["update", "pause"],
      summary: "Let an update stand still before its next step, until it is resumed",
      description:
        "A step that only waits is stopped where it is, and images that come are left. From the step that changes Flux or hands the " +
        "release over until the verdict it is refused: the box would be left between two releases. A pause outlives a restart.",
      flags: [],
      examples: [
        { command: "alga-appliance update pause", about: "The line or the disk is needed for something else" },
      ],
      run: (context) => halt(context, (operations, id) => operations.pause(id)),
    },
    {
      path: ["update", "resume"],
      summary: "Let an update go on that is paused, or try again one that is blocked",
      description: "When another process works on it, follows that one.",
      flags: common,
      examples: [{ command: "alga-appliance update resume", about: "Go on from the step before which it stands" }],
      run: (context) => withUpdates(context, resume),
    },
    {
      path: ["update", "cancel"],
      summary: "End an update before anything of the application is changed",
      description: "What was fetched stays on the node. Where the release is being handed over already, it is refused.",
      flags: [{ name: "yes", type: "boolean", summary: "Do not ask" }],
      examples: [{ command: "alga-appliance update cancel --yes", about: "Stay with the installed release" }],
      run: async (context) => {
        if (context.flags.yes === true) return halt(context, (operations, id) => operations.cancel(id));
        throw new ApplianceError("cli/usage", "Cannot end the update without being asked: --yes is wanted", {
          hint: "alga-appliance update cancel --yes",
        });
      },
    },
  ];
}

/** Works on the state alone: neither cluster nor registry is needed to stand still. */
async function halt(
  context: CommandContext,
  deed: (operations: Operations, id: string) => Promise<OperationView>,
): Promise<ExitCode> {
  const { deps, out, settings } = context;
  const store = createFileStore(deps, statePaths(settings.get("root") ?? "/"));
  const operations = createOperations({ ...deps, store }, { programs: stepsOfUpdates() });
  try {
    const [newest] = await operations.list();
    const view = await deed(operations, runOf(newest).id);
    out.result({ operation: view }, () => haltText(view));
    return EXIT.done;
  } finally {
    await operations.stop();
  }
}

async function resume(context: CommandContext, { operations }: OpenUpdates): Promise<ExitCode> {
  await operations.recover();
  const begin = async (): Promise<void> => {
    const view = runOf(operations.current());
    if (needsOperator(view) || view.pausing === true) await operations.resume(view.id);
  };
  return followRun(context, operations, { begin, text: endText });
}

/** @throws {ApplianceError} operation/unknown where the newest run is no update, or has ended. */
function runOf(view: OperationView | undefined): OperationView {
  if (view !== undefined && view.endedAt === null && (view.kind === "update" || view.kind === "rollback")) return view;
  throw new ApplianceError("operation/unknown", "Cannot find an update: none has been started that has not ended", {
    hint: "alga-appliance update history",
  });
}
