/**
 * The bill of materials of what is published, as SPDX 2.3 JSON: packages, files and how they hang together.
 *
 * This file knows SPDX and nothing of ours: documents are made from plain records, checked against the rules of the
 * specification, and have the same bytes for the same records. No clock and no random name: the namespace is made of the
 * digest of what is described.
 *
 * @see SPDX specification 2.3, clauses 6 (document), 7 (packages), 8 (files), 11 (relationships)
 */
import { createHash } from "node:crypto";
import type { Digest } from "../core/digest.ts";

/** Media type and artifact type of a document. @see IANA media types, application/spdx+json */
export const SPDX_MEDIA_TYPE = "application/spdx+json";

export interface SbomInput {
  /** What is described, without spaces: "alga-appliance-control-plane-1.0.3". */
  readonly name: string;
  /** Of what is described; it makes the namespace of the document unique. */
  readonly digest: Digest;
  /** RFC 3339, whole seconds. */
  readonly created: string;
  /** Who made the document: "alga-appliance-0.1.0". */
  readonly tool: string;
  /** Id of the package that the document is about. */
  readonly describes: string;
  readonly packages: readonly SbomPackage[];
  readonly files: readonly SbomFile[];
  readonly relationships: readonly SbomRelationship[];
}

/** Ids are letters, digits, "." and "-", and are unique in the document. */
export interface SbomPackage {
  readonly id: string;
  readonly name: string;
  readonly version?: string | undefined;
  readonly purpose: "CONTAINER" | "APPLICATION" | "LIBRARY" | "ARCHIVE";
  /** Who gives it out, when that is known. */
  readonly supplier?: string | undefined;
  /** As the package declares it; what is no SPDX expression is left out. */
  readonly license?: string | undefined;
  readonly purl?: string | undefined;
  readonly checksums?: readonly SbomChecksum[] | undefined;
  /** From what it was made, in words. */
  readonly source?: string | undefined;
  /** Ids of all its files; absent: they were not looked at. */
  readonly files?: readonly string[] | undefined;
}

export interface SbomChecksum {
  readonly algorithm: "SHA1" | "SHA256" | "SHA512";
  /** Hex. */
  readonly value: string;
}

export interface SbomFile {
  readonly id: string;
  /** Absolute path. */
  readonly path: string;
  readonly type: "BINARY" | "TEXT";
  readonly sha1: string;
  readonly digest: Digest;
}

export interface SbomRelationship {
  readonly from: string;
  readonly type: "CONTAINS" | "DYNAMIC_LINK" | "DESCENDANT_OF" | "DEPENDS_ON";
  readonly to: string;
}

const NONE = "NOASSERTION";
const PUBLISHER = "Organization: Nine Minds";

/**
 * Makes a document.
 *
 * @throws {Error} when an id stands twice or a relationship leads nowhere: a defect of the caller.
 */
export function spdxDocument(input: SbomInput): Readonly<Record<string, unknown>> {
  assertIds(input);
  const shaOf = new Map(input.files.map((file) => [file.id, file.sha1]));
  return {
    SPDXID: "SPDXRef-DOCUMENT",
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    name: input.name,
    documentNamespace: `https://spdx.org/spdxdocs/${input.name}-${hex(input.digest)}`,
    creationInfo: { created: input.created, creators: [PUBLISHER, `Tool: ${input.tool}`] },
    packages: input.packages.map((one) => packageOf(one, shaOf)),
    files: input.files.map(fileOf),
    relationships: [
      relation({ from: "DOCUMENT", type: "DESCRIBES", to: input.describes }),
      ...input.packages.flatMap(({ id, files = [] }) =>
        files.map((file) => relation({ from: id, type: "CONTAINS", to: file })),
      ),
      ...input.relationships.map(relation),
    ],
  };
}

function packageOf(one: SbomPackage, shaOf: ReadonlyMap<string, string>): Readonly<Record<string, unknown>> {
  const { files, checksums = [], purl } = one;
  const isAnalyzed = files !== undefined && files.length > 0;
  return {
    SPDXID: ref(one.id),
    name: one.name,
    versionInfo: one.version,
    supplier: one.supplier ?? NONE,
    downloadLocation: NONE,
    filesAnalyzed: isAnalyzed,
    ...(isAnalyzed ? { packageVerificationCode: verificationCode(files, shaOf) } : {}),
    checksums: checksums.length === 0 ? undefined : checksums.map(checksum),
    sourceInfo: one.source,
    licenseConcluded: NONE,
    licenseDeclared: licenseExpression(one.license),
    copyrightText: NONE,
    externalRefs:
      purl === undefined
        ? undefined
        : [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
    primaryPackagePurpose: one.purpose,
  };
}

/** @see SPDX specification 2.3, clause 7.9: SHA-1 over the sorted SHA-1 values of all files, joined */
function verificationCode(
  files: readonly string[],
  shaOf: ReadonlyMap<string, string>,
): { readonly packageVerificationCodeValue: string } {
  const all = files.map((id) => shaOf.get(id) ?? "").sort();
  return { packageVerificationCodeValue: createHash("sha1").update(all.join("")).digest("hex") };
}

function fileOf(file: SbomFile): Readonly<Record<string, unknown>> {
  return {
    SPDXID: ref(file.id),
    fileName: `.${file.path}`,
    fileTypes: [file.type],
    checksums: [
      checksum({ algorithm: "SHA1", value: file.sha1 }),
      checksum({ algorithm: "SHA256", value: hex(file.digest) }),
    ],
    licenseConcluded: NONE,
    licenseInfoInFiles: [NONE],
    copyrightText: NONE,
  };
}

const checksum = ({ algorithm, value }: SbomChecksum) => ({ algorithm, checksumValue: value });

function relation(one: { readonly from: string; readonly type: string; readonly to: string }) {
  return { spdxElementId: ref(one.from), relationshipType: one.type, relatedSpdxElement: ref(one.to) };
}

/**
 * npm packages may declare a word that is no license. A wrong one would make the document unreadable for tools.
 *
 * @see SPDX specification 2.3, annex D, "SPDX license expressions"
 */
function licenseExpression(declared: string | undefined): string {
  if (declared === undefined || /^(?:UNLICENSED|SEE LICENSE)/i.test(declared)) return NONE;
  return /^\(?[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*\)?$/.test(declared) ? declared : NONE;
}

const ref = (id: string): string => `SPDXRef-${id}`;
const hex = (digest: Digest): string => digest.slice("sha256:".length);

function assertIds({ packages, files, relationships, describes }: SbomInput): void {
  const ids = [...packages.map((one) => one.id), ...files.map((one) => one.id)];
  const known = new Set(ids);
  const wrong = ids.find((id) => !/^[A-Za-z0-9.-]+$/.test(id));
  if (known.size !== ids.length || wrong !== undefined)
    throw new Error(`Cannot describe "${wrong}": ids must be unique and plain`);
  const ends = [
    describes,
    ...relationships.flatMap(({ from, to }) => [from, to]),
    ...packages.flatMap((one) => one.files ?? []),
  ];
  const lost = ends.find((id) => !known.has(id));
  if (lost !== undefined) throw new Error(`Cannot relate "${lost}": it is not in the document`);
}
