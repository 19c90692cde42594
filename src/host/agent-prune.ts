/**
 * Which images of the node may go: those that no container uses, that nobody pinned, and that no way back needs.
 *
 * "crictl rmi --prune" knows only the first two, and would take the images of the release to go back to. So the choice is made here,
 * and containerd is given the identities of what may go.
 *
 * @see Kubernetes CRI, runtime.v1, messages Image and Container, as `crictl images -o json` and `crictl ps -a -o json` write them
 */
import { z } from "zod";
import { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { createFileStore } from "../operation/file-store.ts";
import { foldJournal, hasEnded } from "../operation/fold.ts";
import { findK3s, programFailed } from "./containerd.ts";
import { keptImages } from "./kept-images.ts";

const LIST_MS = 15_000;
const REMOVE_MS = 50_000;
const MAX_BYTES = 8 * 1024 * 1024;
/** Identities of one command: an argument vector has an end. */
const MAX_AT_ONCE = 200;

/** What goes on to a program is of this form, whatever containerd says. */
const identity = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const name = z.string().max(4_096);
const names = z
  .array(name)
  .nullish()
  .transform((all) => all ?? []);

const imageSchema = z.object({
  id: identity,
  repoTags: names,
  repoDigests: names,
  pinned: z.boolean().default(false),
});
const imagesSchema = z.object({ images: z.array(imageSchema).max(10_000) });
const containersSchema = z.object({
  containers: z
    .array(
      z.object({
        image: z.object({ image: name.default("") }).default({ image: "" }),
        imageRef: name.default(""),
        imageId: name.default(""),
      }),
    )
    .max(10_000),
});

/** One image of the node. */
export type NodeImage = z.infer<typeof imageSchema>;

/**
 * The images that may go. Pure.
 *
 * @param used Identities or names of images of containers, also of those that have ended.
 * @param kept Names that must stay: with tag, digest, or both.
 */
export function unneeded(
  images: readonly NodeImage[],
  { used, kept }: { readonly used: ReadonlySet<string>; readonly kept: ReadonlySet<string> },
): readonly NodeImage[] {
  const stays = new Set([...used, ...kept].flatMap(spellings));
  const isNamed = (one: string): boolean => SANDBOX.test(one) || spellings(one).some((word) => stays.has(word));
  const isNeeded = ({ id, repoTags, repoDigests, pinned }: NodeImage): boolean =>
    pinned || stays.has(id) || [...repoTags, ...repoDigests].some(isNamed);
  return images.filter((image) => !isNeeded(image));
}

/** The image of every pod's own sandbox: no container of the list uses it, and no pod starts without it. */
const SANDBOX = /\/(?:mirrored-)?pause[:@]/;

/** "host/a:1@sha256:x" names the same as "host/a:1" and "host/a@sha256:x", for who has either. */
function spellings(text: string): readonly string[] {
  const [tagged = "", digest] = text.split("@");
  if (digest === undefined) return [text];
  const colon = tagged.lastIndexOf(":");
  const bare = colon > tagged.lastIndexOf("/") ? tagged.slice(0, colon) : tagged;
  return [`${bare}@${digest}`, ...(bare === tagged ? [] : [tagged])];
}

/**
 * Removes the images that nothing needs. Safe to call again, and to break off: each image goes by itself.
 *
 * @param kept Names that must stay; asked before anything is removed, and what it throws keeps everything.
 * @returns names of what was removed, sorted; the identity where an image had none.
 * @throws {ApplianceError} exec/failed with containerd's own words, json/shape when its answer is another one, and what `Exec` throws.
 */
export async function pruneImages(
  deps: Pick<Deps, "exec" | "files">,
  paths: StatePaths,
  {
    kept,
    signal,
  }: { readonly kept: (signal: AbortSignal) => Promise<ReadonlySet<string>>; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const k3s = await findK3s(deps, paths);
  const stays = await kept(signal);
  const run = async (words: readonly string[], timeoutMs: number): Promise<string> => {
    const argv = [k3s, "crictl", ...words] as const;
    const result = await deps.exec(argv, { timeoutMs, maxBytes: MAX_BYTES, signal });
    if (result.code !== 0) throw programFailed(argv.slice(0, 5).join(" "), result);
    if (result.truncated) throw strange(`it is longer than ${MAX_BYTES} bytes`);
    return result.stdout;
  };
  // Images first: one that comes with a new container meanwhile is not in the list.
  const { images } = read(imagesSchema, await run(["images", "--output", "json"], LIST_MS));
  const { containers } = read(containersSchema, await run(["ps", "--all", "--output", "json"], LIST_MS));
  const used = new Set(containers.flatMap((one) => [one.imageRef, one.imageId, one.image.image]).filter(Boolean));
  const going = unneeded(images, { used, kept: stays });
  for (let at = 0; at < going.length; at += MAX_AT_ONCE) {
    await run(["rmi", ...going.slice(at, at + MAX_AT_ONCE).map(({ id }) => id)], REMOVE_MS);
  }
  return going
    .flatMap(({ id, repoTags, repoDigests }) => [repoTags, repoDigests, [id]].find((all) => all.length > 0) ?? [])
    .sort();
}

/**
 * Names of the images that must stay on this box, where nothing is under way.
 *
 * @throws {ApplianceError} operation/busy while an operation has not ended, also one that rests: what it fetched is used by nothing yet.
 *   What `keptImages` throws.
 */
export async function neededImages(deps: NeededDeps, paths: StatePaths): Promise<ReadonlySet<string>> {
  const store = createFileStore(deps, paths, { leaveDamaged: true });
  const id = (await store.listJournals()).at(-1);
  const journal = id === undefined ? undefined : await store.readJournal(id);
  const run = id === undefined || journal === undefined ? undefined : foldJournal(id, journal.entries);
  if (id === undefined || (run !== undefined && hasEnded(run.view))) return await keptImages(deps, paths);
  throw new ApplianceError(
    "operation/busy",
    `Cannot remove images now: operation "${id}" has not ended, and what it fetched is used by nothing yet`,
    { hint: "Let it go on or cancel it, then try again" },
  );
}

type NeededDeps = Pick<Deps, "files" | "clock" | "random" | "log" | "machine">;

function read<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw strange("it is no JSON");
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw strange(z.prettifyError(parsed.error).slice(0, 300));
}

function strange(why: string): ApplianceError {
  return new ApplianceError("json/shape", `Cannot read what containerd says of its images: ${why}`, {
    hint: "Look at it on the box: k3s crictl images",
  });
}
