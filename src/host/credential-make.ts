/** Making the first login: the system's own programs set it; a crash anywhere is finished by the next call. */
import { dirname } from "node:path/posix";
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import type { Secret } from "../core/secret.ts";
import { run } from "./bootstrap-context.ts";
import { consolePaths } from "./console-paths.ts";
import {
  CONSOLE_USER,
  type CredentialVerdict,
  judgeCredential,
  newConsolePassword,
  personOf,
  readAccounts,
  readConsolePassword,
  readCredentialRecord,
  writeCredentialRecord,
} from "./credential.ts";
import { isClaimed } from "./setup-token.ts";

/** What making it needs. */
export interface CredentialScope {
  readonly deps: Pick<Deps, "files" | "exec" | "random" | "machine">;
  readonly paths: StatePaths;
  readonly signal: AbortSignal;
}

/** Two makers at once end with one hash; more rounds would be a system that changes the account for ever. */
const MAX_ROUNDS = 5;

/**
 * Makes the first login of a box that nobody has claimed and nobody can log in to. Safe to call again, by two at once, and after
 * being killed anywhere: what nobody has seen is made anew, what somebody has seen or set stays.
 *
 * @throws {ApplianceError} host/no-account without the account; exec/failed, exec/not-found or exec/timeout of the system's programs;
 *   file/unreadable, file/unwritable, file/disk-full.
 */
export async function ensureConsoleCredential(scope: CredentialScope): Promise<Exclude<CredentialVerdict, "make">> {
  const { deps, paths } = scope;
  const places = consolePaths(paths);
  const record = await readCredentialRecord(deps.files, places.credential);
  const accounts = await readAccounts(deps.files, paths.root);
  const account = accounts.find(({ name }) => name === CONSOLE_USER);
  if (account === undefined) throw noAccount();
  const bootId = await deps.machine.bootId();
  const verdict = judgeCredential({
    ...{ record, bootId, hash: account.hash, hasPerson: personOf(accounts) !== undefined },
    plainHere: (await deps.files.stat(places.login)) !== undefined,
    claimed: await isClaimed(deps, paths),
  });
  if (verdict !== "make") return verdict;
  const made = { user: CONSOLE_USER, before: digestOf(account.hash), bootId, shownUptimeMs: null };
  await deps.files.makeDirectory(dirname(places.credential), { mode: 0o700 });
  await writeCredentialRecord(deps.files, places.credential, { ...made, state: "making", made: null });
  await setPassword(scope, await plainPassword(scope));
  for (let round = 0, known = ""; round < MAX_ROUNDS; round += 1) {
    const hash = await hashNow(scope);
    if (hash === known) break;
    await writeCredentialRecord(deps.files, places.credential, { ...made, state: "set", made: digestOf(hash) });
    known = hash;
  }
  return "waiting";
}

/** The password for the screen: the one that an interrupted call has left, else a new one. It lies in memory, root's alone. */
async function plainPassword({ deps, paths }: CredentialScope): Promise<Secret> {
  const { login } = consolePaths(paths);
  const fresh = newConsolePassword(deps.random);
  await deps.files.makeDirectory(dirname(login), { mode: 0o700 });
  await deps.files.create(login, `${fresh.reveal()}\n`, { mode: 0o600 });
  return (await readConsolePassword(deps, login)) ?? fresh;
}

/**
 * Sets it and lets it expire. The method is named, so that PAM's rules for people's passwords are not asked.
 * @see chpasswd(8); chage(1), "--lastday 0"
 */
async function setPassword({ deps, paths, signal }: CredentialScope, password: Secret): Promise<void> {
  const root = paths.root === "/" ? [] : ["--root", paths.root];
  const argv = ["chpasswd", "--crypt-method", "SHA512", ...root] as const;
  const input = `${CONSOLE_USER}:${password.reveal()}\n`;
  const { code, stderr } = await deps.exec([...argv], { timeoutMs: PROGRAM_MS, input, signal });
  if (code !== 0) throw notSet(stderr);
  await run({ deps, signal }, ["chage", ...root, "--lastday", "0", CONSOLE_USER]);
}

const PROGRAM_MS = 30_000;

async function hashNow({ deps, paths }: CredentialScope): Promise<string> {
  const account = (await readAccounts(deps.files, paths.root)).find(({ name }) => name === CONSOLE_USER);
  if (account === undefined) throw noAccount();
  return account.hash;
}

function noAccount(): ApplianceError {
  return new ApplianceError(
    "host/no-account",
    `Cannot make the first login: the system has no account "${CONSOLE_USER}", the one of systemd-sysusers is wanted`,
    { hint: "systemctl restart alga-appliance-bootstrap" },
  );
}

/** chpasswd tells lines by their number, never their content; the end of what it says is enough. */
function notSet(stderr: string): ApplianceError {
  return new ApplianceError(
    "exec/failed",
    `Cannot set the password of "${CONSOLE_USER}": ${stderr.trim().slice(-200) || "chpasswd failed"}`,
  );
}
