/**
 * First contentful paint of the page from the executable, against a plain static server that gives the same bytes and headers and
 * the same first answer of the API, and against a page of one line, which shows what the browser itself takes on this machine. All
 * on the loopback, in turn, each visit in a context of its own: nothing is in a cache.
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
  // At the pace of a box: faster actors would work in the process that is measured.
  const rehearsal = await startRehearsal({ speed: 1 });
  const browser = await openBrowser();
  const same = await startPeer(await takeAll(rehearsal.url, await paths(browser, rehearsal.url)));
  const line = await startPeer(new Map([["/", ONE_LINE]]));
  try {
    const urls = [rehearsal.url, same.url, line.url];
    const seen = urls.map((): number[] => []);
    for (const url of urls) await visit(browser, url);
    for (let index = 0; index < runs; index += 1)
      for (const [place, url] of urls.entries()) seen[place]?.push(await visit(browser, url));
    const [ours = [], ofSame = [], ofLine = []] = seen;
    const against = (peer: readonly number[], note: string): Row[] => [
      row(WHAT, median(ours), median(peer), { unit: "ms", note }),
      row(`${WHAT}, p90`, percentile(ours, 0.9), percentile(peer, 0.9), { unit: "ms", note }),
    ];
    return [
      ...against(ofSame, "a plain static server of the same bytes and headers"),
      ...against(ofLine, "a page of one line"),
    ];
  } finally {
    await browser.close();
    await rehearsal.stop();
    for (const peer of [same, line]) peer.stop();
  }
}

const ONE_LINE: Given = {
  bytes: new TextEncoder().encode("<!doctype html><title>One line</title><h1>One line</h1>"),
  headers: { "content-type": "text/html" },
};

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

/** What the executable gives, as it is compressed. */
async function takeAll(url: string, wanted: readonly string[]): Promise<ReadonlyMap<string, Given>> {
  const given = new Map<string, Given>();
  for (const path of wanted) given.set(path, await take(`${url}${path}`));
  return given;
}

/** Gives it again, from memory. */
async function startPeer(given: ReadonlyMap<string, Given>): Promise<{ readonly url: string; stop(): void }> {
  const server = createServer((request, response) => {
    const found = given.get(new URL(request.url ?? "/", "http://peer").pathname);
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200, found.headers).end(found.bytes);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => server.close() };
}

/** All others are given again: a header can cost a browser more than the bytes (an opener policy costs it a new process). */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(["connection", "keep-alive", "transfer-encoding", "date"]);

/** As it came over the wire: `fetch` would unpack it and keep the name of the encoding. */
function take(address: string): Promise<Given> {
  return new Promise((done, failed) => {
    const asked = get(address, { headers: { "accept-encoding": "br", accept: "*/*" } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", failed);
      answer.on("end", () => {
        const headers = Object.entries(answer.headers).filter(([name]) => !OF_THE_CONNECTION.has(name));
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
