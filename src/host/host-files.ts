/**
 * The first steps of a bootstrap: the host's own files as this executable carries them, the user and the folders, and the setup token.
 *
 * Whatever drifted is put right at every boot, a change of the network that nobody confirmed too. Folders get their owners by
 * systemd-tmpfiles from one table, which follows no link that somebody else could have laid.
 */
import { basename, dirname, join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { StepResult } from "../operation/step.ts";
import { type BootstrapCall, run } from "./bootstrap-context.ts";
import { ensureConsoleCredential } from "./credential-make.ts";
import { undoExpiredNetwork } from "./netplan-change.ts";
import { ensureSetupToken, isClaimed } from "./setup-token.ts";

const MAX_HOST_FILE_BYTES = 256 * 1024;
const CHUNK_BYTES = 1024 * 1024;

/** Where systemd looks for our folders, users and units. */
const SYSUSERS = "/usr/lib/sysusers.d/alga-appliance.conf";
const TMPFILES = "/usr/lib/tmpfiles.d/alga-appliance.conf";

/** @see systemd/alga-appliance.sysusers */
export const CONTROL_PLANE_ID = 10_001;

const OWN_UNIT = "alga-appliance-bootstrap.service";

/** Lays down units, user, folders and k3s itself where they are missing or differ. Safe to call again. */
export async function placeHostFiles(call: BootstrapCall): Promise<StepResult> {
  await undoExpiredNetwork({ deps: call.deps, paths: call.settings.paths, signal: call.signal });
  const { hostFiles } = call.settings;
  const changed: string[] = [];
  for (const [path, text] of Object.entries(hostFiles)) if (await placeFile(call, path, text)) changed.push(path);
  if (await placeK3s(call)) changed.push(call.settings.paths.k3s);
  await run(call, ["systemd-sysusers", SYSUSERS]);
  await run(call, ["systemd-tmpfiles", "--create", TMPFILES]);
  await takeUp(call, changed);
  return { state: "done", detail: changed.length === 0 ? "All as it should be" : `Put right: ${changed.join(", ")}` };
}

/**
 * Runs the units as they are now; that of the bootstrap runs already. `enable` lets systemd read all units anew, so a crash after a
 * unit was written loses nothing.
 */
async function takeUp(call: BootstrapCall, changed: readonly string[]): Promise<void> {
  const units = Object.keys(call.settings.hostFiles).filter((path) => path.endsWith(".service"));
  if (units.length === 0) return;
  await run(call, ["systemctl", "enable", ...units.map((path) => basename(path))]);
  for (const path of units.filter((one) => basename(one) !== OWN_UNIT)) {
    const verb = changed.includes(path) ? "restart" : "start";
    await run(call, ["systemctl", verb, "--no-block", basename(path)]);
  }
}

/**
 * Gives the setup token to the control plane, which reads and removes it. Safe to call again.
 *
 * By its number and without following a link: the folder is the control plane's, who may have laid one. systemd-tmpfiles refuses to
 * touch root's file in another's folder, so it is done here.
 */
export async function giveToken(
  call: Pick<BootstrapCall, "signal"> & { readonly deps: Pick<Deps, "exec"> },
  path: string,
): Promise<void> {
  await run(call, ["chown", "--no-dereference", `${CONTROL_PLANE_ID}:${CONTROL_PLANE_ID}`, path]);
}

/** Writes a file of the host unless it is there with this content. @returns whether it was written. */
export async function placeFile(call: BootstrapCall, path: string, text: string): Promise<boolean> {
  const { deps, settings } = call;
  const place = join(settings.paths.root, path);
  const before = await deps.files.read(place, { maxBytes: MAX_HOST_FILE_BYTES });
  if (before !== undefined && new TextDecoder().decode(before) === text) return false;
  await deps.files.makeDirectory(dirname(place), { mode: 0o755 });
  await deps.files.write(place, text, { mode: 0o644 });
  return true;
}

/** Installs the k3s of the payload on a box that has none. An installed one stays: it is updated by whoever updates the box. */
function placeK3s({ deps, settings }: BootstrapCall): Promise<boolean> {
  return placeProgram(deps, settings.paths.k3s, join(settings.paths.payload, "bin/k3s"));
}

/** Copies a program to where there is none. Safe to call again. @returns whether it was copied; also false where there is no source. */
export async function placeProgram({ files }: Pick<Deps, "files">, path: string, from: string): Promise<boolean> {
  if ((await files.stat(path)) !== undefined) return false;
  const source = await files.openRead(from);
  if (source === undefined) return false;
  await files.makeDirectory(dirname(path), { mode: 0o755 });
  const target = await files.stage(path, { mode: 0o755 });
  try {
    for (let at = 0; at < source.sizeBytes; at += CHUNK_BYTES) {
      await target.write(await source.readAt(at, Math.min(CHUNK_BYTES, source.sizeBytes - at)));
    }
    await target.commit();
  } finally {
    await target.discard();
    await source.close();
  }
  return true;
}

/**
 * Makes the secrets of a box that nobody has claimed: the setup token, for the control plane alone to read, and the first login of
 * the console. Safe to call again.
 */
export async function makeSecrets(call: BootstrapCall): Promise<StepResult> {
  const { deps, settings } = call;
  const login = await firstLogin(call);
  if (await isClaimed(deps, settings.paths)) {
    return { state: "skipped", detail: "The appliance is claimed: it needs no token" };
  }
  await ensureSetupToken(deps, settings.paths.setupToken);
  await giveToken(call, settings.paths.setupToken);
  return { state: "done", detail: `The console shows the setup token${login}` };
}

/** A box without a login on its screen is a nuisance; one that does not start because of it would be worse. */
async function firstLogin({ deps, settings, signal }: BootstrapCall): Promise<string> {
  try {
    const state = await ensureConsoleCredential({ deps, paths: settings.paths, signal });
    return state === "waiting" ? " and the first login" : "";
  } catch (error) {
    if (!isApplianceError(error) || error.code === "internal/aborted") throw error;
    deps.log.warn("first login of the console not made", { error });
    return `; no first login: ${error.message}`;
  }
}
