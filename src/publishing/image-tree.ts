/**
 * A tree of files out of archives that lie over each other, as the layers of an image do; a Debian package is one such layer.
 *
 * Links are followed inside the tree only. Archives come from a registry or a package: paths are keys here and nothing is
 * ever unpacked to a disk.
 *
 * @see OCI image-spec v1.1.1, layer.md, "Whiteouts"
 */
import { ApplianceError } from "../core/errors.ts";
import { extendedNames, tarEntries } from "../oci/tar.ts";

type Node =
  | { readonly kind: "file"; readonly bytes: Uint8Array }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "folder" };

export interface FileTree {
  /** The file at an absolute path, after links; undefined when there is none. */
  read(path: string): Uint8Array | undefined;
}

/** Entries of all archives together. A base image of a distribution has about 10,000. */
const MAX_ENTRIES = 200_000;
/** Links that are followed for one path. @see path_resolution(7): the kernel's own bound */
const MAX_LINKS = 40;

/**
 * Lays archives over each other, the lowest first.
 *
 * @param what What they are, for messages.
 * @throws {ApplianceError} oci/bad-archive for a damaged archive, oci/too-large for too many entries.
 */
export function fileTree(tars: readonly Uint8Array[], what: string): FileTree {
  const nodes = new Map<string, Node>();
  for (const tar of tars) layOver(nodes, tar, what);
  return {
    read: (path) => {
      const node = nodes.get(resolvePath(nodes, path) ?? "");
      return node?.kind === "file" ? node.bytes : undefined;
    },
  };
}

function layOver(nodes: Map<string, Node>, tar: Uint8Array, what: string): void {
  let names: ReturnType<typeof extendedNames> = {};
  for (const { header, content } of tarEntries(tar, what)) {
    if (["L", "K", "x"].includes(header.type)) {
      names = { ...names, ...extendedNames(header, content) };
      continue;
    }
    const path = plainPath(names.path ?? header.path);
    place(nodes, { path, type: header.type, target: names.target ?? header.target, content });
    names = {};
    if (nodes.size > MAX_ENTRIES) {
      throw new ApplianceError("oci/too-large", `Cannot read ${what}: it has more than ${MAX_ENTRIES} entries`);
    }
  }
}

interface Entry {
  readonly path: string;
  readonly type: string;
  readonly target: string;
  readonly content: Uint8Array;
}

function place(nodes: Map<string, Node>, { path, type, target, content }: Entry): void {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const folder = path.slice(0, path.length - name.length);
  if (name === ".wh..wh..opq") removeBelow(nodes, folder);
  else if (name.startsWith(".wh.")) remove(nodes, `${folder}${name.slice(".wh.".length)}`);
  else if (type === "5") nodes.set(path, { kind: "folder" });
  else if (type === "2") nodes.set(path, { kind: "link", target });
  else if (type === "1") {
    const same = nodes.get(plainPath(target));
    if (same !== undefined) nodes.set(path, same);
  } else if (type === "0" || type === "7") nodes.set(path, { kind: "file", bytes: content });
}

function remove(nodes: Map<string, Node>, path: string): void {
  nodes.delete(path);
  removeBelow(nodes, `${path}/`);
}

function removeBelow(nodes: Map<string, Node>, folder: string): void {
  for (const path of nodes.keys()) if (path.startsWith(folder)) nodes.delete(path);
}

/** "./usr/lib/" and "usr/lib" are one path: "/usr/lib". */
function plainPath(path: string): string {
  return `/${path
    .split("/")
    .filter((part) => part !== "" && part !== ".")
    .join("/")}`;
}

/** Follows links part by part, as the kernel does; ".." never leaves the root. */
function resolvePath(nodes: ReadonlyMap<string, Node>, path: string): string | undefined {
  const open = path.split("/");
  let here = "";
  for (let links = 0; open.length > 0; ) {
    const part = open.shift() ?? "";
    if (part === "" || part === ".") continue;
    if (part === "..") {
      here = here.slice(0, Math.max(0, here.lastIndexOf("/")));
      continue;
    }
    const node = nodes.get(`${here}/${part}`);
    if (node?.kind !== "link") {
      here = `${here}/${part}`;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) return undefined;
    if (node.target.startsWith("/")) here = "";
    open.unshift(...node.target.split("/"));
  }
  return here;
}
