/**
 * The node's containerd, by k3s' own command: which images it has, and archives put into it.
 */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps, ExecResult } from "../core/ports.ts";
import { redactText } from "../core/redact.ts";

/** An archive of some hundred megabytes onto a slow disk. */
const IMPORT_MS = 15 * 60_000;
const LIST_MS = 30_000;

type ContainerdDeps = Pick<Deps, "exec" | "files">;

/** Path of k3s: where it is installed, else the one that the payload brought. */
export async function findK3s({ files }: Pick<Deps, "files">, paths: StatePaths): Promise<string> {
  const brought = join(paths.payload, "bin/k3s");
  return (await files.stat(paths.k3s)) === undefined && (await files.stat(brought)) !== undefined ? brought : paths.k3s;
}

/**
 * Names of all images that the node has, as containerd spells them.
 * @throws {ApplianceError} exec/failed when containerd does not answer, and what `Exec` throws.
 */
export async function listImages(
  deps: ContainerdDeps,
  paths: StatePaths,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const k3s = await findK3s(deps, paths);
  const limits = { timeoutMs: LIST_MS, maxBytes: 4 * 1024 * 1024, ...(signal === undefined ? {} : { signal }) };
  const result = await deps.exec([k3s, "ctr", "images", "list", "-q"], limits);
  if (result.code !== 0) throw programFailed(`${k3s} ctr images list`, result);
  return new Set(result.stdout.split("\n").filter((line) => line !== ""));
}

/** Tells whether the node has an image under this name, or under its digest in the same repository. */
export function hasImage(images: ReadonlySet<string>, name: string): boolean {
  const [repository = "", digest] = name.split("@");
  if (images.has(name) || digest === undefined) return images.has(name);
  const colon = repository.lastIndexOf(":");
  const bare = colon > repository.lastIndexOf("/") ? repository.slice(0, colon) : repository;
  return images.has(`${bare}@${digest}`);
}

/**
 * Imports an OCI or Docker archive under the names that it holds. Safe to call again: containerd keeps what it has.
 * @returns containerd's own words; `importedNames` reads them.
 * @throws {ApplianceError} host/disk-full where it has no room for it, else exec/failed, both with containerd's own words; what `Exec` throws.
 */
export async function importImages(
  deps: ContainerdDeps,
  archive: string,
  options: { readonly paths: StatePaths; readonly signal: AbortSignal },
): Promise<string> {
  const k3s = await findK3s(deps, options.paths);
  const limits = { timeoutMs: IMPORT_MS, signal: options.signal };
  // Without --digests: a name that it makes ("import-<date>@sha256:...") is one that kubelet's half of containerd spells in another way,
  // prefers, and does not find: every container of an image that has lost its tag would fail.
  const result = await deps.exec([k3s, "ctr", "images", "import", archive], limits);
  if (result.code !== 0) throw importFailed(archive, programFailed(`${k3s} ctr images import ${archive}`, result));
  return `${result.stdout}\n${result.stderr}`;
}

/** A disk without room is told as what it is, with the way out. */
function importFailed(archive: string, failure: ApplianceError): ApplianceError {
  const words = `${failure.message}${JSON.stringify(failure.details)}`;
  if (!/no space left on device|disk quota exceeded/i.test(words)) return failure;
  return new ApplianceError(
    "host/disk-full",
    `Cannot import "${archive}" on this disk: there is no room for its images`,
    {
      cause: failure,
      hint: "Make room on the disk: journalctl --vacuum-size=200M, or remove what does not belong to the appliance",
      details: failure.details ?? {},
    },
  );
}

/** A name that is cut shorter than this could be the beginning of too many. */
const MIN_CUT_CHARS = 20;
/** "unpacking NAME (sha256:...)...done" of containerd 1.x; "NAME   saved" of 2.x, where every line that was saved is one image. */
const IMPORTED_LINE = /^\s*(?:unpacking (\S+) \(|(.*\S)\s+saved\b)/;
/** containerd 2.x also writes a blank for each hyphen of a name. */
const asWritten = (name: string): string => name.replaceAll("-", " ");

/**
 * Names of the images that an import tells of, as the node spells them. Pure.
 *
 * @param said containerd's words; its version 2 cuts long names to the width of a column ("localhost/alga appliance control plane:b").
 * @param now What the node has after the import.
 * @returns undefined where a line can be none or several of them, or no line is understood: then nobody knows all names.
 */
export function importedNames(said: string, now: ReadonlySet<string>): ReadonlySet<string> | undefined {
  const told = said.split("\n").flatMap((line) => IMPORTED_LINE.exec(line)?.slice(1).find(Boolean) ?? []);
  const names = told.map((word) => {
    if (now.has(word)) return word;
    const cut = asWritten(word.replace(/(?:…|\.{2,3})$/, ""));
    const whole = [...now].filter((name) => asWritten(name) === cut);
    if (whole.length === 1) return whole[0];
    const like = cut.length < MIN_CUT_CHARS ? [] : [...now].filter((name) => asWritten(name).startsWith(cut));
    return like.length === 1 ? like[0] : undefined;
  });
  const known = names.filter((name) => name !== undefined);
  return known.length === 0 || known.length < names.length ? undefined : new Set(known);
}

/**
 * Lets the node pull an image, by the registries that its containerd is set up for. Safe to call again.
 * @returns why it could not, in containerd's own words; undefined when the image is there.
 */
export async function pullImage(
  deps: ContainerdDeps,
  image: string,
  options: { readonly paths: StatePaths; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const k3s = await findK3s(deps, options.paths);
  const result = await deps.exec([k3s, "crictl", "pull", image], { timeoutMs: IMPORT_MS, signal: options.signal });
  return result.code === 0 ? undefined : (result.stderr.trim().split("\n").at(-1) ?? "").slice(0, 300);
}

/** The error for a program that ended with another code than 0; its last words are the evidence. */
export function programFailed(what: string, { code, stdout, stderr }: ExecResult): ApplianceError {
  const text = redactText((stderr.trim() === "" ? stdout : stderr).trim().slice(-1_000));
  const last = text.split("\n").at(-1) ?? "";
  return new ApplianceError(
    "exec/failed",
    `Cannot finish "${what}": it ended with code ${code} (${last.slice(0, 160)})`,
    {
      details: { evidence: [{ ref: what, text }] },
    },
  );
}
