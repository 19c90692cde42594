/**
 * A Debian package as a source of libraries: an ar archive with two compressed tars, read in memory.
 *
 * The package is the form in which a distribution publishes a digest of glibc for every machine, so it is what a publisher
 * on any system can fetch, name and check.
 *
 * @see deb(5); ar(5)
 */
import { digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { decompress } from "./image-decompress.ts";
import type { Architecture } from "./image-elf.ts";
import type { RuntimeSource } from "./image-runtime.ts";
import { fileTree } from "./image-tree.ts";

/** Bytes of one part of the package after decompression. The package libc6 unpacks to 13 MB. */
const MAX_UNPACKED = 256 * 1024 * 1024;
const AR_MAGIC = "!<arch>\n";
const AR_HEADER = 60;
/** Who an architecture is for Debian. */
const DEBIAN_ARCHITECTURES: Readonly<Record<Architecture, string>> = { amd64: "amd64", arm64: "arm64" };

/**
 * Opens a package as a source of libraries.
 *
 * @param what For messages: `package "/x/libc6.deb"`.
 * @throws {ApplianceError} image/bad-source when it is no Debian package or damaged.
 * @throws {ApplianceError} image/wrong-machine when it is for another architecture.
 */
export async function openPackage(
  bytes: Uint8Array,
  options: { readonly what: string; readonly architecture: Architecture },
): Promise<RuntimeSource> {
  const { what, architecture } = options;
  const parts = readAr(bytes, what);
  const control = fileTree([await unpackPart(parts, "control.tar", what)], what).read("/control");
  const fields = controlFields(new TextDecoder().decode(control));
  const { Package: name, Version: version, Architecture: machine } = fields;
  if (name === undefined || version === undefined) throw badPackage(what, "it does not name itself");
  if (machine !== DEBIAN_ARCHITECTURES[architecture]) {
    throw new ApplianceError(
      "image/wrong-machine",
      `Cannot use ${what}: it is for ${machine}, one for ${architecture} is wanted`,
    );
  }
  const tree = fileTree([await unpackPart(parts, "data.tar", what)], what);
  return {
    what: `package ${name} ${version}`,
    origin: {
      name,
      version,
      purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${machine}`,
      digest: digestOf(bytes),
    },
    find: (paths) => {
      const path = paths.find((one) => tree.read(one) !== undefined);
      const found = path === undefined ? undefined : tree.read(path);
      return Promise.resolve(found === undefined ? undefined : { path: paths[0] ?? "", bytes: found });
    },
  };
}

/** Parts of an ar archive by name. */
function readAr(bytes: Uint8Array, what: string): ReadonlyMap<string, Uint8Array> {
  const ascii = (from: number, to: number): string => String.fromCharCode(...bytes.subarray(from, to));
  if (ascii(0, AR_MAGIC.length) !== AR_MAGIC) throw badPackage(what, "it is no Debian package (.deb)");
  const parts = new Map<string, Uint8Array>();
  for (let at = AR_MAGIC.length; at + AR_HEADER <= bytes.length; ) {
    const name = ascii(at, at + 16)
      .trim()
      .replace(/\/$/, "");
    const size = Number(ascii(at + 48, at + 58).trim());
    const content = bytes.subarray(at + AR_HEADER, at + AR_HEADER + size);
    if (!Number.isSafeInteger(size) || size < 0 || content.length < size) throw badPackage(what, "it is cut short");
    parts.set(name, content);
    at += AR_HEADER + size + (size % 2);
  }
  return parts;
}

async function unpackPart(parts: ReadonlyMap<string, Uint8Array>, name: string, what: string): Promise<Uint8Array> {
  const [file, packed] = [...parts].find(([key]) => key.startsWith(name)) ?? [];
  if (file === undefined || packed === undefined) throw badPackage(what, `it has no part ${name}`);
  return await decompress(packed, { what: `${file} of ${what}`, maxBytes: MAX_UNPACKED });
}

/** The fields of a control file that stand on one line. @see deb-control(5) */
function controlFields(text: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries([...text.matchAll(/^(\w[\w-]*): *(.*)$/gm)].map(([, key, value]) => [key, value?.trim()]));
}

function badPackage(what: string, is: string): ApplianceError {
  return new ApplianceError("image/bad-source", `Cannot use ${what}: ${is}`, {
    hint: "Fetch it again: apt-get download libc6",
  });
}
