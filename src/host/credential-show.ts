/** The first login on the screen of the box: until it is used, for a day at most, in the boot that made it. */

import { digestOf } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { consolePaths } from "./console-paths.ts";
import { readAccounts, readConsolePassword, readCredentialRecord, writeCredentialRecord } from "./credential.ts";

type ShowDeps = Pick<Deps, "files" | "machine" | "log">;

/** What the screen shows. */
export interface ConsoleLogin {
  readonly user: string;
  /** Plain. */
  readonly password: string;
}

const SHOWN_MS = 24 * 60 * 60_000;

/**
 * The login that is to be on the screen now, or null. One that was used or stood for a day is taken out of memory. Call it every few
 * seconds: without a login it is one look for a file.
 */
export async function consoleLogin(deps: ShowDeps, paths: StatePaths): Promise<ConsoleLogin | null> {
  const places = consolePaths(paths);
  try {
    const password = await readConsolePassword(deps, places.login);
    if (password === undefined) return null;
    const record = await readCredentialRecord(deps.files, places.credential);
    if (record === undefined || record === "damaged" || record.state === "making") return null;
    const account = (await readAccounts(deps.files, paths.root)).find(({ name }) => name === record.user);
    const isUsed = account === undefined || record.made !== digestOf(account.hash);
    const ageMs = record.shownUptimeMs === null ? 0 : (await deps.machine.uptimeMs()) - record.shownUptimeMs;
    if (!isUsed && ageMs < SHOWN_MS) return { user: record.user, password: password.reveal() };
    await deps.files.remove(places.login);
  } catch (error) {
    if (!isApplianceError(error)) throw error;
    deps.log.warn("first login not shown", { error });
  }
  return null;
}

/**
 * Remembers that it was shown, after it was drawn: it is never made or shown in another boot. Safe to call again. Where it cannot be
 * written, the next boot makes another one in its place, unless this one was used.
 */
export async function markLoginShown(deps: ShowDeps, paths: StatePaths): Promise<void> {
  const { credential } = consolePaths(paths);
  try {
    const record = await readCredentialRecord(deps.files, credential);
    if (record === undefined || record === "damaged" || record.state !== "set") return;
    const shownUptimeMs = await deps.machine.uptimeMs();
    await writeCredentialRecord(deps.files, credential, { ...record, state: "shown", shownUptimeMs });
  } catch (error) {
    if (!isApplianceError(error)) throw error;
    deps.log.warn("not remembered that the first login was shown", { error });
  }
}
