/** The pages of a box that runs: components with pods, the host, operations, settings. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import { failingStatus, readyStatus } from "./mock-data.ts";
import { claim, heading, install, openConsole, tabTo, toReview } from "./steps.ts";

browserTest("a component leads to its pods, and a pod to its log, by keyboard", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/components");
  await page.locator("td a", { hasText: "alga-core" }).waitFor();
  await tabTo(page, "td a[href='/components/alga-core']");
  await page.keyboard.press("Enter");
  await heading(page, "alga-core");
  await page.locator("td", { hasText: "1,204" }).waitFor();
  await page.locator(".pill.failed", { hasText: "CrashLoopBackOff" }).waitFor();
  assert.equal(await page.locator("[role=log]").count(), 0, "a log is read before anybody asks for it");
  await tabTo(page, "td button");
  await page.keyboard.press("Enter");
  const log = page.locator("[role=log]");
  await log.filter({ hasText: "server listens on 3000" }).waitFor();
  await page.locator("#field-log-search").fill("request 39");
  await page.waitForFunction(() => document.querySelector("[role=log]")?.textContent?.trim().split("\n").length === 11);
  await page.reload();
  await heading(page, "alga-core");
});

browserTest("a failure leads to what it means, by keyboard, and back", { stepMs: 40 }, async ({ page, server }) => {
  await toReview(page, server.url);
  await install(page);
  await page.goto(`${server.url}/`);
  await heading(page, "Everything works");
  server.box.show(failingStatus());
  await heading(page, "People cannot log in");
  await tabTo(page, ".cause a[href='/help/image/not-found']");
  await page.keyboard.press("Enter");
  await heading(page, "What image/not-found means");
  for (const name of ["What it means for people", "What to look at", "What to do", "Is trying again safe"]) {
    await page.locator("h3", { hasText: name }).waitFor();
  }
  await page.goBack();
  await heading(page, "People cannot log in");
});

browserTest("the host tells its figures, its last hours and how its name servers answer", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/host");
  await heading(page, "Host and network");
  await page.locator(".facts", { hasText: "41 GB of 118 GB used · full in about 9 months" }).waitFor();
  assert.equal(await page.locator("svg.plot polyline").count(), 2);
  await page.locator(".servers li", { hasText: "Works, 3 ms" }).waitFor();
  const starts = page.locator("section[aria-label='Starts and changes']");
  await starts.locator("p", { hasText: "1 of the last 6 starts ended without a shutdown" }).waitFor();
  assert.equal(await starts.locator(".facts").first().locator("dd").count(), 5);
  await starts.locator("dd", { hasText: "32 days, no shutdown" }).waitFor();
  await starts.locator("dd", { hasText: "Kernel: 6.17.0-8-generic → 6.17.0-12-generic" }).waitFor();
  await page.route("**/api/host/maintenance", (route) => route.fulfill({ json: null }));
  await page.reload();
  await starts.locator("p", { hasText: "The host tells nothing of its starts here" }).waitFor();
});

browserTest("an operation shows how long each step took", { stepMs: 40 }, async ({ page, server }) => {
  await claim(page, server.url);
  await page.evaluate(async () => {
    const answers = { appHostname: "a.example", tenantName: "A", adminFirstName: "A", adminLastName: "B" };
    const rest = { adminEmail: "a@example.com", adminPassword: "Orchid-Lamp-9-River" };
    const body = JSON.stringify({ ...answers, ...rest, adminPasswordConfirm: rest.adminPassword });
    await fetch("/api/setup", { method: "POST", headers: { "content-type": "application/json" }, body });
  });
  await page.goto(`${server.url}/operations/0001-setup`);
  const bars = page.locator(".bars li");
  await page.waitForFunction(() => document.querySelectorAll(".bars li.ready").length === 12);
  assert.equal(await bars.count(), 12);
  const widths = await page
    .locator(".bars rect")
    .evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width));
  assert.ok(widths.every((width) => width > 0));
});

browserTest("a page that waits for the box holds its place", {}, async ({ page, server }) => {
  await claim(page, server.url);
  server.box.show(readyStatus());
  await page.route("**/api/cluster-events", async (route) => {
    await new Promise((done) => setTimeout(done, 1_500));
    await route.continue();
  });
  await page.goto(`${server.url}/events`);
  await page.locator(".skeleton").waitFor();
  await page.locator(".events li").first().waitFor();
  assert.equal(await page.locator(".skeleton").count(), 0);
});

browserTest("no page of the console jumps while it fills", { stepMs: 20 }, async (visit) => {
  const { page, server } = visit;
  await page.addInitScript(() => {
    let shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[])
        if (!entry.hadRecentInput) shifted += entry.value;
      Object.assign(globalThis, { shifted });
    }).observe({ type: "layout-shift", buffered: true });
  });
  await openConsole(visit, "/components");
  for (const path of ["/components", "/components/alga-core", "/host", "/settings"]) {
    await page.goto(`${server.url}${path}`);
    await page.locator("main h1").waitFor();
    await page.waitForFunction(() => document.querySelector(".skeleton") === null);
    await page.waitForTimeout(300);
    const shifted = await page.evaluate(() => (globalThis as { shifted?: number }).shifted ?? 0);
    assert.ok(shifted < 0.1, `${path} shifts by ${shifted}`);
  }
});
