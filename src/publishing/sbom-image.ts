/** The bill of materials of a control-plane image: what is in it on each platform, from the runtime to the packages inside. */
import type { Digest } from "../core/digest.ts";
import { type BuiltImage, type BuiltPlatform, CONTROL_PLANE_REPOSITORY, type ImageFile } from "./image.ts";
import type { BundledPackage } from "./image-facts.ts";
import {
  type SbomChecksum,
  type SbomFile,
  type SbomInput,
  type SbomPackage,
  type SbomRelationship,
  spdxDocument,
} from "./sbom.ts";

/** What a document says of its making. */
export interface SbomOrigin {
  /** RFC 3339, whole seconds. */
  readonly created: string;
  /** "alga-appliance-0.1.0". */
  readonly tool: string;
}

interface Parts {
  readonly packages: readonly SbomPackage[];
  readonly files: readonly SbomFile[];
  readonly relationships: readonly SbomRelationship[];
}

const IMAGE = "Image";
const PUBLISHER = "Organization: Nine Minds";

/** Describes an image as one SPDX document over all its platforms. The same image gives the same document. */
export function imageSbom(image: BuiltImage, origin: SbomOrigin): Readonly<Record<string, unknown>> {
  const { digest, tag, platforms } = image;
  const each = platforms.map((one) => platformParts(one, tag));
  const packages: readonly SbomPackage[] = [
    container(IMAGE, { digest, version: tag, purl: purlOf(digest, `tag=${encodeURIComponent(tag)}`) }),
    ...each.flatMap((parts) => parts.packages),
    ...bundledPackages(platforms),
  ];
  const input: SbomInput = {
    ...origin,
    name: `${CONTROL_PLANE_REPOSITORY}-${tag}`,
    digest,
    describes: IMAGE,
    packages: once(packages),
    files: each.flatMap((parts) => parts.files),
    relationships: [
      ...platforms.map((one) => contains(IMAGE, `${IMAGE}-${one.architecture}`)),
      ...each.flatMap((parts) => parts.relationships),
    ],
  };
  return spdxDocument(input);
}

function platformParts(platform: BuiltPlatform, tag: string): Parts {
  const { architecture, digest, facts, runtime } = platform;
  const id = (name: string): string => `${name}-${architecture}`;
  const files = platform.files.map((file) => ({ kind: file.kind, file: fileRecord(file, architecture) }));
  const idsOf = (kind: ImageFile["kind"]): readonly string[] =>
    files.filter((one) => one.kind === kind).map((one) => one.file.id);
  const executable = files.find((one) => one.kind === "executable")?.file;
  const { origin, base } = runtime.source;
  const packages: SbomPackage[] = [
    {
      ...container(id(IMAGE), { digest, version: tag, purl: purlOf(digest, `arch=${architecture}`) }),
      files: idsOf("configuration"),
    },
    {
      id: id("Executable"),
      name: "alga-appliance",
      version: facts.version,
      purpose: "APPLICATION",
      supplier: PUBLISHER,
      checksums: executable === undefined ? [] : [sha256(executable.digest)],
      source: `Built for ${facts.target} from revision ${facts.revision}; packages installed by the lock file ${facts.lock}`,
      files: idsOf("executable"),
    },
    {
      id: id("glibc"),
      name: origin?.name ?? "glibc",
      version: origin?.version ?? runtime.glibc,
      purpose: "LIBRARY",
      license: "LGPL-2.1-or-later",
      purl: origin?.purl,
      checksums: origin === undefined ? [] : [sha256(origin.digest)],
      source: runtime.build ?? `glibc ${runtime.glibc}`,
      files: idsOf("library"),
    },
    ...(base === undefined ? [] : [baseImage(base)]),
  ];
  return {
    packages,
    files: files.map((one) => one.file),
    relationships: relationsOf(platform, id),
  };
}

function relationsOf({ facts, runtime }: BuiltPlatform, id: (name: string) => string): readonly SbomRelationship[] {
  return [
    contains(id(IMAGE), id("Executable")),
    contains(id(IMAGE), id("glibc")),
    { from: id("Executable"), type: "DYNAMIC_LINK", to: id("glibc") },
    ...facts.packages.map((one) => contains(id("Executable"), packageId(one))),
    ...(runtime.source.base === undefined ? [] : [{ from: id(IMAGE), type: "DESCENDANT_OF", to: BASE } as const]),
  ];
}

const BASE = "BaseImage";

function baseImage({ name, digest }: { readonly name?: string; readonly digest: Digest }): SbomPackage {
  return { id: BASE, name: name ?? "base image", purpose: "CONTAINER", checksums: [sha256(digest)] };
}

function container(
  id: string,
  about: { readonly digest: Digest; readonly version: string; readonly purl: string },
): SbomPackage {
  const { digest, version, purl } = about;
  return {
    id,
    name: CONTROL_PLANE_REPOSITORY,
    version,
    purpose: "CONTAINER",
    supplier: PUBLISHER,
    purl,
    checksums: [sha256(digest)],
  };
}

function fileRecord(file: ImageFile, architecture: string): SbomFile {
  const { path, sha1, digest, kind } = file;
  const id = `File-${architecture}${path.replace(/[^A-Za-z0-9.]+/g, "-")}`;
  return { id, path, sha1, digest, type: kind === "configuration" ? "TEXT" : "BINARY" };
}

/** Packages of npm, each once for all platforms: the runtime of each, and what the bundler took. */
function bundledPackages(platforms: readonly BuiltPlatform[]): readonly SbomPackage[] {
  return platforms.flatMap(({ facts }) => facts.packages).map(npmPackage);
}

function npmPackage(one: BundledPackage): SbomPackage {
  const { name, version, license, integrity, kind } = one;
  return {
    id: packageId(one),
    name,
    version,
    purpose: kind === "runtime" ? "APPLICATION" : "LIBRARY",
    license,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    checksums: integrity === undefined ? [] : [sha512(integrity)],
  };
}

const packageId = ({ name, version }: BundledPackage): string =>
  `npm-${name.replace(/[^A-Za-z0-9.]+/g, "-").replace(/^-/, "")}-${version.replace(/[^A-Za-z0-9.]+/g, "-")}`;

/** @see package-url specification, type "oci": the digest is the version */
const purlOf = (digest: Digest, qualifier: string): string =>
  `pkg:oci/${CONTROL_PLANE_REPOSITORY}@${encodeURIComponent(digest)}?${qualifier}`;

const sha256 = (digest: Digest): SbomChecksum => ({ algorithm: "SHA256", value: digest.slice("sha256:".length) });

/** npm writes the checksum of an archive in base64, SPDX in hex. @see W3C Subresource Integrity, section 3.5 */
const sha512 = (integrity: string): SbomChecksum => ({
  algorithm: "SHA512",
  value: Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex"),
});

const contains = (from: string, to: string): SbomRelationship => ({ from, type: "CONTAINS", to });

function once(packages: readonly SbomPackage[]): readonly SbomPackage[] {
  return [...new Map(packages.map((one) => [one.id, one])).values()];
}
