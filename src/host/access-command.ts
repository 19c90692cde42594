/**
 * `host init-token`, `token rotate`, `init-admin-credential`, `reset-admin`: who may get in, decided by root at the box.
 *
 * None of them shows a secret: the token and the first login stand on the screen of the box alone.
 */
import type { Command, CommandContext } from "../cli/command.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { type StatePaths, statePaths } from "../core/paths.ts";
import { CONSOLE_USER, type CredentialVerdict } from "./credential.ts";
import { ensureConsoleCredential } from "./credential-make.ts";
import { giveToken } from "./host-files.ts";
import { assertRoot, assertRootOnBox } from "./host-run.ts";
import { noteAccess } from "./maintenance.ts";
import { ensureSetupToken, isClaimed, replaceSetupToken } from "./setup-token.ts";

/** As the record of the box tells it. */
const PASSWORD = "management password";
const TOKEN = "setup token";
const NEW_TOKEN = "new setup token";

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
  {
    path: ["host", "reset-admin"],
    summary: "Take a lost management password away: the console shows a setup token to claim the box again",
    description:
      "For whoever stands at the box and has lost the password of its page. Every session ends at once, what is installed stays, and " +
      "the data too; the next claim sets a new password. It is noted in host maintenance. Safe to call again.",
    flags: [{ name: "yes", type: "boolean", summary: "Do not ask" }],
    examples: [
      { command: "alga-appliance host reset-admin", about: "Asks first" },
      { command: "alga-appliance host reset-admin --yes", about: "Without a terminal" },
    ],
    run: resetAdmin,
  },
];

async function initToken(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, signal, out } = context;
  await assertRootOnBox(context, "make the setup token");
  const paths = statePaths(settings.get("root") ?? "/");
  const claimed = await isClaimed(deps, paths);
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

async function initCredential(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, signal, out } = context;
  await assertRootOnBox(context, "make the first login");
  const state = await ensureConsoleCredential({ deps, signal, paths: statePaths(settings.get("root") ?? "/") });
  out.result({ user: CONSOLE_USER, state }, () => CREDENTIAL_SAYS[state]);
  return EXIT.done;
}

async function rotateToken(context: CommandContext): Promise<ExitCode> {
  const { deps, signal, out } = context;
  const paths = await boxOf(context, "make a new setup token");
  if (await isClaimed(deps, paths)) throw claimedAlready();
  await noted(context, paths, { from: TOKEN, to: NEW_TOKEN });
  if (!(await replaceSetupToken(deps, paths))) throw claimedAlready();
  // The control plane reads it as its own user.
  await giveToken({ deps, signal }, paths.setupToken);
  out.result({ tokenFile: paths.setupToken }, () => `A new token is in ${paths.setupToken}, and on the console`);
  return EXIT.done;
}

/**
 * The control plane reads the password's file at each request and names it in each session, so what is taken away here opens nothing
 * any more at once. Killed in between, the box has neither: the next call or the next bootstrap makes the token.
 */
async function resetAdmin(context: CommandContext): Promise<ExitCode> {
  const { deps, signal, out } = context;
  const paths = await boxOf(context, "take the management password away");
  const claimed = await isClaimed(deps, paths);
  if (claimed) {
    await consent(context);
    await noted(context, paths, { from: PASSWORD, to: NEW_TOKEN });
    await deps.files.remove(paths.adminCredential);
    // One that was left there may be known to somebody.
    await replaceSetupToken(deps, paths);
  } else await ensureSetupToken(deps, paths.setupToken);
  await giveToken({ deps, signal }, paths.setupToken);
  out.result({ wasClaimed: claimed, tokenFile: paths.setupToken }, () =>
    claimed
      ? "The management password is gone, and every session with it. Claim the box again: the console shows its address and a token"
      : "Nobody has claimed the box: the console shows its address and a token",
  );
  return EXIT.done;
}

/** Asks the person at the terminal; without one --yes is wanted. */
async function consent({ flags, out, askLine }: CommandContext): Promise<void> {
  if (flags.yes === true) return;
  if (askLine === undefined) {
    throw new ApplianceError(
      "cli/usage",
      "Cannot take the management password away without being asked: --yes is wanted where there is no terminal",
    );
  }
  out.notice("Whoever reads the token on the screen of the box can claim it then. What is installed stays.");
  const answer = await askLine("\nTake the management password away? Type yes");
  if (answer.trim().toLowerCase() === "yes") return;
  throw new ApplianceError("internal/aborted", "Cannot go on: the answer was not yes, so nothing was changed");
}

/** @throws {ApplianceError} host/not-root; session/not-claimed on a machine that has no state of an appliance. */
async function boxOf({ deps, settings, signal }: CommandContext, what: string): Promise<StatePaths> {
  await assertRoot(deps, { what, signal });
  const paths = statePaths(settings.get("root") ?? "/");
  if ((await deps.files.stat(paths.state)) !== undefined) return paths;
  throw new ApplianceError(
    "session/not-claimed",
    `Cannot ${what}: there is no "${paths.state}", a box that was started once is wanted`,
    { hint: "alga-appliance bootstrap starts a box; alga-appliance recover brings back what is lost" },
  );
}

function noted(
  { deps, build, signal }: CommandContext,
  paths: StatePaths,
  change: { readonly from: string; readonly to: string },
): Promise<void> {
  return noteAccess(deps, { paths, appliance: build.version, signal, ...change });
}

function claimedAlready(): ApplianceError {
  return new ApplianceError(
    "session/already-claimed",
    "Cannot make a new setup token: the appliance has been claimed, it needs none",
    { hint: "Log in with the management password; where it is lost: alga-appliance host reset-admin" },
  );
}
