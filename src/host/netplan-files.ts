/**
 * The netplan files of others: what they call an interface, and how they read without the addresses that they give it.
 *
 * netplan merges all files: a word of ours wins over theirs, but lists are added together, so lists of theirs must go. The rest of a
 * definition stays where it is: what a bond is made of, the number of a VLAN, the card that a name is matched to.
 *
 * @see netplan(5), "Merging"; https://netplan.readthedocs.io/en/stable/netplan-yaml/
 */
import { join } from "node:path/posix";
import { type Document, parseDocument } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import { isPlainObject } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";

/** What netplan calls an interface: "ethernets" and "eth0", "vlans" and "office". */
export interface NetplanDefinition {
  readonly kind: string;
  readonly id: string;
}

/** A file of somebody else, and how it reads afterwards. */
export interface NetplanEdit {
  readonly path: string;
  readonly text: string;
}

export interface NetplanFiles {
  /** Under which name our file must speak of the interface. */
  readonly definition: NetplanDefinition;
  readonly edits: readonly NetplanEdit[];
  /** What our file says of other interfaces, which it goes on to say: by kind, then by name. */
  readonly kept: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The file that the appliance writes, and no other. */
export const OUR_NETPLAN = "90-alga-appliance.yaml";

const MAX_BYTES = 256 * 1024;
const MAX_ALIASES = 100;
const KINDS = ["ethernets", "wifis", "modems", "bonds", "bridges", "vlans", "tunnels", "dummy-devices", "vrfs"];
/** Added to ours, or at odds with them. */
const GIVEN = ["addresses", "routes", "routing-policy", "nameservers", "gateway4", "gateway6"];

/** The interface, and what else the box has. */
export interface NetplanTarget {
  /** Of the box, "/". */
  readonly root: string;
  readonly name: string;
  /** Names of all interfaces. */
  readonly interfaces: readonly string[];
}

/**
 * Reads the files of others for one interface. Reads only.
 *
 * @throws {ApplianceError} host/network-invalid for a file that is no YAML (netplan would refuse it too), and for a definition by a
 *   pattern that other interfaces have too: they would get the same addresses.
 */
export async function readNetplanFiles(files: Deps["files"], target: NetplanTarget): Promise<NetplanFiles> {
  const { root, name, interfaces } = target;
  const folder = join(root, "etc/netplan");
  const card = (await textOf(files, join(root, "sys/class/net", name, "address")))?.trim().toLowerCase();
  const edits: NetplanEdit[] = [];
  let definition: NetplanDefinition | undefined;
  for (const file of [...(await files.list(folder))].sort()) {
    if (!file.endsWith(".yaml") || file === OUR_NETPLAN) continue;
    const path = join(folder, file);
    const document = documentOf(path, (await textOf(files, path)) ?? "");
    const own = definitionsOf(path, document).filter((one) => isOf(one, name, card));
    for (const one of own)
      checkAlone(
        path,
        one,
        interfaces.filter((other) => other !== name),
      );
    definition ??= own[0];
    const gone = own.flatMap(({ kind, id }) => GIVEN.map((key) => ["network", kind, id, key]));
    const found = gone.filter((place) => document.hasIn(place) && document.deleteIn(place));
    if (found.length > 0) edits.push({ path, text: textFrom(path, document) });
  }
  const { kind, id } = definition ?? { kind: "ethernets", id: name };
  return { definition: { kind, id }, edits, kept: await keptOf(files, { path: join(folder, OUR_NETPLAN), id }) };
}

async function keptOf(
  files: Deps["files"],
  { path, id }: { readonly path: string; readonly id: string },
): Promise<NetplanFiles["kept"]> {
  const found = definitionsOf(path, documentOf(path, (await textOf(files, path)) ?? "")).filter((one) => one.id !== id);
  const kinds = [...new Set(found.map(({ kind }) => kind))];
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      Object.fromEntries(found.filter((one) => one.kind === kind).map((one) => [one.id, one.content])),
    ]),
  );
}

function checkAlone(path: string, { id, content }: Found, others: readonly string[]): void {
  const pattern = patternOf(content);
  const too = pattern === undefined ? undefined : others.find((other) => isMatch(pattern, other));
  if (pattern === undefined || too === undefined) return;
  throw new ApplianceError(
    "host/network-invalid",
    `Cannot set the interfaces "${pattern}": "${path}" gives them one definition ("${id}"), and "${too}" is one of them; one of its own is wanted`,
    { hint: `Name the interface there instead of "${pattern}"` },
  );
}

function documentOf(path: string, text: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw unreadable(path, error);
  return document;
}

/** What is taken out may be named elsewhere by an alias; then nothing can be written. */
function textFrom(path: string, document: Document): string {
  try {
    return document.toString();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function contentOf(path: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): ApplianceError {
  const message = `Cannot read "${path}": it is no YAML, or one with aliases; a plain netplan file is wanted`;
  return new ApplianceError("host/network-invalid", message, { cause });
}

interface Found extends NetplanDefinition {
  readonly content: Readonly<Record<string, unknown>>;
}

function definitionsOf(path: string, document: Document): readonly Found[] {
  const content = contentOf(path, document);
  const network = isPlainObject(content) && isPlainObject(content.network) ? content.network : {};
  return KINDS.flatMap((kind) => {
    const all = network[kind];
    if (!isPlainObject(all)) return [];
    return Object.entries(all).map(([id, one]) => ({ kind, id, content: isPlainObject(one) ? one : {} }));
  });
}

/** By its name, by the name that it is given, or by what it matches: a definition that matches has its own name for itself. */
function isOf({ id, content }: Found, name: string, card: string | undefined): boolean {
  const match = isPlainObject(content.match) ? content.match : {};
  const given = content["set-name"];
  if (typeof given === "string") return given === name;
  const pattern = patternOf(content);
  if (pattern !== undefined && !isMatch(pattern, name)) return false;
  if (typeof match.macaddress === "string") return match.macaddress.toLowerCase() === card;
  return pattern !== undefined || id === name;
}

function patternOf({ match }: Found["content"]): string | undefined {
  return isPlainObject(match) && typeof match.name === "string" ? match.name : undefined;
}

/** As a shell matches names of files. @see glob(7) */
function isMatch(pattern: string, name: string): boolean {
  const text = pattern
    .replaceAll(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  try {
    return new RegExp(`^${text.replaceAll("[!", "[^")}$`).test(name);
  } catch {
    return false;
  }
}

async function textOf(files: Pick<Deps["files"], "read">, path: string): Promise<string | undefined> {
  const bytes = await files.read(path, { maxBytes: MAX_BYTES }).catch(() => undefined);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
