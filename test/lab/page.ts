// The page of the appliance in a real browser: what a problem says in JSON must also stand on the screen.

import { chromium } from "playwright-core";
import { until } from "../../scripts/lab/daemon.ts";
import { hasProgram } from "../../scripts/lab/shell.ts";
import type { Appliance } from "./appliance.ts";

/** A browser starts slowly beside a whole cluster. */
const START_MS = 120_000;

/** True when a browser is installed; without one the page is not looked at, and the run says so. */
export function hasBrowser(): boolean {
  return hasProgram("chromium");
}

/** Opens the appliance with this session and waits until the page shows a text. */
export async function pageShows(appliance: Appliance, text: string): Promise<void> {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox"],
    timeout: START_MS,
  });
  try {
    const context = await browser.newContext();
    const [name = "", value = ""] = appliance.cookie.split("=");
    await context.addCookies([{ name, value, url: appliance.address, httpOnly: true, sameSite: "Strict" }]);
    const page = await context.newPage();
    await page.goto(`${appliance.address}/`, { timeout: START_MS });
    let shown = "";
    try {
      await until("the page", 90, async () => {
        shown = flat(await page.innerText("body"));
        return shown.includes(flat(text));
      });
    } catch {
      throw new Error(`the page does not show "${text}"; it shows: ${shown.slice(0, 1500)}`);
    }
  } finally {
    await browser.close();
  }
}

function flat(text: string): string {
  return text.replaceAll(/\s+/g, " ").toLowerCase();
}
