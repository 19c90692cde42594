// The page of the appliance in a real browser: what a problem says in JSON must also stand on the screen.

import { chromium, type Page } from "playwright-core";
import { until } from "../../scripts/lab/daemon.ts";
import { hasProgram } from "../../scripts/lab/shell.ts";
import type { Appliance } from "./appliance.ts";

/** A browser starts slowly beside a whole cluster. */
const START_MS = 120_000;
const SHOWN_SECONDS = 120;

/** True when a browser is installed; without one the page is not looked at, and the run says so. */
export function hasBrowser(): boolean {
  return hasProgram("chromium");
}

/** A page that is open and follows what happens, as that of an operator who looks on. */
export interface OpenPage {
  /** Waits until the page shows words; case and white space do not count. */
  shows(words: RegExp): Promise<void>;
  close(): Promise<void>;
}

/** Opens the first page of the appliance with its session. */
export async function openPage(appliance: Appliance): Promise<OpenPage> {
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
    return { shows: (words) => waitForWords(page, words), close: () => browser.close() };
  } catch (problem) {
    await browser.close();
    throw problem;
  }
}

/** Opens the appliance for one look. */
export async function pageShows(appliance: Appliance, words: RegExp): Promise<void> {
  const page = await openPage(appliance);
  try {
    await page.shows(words);
  } finally {
    await page.close();
  }
}

async function waitForWords(page: Page, words: RegExp): Promise<void> {
  const wanted = new RegExp(words.source, "i");
  let shown = "";
  try {
    await until("the page", SHOWN_SECONDS, async () => {
      shown = (await page.innerText("body")).replaceAll(/\s+/g, " ");
      return wanted.test(shown);
    });
  } catch (problem) {
    throw new Error(`the page does not show ${words} (${problem}); it shows: ${shown.slice(0, 1500)}`);
  }
}
