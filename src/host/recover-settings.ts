/**
 * The settings file of a box that somebody broke by hand: kept as it was beside, and written anew with what can be read of it and what
 * the box knows of its release. Without it neither the page nor a command of the box would start.
 */
import { basename } from "node:path/posix";
import { stringify } from "yaml";
import { salvageSettings, settingsFault } from "../cli/settings.ts";
import { isApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { StepResult } from "../operation/step.ts";
import { DEFAULT_PLACE } from "../release/location.ts";
import { readInstalled } from "../status/installed.ts";
import { type BootstrapCall, run } from "./bootstrap-context.ts";
import { placeOfInstalled } from "./kept-images.ts";
import { asideName, putFileAside } from "./recover-mend.ts";

/** As the command line reads it. */
const MAX_BYTES = 256 * 1024;
const MODE = 0o644;
const HEAD =
  '# Written by "alga-appliance recover": what could be read of the file that lies beside it as *.corrupt-*, and what the box knew.\n';

/** What is wrong with the settings file, without its content; undefined when it can be used or there is none. Reads only. */
export async function settingsFileFault(
  deps: Pick<Deps, "files">,
  paths: StatePaths,
): Promise<{ readonly path: string; readonly why: string } | undefined> {
  const path = paths.config;
  try {
    const bytes = await bytesOf(deps, path);
    const problem = bytes === undefined ? undefined : settingsFault({ path, text: new TextDecoder().decode(bytes) });
    return problem === undefined ? undefined : { path, why: problem.message };
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return { path, why: thrown.message };
  }
}

/**
 * Keeps a settings file that cannot be used under another name, and writes one in its place. Safe to call again, and after being killed
 * anywhere: the copy is made before the file is replaced in one go. One that can be used is not touched.
 */
export async function mendSettings(call: BootstrapCall): Promise<StepResult> {
  const { deps, settings } = call;
  const { config } = settings.paths;
  if ((await settingsFileFault(deps, settings.paths)) === undefined) {
    return { state: "done", detail: "All as it should be" };
  }
  const mode = (await deps.files.stat(config))?.mode ?? MODE;
  const bytes = await bytesOf(deps, config).catch((thrown: unknown) => {
    if (!isApplianceError(thrown)) throw thrown;
    return undefined;
  });
  const aside = await keep(call, { bytes, mode });
  const { kept, lost } = salvageSettings({ path: config, text: new TextDecoder().decode(bytes) });
  const known = { ...(await settingsOfRelease(call)), ...Object.fromEntries(kept) };
  const unnamed = `${config}.new`;
  await deps.files.write(unnamed, documentOf(known), { mode });
  await run(call, ["chown", "--no-dereference", `--reference=${aside}`, unnamed]);
  await deps.files.rename(unnamed, config);
  const left = bytes === undefined ? ["everything in it"] : lost;
  const names = Object.keys(known);
  return {
    state: "done",
    detail:
      `${config} was kept as ${basename(aside)} and written anew with ${names.length === 0 ? "nothing but the defaults" : names.join(", ")}` +
      `${left.length === 0 ? "" : `; could not be used: ${left.join(", ")}`}. Look it through`,
  };
}

/** A copy where its bytes can be had, else the file itself under another name. @returns the name. */
async function keep(
  call: BootstrapCall,
  { bytes, mode }: { readonly bytes: Uint8Array | undefined; readonly mode: number },
): Promise<string> {
  const { files } = call.deps;
  const { config } = call.settings.paths;
  if (bytes === undefined) return (await putFileAside(call, config)).aside;
  const aside = asideName(call, config);
  await files.write(aside, bytes, { mode });
  await run(call, ["chown", "--no-dereference", `--reference=${config}`, aside]);
  return aside;
}

/** Where the installed release came from, where that is another place than the usual one. */
async function settingsOfRelease({ deps, settings }: BootstrapCall): Promise<Readonly<Record<string, string>>> {
  const store = createFileStore(deps, settings.paths, { leaveDamaged: true });
  const installed = await readInstalled({ store, log: deps.log }).catch((thrown: unknown) => {
    if (!isApplianceError(thrown)) throw thrown;
    return undefined;
  });
  const place = installed === undefined ? undefined : placeOfInstalled(installed);
  if (place === undefined) return {};
  return {
    ...(place.registry === DEFAULT_PLACE.registry ? {} : { "registry.host": place.registry }),
    ...(place.base === DEFAULT_PLACE.base ? {} : { "registry.repository": place.base }),
    ...(installed?.channel == null ? {} : { channel: installed.channel }),
  };
}

function documentOf(known: Readonly<Record<string, string>>): string {
  const document: Record<string, string | Record<string, string>> = {};
  for (const [key, value] of Object.entries(known)) {
    const [group = "", name] = key.split(".");
    if (name === undefined) document[group] = value;
    else document[group] = { ...Object(document[group]), [name]: value };
  }
  return `${HEAD}${Object.keys(document).length === 0 ? "" : stringify(document)}`;
}

function bytesOf({ files }: Pick<Deps, "files">, path: string): Promise<Uint8Array | undefined> {
  return files.read(path, { maxBytes: MAX_BYTES });
}
