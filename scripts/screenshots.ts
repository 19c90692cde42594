/**
 * `npm run screenshots`: takes the pictures of the documents from the rehearsal in Chromium, as PNG files in `docs/images`.
 *
 * Needs Chromium (Debian's package, or `CHROMIUM=<path>`). The pages are the real ones on the real control plane.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "../test/browser/browser.ts";
import { type Rehearsal, startRehearsal } from "../test/browser/rehearsal.ts";

const IMAGES = join(import.meta.dirname, "../docs/images");
const PASSWORD = "Orchid-Lamp-9-River";
const ANSWERS = {
  tenantName: "Example Ltd",
  adminFirstName: "Ada",
  adminLastName: "Li",
  adminEmail: "admin@example.com",
  adminPassword: PASSWORD,
  adminPasswordConfirm: PASSWORD,
};
const INSTALL_MS = 180_000;
/** Until the lower rungs have their last word. */
const SETTLE_MS = 8_000;

mkdirSync(IMAGES, { recursive: true });
const browser = await openBrowser();
try {
  await inRehearsal({ speed: 2 }, photographSuccess);
  await inRehearsal({ speed: 10, scenario: "image-missing" }, photographFailure);
} finally {
  await browser.close();
}

async function inRehearsal(
  options: { speed: number; scenario?: string },
  work: (page: Page, rehearsal: Rehearsal) => Promise<void>,
): Promise<void> {
  const rehearsal = await startRehearsal(options);
  try {
    await work(await openPage(browser), rehearsal);
  } finally {
    await rehearsal.stop();
  }
}

async function openPage(opened: Browser): Promise<Page> {
  const context = await opened.newContext({
    viewport: { width: 1100, height: 720 },
    colorScheme: "light",
    reducedMotion: "reduce",
  });
  return await context.newPage();
}

async function photographSuccess(page: Page, rehearsal: Rehearsal): Promise<void> {
  await toAddress(page, rehearsal);
  await page.fill("#field-appHostname", "psa.example.com");
  await shoot(page, "wizard-address");
  await page.setViewportSize({ width: 480, height: 780 });
  await shoot(page, "wizard-address-narrow");
  await page.setViewportSize({ width: 1100, height: 860 });
  await toReview(page);
  await shoot(page, "wizard-review");
  await page.click("button.primary");
  await page.locator(".rung.ready").nth(2).waitFor({ timeout: INSTALL_MS });
  await shoot(page, "wizard-installing");
  await page.locator(".sheet a.button.primary").waitFor({ timeout: INSTALL_MS });
  await shoot(page, "wizard-done");
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.goto(`${rehearsal.url}/`);
  await page.locator(".answer .badge.ready").waitFor({ timeout: INSTALL_MS });
  await shoot(page, "overview-ready");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "overview-ready-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(`${rehearsal.url}/updates/review?channel=next`);
  await page.locator("main button.primary").waitFor();
  await shoot(page, "update-review");
}

async function photographFailure(page: Page, rehearsal: Rehearsal): Promise<void> {
  await toAddress(page, rehearsal);
  await page.fill("#field-appHostname", "psa.example.com");
  await toReview(page);
  await page.click("button.primary");
  await page.waitForURL("**/setup/install");
  await page.setViewportSize({ width: 1280, height: 960 });
  await page.goto(`${rehearsal.url}/`);
  await page.locator(".rung .cause").first().waitFor({ timeout: INSTALL_MS });
  await page.waitForTimeout(SETTLE_MS);
  await shoot(page, "overview-failing");
  await page.goto(`${rehearsal.url}/components/alga-core`);
  await page.locator(".events li").first().waitFor();
  await shoot(page, "component-failing");
}

async function toAddress(page: Page, rehearsal: Rehearsal): Promise<void> {
  await page.goto(rehearsal.setupUrl);
  await page.fill("#field-password", PASSWORD);
  await page.fill("#field-again", PASSWORD);
  await page.click("button.primary");
  await page.click("a[href='/setup/release'].button");
  await page.locator("#field-channel").waitFor();
  await page.click("button.primary");
  await page.locator("#field-appHostname").waitFor();
}

async function toReview(page: Page): Promise<void> {
  await page.click("button.primary");
  for (const [field, value] of Object.entries(ANSWERS)) await page.fill(`#field-${field}`, value);
  await page.click("button.primary");
  await page.locator(".review").waitFor();
}

/** Waits until nothing moves and the focus ring is gone, so that two runs make the same picture. */
async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(() =>
    document.activeElement instanceof HTMLElement ? document.activeElement.blur() : undefined,
  );
  await page.mouse.move(0, 0);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
  console.log(`docs/images/${name}.png`);
}
