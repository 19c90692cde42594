/** What every page must hold in every shape: no sideways scroll, targets for a thumb, no motion, no violation of axe-core. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";

/** Audits the page as it is now. */
export async function audit(page: Page): Promise<void> {
  const where = `${new URL(page.url()).pathname} "${await page.locator("h1").first().innerText()}"`;
  assert.deepEqual(await wideThings(page), [], `${where} scrolls sideways`);
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
