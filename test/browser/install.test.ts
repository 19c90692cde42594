/** An installation that stops: its cause, correcting an answer, trying again, stopping by hand, the journal. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import { heading, holds, install, tabTo, toReview } from "./steps.ts";

browserTest(
  "a wrong answer that only the registry finds is corrected and the installation goes on",
  { stepMs: 60, blockAt: "release", blockFields: ["releaseRef"] },
  async ({ page, server }) => {
    await toReview(page, server.url);
    await install(page);
    const cause = page.locator(".rung.failed .cause");
    await cause.waitFor();
    assert.match(
      await cause.innerText(),
      /does not have it[\s\S]*manifest unknown[\s\S]*Choose another release\. Trying again will not help\./,
    );
    assert.equal(await cause.locator("button").count(), 1);
    await tabTo(page, ".cause button.primary");
    await page.keyboard.press("Enter");
    await heading(page, "Which release?");
    await page.locator("text=A release that I name").click();
    await page.locator("#field-releaseRef").fill("1.0.2");
    await page.keyboard.press("Enter");
    await heading(page, "Where will people find it?");
    await page.keyboard.press("Tab");
    await holds(page, "#field-appHostname", "psa.example.com");
    await page.locator("text=Continue").click();
    await heading(page, "Who will use it?");
    await page.locator("text=The box has one").waitFor();
    await page.locator("text=Continue").click();
    await heading(page, "This is what will happen");
    assert.equal(await page.locator("#field-adminPassword").count(), 0, "a kept password is asked for again");
    await install(page);
    await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
    assert.equal(server.box.posted[1]?.releaseRef, "1.0.2");
  },
);

browserTest(
  "a failure that may pass is tried again and the installation ends",
  { stepMs: 60, blockAt: "flux" },
  async ({ page, server }) => {
    await toReview(page, server.url);
    await install(page);
    await page.locator(".cause").waitFor();
    await tabTo(page, ".cause button.primary");
    await page.keyboard.press("Enter");
    await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
  },
);

browserTest("stopping asks first, Escape means no, and one can go on", { stepMs: 400 }, async ({ page, server }) => {
  await toReview(page, server.url);
  await install(page);
  const stop = page.locator(".sheet-foot > .buttons button", { hasText: "Stop the installation" });
  await stop.focus();
  await page.keyboard.press("Enter");
  await page.locator("dialog[open]").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  assert.equal(server.box.operation()?.state, "running");
  assert.ok(await stop.evaluate((button) => button === document.activeElement), "the focus does not come back");
  await page.keyboard.press("Enter");
  await page.locator("dialog[open] .danger").click();
  await page.locator(".cause.attention").waitFor();
  assert.equal(server.box.operation()?.state, "cancelled");
  await page.locator(".cause a", { hasText: "Change the answers" }).click();
  await heading(page, "Which release?");
  await page.goBack();
  await page.locator(".cause button", { hasText: "Go on" }).click();
  await heading(page, "This is what will happen");
  await page.locator("button.primary").click();
  await page.waitForURL("**/setup/install");
  await page.locator(".rung.progressing").waitFor();
});

browserTest("the journal is an address, follows, and can be searched", { stepMs: 60 }, async ({ page, server }) => {
  await toReview(page, server.url);
  await install(page);
  await page.locator("button", { hasText: "Show the journal" }).click();
  await page.locator(".log", { hasText: "finished" }).waitFor();
  await page.reload();
  await page.locator(".log", { hasText: "finished" }).waitFor();
  await page.locator("#field-log-search").fill("tenant");
  await page.waitForFunction(() => !document.querySelector(".log")?.textContent?.includes("flux"));
  assert.match(await page.locator(".log").innerText(), /tenant {2}step-done/);
  await page.goto(`${server.url}/operations`);
  await page.locator("td a", { hasText: "Installation" }).click();
  await heading(page, "Installation");
  assert.equal(new URL(page.url()).pathname, "/operations/0001-setup");
});
