/**
 * The rules of the house as data: which room may import which, where effects stand, and what stands nowhere.
 *
 * Each rule is also shown failing on a made-up file, so that a rule that cannot fail is noticed.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";

const ROOT = resolve(import.meta.dirname, "..");

/**
 * Room -> rooms it may import, with the reason, from the ground up: a room knows only rooms that stand before it. Every other arrow
 * fails, and so does one that nobody takes. `core` may be imported by all.
 */
const ARROWS: Readonly<Record<string, { readonly to: readonly string[]; readonly why: string }>> = {
  core: { to: [], why: "the vocabulary knows nobody" },
  cli: { to: [], why: "flags, help and output know no capability" },
  platform: { to: ["cli"], why: "implements the ports of core, and the process as the environment of a command run" },
  oci: { to: [], why: "the OCI specifications and nothing of ours" },
  kube: { to: [], why: "a Kubernetes API and nothing of ours" },
  operation: { to: ["cli"], why: "steps and journals know no capability" },
  trust: { to: ["cli", "oci"], why: "keys, signatures and signed metadata, over plain OCI" },
  release: { to: ["cli", "oci", "operation", "trust"], why: "a release is found in a registry, and believed" },
  flux: { to: ["oci", "kube", "operation", "release"], why: "Flux is configured from a release" },
  publishing: {
    to: ["cli", "oci", "kube", "operation", "trust", "release", "flux", "embed"],
    why: "everything that writes to registries and layouts",
  },
  status: { to: ["cli", "oci", "kube", "operation", "release", "flux"], why: "observes what release and Flux made" },
  storage: { to: ["kube", "operation"], why: "volumes of a cluster, for the host and for setup alike" },
  preflight: {
    to: ["oci", "kube", "operation", "release", "status", "storage"],
    why: "what must hold before anything is changed, for setup and updates alike",
  },
  setup: {
    to: ["cli", "oci", "kube", "operation", "release", "flux", "status", "storage", "preflight"],
    why: "the first installation, and what of it is changed later",
  },
  update: {
    to: ["cli", "oci", "kube", "operation", "release", "flux", "status", "preflight"],
    why: "what brings the next release, and the one before again",
  },
  engines: {
    to: ["cli", "kube", "operation", "release", "status", "setup", "update"],
    why: "setup and updates over one set of operations: whoever opens a box can go on with any run of it",
  },
  host: {
    to: ["cli", "oci", "kube", "operation", "release", "status", "storage", "embed"],
    why: "the thin side of systemd: it asks which control plane a channel names; the product is not its business",
  },
  server: {
    to: ["cli", "oci", "kube", "operation", "release", "status", "setup", "update", "engines", "embed"],
    why: "the edge over all engines",
  },
  rehearsal: {
    to: ["cli", "oci", "kube", "trust", "release", "flux", "publishing", "storage", "setup", "host", "server", "embed"],
    why: "a box on a laptop is all of it",
  },
};

/** Modules that are effects; only platform and main may import them. */
const EFFECT_MODULES =
  /from "(?:node:)?(?:fs|fs\/promises|child_process|net|http|https|http2|dgram|tls|dns|dns\/promises|os|worker_threads|cluster|readline|process|timers|timers\/promises)"/;

