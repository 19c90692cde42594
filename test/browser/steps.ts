/** What a person does on the pages, by keyboard, as steps that the tests put together. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { Visit } from "./browser.ts";
import { readyStatus } from "./mock-data.ts";
import { MOCK_PASSWORD, MOCK_TOKEN } from "./mock-sessions.ts";

export { MOCK_PASSWORD, MOCK_TOKEN };

/** The most that any page has to be tabbed through. */
const MOST_TABS = 60;

/** Presses Tab until the element has the focus, and checks that the focus can be seen there. */
export async function tabTo(page: Page, selector: string): Promise<void> {
  for (let count = 0; count < MOST_TABS; count += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) {
      assert.ok(await isFocusSeen(page), `the focus on ${selector} cannot be seen`);
      return;
    }
  }
  assert.fail(`Tab does not lead to ${selector} on ${page.url()}`);
}

/** The element, or the row that holds a radio button, has a ring of 3 px. */
function isFocusSeen(page: Page): Promise<boolean> {
  return page.evaluate(() => {
    const ringOf = (element: Element | null | undefined): number =>
      element ? Number.parseFloat(getComputedStyle(element).outlineWidth) || 0 : 0;
    return Math.max(ringOf(document.activeElement), ringOf(document.activeElement?.closest(".choice"))) >= 3;
  });
}

/** Types into a field that Tab reaches. */
export async function typeInto(page: Page, field: string, words: string): Promise<void> {
  await tabTo(page, `#field-${field}`);
  await page.keyboard.type(words);
}

/** Waits for the heading of a page. */
export async function heading(page: Page, words: string | RegExp): Promise<void> {
  await page.locator("h1", { hasText: words }).waitFor();
}

/** Opens the box with the token of its screen and chooses the management password. */
export async function claim(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/setup?token=${MOCK_TOKEN}`);
  await heading(page, "Choose the management password");
  assert.ok(!page.url().includes("token"), "the token stays in the address");
  await typeInto(page, "password", MOCK_PASSWORD);
  await typeInto(page, "again", MOCK_PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Set up this box");
}

/** Opens a page of a box that runs. */
export async function openConsole({ page, server }: Visit, path: string): Promise<void> {
  await claim(page, server.url);
  server.box.show(readyStatus());
  await page.goto(`${server.url}${path}`);
}

export async function answerRelease(page: Page): Promise<void> {
  await tabTo(page, "a.button.primary");
  await page.keyboard.press("Enter");
  await heading(page, "Which release?");
  await tabTo(page, "#field-channel");
  await page.keyboard.press("Enter");
  await heading(page, "Where will people find it?");
}

export async function answerAddress(page: Page): Promise<void> {
  await typeInto(page, "appHostname", "psa.example.com");
  await page.keyboard.press("Enter");
  await heading(page, "Who will use it?");
}

export async function answerOrganisation(page: Page): Promise<void> {
  await typeInto(page, "tenantName", "Example Ltd");
  await typeInto(page, "adminFirstName", "Ada");
  await typeInto(page, "adminLastName", "Li");
  await typeInto(page, "adminEmail", "admin@example.com");
  await typeInto(page, "adminPassword", MOCK_PASSWORD);
  await typeInto(page, "adminPasswordConfirm", MOCK_PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "This is what will happen");
}

export async function install(page: Page): Promise<void> {
  await tabTo(page, "button.primary");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/setup/install");
}

/** From the token to the review. */
export async function toReview(page: Page, url: string): Promise<void> {
  await claim(page, url);
  await answerRelease(page);
  await answerAddress(page);
  await answerOrganisation(page);
}

/** Waits until the focus is on an element, by its id or, without one, the name of its tag: a page moves it after it has drawn. */
export async function focusOn(page: Page, wanted: string): Promise<void> {
  await page.waitForFunction(
    (name) => (document.activeElement?.id || document.activeElement?.tagName) === name,
    wanted,
  );
}

/** Waits until a field holds a value. */
export async function holds(page: Page, selector: string, value: string): Promise<void> {
  await page.waitForFunction(({ place, wanted }) => document.querySelector<HTMLInputElement>(place)?.value === wanted, {
    place: selector,
    wanted: value,
  });
}
