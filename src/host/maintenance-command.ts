/** `host maintenance`: how the box was started and ended, and what changed beneath the product; and the mark of its shutdown. */
import type { Command, CommandContext } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import type { Maintenance } from "../core/maintenance.ts";
import { statePaths } from "../core/paths.ts";
import { noteShutdown, readMaintenance } from "./maintenance.ts";

/** Rows of each list on a screen; -o json has all. */
const SHOWN = 10;

export const commands: readonly Command[] = [
  {
    path: ["host", "maintenance"],
    bearsBadSettings: true,
    summary: "Show when the box was started and how it ended, and what changed beneath the appliance",
    flags: [],
    examples: [
      { command: "alga-appliance host maintenance", about: "The last ten of each" },
      { command: "alga-appliance host maintenance -o json", about: "The document that the host agent answers" },
    ],
    run: maintenance,
  },
  {
    path: ["host", "note-shutdown"],
    bearsBadSettings: true,
    summary: "Mark that this boot ends as it should; does nothing while the box goes on",
    description:
      "What alga-appliance-bootstrap.service runs when it is stopped. A boot without the mark ended with the power.",
    flags: [],
    examples: [{ command: "alga-appliance host note-shutdown", about: "As the unit does" }],
    run: async ({ deps, settings, signal, out }) => {
      const paths = statePaths(settings.get("root") ?? "/");
      const marked = await noteShutdown(deps, { paths, signal });
      out.result({ marked }, () => (marked ? "Marked" : "The box goes on: nothing is marked"));
      return EXIT.done;
    },
  },
];

async function maintenance({ deps, settings, out }: CommandContext): Promise<ExitCode> {
  const found = await readMaintenance(deps, statePaths(settings.get("root") ?? "/"));
  if (found === undefined) throw noneYet();
  out.result(found, () => textOf(found));
  return EXIT.done;
}

function noneYet(): ApplianceError {
  return new ApplianceError(
    "http/not-found",
    "Cannot show maintenance: the host has noted nothing yet, a bootstrap does",
    {
      hint: "systemctl restart alga-appliance-bootstrap",
    },
  );
}

function textOf({ system, boots, changes, runs, uncleanShutdowns }: Maintenance): string {
  const list = (title: string, rows: readonly string[]): readonly string[] =>
    rows.length === 0 ? [] : ["", title, ...rows.slice(-SHOWN).map((row) => `  ${row}`)];
  return [
    `system    ${system.os ?? "unknown"}, kernel ${system.kernel ?? "unknown"}`,
    `k3s       ${system.k3s ?? "not installed"}`,
    `appliance ${system.appliance}`,
    ...list(
      `Starts (${uncleanShutdowns === 0 ? "all ended as they should" : `${uncleanShutdowns} ended without a shutdown`}):`,
      boots.map(
        ({ startedAt, endedAt, end }) =>
          `${startedAt}  ${end === "running" ? "runs" : end === "unknown" ? "end not known" : `${end}, ${endedAt ?? "end not known"}`}`,
      ),
    ),
    ...list(
      "Changes:",
      changes.map(({ at, what, from, to }) => `${at}  ${what}: ${from ?? "none"} -> ${to ?? "none"}`),
    ),
    ...list(
      "Runs:",
      runs.map(
        ({ operationId, state, endedAt, problem }) =>
          `${endedAt}  ${operationId} ${state}${problem === null ? "" : `: ${problem}`}`,
      ),
    ),
  ].join("\n");
}
