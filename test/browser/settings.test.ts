/** Settings: the name, the address of the application, the passwords, the sessions, the colors. */
import assert from "node:assert/strict";
import { browserTest } from "./browser.ts";
import { focusOn, heading, holds, MOCK_PASSWORD, openConsole, tabTo } from "./steps.ts";

browserTest(
  "the management password is changed, and a wrong or weak one is said where it was typed",
  {},
  async (visit) => {
    const { page } = visit;
    await openConsole(visit, "/settings");
    const type = async (old: string, next: string, again = next): Promise<void> => {
      await page.locator("#field-password").fill(old);
      await page.locator("#field-next").fill(next);
      await page.locator("#field-again").fill(again);
      await page.keyboard.press("Enter");
    };
    await type(MOCK_PASSWORD, "Lantern-over-9", "Lantern-over-8");
    await page.locator("#field-again-error", { hasText: "different" }).waitFor();
    await type("something-else", "Lantern-over-9");
    await page.locator("#field-password-error", { hasText: "wrong" }).waitFor();
    await type(MOCK_PASSWORD, "short");
    await page.locator("#field-next-error", { hasText: "at least 8" }).waitFor();
    await type(MOCK_PASSWORD, "Lantern-over-9");
    await page.locator("[role=status] .toast", { hasText: "The password is changed" }).waitFor();
    await holds(page, "#field-next", "");
  },
);

browserTest("the open sessions are listed, the others are ended, and colors are chosen", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/settings");
  await page.locator(".facts", { hasText: "open for 24 h, used 2 h ago" }).waitFor();
  await page.locator("button", { hasText: "End all other sessions" }).click();
  await page.locator("[role=status] .toast", { hasText: "Other sessions ended: 1" }).waitFor();
  await page.locator("#field-theme-dark").check();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
  await page.reload();
  await heading(page, "Settings");
  assert.ok(await page.locator("#field-theme-dark").isChecked());
});

browserTest(
  "the name of the appliance is changed, at once and everywhere; a wrong one is said in words",
  {},
  async (visit) => {
    const { page } = visit;
    await openConsole(visit, "/settings");
    await page.locator("#field-name").waitFor();
    await holds(page, "#field-name", "box-7f3a");
    await page.fill("#field-name", "x".repeat(64));
    await page.locator("#field-name").press("Enter");
    await page.locator("#field-name-error", { hasText: "at most 63" }).waitFor();
    await focusOn(page, "field-name");
    await page.fill("#field-name", "  Front desk ");
    await page.locator("#field-name").press("Enter");
    await page.locator("[role=status] .toast", { hasText: "It is called Front desk now" }).waitFor();
    await holds(page, "#field-name", "Front desk");
    await page.fill("#field-name", "");
    await page.locator("#field-name").press("Enter");
    await page.locator("[role=status] .toast", { hasText: "It is called box-7f3a now" }).waitFor();
  },
);

browserTest("another address is looked at before it is changed, and typing on forgets the plan", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/settings");
  const field = page.locator("#field-appHostname");
  await field.waitFor();
  await holds(page, "#field-appHostname", "https://psa.example.com");
  await field.fill("nothing");
  await field.press("Enter");
  await page.locator("#field-appHostname-error", { hasText: "not an address" }).waitFor();
  await focusOn(page, "field-appHostname");
  await field.fill("new.example.com");
  await field.press("Enter");
  const plan = page.locator("section[aria-label='This would change']");
  await plan.locator("dd", { hasText: "alga-core, workflow-worker" }).waitFor();
  await plan.locator(".cause", { hasText: "is not known to your DNS" }).waitFor();
  await field.fill("newer.example.com");
  await plan.waitFor({ state: "detached" });
  await field.press("Enter");
  await plan.locator("dd", { hasText: "https://newer.example.com" }).waitFor();
  await tabTo(page, "section button.primary");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/operations/0004-settings");
});

browserTest("the administrator's password is set anew, and a wrong one is said at its field", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/settings");
  await page.locator("p", { hasText: "admin@example.com" }).waitFor();
  const type = async (password: string, again: string): Promise<void> => {
    await page.locator("#field-admin-password").fill(password);
    await page.locator("#field-admin-again").fill(again);
    await page.keyboard.press("Enter");
  };
  await type("short", "short");
  await page.locator("#field-admin-password-error", { hasText: "at least 8" }).waitFor();
  await type("Lantern-over-9", "Lantern-over-8");
  await page.locator("#field-admin-again-error", { hasText: "different" }).waitFor();
  await type("Lantern-over-9", "Lantern-over-9");
  await page.waitForURL("**/operations/0004-settings");
});

browserTest("another license key is looked at before the application is asked to take it", {}, async (visit) => {
  const { page } = visit;
  await openConsole(visit, "/settings");
  await page.locator("dd", { hasText: "pro, until 2027-03-01" }).waitFor();
  const field = page.locator("#field-license-key");
  await field.fill("no key");
  await field.press("Enter");
  await page.locator("#field-license-key-error", { hasText: "three parts" }).waitFor();
  await field.fill("aaa.bbb.ccc");
  await field.press("Enter");
  const plan = page.locator("section[aria-label='This key']");
  await plan.locator("dd", { hasText: "premium, without an end" }).waitFor();
  await field.fill("aaa.bbb.ddd");
  await plan.waitFor({ state: "detached" });
  await field.press("Enter");
  await plan.waitFor();
  await tabTo(page, "section button.primary");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/operations/0004-settings");
});

browserTest(
  "an install code is given instead of a key, and what cannot be taken back is said before",
  {},
  async (visit) => {
    const { page } = visit;
    await openConsole(visit, "/settings");
    const [key, code] = [page.locator("#field-license-key"), page.locator("#field-install-code")];
    await key.fill("aaa.bbb.ccc");
    await code.fill("K7QPM2RX");
    await code.press("Enter");
    await page.locator("#field-install-code-error", { hasText: "not both" }).waitFor();
    await key.fill("");
    await code.press("Enter");
    const plan = page.locator("section[aria-label='This code']");
    await plan.locator("dd", { hasText: "known when it has been traded" }).waitFor();
    await plan.getByText("An install code is good once.").waitFor();
    await tabTo(page, "section button.primary");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/operations/0004-settings");
  },
);
