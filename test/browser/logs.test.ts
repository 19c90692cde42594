/** Logs and events: they follow, are searched and taken along, and whatever they hold is text. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest, type Visit } from "./browser.ts";
import { HOSTILE } from "./mock-inventory.ts";
import { openConsole } from "./steps.ts";

browserTest("a log is downloaded whole", { context: { acceptDownloads: true } }, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/components/alga-core");
  await page.locator("td button").first().click();
  await page.locator("[role=log]").waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("button", { hasText: "Download" }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "alga-core-0-main.log");
});

browserTest("a hostile pod name and log line are text, and do nothing", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/components/alga-core");
  await page.locator("td .mono", { hasText: "onerror" }).waitFor();
  await page.locator("td button").last().click();
  await page.locator("[role=log]", { hasText: "onerror" }).waitFor();
  await assertHarmless(page);
  await page.goto(`${visit.server.url}/events`);
  await page.locator(".events li", { hasText: "onerror" }).waitFor();
  await assertHarmless(page);
});

/** No element came out of the text, nothing ran, and what follows the name is not turned around. */
async function assertHarmless(page: Page): Promise<void> {
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.equal(await page.evaluate(() => "harmed" in globalThis), false);
  const isolated = await page.evaluate(
    (hostile) =>
      [...document.querySelectorAll("main .mono, main .log, main .events p, main h2")]
        .filter((node) => node.textContent?.includes(hostile.slice(0, 20)))
        .every((node) => ["isolate", "isolate-override", "plaintext"].includes(getComputedStyle(node).unicodeBidi)),
    HOSTILE,
  );
  assert.ok(isolated, "a mark in a name turns the words beside it");
}

async function openLog(visit: Visit): Promise<void> {
  await openConsole(visit, "/components/alga-core");
  await visit.page.locator("td button").first().click();
  await visit.page.locator("[role=log]", { hasText: "request 399" }).waitFor();
}

/** How often a line stands in the log that is shown. */
async function countOf(page: Page, line: string): Promise<number> {
  const lines = (await page.locator("[role=log]").innerText()).split("\n");
  return lines.filter((one) => one.trim() === line).length;
}

browserTest("a log grows while one looks, and goes on after a gap without a line twice", {}, async (visit) => {
  const { page, server } = visit;
  await openLog(visit);
  server.box.logs.write(["one more"]);
  await page.locator("[role=log]", { hasText: "one more" }).waitFor();
  visit.expectSilence();
  server.box.logs.cut();
  server.box.logs.write(["written in the gap"]);
  await page.locator("[role=log]", { hasText: "written in the gap" }).waitFor();
  server.box.logs.write(["after it"]);
  await page.locator("[role=log]", { hasText: "after it" }).waitFor();
  for (const line of ["one more", "written in the gap", "after it", "request 399"])
    assert.equal(await countOf(page, line), 1, line);
});

browserTest(
  "a log says when its container has ended, what was left out, and why it cannot be read",
  {},
  async (visit) => {
    const { page, server } = visit;
    await openLog(visit);
    server.box.logs.write(["too fast"], 4_100);
    await page.locator("p", { hasText: "4100 lines came too fast" }).waitFor();
    server.box.logs.end();
    await page.locator("p[role=status]", { hasText: "The container has ended" }).waitFor();
    await page.waitForFunction(() => document.querySelector("[role=log]") !== null);
    await page.reload();
    await page.locator("td button").first().click();
    await page.locator("[role=log]", { hasText: "too fast" }).waitFor();
    server.box.logs.end({ code: "kube/forbidden", message: "Cannot read the log: the rule get pods/log is missing" });
    await page.locator(".cause", { hasText: "the rule get pods/log is missing" }).waitFor();
    assert.equal(await page.locator("p", { hasText: "The container has ended" }).count(), 0);
  },
);

browserTest("a closed log follows no longer, and the one before the last restart is read once", {}, async (visit) => {
  const { page, server } = visit;
  await openLog(visit);
  await page.locator("label", { hasText: "Before the last restart" }).click();
  await page.locator("p", { hasText: "Only the end is shown" }).waitFor();
  await until(() => server.box.logs.followers() === 0);
  await page.locator("label", { hasText: "Before the last restart" }).click();
  await until(() => server.box.logs.followers() === 1);
  await page.locator("button", { hasText: "Close" }).click();
  await until(() => server.box.logs.followers() === 0);
});

/** Waits for what the page does behind our back. */
async function until(isSo: () => boolean): Promise<void> {
  const endMs = Date.now() + 30_000;
  while (!isSo()) {
    assert.ok(Date.now() < endMs, `never: ${isSo}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

browserTest("a thousand events are found by words and by kind, a hundred at a time", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/events");
  const rows = page.locator(".events li");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 100);
  await page.locator("button", { hasText: "Show more (900 left)" }).click();
  assert.equal(await rows.count(), 200);
  await page.locator("#field-events-search").fill("attempt 998");
  await page.waitForFunction(() => document.querySelectorAll(".events li").length === 1);
  await page.locator("#field-events-search").fill("nothing like this");
  await page.locator(".empty", { hasText: "No line matches." }).waitFor();
  await page.locator("#field-events-search").fill("");
  await page.locator("label", { hasText: "Ordinary (250)" }).click();
  await page.locator(".events b", { hasText: "Pulled" }).first().waitFor();
  assert.equal(await page.locator(".events b", { hasText: "BackOff" }).count(), 0);
  assert.equal(new URL(page.url()).search, "?kind=normal");
  await page.reload();
  await page.locator(".events b", { hasText: "Pulled" }).first().waitFor();
  assert.equal(await page.locator(".events b", { hasText: "Unhealthy" }).count(), 0);
});

browserTest("one event more among a thousand is one row more: the others stay as they are", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/events");
  const more = page.locator("button", { hasText: "Show more" });
  await more.waitFor();
  for (let left = 900; left > 0; left -= 100) await more.filter({ hasText: `(${left} left)` }).click();
  await page.waitForFunction(() => document.querySelectorAll(".events li").length === 1_000);
  await page.evaluate(() => {
    const rows = { added: 0, removed: 0 };
    Object.assign(globalThis, { rows });
    new MutationObserver((changes) => {
      for (const { addedNodes, removedNodes } of changes) {
        rows.added += addedNodes.length;
        rows.removed += removedNodes.length;
      }
    }).observe(document.querySelector(".events") as Element, { childList: true });
  });
  visit.server.box.addEvent("One more than before");
  await page.locator(".events p", { hasText: "One more than before" }).waitFor();
  const changed = await page.evaluate(() => (globalThis as unknown as { rows: object }).rows);
  assert.deepEqual(changed, { added: 1, removed: 1 });
});
