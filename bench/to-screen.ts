/**
 * From a change of the cluster to the pixel: a node of a real API server stops reporting, and the sentence of the overview says
 * so in Chromium. The peer is a plain watch of the same node, which shows nothing to anybody.
 */
import { existsSync } from "node:fs";
import type { Page } from "playwright-core";
import { openBrowser } from "../test/browser/browser.ts";
import { findBinaries } from "../test/support/kube-apiserver.ts";
import { median, pause, type Row, row, without } from "./measure.ts";
import { createBell, NODE, onStage, type Stage, setReady } from "./status.ts";

const WHAT = "a change of the cluster to the screen";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const WORDS = "stopped reporting";

export async function changeToScreen(changes: number): Promise<Row[]> {
  const binaries = findBinaries(process.env);
  if ("missing" in binaries) return [without(WHAT, binaries.missing)];
  if (!existsSync(CHROMIUM)) return [without(WHAT, `no Chromium at ${CHROMIUM}`)];
  return await onStage(binaries, (stage) => measure(stage, changes));
}

async function measure(stage: Stage, changes: number): Promise<Row[]> {
  const browser = await openBrowser();
  const end = new AbortController();
  try {
    const page = await openOverview(await browser.newPage(), stage);
    const watched = await watchNode(stage, end.signal);
    const seen = { ours: [] as number[], peer: [] as number[] };
    for (let index = 0; index < changes; index += 1) {
      const status = index % 2 === 0 ? "Unknown" : "True";
      // Any phase of the timers of the engine, and far enough from the change before.
      await pause(300 + Math.random() * 500);
      const shown = shownAt(page, status === "Unknown");
      const heard = watched.next((object) => JSON.stringify(object).includes(`"status":"${status}"`));
      const started = now();
      await setReady(stage.real, status);
      seen.ours.push((await shown) - started);
      seen.peer.push((await heard) + performance.timeOrigin - started);
    }
    const note = "a plain watch of that object, which shows nothing";
    return [
      row(`${WHAT}, median`, median(seen.ours), median(seen.peer), { unit: "ms", note }),
      row(`${WHAT}, slowest of ${changes}`, Math.max(...seen.ours), Math.max(...seen.peer), { unit: "ms", note }),
    ];
  } finally {
    end.abort();
    await browser.close();
  }
}

async function openOverview(page: Page, { url, cookie }: Stage): Promise<Page> {
  const [name = "", value = ""] = cookie.split("=");
  await page.context().addCookies([{ name, value, url }]);
  // Nothing is installed on this box, and the overview would lead to the wizard.
  await page.route("**/api/session", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), mode: "status" } });
  });
  await page.goto(`${url}/overview`);
  await page.locator(".answer h1").waitFor();
  return page;
}

async function watchNode({ real }: Stage, signal: AbortSignal) {
  const kube = real.kube();
  const { resourceVersion } = await kube.list({ apiVersion: "v1", kind: "Node" });
  const bell = createBell();
  void (async () => {
    for await (const event of kube.watch(NODE, { resourceVersion, signal })) bell.ring(event.object);
  })().catch(() => {});
  await pause(1_500);
  return bell;
}

/** The moment of the frame in which the sentence says it, or says it no longer. Asked for before the change. */
function shownAt(page: Page, says: boolean): Promise<number> {
  return page.evaluate(
    ({ words, wanted }) =>
      new Promise<number>((done) => {
        const look = (): void => {
          if ((document.querySelector("h1")?.textContent ?? "").includes(words) !== wanted) return;
          observer.disconnect();
          requestAnimationFrame(() => done(performance.timeOrigin + performance.now()));
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
      }),
    { words: WORDS, wanted: says },
  );
}

/** Of the same clock as the browser's. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
