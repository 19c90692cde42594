/** `update pause`, `resume`, `cancel`: standing still where that is safe, also beside the control plane that works. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { createOperations } from "../operation/engine.ts";
import { resumeRun } from "../operation/follow.ts";
import type { OperationView } from "../operation/model.ts";
import { openStore } from "../operation/open-store.ts";
import type { Lend } from "../operation/opened.ts";
import type { Operations } from "../operation/operations.ts";
import { haltText } from "./command-text.ts";
import type { OpenUpdates } from "./opened.ts";
import { stepsOfUpdates } from "./program.ts";

const BEGIN = "alga-appliance update run --yes";

/** The commands. @param common Flags of commands that work. @param lend Opens what an update works through. */
export function haltCommands(common: readonly Flag[], lend: Lend<OpenUpdates>): readonly Command[] {
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
      summary: "Let an update go on that is paused, interrupted or blocked",
      description:
        "When another process works on it, follows that one. A run of another kind that has not ended goes on all the same: it is what " +
        "setup resume does. Of a run that has ended it says how.",
      flags: common,
      examples: [{ command: "alga-appliance update resume", about: "Go on from the step before which it stands" }],
      run: (context) => lend(context, ({ operations }) => resumeRun(context, operations, { hint: BEGIN })),
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
  const { deps, out } = context;
  const store = openStore(context);
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

/** @throws {ApplianceError} operation/unknown where the newest run is no update, or has ended. */
function runOf(view: OperationView | undefined): OperationView {
  if (view !== undefined && view.endedAt === null && (view.kind === "update" || view.kind === "rollback")) return view;
  throw new ApplianceError("operation/unknown", "Cannot find an update: none has been started that has not ended", {
    hint: "alga-appliance update history",
  });
}
