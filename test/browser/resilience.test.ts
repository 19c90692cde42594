/** Reload, back, a second tab, a lost connection, a refused stream: nothing is lost. */
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { browserTest } from "./browser.ts";
import { failingStatus, readyStatus } from "./mock-data.ts";
import {
  answerAddress,
  answerRelease,
  claim,
  heading,
  holds,
  install,
  MOCK_PASSWORD,
  openConsole,
  tabTo,
  toReview,
  typeInto,
} from "./steps.ts";

function path(page: Page): string {
  return new URL(page.url()).pathname;
}

browserTest(
  "a reload keeps the page and every answer; back and forward walk through the steps",
  {},
  async ({ page, server }) => {
    await claim(page, server.url);
    await answerRelease(page);
    await typeInto(page, "appHostname", "psa.example.com");
    await page.reload();
    await heading(page, "Where will people find it?");
    await holds(page, "#field-appHostname", "psa.example.com");
    await page.locator("text=Continue").click();
    await heading(page, "Who will use it?");
    await typeInto(page, "tenantName", "Example Ltd");
    await page.goBack();
    await heading(page, "Where will people find it?");
    await page.goBack();
    await heading(page, "Which release?");
    await page.goForward();
    await page.goForward();
    await heading(page, "Who will use it?");
    await holds(page, "#field-tenantName", "Example Ltd");
  },
);

browserTest(
  "a second tab follows the installation that the first one started",
  { stepMs: 150 },
  async ({ page, server, openTab }) => {
    await toReview(page, server.url);
    const second = await openTab();
    await second.goto(`${server.url}/setup/release`);
    await heading(second, "Which release?");
    await install(page);
    await second.waitForURL("**/setup/install");
    await second.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
    await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
  },
);

browserTest("a reload while it installs goes on where it is", { stepMs: 200 }, async ({ page, server }) => {
  await toReview(page, server.url);
  await install(page);
  await page.locator(".rung.ready").first().waitFor();
  await page.reload();
  await page.locator(".rung.progressing").waitFor();
  assert.equal(path(page), "/setup/install");
  await page.goto(`${server.url}/setup/address`);
  await page.waitForURL("**/setup/install");
});

browserTest(
  "a lost connection is said, keeps what is typed, and everything resumes",
  { stepMs: 60 },
  async ({ page, server, expectSilence }) => {
    await claim(page, server.url);
    await answerRelease(page);
    await typeInto(page, "appHostname", "psa.example.com");
    expectSilence();
    await server.silence();
    await page.locator(".bar.offline", { hasText: "No connection to the box" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator(".cause", { hasText: "does not answer" }).waitFor();
    await holds(page, "#field-appHostname", "psa.example.com");
    await server.listen();
    await page.locator(".bar.offline").waitFor({ state: "detached" });
    await page.locator("text=Continue").click();
    await heading(page, "Who will use it?");
  },
);

browserTest("what happened during a gap is shown after it", {}, async ({ page, server, expectSilence }) => {
  await claim(page, server.url);
  server.box.show({ ...readyStatus(), phase: "running" });
  await page.goto(`${server.url}/components`);
  await page.locator("td", { hasText: "alga-core" }).waitFor();
  expectSilence();
  await server.silence();
  await page.locator(".bar.offline").waitFor();
  server.box.show(failingStatus());
  await server.listen();
  await page.locator(".pill.failed", { hasText: "Image missing" }).waitFor();
});

browserTest(
  "a box without a stream is asked every two seconds instead",
  { stepMs: 80 },
  async ({ page, server, expectSilence }) => {
    expectSilence();
    server.box.refuseStreams(true);
    await toReview(page, server.url);
    await install(page);
    await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor({ timeout: 20_000 });
  },
);

browserTest("a session that ended leads to the login and back to the same address", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await answerRelease(page);
  await answerAddress(page);
  await page.locator(".corner .button", { hasText: "Log out" }).click();
  await heading(page, "Log in to this box");
  await typeInto(page, "password", "Orchid-Lamp-9-River");
  await page.keyboard.press("Enter");
  await heading(page, "Who will use it?");
  assert.equal(path(page), "/setup/organisation");
});

browserTest(
  "a session that the box ends midway leads to the login, and back to the same address",
  {},
  async (visit) => {
    const { page, server } = visit;
    await openConsole(visit, "/events?kind=warning");
    await page.locator(".events li").first().waitFor();
    visit.expectSilence();
    server.box.endSessions();
    await heading(page, "Log in to this box");
    await typeInto(page, "password", MOCK_PASSWORD);
    await page.keyboard.press("Enter");
    await page.locator(".events li").first().waitFor();
    assert.equal(path(page), "/events");
    assert.equal(new URL(page.url()).search, "?kind=warning");
  },
);

browserTest("a session that ends while a form is sent keeps nobody in doubt", {}, async (visit) => {
  const { page, server } = visit;
  await openConsole(visit, "/settings");
  await page.locator("#field-name").fill("Front desk");
  visit.expectSilence();
  server.box.endSessions();
  await page
    .locator("#field-name")
    .press("Enter")
    .catch(() => {});
  await heading(page, "Log in to this box");
  await typeInto(page, "password", MOCK_PASSWORD);
  await page.keyboard.press("Enter");
  await heading(page, "Settings");
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>("#field-name")?.value === "box-7f3a");
});

browserTest("the choice of colors is kept on this browser", {}, async ({ page, server }) => {
  await claim(page, server.url);
  const theme = (): Promise<string | undefined> => page.evaluate(() => document.documentElement.dataset.theme);
  await tabTo(page, ".corner .button");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.equal(await theme(), "dark");
  await page.reload();
  await heading(page, "Set up this box");
  assert.equal(await theme(), "dark");
  assert.equal(
    await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor),
    "rgb(14, 21, 20)",
  );
});
