/** The parts that no page needs hard enough: the long table, sorting, copying, the dialog. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import { claim } from "./steps.ts";

browserTest("a table of 500 rows builds only those in view, and sorts", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await page.goto(`${server.url}/ui-kit`);
  const view = page.locator(".table-window");
  const rows = view.locator("tbody tr:not([aria-hidden])");
  await rows.first().waitFor();
  assert.ok((await rows.count()) <= 60, "every row is built");
  await view.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await view.locator("td", { hasText: "pod-500" }).waitFor();
  await view.evaluate((element) => element.scrollTo(0, 0));
  await view.locator("th button", { hasText: "Size" }).click();
  await view.locator("th button", { hasText: "Size" }).click();
  assert.equal(await view.locator("th", { hasText: "Size" }).getAttribute("aria-sort"), "descending");
  const sizes = await rows
    .locator("td:nth-child(2) span")
    .evaluateAll((cells) => cells.map((cell) => Number.parseInt(cell.getAttribute("title") ?? "", 10)));
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
});

browserTest(
  "copying says so, politely",
  { context: { permissions: ["clipboard-read", "clipboard-write"] } },
  async ({ page, server }) => {
    await claim(page, server.url);
    await page.goto(`${server.url}/ui-kit`);
    await page.locator("button", { hasText: "Copy all" }).click();
    await page.locator("[role=status] .toast", { hasText: "Copied" }).waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^pod-1 started\npod-2 started/);
  },
);

browserTest("the strength of a password follows what is typed", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await page.goto(`${server.url}/ui-kit`);
  const words = page.locator(".strength span");
  for (const [typed, word] of [
    ["", "as you type"],
    ["short", "Too short"],
    ["aaaaaaaaaaaaaaa", "Weak"],
    ["Orchid-Lamp-9-River!", "Strong"],
  ] as const) {
    await page.locator("#field-kit-secret").fill(typed);
    await words.filter({ hasText: word }).waitFor();
  }
});
