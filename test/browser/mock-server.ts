/**
 * A small stand-in for the box, for developing and testing the pages before and beside the rehearsal.
 *
 * Serves the built UI under the real content policy and answers the API from one state that tests set. It plays a whole
 * installation in `stepMs` a step, and `control` breaks it: a blocked step, silence, a stream that is refused.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { inlineStyles } from "../../src/server/assets.ts";
import { contentSecurityPolicy } from "../../src/server/headers.ts";
import type { UiFile } from "../../ui/build.ts";
import { createMockBox, type MockBox, type MockOptions } from "./mock-box.ts";

export interface MockServer {
  readonly url: string;
  readonly box: MockBox;
  /** Closes every connection and refuses new ones until `listen` is called. */
  silence(): Promise<void>;
  listen(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts on a free port of the loopback. */
export async function startMockServer(files: readonly UiFile[], options: MockOptions = {}): Promise<MockServer> {
  const box = createMockBox(options);
  let server = createServer((request, response) => void answer(files, box, { request, response }));
  const listen = (port: number): Promise<number> =>
    new Promise((resolve) => {
      server.listen(port, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  const silence = (): Promise<void> =>
    new Promise((resolve) => {
      box.closeStreams();
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const port = await listen(0);
  return {
    url: `http://127.0.0.1:${port}`,
    box,
    silence,
    listen: async () => {
      server = createServer((request, response) => void answer(files, box, { request, response }));
      await listen(port);
    },
    stop: async () => {
      box.stop();
      await silence();
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function answer(files: readonly UiFile[], box: MockBox, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const url = new URL(request.url ?? "/", "http://box");
  const page = new TextDecoder().decode(files.find(({ path }) => path === "index.html")?.bytes);
  response.setHeader("content-security-policy", contentSecurityPolicy(inlineStyles(page)));
  if (url.pathname.startsWith("/api/")) {
    await answerApi(box, exchange, url);
    return;
  }
  const token = url.searchParams.get("token");
  if (url.pathname === "/setup" && token !== null) {
    response.writeHead(303, box.exchange(token)).end();
    return;
  }
  const wanted = url.pathname.startsWith("/assets/") ? url.pathname.slice(1) : "index.html";
  const file = files.find((entry) => entry.path === wanted);
  if (file === undefined) response.writeHead(404).end();
  else response.writeHead(200, { "content-type": file.type, "cache-control": "no-store" }).end(file.bytes);
}

async function answerApi(box: MockBox, { request, response }: Exchange, url: URL): Promise<void> {
  const cookie = /alga_appliance_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
  if (url.pathname === "/api/events") {
    box.openStream(response, cookie);
    return;
  }
  if (url.pathname.endsWith("/log/stream")) {
    box.openLog(response, { cookie, lastId: String(request.headers["last-event-id"] ?? "") || undefined });
    return;
  }
  const body = request.method === "GET" ? undefined : await readBody(request);
  const { status, value, headers = {} } = box.call(`${request.method} ${url.pathname}`, { body, cookie });
  const type = status >= 400 ? "application/problem+json" : "application/json";
  response.writeHead(status, { "content-type": type, "cache-control": "no-store", ...headers });
  response.end(JSON.stringify(value));
}

async function readBody(request: IncomingMessage): Promise<Record<string, string>> {
  let content = "";
  for await (const chunk of request) content += String(chunk);
  const value: unknown = JSON.parse(content === "" ? "{}" : content);
  return typeof value === "object" && value !== null ? (value as Record<string, string>) : {};
}
