/**
 * The runtime of the executable: the loader and the libraries of glibc that an image must hold for it to start.
 *
 * What is needed is read from the executable and followed through the libraries, as the loader does; where a library must
 * stand is read from the loader itself, because each distribution compiles its own folders into it. So an image that is
 * built is an image that starts, for machines too that this one cannot run.
 *
 * @see ld.so(8), "DESCRIPTION": the order in which libraries are looked for
 */
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { type Architecture, type ElfFile, readElf } from "./image-elf.ts";

/** Where the bytes of libraries come from: a folder, a package, or the layers of a base image. */
export interface RuntimeSource {
  /** For messages and provenance: `folder "/usr/aarch64-linux-gnu"`. */
  readonly what: string;
  /** Absent when the content has no name beyond its files. Written into SBOM and provenance. */
  readonly origin?: RuntimeOrigin;
  /** The base image below our layers; absent: the libraries become a layer of ours. */
  readonly base?: BaseImage;
  /**
   * Finds a file.
   * @param paths Absolute paths in the image where the loader would look for it, best first.
   * @returns Its bytes and the path of the image where it stands, or will stand.
   */
  find(paths: readonly string[]): Promise<{ readonly path: string; readonly bytes: Uint8Array } | undefined>;
}

export interface RuntimeOrigin {
  readonly name: string;
  readonly version?: string;
  /** Package URL. @see package-url specification, "Rules for each purl component" */
  readonly purl?: string;
  readonly digest: Digest;
}

/** One platform of an image that is built upon: its layers are named again, their bytes go along. */
export interface BaseImage {
  /** Registry and repository; absent when it comes from a folder, whose name says nothing elsewhere. */
  readonly name?: string;
  readonly digest: Digest;
  readonly layers: readonly { readonly mediaType: string; readonly bytes: Uint8Array; readonly diffId: Digest }[];
  readonly environment: readonly string[];
}

export interface RuntimeFile {
  /** Absolute path in the image. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

export interface Runtime {
  /** Sorted by path; the loader is one of them. */
  readonly files: readonly RuntimeFile[];
  /** Version of glibc: "2.36". */
  readonly glibc: string;
  /** How the distribution calls it: "Debian GLIBC 2.36-9+deb12u14". */
  readonly build: string | undefined;
  readonly source: RuntimeSource;
}

/** Since 2.34 glibc resolves names without further libraries, which older ones load by name at run time. */
const OLDEST_GLIBC = "GLIBC_2.34";
const TRIPLETS: Readonly<Record<Architecture, string>> = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
/** Libraries of a program of ours: five today. More means another program. */
const MAX_LIBRARIES = 64;

interface Needs {
  readonly source: RuntimeSource;
  readonly architecture: Architecture;
  /** Folders that the loader searches, best first, each with a slash at its end. */
  readonly folders: readonly string[];
}

/**
 * Collects the loader and every library that the executable needs, and checks that they fit.
 *
 * @param options.architecture What the image is built for.
 * @throws {ApplianceError} image/wrong-machine when the executable or a library is of another machine.
 * @throws {ApplianceError} image/runtime-missing when a library is not there or too old.
 * @throws {ApplianceError} image/bad-elf when a file is damaged, or the executable is static.
 */
export async function collectRuntime(
  executable: ElfFile,
  source: RuntimeSource,
  options: { readonly architecture: Architecture },
): Promise<Runtime> {
  const { architecture } = options;
  assertMachine(executable, { what: "the executable", architecture });
  const loaderPath = executable.interpreter;
  if (loaderPath === undefined) throw noLoader();
  const loader = await findFile({ source, architecture, folders: [] }, [loaderPath]);
  const needs = { source, architecture, folders: searchFolders(loader.bytes, { architecture, what: source.what }) };
  const libraries = await closureOf(executable, needs, loader);
  const all = [{ what: "the executable", elf: executable }, ...[...libraries.values()].map(named)];
  for (const file of all) assertVersions(file, libraries, source.what);
  const libc = libraries.get("libc.so.6");
  if (libc === undefined)
    throw missing("libc.so.6", source.what, "the executable does not need it: it is none of ours");
  assertModern(libc, source.what);
  const files = [...libraries.values()].map(({ path, bytes }) => ({ path, bytes, digest: digestOf(bytes) }));
  return {
    files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    ...glibcVersion(libc.bytes, source.what),
    source,
  };
}

interface Found {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly elf: ElfFile;
}

