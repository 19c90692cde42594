/**
 * A server of events in a process of its own: `event-server.ts ours|bare <documents>`. Prints one line with its address and the cookie
 * of a session. `GET /send` sends that many documents of 32 KiB, ten a second; `GET /weigh` tells the heap after a collection.
 */
import { createServer, type ServerResponse } from "node:http";
import { json, type Route } from "../src/core/http.ts";
import { SILENT_LOG } from "../src/core/log.ts";
import { statePaths } from "../src/core/paths.ts";
import { ensureSetupToken, readSetupToken } from "../src/host/setup-token.ts";
import { createDeps } from "../src/platform/deps.ts";
import { listen } from "../src/platform/http-server.ts";
import { processSignal } from "../src/platform/signals.ts";
import { createMemoryFiles } from "../src/rehearsal/memory-files.ts";
import { untilStopped } from "../src/server/command.ts";
import { createServerApp } from "../src/server/server.ts";
import { claim } from "./health.ts";
import { pause } from "./measure.ts";

const EVERY_MS = 100;
const [role, documents = "0"] = process.argv.slice(2);
const filler = "x".repeat(32 * 1024);

async function sendAll(send: (data: object) => void): Promise<void> {
  for (let index = 0; index < Number(documents); index += 1) {
    send({ index, filler });
    await pause(EVERY_MS);
  }
}

/** Bytes of the heap that something still holds. */
function weigh(): { readonly heap: number } {
  (globalThis as { readonly Bun?: { gc(force: boolean): void } }).Bun?.gc(true);
  return { heap: process.memoryUsage().heapUsed };
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function serveOurs(): Promise<void> {
  const real = createDeps(SILENT_LOG);
  const deps = { ...real, files: createMemoryFiles(() => real.clock.now()) };
  const paths = statePaths("/bench");
  await deps.files.makeDirectory(paths.state);
  await ensureSetupToken(deps, paths.setupToken);
  const send: Route = {
    method: "GET",
    path: "/send",
    access: "public",
    summary: "Sends the documents",
    handle: async () => {
      void sendAll((data) => app.events.publish("journal", data));
      return json({});
    },
  };
  const weighing: Route = { ...send, path: "/weigh", summary: "Weighs", handle: async () => json(weigh()) };
  const app = createServerApp(deps, {
    paths,
    routes: () => [send, weighing],
    assets: [{ path: "index.html", bytes: new Uint8Array() }],
    mode: () => "status",
    rehearsal: false,
    documents: () => [{ type: "status", data: {} }],
  });
  await app.prepare();
  const { port } = await listen({ host: "127.0.0.1", port: 0, handle: app.handle });
  const url = `http://127.0.0.1:${port}`;
  const token = (await readSetupToken(deps.files, paths.setupToken))?.reveal() ?? "";
  say({ url, cookie: await claim(url, token) });
}

function serveBare(): void {
  const readers = new Set<ServerResponse>();
  const server = createServer((message, answer) => {
    if (message.url === "/send") {
      void sendAll((data) => {
        for (const reader of readers) reader.write(`event: journal\ndata: ${JSON.stringify(data)}\n\n`);
      });
      answer.end("{}");
      return;
    }
    if (message.url !== "/api/events") return void answer.end(JSON.stringify(weigh()));
    answer.writeHead(200, { "content-type": "text/event-stream" });
    answer.write("event: status\ndata: {}\n\n");
    readers.add(answer);
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (address !== null && typeof address === "object") say({ url: `http://127.0.0.1:${address.port}`, cookie: "" });
  });
}

if (role === "ours") await serveOurs();
else serveBare();
await untilStopped(processSignal());
process.exit(0);
