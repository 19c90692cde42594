/** Builds the UI as the executable does, and holds its size, its repeatability and its refusals. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { BUDGETS, buildUi } from "./build.ts";

test("buildUi() makes a page, one script, one style sheet and one icon within their budgets", async () => {
  const { files } = await buildUi();
  assert.deepEqual(
    files.map((file) => file.path.replace(/-[0-9a-f]{12}/, "")),
    ["index.html", "assets/app.js", "assets/app.css", "assets/icon.svg"],
  );
  const sizes = files.map((file) => gzipSync(file.bytes).byteLength);
  assert.ok((sizes[1] ?? 0) < BUDGETS.js && (sizes[2] ?? 0) < BUDGETS.css, `sizes ${sizes.join(", ")}`);
});

test("buildUi() is repeatable", async () => {
  const [first, second] = [await buildUi(), await buildUi()];
  assert.deepEqual(first.files, second.files);
});

test("the page names every asset by its hash and holds nothing inline but the rules of the first picture", async () => {
  const { files } = await buildUi();
  const page = new TextDecoder().decode(files[0]?.bytes);
  for (const file of files.slice(1)) assert.ok(page.includes(`"/${file.path}"`), file.path);
  assert.doesNotMatch(page, /\sstyle=|<script(?![^>]*\ssrc=)/);
  const [first, rest, ...more] = page.split("<style>");
  assert.equal(more.length, 0);
  assert.doesNotMatch(first ?? "", /stylesheet/, "no sheet is waited for before the first picture");
  const [inline = "", after = ""] = (rest ?? "").split("</style>");
  assert.match(inline, /\.shell\b/);
  assert.ok(after.indexOf('id="app"') < after.indexOf('rel="stylesheet"'), "the other rules come after it");
});

test("the UI takes types from src and no code", () => {
  const imports = sources().flatMap(({ name, code }) =>
    [...code.matchAll(/^(?:import|export) (?!type\b).*from "(?:\.\.\/)+src\/.*$/gm)].map(
      ([line]) => `${name}: ${line}`,
    ),
  );
  assert.deepEqual(
    imports.filter((line) => !/(?:import|export) type/.test(line)),
    [],
  );
});

test("no template sets a style attribute, which the content policy forbids", () => {
  const styled = sources().filter(({ code }) => /<[^>]*\sstyle=/.test(code));
  assert.deepEqual(
    styled.map(({ name }) => name),
    [],
  );
});

function sources(): readonly { readonly name: string; readonly code: string }[] {
  return readdirSync(new URL(".", import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && !/^build\.ts$/.test(name))
    .map((name) => ({ name, code: readFileSync(new URL(name, import.meta.url), "utf8") }));
}
