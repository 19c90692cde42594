/** Every page in every shape: phone, server-room screen, light, dark; audited, without sideways scroll. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { browserTest, type Visit } from "./browser.ts";
import { failingStatus, readyStatus } from "./mock-data.ts";
import { answerAddress, answerOrganisation, answerRelease, claim, heading, install } from "./steps.ts";

const SHAPES = [
  { name: "a phone, light", context: { viewport: { width: 360, height: 740 }, colorScheme: "light" } },
  { name: "a phone, dark", context: { viewport: { width: 360, height: 740 }, colorScheme: "dark" } },
  { name: "a server-room screen, light", context: { viewport: { width: 1024, height: 768 }, colorScheme: "light" } },
  { name: "a server-room screen, dark", context: { viewport: { width: 1024, height: 768 }, colorScheme: "dark" } },
  { name: "a tablet, light", context: { viewport: { width: 768, height: 1024 }, colorScheme: "light" } },
  { name: "a tablet, dark", context: { viewport: { width: 768, height: 1024 }, colorScheme: "dark" } },
  { name: "a desk, light", context: { viewport: { width: 1440, height: 900 }, colorScheme: "light" } },
  { name: "a desk, dark", context: { viewport: { width: 1440, height: 900 }, colorScheme: "dark" } },
] as const;

for (const { name, context } of SHAPES) {
  browserTest(
    `every page is sound on ${name}`,
    { stepMs: 40, blockAt: "reconcile", context: { ...context, reducedMotion: "reduce" } },
    visitAll,
  );
}

const CONSOLE_PAGES = [
  "/components",
  "/components/alga-core",
  "/components/nobody",
  "/operations",
  "/operations/0001-setup",
  "/host",
  "/events",
  "/help/image/not-found",
  "/settings",
  "/ui-kit",
  "/nothing",
];

async function visitAll({ page, server }: Visit): Promise<void> {
  await page.goto(`${server.url}/setup`);
  await heading(page, "Open this box");
  await inspect(page);
  await claim(page, server.url);
  await inspect(page);
  await answerRelease(page);
  await inspect(page);
  await answerAddress(page);
  await page.locator("button[type=submit]").click();
  await page.locator(".summary").waitFor();
  await inspect(page);
  await answerOrganisation(page);
  await page.locator("summary").first().click();
  await inspect(page);
  await install(page);
  await page.locator(".cause").waitFor();
  await inspect(page);
  await page.locator(".cause button").click();
  await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
  await inspect(page);
  await visitConsole(page, server);
}

async function visitConsole(page: Page, server: Visit["server"]): Promise<void> {
  await page.goto(`${server.url}/`);
  await heading(page, "Everything works");
  await inspect(page);
  server.box.show(failingStatus());
  await heading(page, "People cannot log in");
  await inspect(page);
  server.box.show(readyStatus());
  for (const path of CONSOLE_PAGES) {
    await page.goto(`${server.url}${path}`);
    await page.locator("main h1").waitFor();
    await page.waitForFunction(() => document.querySelector(".skeleton:not(.note > .skeleton)") === null);
    await inspect(page);
  }
  await page.goto(`${server.url}/components/alga-core`);
  await page.locator("td button").first().click();
  await page.locator("[role=log]").waitFor();
  await inspect(page);
  await page.locator(".bar button", { hasText: "Play a failure" }).click();
  await page.locator("#rehearsal-failure").waitFor();
  await inspect(page);
}

/** Audits the page as it is now. */
async function inspect(page: Page): Promise<void> {
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