const named = ({ path, elf }: Found): { readonly what: string; readonly elf: ElfFile } => ({ what: `"${path}"`, elf });

/** Name of a library -> where it was found; the loader is in it under its own name, which libraries ask for too. */
async function closureOf(executable: ElfFile, needs: Needs, loader: Found): Promise<ReadonlyMap<string, Found>> {
  const found = new Map([[baseName(loader.path), loader]]);
  const open = [...executable.needed];
  for (const name of open) {
    if (found.has(name)) continue;
    if (found.size >= MAX_LIBRARIES) throw missing(name, needs.source.what, `more than ${MAX_LIBRARIES} are needed`);
    const library = await findFile(
      needs,
      needs.folders.map((folder) => `${folder}${name}`),
    );
    found.set(name, library);
    open.push(...library.elf.needed);
  }
  return found;
}

async function findFile({ source, architecture }: Needs, paths: readonly string[]): Promise<Found> {
  const name = baseName(paths[0] ?? "");
  const found = await source.find(paths);
  if (found === undefined) throw missing(name, source.what, "it is not there");
  const { path, bytes } = found;
  const what = `library "${name}" of ${source.what}`;
  const elf = readElf(bytes, what);
  assertMachine(elf, { what, architecture });
  return { path, bytes, elf };
}

/** The folders that stand in the loader as strings, of those that distributions use. */
function searchFolders(
  loader: Uint8Array,
  options: { readonly architecture: Architecture; readonly what: string },
): readonly string[] {
  const text = Buffer.from(loader.buffer, loader.byteOffset, loader.byteLength);
  const triplet = TRIPLETS[options.architecture];
  const known = [`/lib/${triplet}/`, `/usr/lib/${triplet}/`, "/lib64/", "/usr/lib64/", "/lib/", "/usr/lib/"];
  const folders = known.filter((folder) => text.includes(Buffer.from(`\u0000${folder}\u0000`)));
  if (folders.length > 0) return folders;
  throw new ApplianceError(
    "image/runtime-missing",
    `Cannot use loader of ${options.what}: it names no folder that it searches, one of ${known.join(" ")} is wanted`,
  );
}

function assertMachine(elf: ElfFile, wanted: { readonly what: string; readonly architecture: Architecture }): void {
  if (elf.machine === wanted.architecture) return;
  throw new ApplianceError(
    "image/wrong-machine",
    `Cannot use ${wanted.what}: it is for ${elf.machine}, one for ${wanted.architecture} is wanted`,
    { hint: "Give each platform its own: --executable arm64=<file> --runtime-libs arm64=<folder>" },
  );
}

/** A program that was linked against newer libraries does not start with older ones: the loader says so on the box. */
function assertVersions(
  file: { readonly what: string; readonly elf: ElfFile },
  libraries: ReadonlyMap<string, Found>,
  where: string,
): void {
  for (const want of file.elf.wants) {
    if (libraries.get(want.file)?.elf.offers.includes(want.version) === true) continue;
    throw missing(want.file, where, `${file.what} needs ${want.version} from it`);
  }
}

function assertModern(libc: Found, where: string): void {
  if (libc.elf.offers.includes(OLDEST_GLIBC)) return;
  throw missing("libc.so.6", where, "it is older than glibc 2.34, which resolves host names by itself");
}

/** glibc carries its version as a sentence, the one that running libc.so.6 prints. */
function glibcVersion(libc: Uint8Array, where: string): { readonly glibc: string; readonly build: string | undefined } {
  const bytes = Buffer.from(libc.buffer, libc.byteOffset, libc.byteLength);
  const at = bytes.indexOf("GNU C Library (");
  const sentence = at < 0 ? "" : bytes.toString("latin1", at, at + 200);
  const [, build, glibc] = /^GNU C Library \(([^)]{1,100})\) \w+ release version (\d+\.\d+)/.exec(sentence) ?? [];
  if (glibc !== undefined) return { glibc, build };
  throw missing("libc.so.6", where, "it does not say which glibc it is");
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function noLoader(): ApplianceError {
  const is = "it names no loader, a dynamically linked program is wanted";
  return new ApplianceError("image/bad-elf", `Cannot use the executable: ${is}`);
}

function missing(name: string, where: string, is: string): ApplianceError {
  return new ApplianceError("image/runtime-missing", `Cannot use library "${name}" of ${where}: ${is}`, {
    hint: "Give glibc 2.34 or newer of the same machine: the package libc6 of Debian or Ubuntu as --runtime-libs, or a --base image",
  });
}
