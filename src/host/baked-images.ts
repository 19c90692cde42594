/**
 * The images that the payload brought: found, and put into containerd once.
 *
 * What was imported is kept in a record, by size and time of each archive, with the names that came of it: an archive is imported
 * again when it changed, or when containerd has lost one of its images. Where containerd does not tell the names (it had them all, or
 * cuts them), any loss of what it had then counts as one: once too often is cheap, and at every boot is not.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps, FileStat } from "../core/ports.ts";
import type { StepResult } from "../operation/step.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { importedNames, importImages, listImages } from "./containerd.ts";

const SCHEMA = "alga.appliance.imported/v1";
const MAX_BYTES = 1024 * 1024;

/** Folders of the payload: our own images, and those of the Kubernetes distribution for a box without a network. */
const FOLDERS = ["images", "control-plane/images"];

const recordSchema = z.object({
  schema: z.literal(SCHEMA),
  archives: z.record(
    z.string(),
    z.object({
      sizeBytes: z.number(),
      modifiedMs: z.number(),
      /** Names that surely came of it. */
      images: z.array(z.string()),
      /** Where nobody could tell all of them: what the node had afterwards, which theirs are among. */
      among: z.array(z.string()).optional(),
    }),
  ),
});
type Imported = z.infer<typeof recordSchema>;

/** Whole paths of all archives of the payload; those of the control plane last. */
export async function bakedArchives({ files }: Pick<Deps, "files">, paths: StatePaths): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS.map((name) => join(paths.payload, name))) {
    const names = (await files.list(folder)).filter((name) => /\.(?:tar|tar\.gz|tar\.zst|tgz)$/.test(name));
    found.push(...names.map((name) => join(folder, name)));
  }
  return found;
}

/**
 * Imports what containerd does not have yet. Safe to call again, and after a crash anywhere: an archive counts as imported only when
 * containerd said so and the record is on the disk.
 * @throws {ApplianceError} host/no-images when the payload has none and containerd lacks what it once brought; exec/failed with containerd's own words.
 */
export async function importBakedImages(call: BootstrapCall): Promise<StepResult> {
  const { deps, settings, signal } = call;
  const { paths } = settings;
  const archives = await bakedArchives(deps, paths);
  let there = await listImages(deps, paths, signal);
  let record = await readImported(call);
  if (archives.length === 0) {
    if (!hasAll(record, there)) throw noImages(paths);
    deps.log.warn("payload is gone; containerd has all that it brought", { path: paths.payload });
    return { state: "skipped", detail: "The payload is gone; containerd has all that it brought" };
  }
  let imported = 0;
  for (const [index, archive] of archives.entries()) {
    call.progress(`${index + 1} of ${archives.length}: ${archive.slice(archive.lastIndexOf("/") + 1)}`);
    const stat = await deps.files.stat(archive);
    if (stat === undefined || isImported(record.archives[archive], stat, there)) continue;
    const said = await importImages(deps, archive, { paths, signal });
    const now = await listImages(deps, paths, signal);
    const brought = broughtBy(said, { before: there, now });
    record = { ...record, archives: { ...record.archives, [archive]: { ...shapeOf(stat), ...brought } } };
    await writeImported(call, record);
    there = now;
    imported += 1;
  }
  return { state: "done", detail: `${imported} of ${archives.length} archives imported, the others were there` };
}

/** What came of an import, by containerd's words and by what is there that was not. */
function broughtBy(
  said: string,
  { before, now }: { readonly before: ReadonlySet<string>; readonly now: ReadonlySet<string> },
): Pick<Imported["archives"][string], "images" | "among"> {
  const told = importedNames(said, now);
  const images = [...now].filter((name) => !before.has(name) || told?.has(name) === true);
  return told === undefined ? { images, among: [...now] } : { images };
}

/** Whether every image that is known to have come of an archive is still there. */
function hasAll(record: Imported, there: ReadonlySet<string>): boolean {
  const names = namesIn(record);
  return names.length > 0 && names.every((name) => there.has(name));
}

function isImported(
  known: Imported["archives"][string] | undefined,
  stat: FileStat,
  there: ReadonlySet<string>,
): boolean {
  if (known === undefined || known.sizeBytes !== stat.sizeBytes || known.modifiedMs !== stat.modifiedMs) return false;
  const names = known.among ?? known.images;
  // Without names nothing proves that they still are there.
  return names.length > 0 && names.every((name) => there.has(name));
}

function shapeOf({ sizeBytes, modifiedMs }: FileStat): { readonly sizeBytes: number; readonly modifiedMs: number } {
  return { sizeBytes, modifiedMs };
}

/** Names of the images that the payload brought, as far as they are known. Reads only. */
export async function bakedNames(deps: Pick<Deps, "files" | "log">, paths: StatePaths): Promise<readonly string[]> {
  return namesIn(await readImported({ deps, settings: { paths } }));
}

/** Names of what was ever imported, as far as they are known. */
function namesIn({ archives }: Imported): readonly string[] {
  return Object.values(archives).flatMap(({ images, among = [] }) => (images.length > 0 ? images : among));
}

/** A record that cannot be used counts as none: then everything is imported again, which harms nothing. */
async function readImported({
  deps,
  settings,
}: {
  readonly deps: Pick<Deps, "files" | "log">;
  readonly settings: { readonly paths: StatePaths };
}): Promise<Imported> {
  const path = pathOf(settings.paths);
  const bytes = await deps.files.read(path, { maxBytes: MAX_BYTES });
  try {
    if (bytes !== undefined) return recordSchema.parse(parseJson(bytes, { what: path, maxBytes: MAX_BYTES }));
  } catch (error) {
    deps.log.warn("record of imported archives cannot be used", { path, error });
  }
  return { schema: SCHEMA, archives: {} };
}

async function writeImported({ deps, settings }: BootstrapCall, record: Imported): Promise<void> {
  await deps.files.makeDirectory(settings.paths.host, { mode: 0o700 });
  await deps.files.write(pathOf(settings.paths), `${JSON.stringify(record, undefined, 2)}\n`);
}

function pathOf(paths: StatePaths): string {
  return join(paths.host, "imported.json");
}

function noImages(paths: StatePaths): ApplianceError {
  return new ApplianceError(
    "host/no-images",
    `Cannot import images from "${paths.payload}": there is no archive, those of the ISO are wanted`,
    {
      hint: "Put the payload of the ISO back under /opt/alga-appliance, then: systemctl restart alga-appliance-bootstrap",
    },
  );
}
