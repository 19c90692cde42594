/** What the pages say beside the main way: name servers, who vouches for the release, the rehearsal's failures. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest } from "./browser.ts";
import { failingStatus, readyStatus } from "./mock-data.ts";
import { answerRelease, claim, heading, holds, MOCK_PASSWORD, tabTo, toReview, typeInto } from "./steps.ts";

browserTest("the address step shows how each name server answers, and a better spelling", {}, async (visit) => {
  const { page, server } = visit;
  await claim(page, server.url);
  await answerRelease(page);
  const rows = page.locator(".servers li");
  await rows.filter({ hasText: "192.168.10.1" }).locator(".pill.ready", { hasText: "Works, 3 ms" }).waitFor();
  await rows.filter({ hasText: "192.168.10.2" }).locator(".pill.failed", { hasText: "Does not answer" }).waitFor();
  await typeInto(page, "appHostname", "psa.example.con");
  await page.locator(".hint", { hasText: "Did you mean psa.example.com?" }).waitFor();
  await tabTo(page, ".hint button");
  await page.keyboard.press("Enter");
  await page.locator(".hint .pill.ready", { hasText: "psa.example.com leads to this box." }).waitFor();
  await holds(page, "#field-appHostname", "psa.example.com");
});

browserTest(
  "the rows of the name servers stand before the answers come: nothing jumps",
  {},
  async ({ page, server }) => {
    await page.addInitScript(() => {
      const shifts: number[] = [];
      Object.assign(globalThis, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push((entry as unknown as { value: number }).value);
      }).observe({ type: "layout-shift", buffered: true });
    });
    await claim(page, server.url);
    await answerRelease(page);
    await page.locator(".servers .pill.ready").waitFor();
    await page.waitForTimeout(300);
    const worst = await page.evaluate(() =>
      Math.max(0, ...(globalThis as unknown as { shifts: readonly number[] }).shifts),
    );
    assert.ok(worst < 0.05, `the layout shifts by ${worst}`);
  },
);

browserTest("a release without a key is called unverified wherever it is shown", { stepMs: 20 }, async (visit) => {
  const { page, server } = visit;
  await toReview(page, server.url);
  await page.locator(".review td", { hasText: "unverified" }).waitFor();
  await page.goto(`${server.url}/setup/release`);
  await page.locator(".choice small", { hasText: "unverified" }).first().waitFor();
  await page.locator(".verified", { hasText: "No key that this box trusts" }).waitFor();
  await page.goto(`${server.url}/setup/review`);
  for (const field of ["adminPassword", "adminPasswordConfirm"])
    await page.locator(`#field-${field}`).fill(MOCK_PASSWORD);
  await page.locator(".sheet-foot button.primary").click();
  await page.locator(".sheet a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
  await page.locator(".sheet .verified", { hasText: "No key that this box trusts" }).waitFor();
  await page.goto(`${server.url}/`);
  await heading(page, "Everything works");
  await page.locator(".answer p", { hasText: "Release 1.0.3 is installed, unverified." }).waitFor();
  await page.locator(".rail-foot", { hasText: "unverified" }).waitFor();
  await page.locator(".card .verified", { hasText: "who made them is not proven" }).waitFor();
  const ready = readyStatus();
  assert.ok(ready.release !== null);
  server.box.show({ ...ready, release: { ...ready.release, verifiedBy: "release-2026-a" } });
  await page.locator(".verified .pill.ready", { hasText: "Verified by key release-2026-a" }).waitFor();
  assert.equal(await page.locator("body", { hasText: "unverified" }).count(), 0);
});

browserTest("the rehearsal's bar plays and mends a failure by keyboard", {}, async ({ page, server, openTab }) => {
  await page.goto(`${server.url}/setup`);
  await heading(page, "Open this box");
  assert.equal(await page.locator(".bar button").count(), 0, "a stranger may play failures");
  await claim(page, server.url);
  await tabTo(page, ".bar button");
  await page.keyboard.press("Enter");
  await tabTo(page, "#rehearsal-failure");
  await page.locator("#rehearsal-failure").selectOption({ label: "The disk is full" });
  await page.locator(".bar [role=status]", { hasText: "too little room" }).waitFor();
  await tabTo(page, ".bar .switchboard button");
  await page.keyboard.press("Enter");
  await page.locator(".bar button", { hasText: "Mend" }).waitFor();
  assert.equal(await focusedWords(page), "Mend", "the focus is lost");
  await page.locator(".bar [role=status]", { hasText: "On a real box: Free room" }).waitFor();
  const other = await openTab();
  await other.goto(`${server.url}/`);
  await other.locator(".bar button", { hasText: "Mend" }).waitFor();
  await page.keyboard.press("Enter");
  await page.locator(".bar button", { hasText: "Play" }).last().waitFor();
  assert.equal(await focusedWords(page), "Play", "the focus is lost");
});

browserTest(
  "an installation that needs another release offers that, and nothing that cannot help",
  { stepMs: 40, blockAt: "reconcile", blockFields: ["channel", "releaseRef"] },
  async ({ page, server }) => {
    await toReview(page, server.url);
    await page.locator(".sheet-foot button.primary").click();
    const cause = page.locator(".rung .cause");
    await cause.locator("button.primary", { hasText: "Choose another release" }).waitFor();
    assert.equal(await cause.locator("button", { hasText: /Try|Go on/ }).count(), 0);
    server.box.show({ ...failingStatus(), operation: server.box.operation() ?? null });
    await page.goto(`${server.url}/overview`);
    await page.locator(".rung .cause button.primary", { hasText: "Choose another release" }).click();
    await page.waitForURL("**/setup/release");
    await page.locator("#field-channel-error", { hasText: "the registry does not have it" }).waitFor();
  },
);

function focusedWords(page: Page): Promise<string> {
  return page.evaluate(() => document.activeElement?.textContent?.trim() ?? "");
}
