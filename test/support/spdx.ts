/**
 * The rules of SPDX 2.3 that a JSON document must keep, for tests: required fields, forms, ids that exist, verification codes.
 *
 * @see SPDX specification 2.3, clauses 6 to 11
 */
import { createHash } from "node:crypto";

interface Element {
  readonly SPDXID?: unknown;
  readonly [field: string]: unknown;
}

interface Document extends Element {
  readonly packages?: readonly Element[];
  readonly files?: readonly Element[];
  readonly relationships?: readonly Readonly<Record<string, string>>[];
  readonly creationInfo?: { readonly created?: string; readonly creators?: readonly string[] };
}

const ID = /^SPDXRef-[A-Za-z0-9.-]+$/;
const HEX: Readonly<Record<string, number>> = { SHA1: 40, SHA256: 64, SHA512: 128 };

/** What is wrong with a document; empty when nothing is. */
export function checkSpdx(value: unknown): readonly string[] {
  const document = value as Document;
  const { packages = [], files = [], relationships = [] } = document;
  return [
    ...documentProblems(document),
    ...packages.flatMap((one) => packageProblems(one, document)),
    ...files.flatMap(fileProblems),
    ...relationships.flatMap((one) => relationProblems(one, document)),
    ...duplicates([...packages, ...files].map((one) => String(one.SPDXID))),
    ...(relationships.some((one) => one.spdxElementId === "SPDXRef-DOCUMENT" && one.relationshipType === "DESCRIBES")
      ? []
      : ["the document describes nothing"]),
  ];
}

function documentProblems(document: Document): string[] {
  const { created, creators = [] } = document.creationInfo ?? {};
  return [
    document.SPDXID === "SPDXRef-DOCUMENT" ? "" : "SPDXID of the document",
    document.spdxVersion === "SPDX-2.3" ? "" : "spdxVersion",
    document.dataLicense === "CC0-1.0" ? "" : "dataLicense",
    typeof document.name === "string" && document.name !== "" ? "" : "name",
    /^[a-z][a-z0-9+.-]*:\/\/[^\s#]+$/.test(String(document.documentNamespace)) ? "" : "documentNamespace",
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(String(created)) ? "" : "created",
    creators.length > 0 && creators.every((one) => /^(?:Tool|Organization|Person): ./.test(one)) ? "" : "creators",
  ].filter((problem) => problem !== "");
}

function packageProblems(one: Element, document: Document): string[] {
  const at = String(one.SPDXID);
  const location = String(one.downloadLocation);
  return [
    ID.test(at) ? "" : `${at}: id`,
    typeof one.name === "string" && one.name !== "" ? "" : `${at}: name`,
    /^(?:NOASSERTION|NONE|(?:https|git\+https):\/\/.+)$/.test(location) ? "" : `${at}: downloadLocation`,
    /^(?:Organization: .|Person: .|NOASSERTION$)/.test(String(one.supplier)) ? "" : `${at}: supplier`,
    [one.licenseDeclared, one.licenseConcluded].every((text) => typeof text === "string") ? "" : `${at}: licenses`,
    typeof one.copyrightText === "string" ? "" : `${at}: copyrightText`,
    ...contentProblems(one, document),
    ...checksumProblems(one, at),
  ].filter((problem) => problem !== "");
}

/** A package whose files were analyzed names all of them, by a code over their checksums; another one names none. */
function contentProblems(one: Element, document: Document): string[] {
  const at = String(one.SPDXID);
  const contained = (document.relationships ?? [])
    .filter((relation) => relation.spdxElementId === at && relation.relationshipType === "CONTAINS")
    .map((relation) => relation.relatedSpdxElement);
  const files = (document.files ?? []).filter((file) => contained.includes(String(file.SPDXID)));
  const { packageVerificationCodeValue: code } = (one.packageVerificationCode ?? {}) as Record<string, string>;
  if (one.filesAnalyzed === true) return code === verificationCode(files) ? [] : [`${at}: verification code`];
  if (one.filesAnalyzed !== false) return [`${at}: filesAnalyzed`];
  return files.length === 0 && code === undefined ? [] : [`${at}: has files that were not analyzed`];
}

function verificationCode(files: readonly Element[]): string {
  const sums = files.map((file) => checksums(file).find((sum) => sum.algorithm === "SHA1")?.checksumValue ?? "");
  return createHash("sha1").update(sums.sort().join("")).digest("hex");
}

function fileProblems(file: Element): string[] {
  const at = String(file.SPDXID);
  return [
    ID.test(at) ? "" : `${at}: id`,
    /^\.\/[^/]/.test(String(file.fileName)) ? "" : `${at}: fileName`,
    checksums(file).some((sum) => sum.algorithm === "SHA1") ? "" : `${at}: has no SHA1`,
    ...checksumProblems(file, at),
  ].filter((problem) => problem !== "");
}

interface Checksum {
  readonly algorithm?: string;
  readonly checksumValue?: string;
}

function checksums(one: Element): readonly Checksum[] {
  return (one.checksums as readonly Checksum[] | undefined) ?? [];
}

function checksumProblems(one: Element, at: string): string[] {
  return checksums(one).flatMap(({ algorithm = "", checksumValue = "" }) =>
    /^[0-9a-f]+$/.test(checksumValue) && checksumValue.length === HEX[algorithm]
      ? []
      : [`${at}: checksum ${algorithm}`],
  );
}

function relationProblems(one: Readonly<Record<string, string>>, document: Document): string[] {
  const all = [document, ...(document.packages ?? []), ...(document.files ?? [])].map((element) => element.SPDXID);
  const lost = [one.spdxElementId, one.relatedSpdxElement].filter((id) => !all.includes(id));
  const isKnown = ["DESCRIBES", "CONTAINS", "DYNAMIC_LINK", "DESCENDANT_OF", "DEPENDS_ON"].includes(
    one.relationshipType ?? "",
  );
  return [
    ...lost.map((id) => `a relationship leads to ${id}`),
    ...(isKnown ? [] : [`relationship ${one.relationshipType}`]),
  ];
}

function duplicates(ids: readonly string[]): string[] {
  return ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id} stands twice`);
}
