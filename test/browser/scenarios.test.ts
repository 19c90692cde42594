/**
 * Every scenario of the rehearsal on the page, as the executable plays it: its sentence, its cause, its next step, and
 * whatever the shape of the window, nothing to complain about.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { SCENARIOS } from "../../src/rehearsal/faults.ts";
import { ANSWERS, MANAGEMENT_PASSWORD } from "../rehearsal/play.ts";
import { audit } from "./audit.ts";
import { chromiumTest, openBrowser, type Watch, watchPage } from "./browser.ts";
import { type Rehearsal, startRehearsal } from "./rehearsal.ts";

interface Scene {
  readonly scenario: string;
  /** Heading of the overview. */
  readonly sentence: RegExp;
  /** What the cause holds: what to do among it. */
  readonly says: RegExp;
  /** Slower where something is there for a limited time only. Absent: 20. */
  readonly speed?: number;
}

const SCENES: readonly Scene[] = [
  {
    scenario: "registry-unreachable",
    sentence: /the registry 127\.0\.0\.1:\d+ does not accept connections/,
    says: /firewall or proxy/,
  },
  { scenario: "wrong-clock", sentence: /the clock of the box is 2 h slow/, says: /timedatectl set-ntp true/ },
  { scenario: "image-missing", sentence: /one image of release 1\.0\.3 is missing/, says: /Choose another release/ },
  {
    scenario: "stuck-helm",
    sentence: /the installation of temporal is stuck half-way/,
    says: /Remove the pending release of Helm/,
  },
  {
    scenario: "bootstrap-fails",
    sentence: /the first tenant could not be created/,
    says: /relation "tenants" does not exist/,
    speed: 8,
  },
  { scenario: "node-not-ready", sentence: /node rehearsal has stopped reporting/, says: /systemctl status k3s/ },
  { scenario: "full-disk", sentence: /the disk is full/, says: /[Mm]ake room/ },
  { scenario: "metadata-expired", sentence: /signed metadata has expired/, says: /it expired 3 days ago/ },
  { scenario: "metadata-rolled-back", sentence: /signed metadata is older/, says: /another mirror of the registry/ },
  {
    scenario: "foreign-key",
    sentence: /by none of the trusted keys/,
    says: /Compare the publisher's key with the trusted keys/,
  },
];

const WIDTHS = [
  { width: 360, height: 740 },
  { width: 768, height: 1024 },
  { width: 1024, height: 768 },
  { width: 1440, height: 900 },
];
const SCHEMES = ["light", "dark"] as const;
/** The rehearsal plays faster than a box; a slow machine still gets its time. */
const PATIENCE_MS = 90_000;

test("every scenario that there is has its scene", () => {
  const names = (all: readonly string[]): readonly string[] => [...all].sort();
  assert.deepEqual(names(SCENES.map(({ scenario }) => scenario)), names(SCENARIOS.map(({ name }) => name)));
});

for (const scene of SCENES) {
  chromiumTest(`${scene.scenario} is told on the page in every shape`, async () => {
    const rehearsal = await startRehearsal({ scenario: scene.scenario, speed: scene.speed ?? 20 });
    const browser = await openBrowser();
    const watch: Watch = { faults: [], silent: false };
    try {
      const context = await browser.newContext({ reducedMotion: "reduce" });
      await startSetup(context, rehearsal);
      const page = await context.newPage();
      watchPage(page, watch, rehearsal.url);
      await play(page, rehearsal.url, scene);
      assert.deepEqual(watch.faults, []);
    } finally {
      await browser.close();
      await rehearsal.stop();
    }
  });
}

/** Claims the box and starts its installation, as the wizard does it; the browser keeps the session. */
async function startSetup({ request }: BrowserContext, { url, token }: Rehearsal): Promise<void> {
  const post = async (path: string, data: object, wanted: readonly number[]): Promise<Record<string, unknown>> => {
    const answer = await request.post(`${url}${path}`, { data, headers: { origin: url } });
    assert.ok(wanted.includes(answer.status()), `${path} answers ${answer.status()}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  await post("/api/session/claim", { token, password: MANAGEMENT_PASSWORD }, [200]);
  // Without a registry there is no plan, and the installation waits for one.
  const { digest } = await post("/api/setup/plan", ANSWERS, [200, 400, 409, 422, 502, 503]);
  await post("/api/setup", { ...ANSWERS, ...(digest === undefined ? {} : { planDigest: digest }) }, [202]);
}

async function play(page: Page, url: string, { sentence, says }: Scene): Promise<void> {
  await page.goto(`${url}/`);
  await page.locator(".answer .badge.failed").waitFor({ timeout: PATIENCE_MS });
  await page.locator("h1", { hasText: sentence }).waitFor({ timeout: PATIENCE_MS });
  await page.locator(".cause", { hasText: says }).first().waitFor({ timeout: PATIENCE_MS });
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const viewport of WIDTHS) {
      await page.setViewportSize(viewport);
      await audit(page);
    }
  }
}
