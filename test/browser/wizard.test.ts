/** The wizard from the token to the login link, by keyboard only; and what it says when an answer is wrong. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import {
  answerAddress,
  answerOrganisation,
  answerRelease,
  claim,
  focusOn,
  heading,
  install,
  MOCK_PASSWORD,
  MOCK_TOKEN,
  tabTo,
  toReview,
  typeInto,
} from "./steps.ts";

browserTest(
  "the whole wizard works by keyboard only, and the heading has the focus after each step",
  { stepMs: 80 },
  async ({ page, server }) => {
    await claim(page, server.url);
    await answerRelease(page);
    await focusOn(page, "H1");
    await answerAddress(page);
    await focusOn(page, "H1");
    await answerOrganisation(page);
    assert.equal(await page.locator("button.primary").innerText(), "Install release 1.0.3");
    await install(page);
    await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
    assert.equal(await page.locator("a.button.primary").getAttribute("href"), "https://psa.example.com/");
    assert.equal(await page.locator(".rung.ready").count(), 6);
    const [posted] = server.box.posted;
    assert.equal(posted?.adminPassword, MOCK_PASSWORD);
    assert.equal(posted?.planDigest, "sha256:plan");
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!stored.includes(MOCK_PASSWORD), "a password is kept in the browser");
  },
);

browserTest("a typed token is taken with blanks, quotes or as a whole address", {}, async ({ page, server }) => {
  await page.goto(`${server.url}/setup`);
  await heading(page, "Open this box");
  await typeInto(page, "token", "NOT-IT");
  await page.keyboard.press("Enter");
  await page.locator(".cause", { hasText: "not the one of this box" }).waitFor();
  await focusOn(page, "field-token");
  await page.locator("#field-token").fill(` ${server.url}/setup?token=${MOCK_TOKEN} `);
  await page.keyboard.press("Enter");
  await heading(page, "Choose the management password");
});

browserTest("a locked box says so, and so does a link with an old token", {}, async ({ page, server }) => {
  await page.goto(`${server.url}/setup?token=OLD`);
  await page.locator(".cause", { hasText: "another token" }).waitFor();
  for (let attempt = 0; attempt < 4; attempt += 1) {
    await page.locator("#field-token").fill(`WRONG${attempt}`);
    // While an attempt is under way the form takes no other, and its words are those of the attempt before.
    await page.locator("button[type=submit]:not([aria-disabled])").waitFor();
    const answered = page.waitForResponse((response) => response.request().method() === "POST");
    await page.keyboard.press("Enter");
    await answered;
    await page
      .locator(".cause.failed, .cause.attention", { hasText: attempt < 3 ? "not the one" : "Too many attempts" })
      .waitFor();
  }
});

browserTest("two different passwords and a weak one are refused in words", {}, async ({ page, server }) => {
  await page.goto(`${server.url}/setup?token=${MOCK_TOKEN}`);
  await typeInto(page, "password", "short");
  await page.locator(".strength", { hasText: "Too short" }).waitFor();
  await typeInto(page, "again", "other");
  await page.keyboard.press("Enter");
  await page.locator("#field-again-error", { hasText: "different" }).waitFor();
  await focusOn(page, "field-again");
  await page.locator("#field-again").fill("short");
  await page.keyboard.press("Enter");
  await page.locator("#field-password-error", { hasText: "at least 8" }).waitFor();
});

browserTest("one wrong answer takes the focus, several make a summary with links", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await answerRelease(page);
  await typeInto(page, "appHostname", "psa.example.con");
  await page.keyboard.press("Enter");
  await page.locator("#field-appHostname-error", { hasText: "Did you mean psa.example.com?" }).waitFor();
  await focusOn(page, "field-appHostname");
  assert.equal(await page.locator("#field-appHostname").getAttribute("aria-invalid"), "true");
  await page.locator("#field-appHostname").fill("psa.example.com");
  assert.equal(
    await page.locator("#field-appHostname-error").innerText(),
    "",
    "the message stays while the answer changes",
  );
  await page.keyboard.press("Enter");
  await heading(page, "Who will use it?");
  await tabTo(page, "button.primary");
  await page.keyboard.press("Enter");
  await page.locator(".summary", { hasText: "4 answers need attention" }).waitFor();
  assert.ok(await page.evaluate(() => document.activeElement?.matches(".summary")));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await focusOn(page, "field-tenantName");
});

browserTest("own name servers are asked for only when chosen", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await answerRelease(page);
  await typeInto(page, "appHostname", "psa.example.com");
  await tabTo(page, "#field-dnsMode");
  await page.keyboard.press("ArrowDown");
  await page.locator("#field-dnsServers").waitFor();
  await page.keyboard.press("Enter");
  await page.locator("#field-dnsServers-error", { hasText: "one to three" }).waitFor();
});

browserTest("a step that needs answers cannot be reached by its address alone", {}, async ({ page, server }) => {
  await claim(page, server.url);
  await page.goto(`${server.url}/setup/review`);
  await heading(page, "Where will people find it?");
  assert.equal(new URL(page.url()).pathname, "/setup/address");
});

browserTest(
  "after a reload on the review the password is asked for again, and nothing else",
  { stepMs: 60 },
  async ({ page, server }) => {
    await toReview(page, server.url);
    await page.reload();
    await heading(page, "This is what will happen");
    await page.locator("text=passwords are never kept in the browser").waitFor();
    await tabTo(page, "button.primary");
    await page.keyboard.press("Enter");
    await page.locator("#field-adminPassword-error", { hasText: "Type the password" }).waitFor();
    await page.locator("#field-adminPassword").fill(MOCK_PASSWORD);
    await page.locator("#field-adminPasswordConfirm").fill(MOCK_PASSWORD);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/setup/install");
    assert.equal(server.box.posted[0]?.tenantName, "Example Ltd");
  },
);
