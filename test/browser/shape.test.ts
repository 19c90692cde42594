/** Every page in every shape: phone, server-room screen, light, dark; audited, without sideways scroll. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import type { ApplianceStatus } from "../../ui/state/wire.ts";
import { audit } from "./audit.ts";
import { browserTest, type Visit } from "./browser.ts";
import { failingStatus, readyStatus } from "./mock-data.ts";
import { LONG_NAME } from "./mock-inventory.ts";
import { answerAddress, answerOrganisation, answerRelease, claim, heading, install } from "./steps.ts";

const SHAPES = [
  { name: "a phone, light", context: { viewport: { width: 360, height: 740 }, colorScheme: "light" } },
  { name: "a phone, dark", context: { viewport: { width: 360, height: 740 }, colorScheme: "dark" } },
  { name: "a server-room screen, light", context: { viewport: { width: 1024, height: 768 }, colorScheme: "light" } },
  { name: "a server-room screen, dark", context: { viewport: { width: 1024, height: 768 }, colorScheme: "dark" } },
  { name: "a tablet, light", context: { viewport: { width: 768, height: 1024 }, colorScheme: "light" } },
  { name: "a tablet, dark", context: { viewport: { width: 768, height: 1024 }, colorScheme: "dark" } },
  { name: "a desk, light", context: { viewport: { width: 1440, height: 900 }, colorScheme: "light" } },
  { name: "a desk, dark", context: { viewport: { width: 1440, height: 900 }, colorScheme: "dark" } },
] as const;

for (const { name, context } of SHAPES) {
  browserTest(
    `every page is sound on ${name}`,
    { stepMs: 40, blockAt: "reconcile", context: { ...context, reducedMotion: "reduce" } },
    visitAll,
  );
}

const CONSOLE_PAGES = [
  "/components",
  "/components/alga-core",
  "/components/nobody",
  "/operations",
  "/operations/0001-setup",
  "/updates",
  "/updates/review?channel=stable",
  "/host",
  "/events",
  "/help/image/not-found",
  "/settings",
  "/ui-kit",
  "/nothing",
];

async function visitAll({ page, server }: Visit): Promise<void> {
  await page.goto(`${server.url}/setup`);
  await heading(page, "Open this box");
  await audit(page);
  await claim(page, server.url);
  await audit(page);
  await answerRelease(page);
  await audit(page);
  await answerAddress(page);
  await page.locator("button[type=submit]").click();
  await page.locator(".summary").waitFor();
  await audit(page);
  await answerOrganisation(page);
  await page.locator("summary").first().click();
  await audit(page);
  await install(page);
  await page.locator(".cause").waitFor();
  await audit(page);
  await page.locator(".cause button").click();
  await page.locator("a.button.primary", { hasText: "Open psa.example.com" }).waitFor();
  await audit(page);
  await visitConsole(page, server);
}

/** A key that is a digest, and names as long as Kubernetes lets them be. */
function widestStatus(): ApplianceStatus {
  const ready = readyStatus();
  const { release, appliance } = ready;
  assert.ok(release !== null);
  const [first, ...others] = ready.components;
  assert.ok(first !== undefined);
  const message = `${"m".repeat(200)} ${LONG_NAME}`;
  return {
    ...ready,
    release: { ...release, verifiedBy: "f".repeat(64), channel: "c".repeat(63) },
    appliance: { ...appliance, name: "W".repeat(63), addresses: ["2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"] },
    components: [{ ...first, message, version: `1.0.3-${"9".repeat(80)}` }, ...others],
  };
}

async function visitConsole(page: Page, server: Visit["server"]): Promise<void> {
  await page.goto(`${server.url}/`);
  await heading(page, "Everything works");
  await audit(page);
  server.box.show(failingStatus());
  await heading(page, "People cannot log in");
  await audit(page);
  server.box.show(widestStatus());
  await page.goto(`${server.url}/`);
  await heading(page, "Everything works");
  await audit(page);
  for (const path of CONSOLE_PAGES) {
    await page.goto(`${server.url}${path}`);
    await page.locator("main h1").waitFor();
    await page.waitForFunction(() => document.querySelector(".skeleton:not(.note > .skeleton)") === null);
    await audit(page);
  }
  await page.goto(`${server.url}/components/alga-core`);
  await page.locator("td button").first().click();
  await page.locator("[role=log]").waitFor();
  await audit(page);
  await page.locator(".bar button", { hasText: "Play a failure" }).click();
  await page.locator("#rehearsal-failure").waitFor();
  await audit(page);
}
