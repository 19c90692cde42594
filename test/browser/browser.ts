/**
 * Chromium for the browser tests: a fresh one for each test, and a watch over everything it says.
 *
 * A test fails on a console error, a page error, a violation of the content policy, and a request to any other host.
 * Without Chromium the tests are skipped, and the reason is printed.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { buildUi } from "../../ui/build.ts";
import type { MockOptions } from "./mock-box.ts";
import { type MockServer, startMockServer } from "./mock-server.ts";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Nothing in these pages takes longer; a slow machine gets ten times of what it needs. */
const STEP_MS = 30_000;

export interface Visit {
  readonly server: MockServer;
  readonly page: Page;
  /** Another tab of the same person. */
  openTab(): Promise<Page>;
  /** Network errors are expected from here on: the test itself cuts the connection. */
  expectSilence(): void;
}

export interface VisitOptions extends MockOptions {
  readonly context?: BrowserContextOptions;
}

/** What a test finds wrong besides its own assertions. */
export interface Watch {
  readonly faults: string[];
  silent: boolean;
}

/** Registers a test that gets a page on a fresh mock box. */
export function browserTest(name: string, options: VisitOptions, run: (visit: Visit) => Promise<void>): void {
  chromiumTest(name, async () => {
    const { files } = await buildUi();
    const server = await startMockServer(files, options);
    const browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1100, height: 760 }, ...options.context });
    const watch: Watch = { faults: [], silent: false };
    const openTab = async (): Promise<Page> => {
      const page = await context.newPage();
      watchPage(page, watch, server.url);
      return page;
    };
    try {
      await run({
        server,
        page: await openTab(),
        openTab,
        expectSilence: () => Object.assign(watch, { silent: true }),
      });
      assert.deepEqual(watch.faults, []);
    } finally {
      await browser.close();
      await server.stop();
    }
  });
}

/** Registers a test that needs Chromium. */
export function chromiumTest(name: string, run: () => Promise<void>): void {
  if (existsSync(CHROMIUM)) {
    test(name, run);
    return;
  }
  console.log(`skipped: ${name} (no Chromium at ${CHROMIUM}; Debian's package is "chromium")`);
  test(name, { skip: "no Chromium" }, () => {});
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Answers that refuse are part of the tests; the browser reports each as an error of its own. */
const EXPECTED = /Failed to load resource: the server responded with a status of (?:400|401|409|429|502)/;

/** Collects everything a page must not do. */
export function watchPage(page: Page, watch: Watch, origin: string): void {
  page.setDefaultTimeout(STEP_MS);
  page.on("pageerror", (error) => watch.faults.push(`page error: ${error.message}`));
  page.on("console", (message) => {
    const text = message.text();
    const network = watch.silent && /Failed to load resource|ERR_|status of 503|EventSource/.test(text);
    if (message.type() === "error" && !EXPECTED.test(text) && !network) watch.faults.push(`console: ${text}`);
  });
  page.on("request", (request) => {
    const own = request.url().startsWith(origin) || /^(?:blob|data):/.test(request.url());
    if (!own) watch.faults.push(`request to another host: ${request.url()}`);
  });
}