/** Words that are effects; only platform and main may use them. */
const EFFECT_WORDS: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: "the wall clock", pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/ },
  { name: "randomness", pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(|\bgetRandomValues\(/ },
  { name: "timers", pattern: /\b(?:setTimeout|setInterval|setImmediate)\(|\bAbortSignal\.timeout\(/ },
  { name: "the process", pattern: /\bprocess\.\w/ },
  { name: "the console", pattern: /\bconsole\.\w/ },
  { name: "the global fetch", pattern: /(?<![.\w])(?:globalThis\.)?fetch\(\s*["'`]/ },
];

const RUNTIME_NAMES = /\b(?:Bun|Deno)\.\w|from "bun(?::\w+)?"/;

interface Source {
  readonly path: string;
  readonly text: string;
}

function sources(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

const product = sources("src").filter((source) => !source.path.endsWith(".test.ts"));

function roomOf(path: string): string {
  const parts = path.split("/");
  return parts[0] !== "src" ? (parts[0] ?? "") : parts.length === 2 ? "main" : (parts[1] ?? "");
}

function importsOf(source: Source): string[] {
  const found = source.text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g);
  return [...found].map(([, target]) => relative(ROOT, resolve(ROOT, dirname(source.path), target ?? "")));
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}

function wrongArrows(all: readonly Source[]): string[] {
  return all.flatMap((source) => importsOf(source).flatMap((target) => wrongArrow(source.path, target)));
}

function wrongArrow(path: string, target: string): string[] {
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === "main" || from === to || to === "core") return [];
  if (ARROWS[from]?.to.includes(to)) return [];
  return [`${path} imports ${target}: ${from} may not know ${to}`];
}

function wrongEffects(all: readonly Source[]): string[] {
  return all
    .filter((source) => !["platform", "main"].includes(roomOf(source.path)))
    .flatMap((source) => {
      const code = withoutComments(source.text);
      const words = EFFECT_WORDS.filter((effect) => effect.pattern.test(code)).map((effect) => effect.name);
      const modules = EFFECT_MODULES.test(code) ? ["an effect module"] : [];
      return [...words, ...modules].map((what) => `${source.path} touches ${what}: take it through a port`);
    });
}

function runtimeNames(all: readonly Source[]): string[] {
  return all
    .filter((source) => RUNTIME_NAMES.test(withoutComments(source.text)))
    .map((source) => `${source.path} names a runtime`);
}

function cycles(all: readonly Source[]): string[] {
  const edges = new Map(all.map((source) => [source.path, valueImports(source)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (trail.includes(path) || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

/** Imports that stay after types are erased, and that are not lazy: only those can make a cycle at load time. */
function valueImports(source: Source): string[] {
  const text = source.text
    .replace(/\bimport type [^;]*;/g, "")
    .replace(/\bexport type \{[^;]*;/g, "")
    .replace(/\bimport\(/g, "lazy(");
  return importsOf({ path: source.path, text });
}

const made = (path: string, text: string): Source[] => [{ path, text }];

/** Rooms that a room knows before they stand: an arrow back up. `embed` is no room: what it holds was made before. */
function upwardArrows(table: typeof ARROWS): string[] {
  const order = Object.keys(table);
  return order.flatMap((from, at) =>
    (table[from]?.to ?? [])
      .filter((to) => order.indexOf(to) > at)
      .map((to) => `${from} knows ${to}, which stands above it`),
  );
}

/** Arrows of the table that no file takes. */
function idleArrows(table: typeof ARROWS, all: readonly Source[]): string[] {
  const taken = new Set(
    all.flatMap((source) => importsOf(source).map((target) => `${roomOf(source.path)} -> ${roomOf(target)}`)),
  );
  const arrows = Object.entries(table).flatMap(([from, { to }]) => to.map((one) => `${from} -> ${one}`));
  return arrows.filter((arrow) => !taken.has(arrow));
}

/** What the map in docs/architecture.md tells of each room, from the ground up. */
function toldRooms(): readonly (readonly [string, readonly string[]])[] {
  const map = readFileSync(join(ROOT, "docs/architecture.md"), "utf8");
  return [...map.matchAll(/^\| `(\w+)\/` +\|[^|]+\| ([^|]+?) *\|$/gm)].map(([, room = "", knows = ""]) => [
    room,
    knows === "nobody" ? [] : knows.split(", "),
  ]);
}

describe("the house", () => {
  it("has only the arrows of the table", () => assert.deepEqual(wrongArrows(product), []));
  it("has no arrow back up, and none that nobody takes", () => {
    assert.deepEqual([upwardArrows(ARROWS), idleArrows(ARROWS, product)], [[], []]);
  });
  it("is told by its map: the same rooms in the same order, with what each may know", () => {
    const wanted = Object.entries(ARROWS).map(([room, { to }]) => [room, to]);
    assert.deepEqual(toldRooms(), wanted);
  });
  it("keeps effects in platform and main", () => assert.deepEqual(wrongEffects(product), []));
  it("names no runtime in src", () => assert.deepEqual(runtimeNames(product), []));
  it("has no cycles between files", () => assert.deepEqual(cycles(product), []));
  it("has rooms that the table knows", () => {
    const rooms = [...new Set(product.map((source) => roomOf(source.path)))].filter((room) => room !== "main");
    assert.deepEqual(
      rooms.filter((room) => ARROWS[room] === undefined),
      [],
    );
  });
  it("says in every file what it is for", () => {
    assert.deepEqual(
      product.filter((source) => !/^(?:#!.*\n)?\/\*\*/.test(source.text)).map((source) => source.path),
      [],
    );
  });
  it("keeps files under 400 lines", () => {
    assert.deepEqual(
      product.filter((source) => source.text.split("\n").length > 400).map((source) => source.path),
      [],
    );
  });
  it("silences neither compiler nor linter", () => {
    const casts = /\bas any\b|: any\b|\bas unknown as\b/;
    const comments = /@ts-(?:ignore|expect-error|nocheck)|biome-ignore|deno-lint-ignore/;
    const silenced = product.filter(({ text }) => casts.test(withoutComments(text)) || comments.test(text));
    assert.deepEqual(
      silenced.map((source) => source.path),
      [],
    );
  });
});

describe("the rules can fail", () => {
  const cases: readonly { readonly rule: string; readonly found: readonly string[] }[] = [
    { rule: "upward arrow", found: wrongArrows(made("src/oci/x.ts", 'import { a } from "../release/model.ts";')) },
    { rule: "lazy upward arrow", found: wrongArrows(made("src/kube/x.ts", 'await import("../flux/install.ts");')) },
    {
      rule: "platform from a room",
      found: wrongArrows(made("src/setup/x.ts", 'import { f } from "../platform/files.ts";')),
    },
    { rule: "test from a room", found: wrongArrows(made("src/setup/x.ts", 'import { f } from "../../test/fake.ts";')) },
    { rule: "file system", found: wrongEffects(made("src/oci/x.ts", 'import { readFile } from "node:fs/promises";')) },
    { rule: "clock", found: wrongEffects(made("src/oci/x.ts", "const now = Date.now();")) },
    { rule: "timer", found: wrongEffects(made("src/oci/x.ts", "setTimeout(go, 5);")) },
    { rule: "randomness", found: wrongEffects(made("src/oci/x.ts", "const id = randomUUID();")) },
    { rule: "environment", found: wrongEffects(made("src/oci/x.ts", "const home = process.env.HOME;")) },
    { rule: "console", found: wrongEffects(made("src/oci/x.ts", 'console.log("x");')) },
    { rule: "global fetch", found: wrongEffects(made("src/oci/x.ts", 'await fetch("https://x");')) },
    { rule: "Bun", found: runtimeNames(made("src/oci/x.ts", "Bun.file('x');")) },
    { rule: "Deno", found: runtimeNames(made("src/main.ts", "Deno.exit(1);")) },
    {
      rule: "cycle",
      found: cycles([
        ...made("src/oci/a.ts", 'import { b } from "./b.ts";'),
        ...made("src/oci/b.ts", 'import { a } from "./a.ts";'),
      ]),
    },
  ];
  it("finds: an arrow back up, and one that nobody takes", () => {
    const table = { oci: { to: ["kube"], why: "" }, kube: { to: ["oci"], why: "" } };
    assert.deepEqual(upwardArrows(table), ["oci knows kube, which stands above it"]);
    assert.deepEqual(idleArrows(table, made("src/kube/x.ts", 'import { a } from "../oci/a.ts";')), ["oci -> kube"]);
  });
  for (const one of cases) it(`finds: ${one.rule}`, () => assert.equal(one.found.length, 1, one.rule));
  it("does not mind comments", () =>
    assert.deepEqual(wrongEffects(made("src/oci/x.ts", "// Date.now() is not used\n/* setTimeout( */")), []));
});
