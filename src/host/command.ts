/** `host`: what the host's units and its operator ask of the executable. */

import type { Command, CommandContext } from "../cli/command.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { commands as resolveCommands } from "./resolve-command.ts";
import { ensureSetupToken } from "./setup-token.ts";

export const commands: readonly Command[] = [
  {
    path: ["host", "init-token"],
    summary: "Make the setup token of this box, unless there is one",
    description:
      "Writes the token to the state folder (0600) and prints nothing of it: the console shows it. Safe to run at every boot; " +
      "a claimed appliance gets no new one.",
    flags: [],
    examples: [{ command: "alga-appliance host init-token", about: "At every boot, before the control plane starts" }],
    run: initToken,
  },
  ...resolveCommands,
];

async function initToken({ deps, settings, out }: CommandContext): Promise<ExitCode> {
  const paths = statePaths(settings.get("root") ?? "/");
  const claimed = (await deps.files.stat(paths.adminCredential)) !== undefined;
  if (!claimed) {
    await deps.files.makeDirectory(paths.state);
    await ensureSetupToken(deps, paths.setupToken);
  }
  const shown = { claimed, tokenFile: claimed ? null : paths.setupToken };
  out.result(shown, () =>
    claimed ? "The appliance is claimed: it needs no token" : `The token is in ${paths.setupToken}`,
  );
  return EXIT.done;
}
