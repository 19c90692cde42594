/** What every page must hold in every shape: no sideways scroll, targets for a thumb, no motion, no violation of axe-core. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import type { Page } from "playwright-core";

/** Folder that keeps a picture of every page that is audited, as CI wants it. Absent: none is taken. */
const PICTURES = process.env.ALGA_SCREENSHOTS;

/** Audits the page as it is now. */
export async function audit(page: Page): Promise<void> {
  if (PICTURES !== undefined) await keepPicture(page, PICTURES);
  const where = `${new URL(page.url()).pathname} "${await page.locator("h1").first().innerText()}"`;
  assert.deepEqual(await wideThings(page), [], `${where} scrolls sideways`);
  assert.deepEqual(await overlappingCards(page), [], `${where} has cards over each other`);
  assert.deepEqual(await smallTargets(page), [], `${where} has small targets`);
  assert.deepEqual(await movingThings(page), [], `${where} moves although motion is reduced`);
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => {
    const found = await (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      resultTypes: ["violations"],
    });
    return found.violations.map(
      (violation) => `${violation.id}: ${violation.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`,
    );
  });
  assert.deepEqual(violations, [], where);
}

/** What makes the page wider than the window; nothing where it is not. */
function wideThings(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    document.documentElement.scrollWidth <= innerWidth
      ? []
      : [...document.querySelectorAll("body *")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 120)),
  );
}

/** Cards that lie over their neighbour: what is wider than its column does not scroll, it covers. */
function overlappingCards(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const cards = [...document.querySelectorAll(".card")].filter((card) => card.getClientRects().length > 0);
    const covers = (one: Element, other: Element): boolean => {
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      const apart = a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
      return !apart && !one.contains(other) && !other.contains(one);
    };
    const pairs = cards.flatMap((one, at) => cards.slice(at + 1).map((other) => [one, other] as const));
    return pairs
      .filter(([one, other]) => covers(one, other))
      .map((pair) => pair.map((card) => card.getAttribute("aria-label") ?? card.className).join(" over "));
  });
}

/** Buttons and fields under 40 px; links inside of sentences are not targets of their own. */
function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [
      ...document.querySelectorAll(
        "button, input:not([type=radio]):not([type=checkbox]), summary, a.button, label.choice, label.check, nav a",
      ),
    ]
      .filter((element) => element.getClientRects().length > 0 && !element.closest(".steps"))
      .filter((element) => element.getBoundingClientRect().height < 40 || element.getBoundingClientRect().width < 40)
      .map((element) => element.outerHTML.slice(0, 120)),
  );
}

function movingThings(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    document
      .getAnimations()
      .filter(
        (animation) => animation.playState === "running" && Number(animation.effect?.getComputedTiming().duration) > 0,
      )
      .map((animation) => String((animation.effect as KeyframeEffect | null)?.target?.className)),
  );
}

/** Named by what it shows: "components-alga-core-360-dark.jpeg"; what was audited twice is counted. */
async function keepPicture(page: Page, folder: string): Promise<void> {
  const { pathname } = new URL(page.url());
  const scheme = await page.evaluate(() => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  const name = [
    pathname.replaceAll(/\W+/g, "-").replaceAll(/^-|-$/g, "") || "start",
    page.viewportSize()?.width,
    scheme,
  ];
  mkdirSync(folder, { recursive: true });
  const free = (count: number): string => {
    const file = join(folder, `${name.join("-")}${count === 1 ? "" : `-${count}`}.jpeg`);
    return existsSync(file) ? free(count + 1) : file;
  };
  await page.screenshot({ path: free(1), type: "jpeg", quality: 70 });
}
