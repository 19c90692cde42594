/**
 * Builds the web UI: `index.html`, one hashed script, one hashed style sheet, one icon.
 *
 * The few rules that the first picture needs stand in the page itself, so that it waits for no other answer: all other rules
 * come after it, and the script runs after them. The server allows this one sheet by its digest.
 *
 * A build-time script, so it may use Bun's bundler. Two builds of the same sources are byte-identical. Any fault fails the
 * build, not the first request: a bundler message, a missing output, an import of `src/` code, a request to another host,
 * an inline script, another inline style, or a size over the budget.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "bun";

export interface UiFile {
  /** Path as the server serves it: "index.html", "assets/app-1a2b3c4d.js". */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly type: string;
}

/** Compressed budgets in bytes. */
export const BUDGETS = { js: 60_000, css: 12_000 } as const;

/** Builds every file of the UI. */
export async function buildUi(): Promise<{ files: UiFile[] }> {
  const [script, style, shell] = await Promise.all([bundle("main.ts"), bundle("app.css"), bundle("shell.css")]);
  const icon = new TextEncoder().encode(read("icon.svg"));
  const assets = [
    asset("app", "js", { bytes: script, type: "text/javascript; charset=utf-8" }),
    asset("app", "css", { bytes: style, type: "text/css; charset=utf-8" }),
    asset("icon", "svg", { bytes: icon, type: "image/svg+xml" }),
  ];
  const page = assets.reduce((html, file) => link(html, file), inlined(read("index.html"), shell));
  const index = { path: "index.html", bytes: new TextEncoder().encode(page), type: "text/html; charset=utf-8" };
  const files = [index, ...assets];
  for (const file of files) inspect(file);
  inspectStyles([style, shell]);
  return { files };
}

async function bundle(entry: string): Promise<Uint8Array> {
  const built = await build({
    entrypoints: [fileURLToPath(new URL(entry, import.meta.url))],
    target: "browser",
    format: "esm",
    minify: true,
    sourcemap: "none",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const [output] = built.outputs;
  if (!built.success || output === undefined || built.outputs.length !== 1) {
    throw new Error(
      `Cannot build "ui/${entry}": ${built.outputs.length} outputs, 1 is wanted\n${built.logs.join("\n")}`,
    );
  }
  return new Uint8Array(await output.arrayBuffer());
}

function asset(name: string, extension: string, file: Omit<UiFile, "path">): UiFile {
  const hash = createHash("sha256").update(file.bytes).digest("hex").slice(0, 12);
  return { ...file, path: `assets/${name}-${hash}.${extension}` };
}

/** Puts the hashed address of an asset where the page names the plain one. */
function link(page: string, file: UiFile): string {
  const plain = `/${file.path.replace(/-[0-9a-f]{12}\./, ".")}`;
  if (!page.includes(`"${plain}"`)) throw new Error(`Cannot link asset "${plain}": ui/index.html does not name it`);
  return page.replaceAll(`"${plain}"`, `"/${file.path}"`);
}

const SHELL = '<link rel="stylesheet" href="shell.css" />';

/** Puts the rules of the first picture into the page. */
function inlined(page: string, shell: Uint8Array): string {
  if (page.split(SHELL).length !== 2) throw new Error(`Cannot put "shell.css" into the page: ${SHELL} is wanted once`);
  return page.replace(SHELL, () => `<style>${new TextDecoder().decode(shell).trim()}</style>`);
}

/** What is in the page counts too. */
function inspectStyles(sheets: readonly Uint8Array[]): void {
  const size = sheets.reduce((sum, sheet) => sum + gzipSync(sheet).byteLength, 0);
  if (size > BUDGETS.css)
    throw new Error(`Cannot build the styles: ${size} bytes compressed, at most ${BUDGETS.css} are wanted`);
}

/** Addresses that are names of namespaces, not requests. */
const NAMESPACES = /https?:\/\/www\.w3\.org\/[\w/.]*/g;

function inspect(file: UiFile): void {
  const content = new TextDecoder().decode(file.bytes);
  const kind = file.path.split(".").at(-1);
  const budget = kind === "js" ? BUDGETS.js : Number.POSITIVE_INFINITY;
  const size = gzipSync(file.bytes).byteLength;
  const faults = [
    file.bytes.byteLength === 0 ? "it is empty" : "",
    size > budget ? `${size} bytes compressed, at most ${budget} are wanted` : "",
    /https?:\/\//.test(content.replace(NAMESPACES, "")) ? "it names another host" : "",
    kind === "html" && /<style[\s>].*<style[\s>]|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=/s.test(content)
      ? "it holds an inline script or style"
      : "",
    kind === "html" && /"\/assets\/[a-z]+\.[a-z]+"/.test(content) ? "it names an asset without its hash" : "",
    kind === "css" && /url\(|@import/.test(content) ? "it requests another file" : "",
    kind === "js" && /\beval\(|new Function\(/.test(content)
      ? "it makes code from text, which the content policy forbids"
      : "",
  ].filter((fault) => fault !== "");
  if (faults.length > 0) throw new Error(`Cannot build asset "${file.path}": ${faults.join("; ")}`);
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}
