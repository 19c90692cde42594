/**
 * First contentful paint of the page from the executable, against a plain static server that gives the same bytes and the
 * same first answer of the API. Both on the loopback, each visit in a context of its own: nothing is in a cache.
 */
import { existsSync } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { openBrowser } from "../test/browser/browser.ts";
import { startRehearsal } from "../test/browser/rehearsal.ts";
import { median, percentile, type Row, row, without } from "./measure.ts";

const WHAT = "first paint of the page";
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

interface Given {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Record<string, string>;
}

/** Median and slowest of `runs` visits each, one of ours and one of the peer's in turn. */
export async function firstPaint(executable: string, runs: number): Promise<Row[]> {
  if (!existsSync(CHROMIUM)) return [without(WHAT, `no Chromium at ${CHROMIUM}`)];
  process.env.ALGA_EXECUTABLE = executable;
  const rehearsal = await startRehearsal();
  const browser = await openBrowser();
  const peer = await startPeer(rehearsal.url, await paths(browser, rehearsal.url));
  try {
    const seen = { ours: [] as number[], peer: [] as number[] };
    await visit(browser, rehearsal.url);
    await visit(browser, peer.url);
    for (let index = 0; index < runs; index += 1) {
      seen.ours.push(await visit(browser, rehearsal.url));
      seen.peer.push(await visit(browser, peer.url));
    }
    const note = "a plain static server of the same bytes";
    return [
      row(WHAT, median(seen.ours), median(seen.peer), { unit: "ms", note }),
      row(`${WHAT}, p90`, percentile(seen.ours, 0.9), percentile(seen.peer, 0.9), { unit: "ms", note }),
    ];
  } finally {
    await browser.close();
    await rehearsal.stop();
    peer.stop();
  }
}

/** What the first page asks for. */
async function paths(browser: Browser, url: string): Promise<readonly string[]> {
  const page = await browser.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${url}/`);
  await page.locator("form").waitFor();
  await page.close();
  return [...new Set(asked)].filter((path) => path !== "/api/events");
}

/** Gives what the executable gave, from memory, as it was compressed. */
async function startPeer(url: string, wanted: readonly string[]): Promise<{ readonly url: string; stop(): void }> {
  const given = new Map<string, Given>();
  for (const path of wanted) given.set(path, await take(`${url}${path}`));
  const server = createServer((request, response) => {
    const found = given.get(new URL(request.url ?? "/", "http://peer").pathname);
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200, found.headers).end(found.bytes);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() };
}

/** As it came over the wire: `fetch` would unpack it and keep the name of the encoding. */
function take(address: string): Promise<Given> {
  return new Promise((done, failed) => {
    const asked = get(address, { headers: { "accept-encoding": "br", accept: "*/*" } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () => {
        const kept = ["content-type", "content-encoding", "cache-control"];
        const headers = Object.entries(answer.headers).filter(([name]) => kept.includes(name));
        done({ bytes: new Uint8Array(Buffer.concat(parts)), headers: Object.fromEntries(headers) as Given["headers"] });
      });
    });
    asked.on("error", failed);
  });
}

/** Milliseconds from the start of the navigation to the first text on the screen. */
async function visit(browser: Browser, url: string): Promise<number> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 760 } });
  try {
    const page = await context.newPage();
    await page.goto(`${url}/`);
    await page.locator("h1").waitFor();
    return await page.evaluate(
      () =>
        new Promise<number>((done) => {
          new PerformanceObserver((list) => {
            const [first] = list.getEntriesByName("first-contentful-paint");
            if (first !== undefined) done(first.startTime);
          }).observe({ type: "paint", buffered: true });
        }),
    );
  } finally {
    await context.close();
  }
}
