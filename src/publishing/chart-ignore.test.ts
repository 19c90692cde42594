import assert from "node:assert/strict";
import { test } from "node:test";
import { isIgnored, readIgnoreRules } from "./chart-ignore.ts";

const CASES: readonly (readonly [rules: string, path: string, isIgnored: boolean])[] = [
  ["", "Chart.yaml", false],
  ["# a comment\n\n  \n", "Chart.yaml", false],
  ["*.md", "README.md", true],
  ["*.md", "docs/deep/README.md", true],
  ["docs/*.md", "docs/README.md", true],
  ["docs/*.md", "docs/deep/README.md", false],
  ["/README.md", "README.md", true],
  ["/README.md", "docs/README.md", false],
  ["ci/", "ci/", true],
  ["ci/", "ci", false],
  ["a?c", "abc", true],
  ["a?c", "a/c", false],
  ["[a-c].txt", "b.txt", true],
  ["[^a-c].txt", "b.txt", false],
  ["[^a-c].txt", "d.txt", true],
  ["\\*.txt", "*.txt", true],
  ["\\*.txt", "a.txt", false],
  ["a+b(c).txt", "a+b(c).txt", true],
  ["  *.bak  ", "x.bak", true],
  ["\uFEFF*.bak", "x.bak", true],
  // Helm's own: hidden files right below templates/, and only there.
  ["", "templates/.hidden", true],
  ["", "templates/deep/.hidden", false],
  ["", ".hidden", false],
  // `!` leaves out whatever does not match, and the rules after it are asked only for what does.
  ["!keep.txt", "keep.txt", false],
  ["!keep.txt", "other.txt", true],
  ["!*.txt\nother.txt", "other.txt", true],
  ["!folder/", "file", true],
];

for (const [rules, path, wanted] of CASES) {
  test(`${JSON.stringify(rules)} ${wanted ? "leaves out" : "keeps"} ${path}`, () => {
    const isFolder = path.endsWith("/");
    assert.equal(isIgnored(readIgnoreRules(rules, "test"), path.replace(/\/$/, ""), isFolder), wanted);
  });
}

test("refuses what Helm refuses, with the line", () => {
  for (const rule of ["a/**/b", "[", "[]", "a[", "[b-a]"]) {
    assert.throws(() => readIgnoreRules(`*.md\n${rule}\n`, ".helmignore"), {
      code: "build/bad-chart",
      message: /^Cannot read \.helmignore line 2: /,
    });
  }
});
