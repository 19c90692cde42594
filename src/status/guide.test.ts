/** The operator guide: a page for every check and no other, in whole sentences, the same in the file, the API and the command. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { RouteRequest } from "../core/http.ts";
import { BOX_WORDS } from "./checks/guide-box.ts";
import type { GuideCatalogue } from "./checks/guide-catalogue.ts";
import { ENGLISH_GUIDE } from "./checks/guide-english.ts";
import { PART_WORDS } from "./checks/guide-parts.ts";
import { CHECKS } from "./checks/index.ts";
import { GUIDE, type GuideAnswer, guideIn, guideLines, guidePage, guideRoutes } from "./guide.ts";
import { TIER_NAMES } from "./ladder.ts";

const codes = CHECKS.map((rule) => rule.code);
const file = readFileSync(new URL("../../docs/operator-guide.md", import.meta.url), "utf8");

function ask(area: string, name: string): Promise<Response> {
  const [route] = guideRoutes();
  assert.ok(route !== undefined);
  const url = new URL(`http://box/api/checks/${area}/${name}`);
  const request: RouteRequest = {
    request: new Request(url),
    url,
    params: { area, name },
    peer: "192.0.2.9",
    signal: new AbortController().signal,
    body: undefined,
  };
  return route.handle(request);
}

describe("the operator guide", () => {
  test("has one page for every check, and words for nothing else", () => {
    assert.deepEqual(
      GUIDE.map((page) => page.code),
      codes,
    );
    assert.deepEqual([...Object.keys(BOX_WORDS), ...Object.keys(PART_WORDS)].sort(), [...codes].sort());
  });

  test("says everything in whole sentences, and calmly", () => {
    for (const { code, means, look } of GUIDE) {
      for (const words of [means, look]) {
        assert.match(words, /^[A-Za-z].{10,}\.$/, code);
        assert.doesNotMatch(words, /!|please|error occurred|\bfailed to\b|\bsimply\b|\bjust\b/i, code);
      }
    }
  });

  test("can be had in another language by one catalogue: no English word is left on any page but the rung's name", () => {
    const strange = (words: string): string => words.replace(/(?<![{\p{L}])\p{L}+(?![}\p{L}])/gu, "ø");
    const checks = Object.fromEntries(
      GUIDE.map(({ code, means, look, title, about, next }) => {
        const own = { title: strange(title), about: strange(about), next: next === null ? null : strange(next) };
        return [code, { means: strange(means), look: strange(look), own }];
      }),
    ) as GuideCatalogue["checks"];
    const { titles, again, notAgain, wait, order } = ENGLISH_GUIDE;
    const other: GuideCatalogue = {
      titles: Object.fromEntries(Object.entries(titles).map(([key, title]) => [key, strange(title)])) as typeof titles,
      ...{ again: strange(again), notAgain: strange(notAgain), wait: strange(wait), order: strange(order) },
      checks,
    };
    const pages = guideIn(other);
    assert.equal(pages.length, GUIDE.length);
    for (const page of pages) {
      const said = guideLines(page, other).map(
        (line) => `${line.name}\n${line.text.replace(TIER_NAMES[page.tier], "")}`,
      );
      assert.doesNotMatch(said.join("\n"), /[a-z]{2}/, page.code);
    }
  });

  test("tells for every check what it means, where to look, what to do and whether trying again is safe", () => {
    for (const page of GUIDE) {
      const rule = CHECKS.find((one) => one.code === page.code);
      const [, means, look, next, again] = guideLines(page).map((line) => line.text);
      assert.deepEqual([means, look], [page.means, page.look]);
      assert.ok(next !== undefined && (rule?.next === null ? /waits/.test(next) : next === rule?.next), page.code);
      assert.match(again ?? "", rule?.retrySafe === true ? /^Yes/ : /^No/, page.code);
    }
  });

  test("stands in the file under the anchor that each page names", () => {
    const anchors = GUIDE.map((page) => page.docs.split("#")[1] ?? "");
    assert.equal(new Set(anchors).size, anchors.length);
    const headings = [...file.matchAll(/^## (.+)$/gm)].map(([, heading = ""]) => heading);
    assert.deepEqual(headings, codes);
    // GitHub's rule: lower case, only letters, digits, spaces and hyphens stay, spaces become hyphens.
    const slug = (heading: string): string =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-");
    assert.deepEqual(anchors, headings.map(slug));
    for (const anchor of anchors) assert.ok(file.includes(`](#${anchor})`), anchor);
  });

  test("is answered by code, and a code that no check has is not found", async () => {
    const answer = (await (await ask("flux", "source-digest")).json()) as GuideAnswer;
    assert.equal(answer.code, "flux/source-digest");
    assert.deepEqual(answer.lines, guideLines(answer));
    await assert.rejects(ask("flux", "x".repeat(500)), { code: "http/not-found" });
    assert.equal(guidePage("constructor"), undefined);
  });
});
