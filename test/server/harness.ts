/** A whole server in memory: real application, memory files, a clock and a machine that the test moves. */

import { scryptSync } from "node:crypto";
import { json, type Route } from "../../src/core/http.ts";
import { createLog, type LogRecord } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import type { Files } from "../../src/core/ports.ts";
import { CREDENTIAL_SCHEMA } from "../../src/server/credential.ts";
import { createServerApp, type ServerApp, type ServerOptions } from "../../src/server/server.ts";
import { createFakeBox, type FakeBox } from "../crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../crash/memory-files.ts";

export const ORIGIN = "http://box.example:8080";
export const TOKEN = "1234-5678-9012-3456-7890";
export const PASSWORD = "Correct-Horse-9";
export const PATHS = statePaths("/");

/** Routes as a room brings them, one of each kind. */
export const ROOM_ROUTES: readonly Route[] = [
  { method: "GET", path: "/api/thing", access: "session", summary: "One", handle: async () => json({ thing: 1 }) },
  {
    method: "POST",
    path: "/api/thing",
    access: "session",
    summary: "Makes one",
    handle: async ({ body }) => json({ body: body ?? null }, { status: 202 }),
  },
  {
    method: "POST",
    path: "/api/thing/:id/resume",
    access: "session",
    summary: "Goes on",
    handle: async ({ params }) => json({ id: params.id }),
  },
  {
    method: "GET",
    path: "/api/defect",
    access: "public",
    summary: "Breaks",
    handle: async () => {
      throw new TypeError("secret detail");
    },
  },
  { method: "GET", path: "/api/bare", access: "public", summary: "No headers", handle: async () => new Response("x") },
  {
    method: "GET",
    path: "/api/hang",
    access: "public",
    summary: "Never answers",
    handle: () => new Promise(() => {}),
  },
];

export interface CallOptions {
  readonly body?: unknown;
  readonly rawBody?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookie?: string;
  readonly peer?: string;
  /** false: without Origin. */
  readonly origin?: string | false;
}

export interface TestServer {
  readonly app: ServerApp;
  readonly box: FakeBox;
  readonly files: MemoryFiles;
  readonly records: LogRecord[];
  call(method: string, path: string, options?: CallOptions): Promise<Response>;
  /** The same state opened by a new process. */
  restart(more?: Partial<ServerOptions>): Promise<TestServer>;
}

interface World {
  readonly box: FakeBox;
  readonly files: MemoryFiles;
  readonly wrap?: (files: MemoryFiles) => Files;
}

export async function startServer(more: Partial<ServerOptions> = {}, world: Partial<World> = {}): Promise<TestServer> {
  const box = world.box ?? createFakeBox();
  const files = world.files ?? createMemoryFiles(() => box.clock.now());
  const records: LogRecord[] = [];
  const log = createLog({ now: box.clock.now, level: "debug", write: (record) => records.push(record) });
  if (world.files === undefined) files.garble(PATHS.setupToken, `${TOKEN}\n`);
  const app = createServerApp(
    {
      clock: box.clock,
      random: { ...box.random, bytes: (count) => crypto.getRandomValues(new Uint8Array(count)) },
      files: world.wrap?.(files) ?? files,
      machine: box.machineOf(box.spawn()),
      log,
    },
    {
      paths: PATHS,
      routes: () => ROOM_ROUTES,
      assets: [
        {
          path: "index.html",
          bytes: new TextEncoder().encode(`<!doctype html><title>page</title>${" ".repeat(2_000)}`),
        },
        { path: "assets/app-1a2b3c4d.js", bytes: new TextEncoder().encode("globalThis.x = 1;\n".repeat(200)) },
        { path: "icon.svg", bytes: new TextEncoder().encode("<svg/>") },
      ],
      mode: () => "setup",
      rehearsal: false,
      documents: () => [{ type: "status", data: { generation: 1 } }],
      ...more,
    },
  );
  await app.prepare();
  return {
    app,
    box,
    files,
    records,
    call: (method, path, options = {}) => call(app, { method, path, ...options }),
    restart: (again = {}) => startServer({ ...more, ...again }, { box, files }),
  };
}

function call(app: ServerApp, options: CallOptions & { method: string; path: string }): Promise<Response> {
  const headers = new Headers(options.headers);
  const body = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  if (body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
  if (options.headers?.["content-type"] === "") headers.delete("content-type");
  if (options.cookie !== undefined) headers.set("cookie", options.cookie);
  if (options.origin !== false) headers.set("origin", options.origin ?? ORIGIN);
  const init: RequestInit & { duplex?: "half" } = { method: options.method, headers };
  if (body !== undefined) Object.assign(init, { body, duplex: "half" });
  return app.handle(new Request(`${ORIGIN}${options.path}`, init), { address: options.peer ?? "192.0.2.7" });
}

/** The cookie pair of an answer, as a browser sends it back. */
export function cookieOf(response: Response): string {
  return (response.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
}

/** Claims the appliance as a page does and returns the cookie of a full session. */
export async function claim(server: TestServer): Promise<string> {
  const answer = await server.call("POST", "/api/session/claim", { body: { token: TOKEN, password: PASSWORD } });
  if (answer.status !== 200) throw new Error(`claim: ${answer.status} ${await answer.text()}`);
  return cookieOf(answer);
}

/** As `claim`, with a credential whose hash costs next to nothing, for tests of what comes after. */
export async function claimed(server: TestServer): Promise<string> {
  const salt = Buffer.alloc(16, 7);
  const cost = { N: 2 ** 14, r: 1, p: 1 };
  const hash = scryptSync(PASSWORD, salt, 32, cost).toString("hex");
  const credential = { schema: CREDENTIAL_SCHEMA, algorithm: "scrypt", ...cost, salt: salt.toString("hex"), hash };
  server.files.garble(PATHS.adminCredential, JSON.stringify({ ...credential, createdAt: "2026-11-21T09:00:00.000Z" }));
  await server.app.prepare();
  return (await server.app.sessions.create("full", new Request(ORIGIN))).split(";", 1)[0] ?? "";
}

/** The problem of an answer, with its code. */
export async function problemOf(response: Response): Promise<{ code: string; status: number; [key: string]: unknown }> {
  return (await response.json()) as { code: string; status: number };
}
