/**
 * Trust on the pages: a box without keys says "unverified" on every one of them, and signed metadata that has expired is a
 * decision, not a dead end: from the first page of the wizard and from a setup that has stopped.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { eventually } from "../support/eventually.ts";
import { browserTest, chromiumTest, openBrowser, type Watch, watchPage } from "./browser.ts";
import { readyStatus } from "./mock-data.ts";
import { startRehearsal } from "./rehearsal.ts";
import { answerAddress, claim, heading, MOCK_PASSWORD, openConsole, tabTo } from "./steps.ts";

/** The rehearsal plays twenty times faster than a box; a slow machine still gets its time. */
const INSTALL_MS = 90_000;

browserTest("a box without keys says unverified on every page", { stepMs: 20 }, async ({ page, server }) => {
  await claim(page, server.url);
  const fresh = { ...readyStatus(), release: null, phase: "setup" as const };
  server.box.show({ ...fresh, appliance: { ...fresh.appliance, verifies: false } });
  for (const path of ["/setup", "/setup/release", "/setup/address", "/setup/organisation", "/setup/review"]) {
    await page.goto(`${server.url}${path}`);
    await page.locator(".no-keys", { hasText: "unverified" }).waitFor();
  }
  const { appliance, ...ready } = readyStatus();
  const keyed = { ...ready, release: null, appliance: { ...appliance, verifies: true } };
  server.box.show(keyed);
  await page.goto(`${server.url}/setup`);
  await heading(page, "Set up this box");
  await page.locator(".steps").waitFor();
  assert.equal(await page.locator(".no-keys").count(), 0, "a box with keys is called unverified");
  server.box.show(readyStatus());
  // The overview is in advice.test.ts: it is there when a setup has been.
  for (const path of ["/components", "/operations", "/updates", "/host", "/events", "/settings"]) {
    await page.goto(`${server.url}${path}`);
    await page.locator(".rail-foot", { hasText: "unverified" }).waitFor();
  }
});

async function enter(page: Page, setupUrl: string): Promise<void> {
  await page.goto(setupUrl);
  await page.locator("#field-password").fill(MOCK_PASSWORD);
  await page.locator("#field-again").fill(MOCK_PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Set up this box");
}

/** Without waiting for the page after it: the box may lead elsewhere. */
async function fillOrganisation(page: Page): Promise<void> {
  const fields = { tenantName: "Example Ltd", adminFirstName: "Ada", adminLastName: "Li" };
  const secret = { adminPassword: MOCK_PASSWORD, adminPasswordConfirm: MOCK_PASSWORD };
  for (const [field, value] of Object.entries({ ...fields, adminEmail: "admin@example.com", ...secret }))
    await page.locator(`#field-${field}`).fill(value);
  await page.keyboard.press("Enter");
}

browserTest("an update by expired metadata is decided on from the page, and started by that", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/updates");
  const { updates } = server.box;
  const expired = "Cannot trust timestamp metadata: it expired 3 days ago, a fresh one is wanted";
  const channel = { name: "stable", state: "unknown" as const, checkedAt: null };
  updates.change({ offered: null, channel: { ...channel, problem: { code: "trust/expired", message: expired } } });
  updates.expire();
  await page.reload();
  await page.locator(".cause", { hasText: "it expired 3 days ago" }).waitFor();
  await page.locator(".cause a.button", { hasText: "Decide about the expired metadata" }).click();
  await page.locator(".cause", { hasText: "it expired 3 days ago" }).waitFor();
  await page.locator(".cause button", { hasText: "Take it all the same for 7 days" }).click();
  await page.locator(".buttons button.primary").click();
  await page.waitForURL("**/operations/**");
  const until = Date.parse(String(updates.started[0]?.acceptExpired));
  assert.ok(Math.abs(until - Date.now() - 7 * 86_400_000) < 3_600_000, "the decision is not what was started");
});

/** Plays another scenario and asks again: the page of the release says its cause, and what to do. */
async function showsCause(page: Page, scenario: string, words: string): Promise<void> {
  await page.evaluate(async (name) => {
    const headers = { "content-type": "application/json" };
    await fetch("/api/rehearsal", { method: "POST", headers, body: JSON.stringify({ scenario: name }) });
  }, scenario);
  const cause = page.locator(".cause", { hasText: words });
  await eventually(`${scenario} is shown`, async () => {
    await page.locator(".cause button", { hasText: "Ask again" }).click();
    return cause.isVisible();
  });
  await page.locator(".cause", { hasText: "The box does not believe" }).waitFor();
}

chromiumTest("expired metadata is decided on by the operator, and the setup goes on by it", async () => {
  const rehearsal = await startRehearsal({ scenario: "metadata-expired" });
  const browser = await openBrowser();
  const watch: Watch = { faults: [], silent: false };
  try {
    const page = await (await browser.newContext({ viewport: { width: 1024, height: 768 } })).newPage();
    watchPage(page, watch, rehearsal.url);
    await enter(page, rehearsal.setupUrl);
    await tabTo(page, "a.button.primary");
    await page.keyboard.press("Enter");
    await heading(page, "Which release?");
    await page.locator(".cause", { hasText: "it expired 3 days ago" }).waitFor();
    await showsCause(page, "metadata-rolled-back", "has been seen already");
    await showsCause(page, "foreign-key", "it is signed, but not by a trusted key");
    await showsCause(page, "metadata-expired", "it expired 3 days ago");
    await page.locator(".choice small", { hasText: "timestamp metadata expired 3 days ago" }).first().waitFor();
    await tabTo(page, "#field-channel");
    await page.keyboard.press("Enter");
    await heading(page, "Where will people find it?");
    await answerAddress(page);
    await fillOrganisation(page);
    // No plan is made of it: the page leads back to the question.
    await heading(page, "Which release?");
    await page.locator("#field-acceptExpired-error", { hasText: "it expired 3 days ago" }).waitFor();
    await page.locator(".choice", { hasText: "Take it all the same for 7 days" }).click();
    await page.locator("button.primary").click();
    for (const title of ["Where will people find it?", "Who will use it?"]) {
      await heading(page, title);
      await page.locator("button.primary").click();
    }
    await page.locator(".warning", { hasText: "expired 3 days ago" }).waitFor();
    await page.locator(".sheet-foot button.primary", { hasText: "Install release 1.0.3" }).click();
    await page.locator(".sheet a.button.primary", { hasText: "Open psa.example.com" }).waitFor({ timeout: INSTALL_MS });
    await page.locator(".verified .pill.ready").waitFor();
    assert.deepEqual(
      watch.faults.filter((fault) => !/status of 502/.test(fault)),
      [],
    );
  } finally {
    await browser.close();
    await rehearsal.stop();
  }
});
