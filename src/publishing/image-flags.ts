/** The flags that say what the control-plane image is made of, shared by `release image` and `release build`. */
import type { CommandContext, Flag } from "../cli/command.ts";
import { flagText, flagTexts, typedPath } from "../cli/flag-values.ts";
import { parseDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { isLoopbackHost } from "../core/hosts.ts";
import type { Deps } from "../core/ports.ts";
import { folderReader, type Layout, refuseLinkedFolders } from "../oci/layout.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { parseReference } from "../oci/reference.ts";
import { openRegistry } from "../release/registry-access.ts";
import { registryAccess } from "../release/registry-flags.ts";
import type { PlatformInput } from "./image.ts";
import { type BaseContent, layoutBase, openBase, registryBase } from "./image-base.ts";
import { type Architecture, ELF_HEADER_BYTES, elfMachine } from "./image-elf.ts";
import type { RuntimeSource } from "./image-runtime.ts";
import { openRuntimeSource } from "./image-sources.ts";

export const IMAGE_FLAGS: readonly Flag[] = [
  {
    name: "executable",
    type: "string",
    multiple: true,
    value: "<file>",
    summary: "Executable of a platform, one for each",
    fallback: "this one",
  },
  {
    name: "runtime-libs",
    type: "string",
    multiple: true,
    value: "[amd64=|arm64=]<folder or .deb>",
    summary:
      "Where the libraries of glibc come from, for each platform: a folder, / for this system, or the package libc6",
  },
  {
    name: "base",
    type: "string",
    value: "<image@sha256:...>",
    summary: "Build on this image instead, from a registry or from a layout (oci:<folder>@sha256:...)",
  },
];

type ImageContext = Pick<CommandContext, "flags" | "env" | "settings" | "deps" | "readStdin">;

/** Bytes of an executable at most; today's has 108 MB. */
const MAX_EXECUTABLE_BYTES = 512 * 1024 * 1024;
/** Of the process itself, on Linux. */
const RUNNING = "/proc/self/exe";

/**
 * Reads the flags into the platforms of an image. Executables are looked at, libraries are opened when they are needed.
 *
 * @throws {ApplianceError} cli/usage when a platform stands twice, or has neither libraries nor a base; file/unreadable;
 *   image/bad-elf for an executable that is none.
 */
export async function imagePlatforms(context: ImageContext): Promise<readonly PlatformInput[]> {
  const executables = await executablesOf(context);
  const libraries = librariesOf(context, [...executables.keys()]);
  const base = flagText(context.flags, "base");
  if (base !== undefined && libraries.size > 0) {
    throw usage("Cannot take libraries from two places: --base and --runtime-libs were given, one of them is wanted");
  }
  const content = base === undefined ? undefined : await baseContent(context, base);
  return [...executables].map(([architecture, path]) => ({
    architecture,
    what: path === RUNNING ? "the running executable" : `executable "${path}"`,
    executable: () => readExecutable(context.deps, path),
    runtime: () => openSource(context, { architecture, content, folder: libraries.get(architecture) }),
  }));
}

async function openSource(
  { deps }: ImageContext,
  from: {
    readonly architecture: Architecture;
    readonly content: BaseContent | undefined;
    readonly folder: string | undefined;
  },
): Promise<RuntimeSource> {
  const { architecture, content, folder } = from;
  if (content !== undefined) return await openBase(content, { architecture });
  if (folder !== undefined) return await openRuntimeSource(deps, folder, { architecture });
  throw usage(`Cannot build image for ${architecture}: nothing says where the libraries of glibc come from`, {
    hint: `Give --runtime-libs ${architecture}=<folder or .deb>, / for those of this system, or --base <image@sha256:...>`,
  });
}

async function executablesOf(context: ImageContext): Promise<Map<Architecture, string>> {
  const given = flagTexts(context.flags, "executable");
  const paths = given.length === 0 ? [RUNNING] : given.map((path) => typedPath(path, context.env));
  const found = new Map<Architecture, string>();
  for (const path of paths) {
    const architecture = await architectureOf(context.deps, path);
    if (found.has(architecture)) throw usage(`Cannot build image: two executables for ${architecture} were given`);
    found.set(architecture, path);
  }
  return found;
}

async function architectureOf({ files }: Pick<Deps, "files">, path: string): Promise<Architecture> {
  const file = await files.openRead(path);
  if (file === undefined) throw noExecutable(path);
  try {
    const machine = elfMachine(await file.readAt(0, ELF_HEADER_BYTES), `executable "${path}"`);
    if (machine === "amd64" || machine === "arm64") return machine;
    throw new ApplianceError(
      "image/wrong-machine",
      `Cannot use executable "${path}": it is for ${machine}, one for amd64 or arm64 is wanted`,
    );
  } finally {
    await file.close();
  }
}

/** In one piece of its own size: growing a buffer would take three times the memory for a hundred megabytes. */
async function readExecutable({ files }: Pick<Deps, "files">, path: string): Promise<Uint8Array> {
  const file = await files.openRead(path);
  if (file === undefined) throw noExecutable(path);
  try {
    if (file.sizeBytes <= MAX_EXECUTABLE_BYTES) return await file.readAt(0, file.sizeBytes);
  } finally {
    await file.close();
  }
  throw new ApplianceError(
    "file/too-large",
    `Cannot read executable "${path}": it has ${file.sizeBytes} bytes, at most ${MAX_EXECUTABLE_BYTES} are read`,
  );
}

function noExecutable(path: string): ApplianceError {
  return new ApplianceError("file/unreadable", `Cannot read executable "${path}": there is no such file`, {
    hint: "Build it with npm run build, or name another one with --executable",
  });
}

/** Platform -> folder or package. A path without a platform is for the only one there is. */
function librariesOf(context: ImageContext, platforms: readonly Architecture[]): Map<Architecture, string> {
  const found = new Map<Architecture, string>();
  for (const value of flagTexts(context.flags, "runtime-libs")) {
    const [, named, path = ""] = /^(?:(\w+)=)?(.+)$/s.exec(value) ?? [];
    const architecture = platforms.find((one) => one === named) ?? (named === undefined ? platforms[0] : undefined);
    if (architecture === undefined) {
      throw usage(`Cannot take libraries for "${named}": there is no executable for it, one for it is wanted`);
    }
    if (named === undefined && platforms.length > 1) {
      throw usage(`Cannot take libraries from "${path}" for ${platforms.length} platforms: one for each is wanted`, {
        hint: "Write --runtime-libs amd64=<folder or .deb> --runtime-libs arm64=<folder or .deb>",
      });
    }
    found.set(architecture, typedPath(path, context.env));
  }
  return found;
}

async function baseContent(context: ImageContext, value: string): Promise<BaseContent> {
  const [, folder, layoutDigest] = /^oci:(?!\/\/)(.+)@(sha256:[0-9a-f]{64})$/.exec(value) ?? [];
  if (folder !== undefined && layoutDigest !== undefined) {
    const layout = await openContent(context.deps, typedPath(folder, context.env));
    return await layoutBase(layout, { digest: parseDigest(layoutDigest), reference: value });
  }
  const reference = parseReference(value);
  if (reference.digest === undefined) {
    throw usage(`Cannot build on image "${value}": a tag may name another image tomorrow, a digest is wanted`, {
      hint: "Write it as host/repository@sha256:<64 hex digits>",
    });
  }
  const access = await registryAccess(context, reference);
  // --plain-http speaks of our own registry; a base image is somebody else's.
  const client = openRegistry(context.deps, { ...access, plainHttp: isLoopbackHost(reference.registry) });
  return registryBase(client, { repository: reference.repository, digest: reference.digest, reference: value });
}

/** A folder of content, whatever its index names; or a tar file of ours. */
async function openContent({ files }: Pick<Deps, "files">, place: string): Promise<Layout> {
  if ((await files.stat(place))?.kind !== "directory") return await openLayoutAt({ files }, place);
  await refuseLinkedFolders(files, place);
  return folderReader(files, place, () => []);
}

function usage(message: string, options: { readonly hint?: string } = {}): ApplianceError {
  return new ApplianceError("cli/usage", message, options);
}
