/**
 * An update on the real control plane, by the page: what will change is shown, it runs, and it stands in the history; a bad
 * release is taken back by itself, and the page says so.
 */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { ANSWERS, MANAGEMENT_PASSWORD } from "../rehearsal/play.ts";
import { chromiumTest, openBrowser, type Watch, watchPage } from "./browser.ts";
import { type Rehearsal, startRehearsal } from "./rehearsal.ts";

/** The rehearsal plays forty times faster than a box; a slow machine still gets its time. */
const PATIENCE_MS = 90_000;

chromiumTest("an update runs from the page, and a bad release is taken back by itself", async () => {
  const rehearsal = await startRehearsal({ speed: 40 });
  const browser = await openBrowser();
  const watch: Watch = { faults: [], silent: false };
  try {
    const page = await (await browser.newContext({ viewport: { width: 1100, height: 760 } })).newPage();
    watchPage(page, watch, rehearsal.url);
    await installByApi(page, rehearsal);
    await update(page, rehearsal, "next");
    await page.locator(".state-line .pill.ready", { hasText: "Done" }).waitFor({ timeout: PATIENCE_MS });
    await page.goto(`${rehearsal.url}/updates`);
    await page
      .locator("tr", { hasText: "1.0.3 to 1.1.0" })
      .filter({ hasText: "Installed" })
      .waitFor({ timeout: PATIENCE_MS });
    await page.locator("button", { hasText: "Return to release 1.0.3" }).first().waitFor();
    await update(page, rehearsal, "next-crash");
    await page.locator(".state-line .pill", { hasText: /Failed|Done/ }).waitFor({ timeout: PATIENCE_MS });
    await page.goto(`${rehearsal.url}/updates`);
    await page
      .locator("tr", { hasText: "1.1.0 to 1.2.0" })
      .filter({ hasText: "Taken back" })
      .waitFor({ timeout: PATIENCE_MS });
    assert.deepEqual(watch.faults, []);
  } finally {
    await browser.close();
    await rehearsal.stop();
  }
});

/** The wizard has its own tests; here it is only the way to a box that runs. */
async function installByApi(page: Page, { url, token }: Rehearsal): Promise<void> {
  const { request } = page.context();
  const post = async (path: string, data: object): Promise<Record<string, unknown>> => {
    const answer = await request.post(`${url}${path}`, { data, headers: { origin: url } });
    assert.ok(answer.ok(), `${path} answers ${answer.status()}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  await post("/api/session/claim", { token, password: MANAGEMENT_PASSWORD });
  const { digest } = await post("/api/setup/plan", ANSWERS);
  await post("/api/setup", { ...ANSWERS, planDigest: digest });
  await page.goto(`${url}/`);
  await page.locator(".answer .badge.ready").waitFor({ timeout: PATIENCE_MS });
}

/** Names a channel, looks at what it would change, and starts exactly that. */
async function update(page: Page, { url }: Rehearsal, channel: string): Promise<void> {
  await page.goto(`${url}/updates`);
  await page.locator("#field-release").fill(channel);
  await page.locator("#field-release").press("Enter");
  await page.waitForURL(`**/updates/review?channel=${channel}`);
  await page.locator("td", { hasText: "alga-core" }).first().waitFor({ timeout: PATIENCE_MS });
  await page.locator("main button.primary", { hasText: "Update to release" }).click();
  await page.waitForURL("**/operations/*-update");
}
