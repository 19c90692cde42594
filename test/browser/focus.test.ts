/** Keyboard: Tab walks through every page in the order in which it is read, and one always sees where one is. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest } from "./browser.ts";
import { openConsole } from "./steps.ts";

const PAGES = [
  "/setup",
  "/setup/release",
  "/components",
  "/components/alga-core",
  "/operations",
  "/updates",
  "/updates/review?channel=stable",
  "/host",
  "/events",
  "/settings",
  "/help/image/not-found",
];
/** Of a page with a thousand rows the first ones tell. */
const MOST = 80;

browserTest("Tab walks through every page in the order in which it is read", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/components");
  for (const path of PAGES) {
    await page.goto(`${server.url}${path}`);
    await page.locator("header nav, header .steps").first().waitFor();
    await page.locator("main h1").waitFor();
    await page.waitForFunction(() => document.querySelector(".skeleton") === null);
    const wanted = await reachable(page);
    assert.ok(wanted >= 7, `${path} has ${wanted} targets`);
    const walked = await walk(page, wanted);
    const inOrder = Array.from({ length: wanted }, (_, index) => index);
    assert.deepEqual(
      walked.map(({ index }) => index),
      inOrder,
      `${path} is walked out of order: ${JSON.stringify(walked)}`,
    );
    assert.deepEqual(
      walked.filter(({ seen }) => !seen),
      [],
      `${path}: the focus cannot be seen`,
    );
  }
});

/** Numbers what Tab reaches, in the order of the document; of a group of radio buttons only one is reached. */
function reachable(page: Page): Promise<number> {
  return page.evaluate((most) => {
    const all = [...document.querySelectorAll<HTMLElement>("a[href], button, input, select, summary, [tabindex='0']")];
    const groups = new Set<string>();
    const reached = all.filter((element) => {
      if (!element.checkVisibility()) return false;
      if (!(element instanceof HTMLInputElement) || element.type !== "radio") return element.tabIndex >= 0;
      const chosen = all.some((one) => one instanceof HTMLInputElement && one.name === element.name && one.checked);
      if (groups.has(element.name) || (chosen && !element.checked)) return false;
      groups.add(element.name);
      return true;
    });
    for (const [index, element] of reached.entries()) element.dataset.walk = String(index);
    return Math.min(most, reached.length);
  }, MOST);
}

interface Stop {
  readonly index: number;
  readonly seen: boolean;
  readonly what: string;
}

async function walk(page: Page, count: number): Promise<readonly Stop[]> {
  const stops: Stop[] = [];
  await page.evaluate(() => {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  });
  for (let index = 0; index < count; index += 1) {
    await page.keyboard.press("Tab");
    stops.push(await stopOf(page));
  }
  return stops;
}

/** Where the focus is, and whether a ring of 3 px stands around it or around the row that holds it, inside of the window. */
function stopOf(page: Page): Promise<Stop> {
  return page.evaluate(() => {
    const focused = document.activeElement as HTMLElement;
    const rows = [focused, focused.closest(".choice"), focused.nextElementSibling];
    const ringed = rows.find(
      (one) => one !== null && Number.parseFloat(getComputedStyle(one as Element).outlineWidth) >= 3,
    );
    const { top, bottom } = (ringed ?? focused).getBoundingClientRect();
    const inside = bottom > 0 && top < innerHeight;
    const index = Number(focused.dataset.walk ?? -1);
    return { index, seen: ringed !== undefined && inside, what: focused.outerHTML.slice(0, 80) };
  });
}
