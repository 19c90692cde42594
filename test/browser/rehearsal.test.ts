/**
 * The pages on the real control plane: a whole setup in the rehearsal, and a release with an image that is missing.
 *
 * The mock tests hold the details; these hold that the box and the page understand each other.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { chromiumTest, openBrowser, type Watch, watchPage } from "./browser.ts";
import { type Rehearsal, type RehearsalOptions, startRehearsal } from "./rehearsal.ts";
import {
  answerAddress,
  answerOrganisation,
  answerRelease,
  focusOn,
  heading,
  install,
  MOCK_PASSWORD,
  typeInto,
} from "./steps.ts";

/** The rehearsal plays twenty times faster than a box; a slow machine still gets its time. */
const INSTALL_MS = 90_000;

function rehearsalTest(
  name: string,
  options: RehearsalOptions,
  run: (page: Page, rehearsal: Rehearsal) => Promise<void>,
): void {
  chromiumTest(name, async () => {
    const rehearsal = await startRehearsal(options);
    const browser = await openBrowser();
    const watch: Watch = { faults: [], silent: false };
    try {
      const page = await (await browser.newContext({ viewport: { width: 1024, height: 768 } })).newPage();
      watchPage(page, watch, rehearsal.url);
      await run(page, rehearsal);
      assert.deepEqual(watch.faults, []);
    } finally {
      await browser.close();
      await rehearsal.stop();
    }
  });
}

async function claimBox(page: Page, setupUrl: string): Promise<void> {
  await page.goto(setupUrl);
  await heading(page, "Choose the management password");
  assert.ok(!page.url().includes("token"), "the token stays in the address");
  await typeInto(page, "password", "weak");
  await typeInto(page, "again", "weak");
  await page.keyboard.press("Enter");
  await page.locator("#field-password-error", { hasText: "at least" }).waitFor();
  await page.locator("#field-password").fill(MOCK_PASSWORD);
  await page.locator("#field-again").fill(MOCK_PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Set up this box");
}

rehearsalTest(
  "a whole setup in the rehearsal, by keyboard, ends at the login link",
  {},
  async (page, { setupUrl, url }) => {
    await claimBox(page, setupUrl);
    await answerRelease(page);
    await page.locator("#field-appHostname").fill("psa.example.com/path?x");
    await page.keyboard.press("Enter");
    await page.locator("#field-appHostname-error svg").waitFor();
    await focusOn(page, "field-appHostname");
    await page.locator("#field-appHostname").fill("");
    await page.reload();
    await answerAddress(page);
    await answerOrganisation(page);
    assert.match(await page.locator("button.primary").innerText(), /^Install release \d+\.\d+\.\d+/);
    await install(page);
    await page.locator(".sheet a.button.primary", { hasText: "Open psa.example.com" }).waitFor({ timeout: INSTALL_MS });
    await page.reload();
    await page.locator(".sheet a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
    await page.goto(`${url}/`);
    await page.locator(".answer .badge.ready").waitFor({ timeout: INSTALL_MS });
    assert.equal(await page.locator(".rung.ready").count(), 5);
    const answered = await page.evaluate(async () => {
      const paths = ["/api/setup/config", "/api/status", "/api/operations", "/api/session"];
      return (await Promise.all(paths.map(async (path) => (await fetch(path)).text()))).join("\n");
    });
    assert.ok(!answered.includes(MOCK_PASSWORD), "a password comes back in an answer");
  },
);

rehearsalTest(
  "a missing image is shown with its cause, and the page says what to do",
  { scenario: "image-missing" },
  async (page, { setupUrl, url }) => {
    await claimBox(page, setupUrl);
    await answerRelease(page);
    await answerAddress(page);
    await answerOrganisation(page);
    await install(page);
    await page.goto(`${url}/`);
    const cause = page.locator(".rung.failed .cause").first();
    await cause.waitFor({ timeout: INSTALL_MS });
    assert.match(await page.locator("h1").innerText(), /image/);
    assert.match(await cause.locator(".evidence").innerText(), /manifest|not found/i);
    await page.locator(".answer a.button", { hasText: "Show the installation" }).click();
    await page.waitForURL("**/setup/install");
  },
);
