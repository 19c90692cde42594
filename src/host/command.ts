/** `host`: what the host's units and its operator ask of the executable. */

import type { Command, CommandContext } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { factsCommand } from "./agent-command.ts";
import { commands as certificateCommands } from "./certificate-command.ts";
import { CONSOLE_USER, type CredentialVerdict } from "./credential.ts";
import { ensureConsoleCredential } from "./credential-make.ts";
import { giveToken } from "./host-files.ts";
import { commands as imageCommands } from "./image-command.ts";
import { commands as maintenanceCommands } from "./maintenance-command.ts";
import { commands as resolveCommands } from "./resolve-command.ts";
import { ensureSetupToken, replaceSetupToken } from "./setup-token.ts";
import { commands as storageCommands } from "./storage-command.ts";

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
  {
    path: ["host", "init-admin-credential"],
    summary: "Make the first login of this box, unless somebody can log in",
    description:
      `Gives the account ${CONSOLE_USER} a password that expires with its first use. The screen of the box shows it in this boot, and ` +
      "never again; this command prints nothing of it. A password that anybody else has set is not touched. Bootstrap does it too.",
    flags: [],
    examples: [{ command: "alga-appliance host init-admin-credential", about: "At the first boot, as root" }],
    run: initCredential,
  },
  {
    path: ["host", "token", "rotate"],
    summary: "Put another setup token in the place of the one that is there",
    description:
      "For a box that nobody has claimed, when the token may have been seen. The new one is on the console; this command prints " +
      "nothing of it.",
    flags: [],
    examples: [{ command: "alga-appliance host token rotate", about: "The old token opens nothing any more" }],
    run: rotateToken,
  },
  factsCommand,
  ...certificateCommands,
  ...imageCommands,
  ...maintenanceCommands,
  ...resolveCommands,
  ...storageCommands,
];

async function initToken({ deps, settings, signal, out }: CommandContext): Promise<ExitCode> {
  const paths = statePaths(settings.get("root") ?? "/");
  const claimed = (await deps.files.stat(paths.adminCredential)) !== undefined;
  if (!claimed) {
    await deps.files.makeDirectory(paths.state);
    await ensureSetupToken(deps, paths.setupToken);
    // The control plane reads it as its own user, and removes it with the claim.
    await giveToken({ deps, signal }, paths.setupToken);
  }
  const shown = { claimed, tokenFile: claimed ? null : paths.setupToken };
  out.result(shown, () =>
    claimed ? "The appliance is claimed: it needs no token" : `The token is in ${paths.setupToken}`,
  );
  return EXIT.done;
}

const CREDENTIAL_SAYS: Readonly<Record<Exclude<CredentialVerdict, "make">, string>> = {
  waiting: `The screen of the box shows the first login of ${CONSOLE_USER}`,
  shown: "The first login has been made and shown before: it stays as it is",
  used: `${CONSOLE_USER} has a password of its owner's choice: it stays as it is`,
  taken: `${CONSOLE_USER} had a password before: it stays as it is`,
  "not-needed": "Somebody has claimed the box or has an account on it: no first login is needed",
};

async function initCredential({ deps, settings, signal, out }: CommandContext): Promise<ExitCode> {
  const state = await ensureConsoleCredential({ deps, signal, paths: statePaths(settings.get("root") ?? "/") });
  out.result({ user: CONSOLE_USER, state }, () => CREDENTIAL_SAYS[state]);
  return EXIT.done;
}

async function rotateToken({ deps, settings, signal, out }: CommandContext): Promise<ExitCode> {
  const paths = statePaths(settings.get("root") ?? "/");
  const claimed = (await deps.files.stat(paths.adminCredential)) !== undefined;
  if (claimed || !(await replaceSetupToken(deps, paths))) {
    throw new ApplianceError(
      "session/already-claimed",
      "Cannot make a new setup token: the appliance has been claimed, it needs none",
      { hint: "Log in with the management password" },
    );
  }
  // The control plane reads it as its own user.
  await giveToken({ deps, signal }, paths.setupToken);
  out.result({ tokenFile: paths.setupToken }, () => `A new token is in ${paths.setupToken}, and on the console`);
  return EXIT.done;
}
