// The web application stand-in: a sign-in page that needs the database and the finished bootstrap job, and a sign-in that
// checks the password as the bootstrap job stored it. In an image that holds the file /broken it ends as soon as it starts.

import { pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { answer, bodyOf, log, messageOf } from "./plumbing.ts";
import { readTable, type UserRow } from "./tables.ts";

const PAGE = `<!doctype html><html lang="en"><head><title>Sign in - AlgaPSA (lab stand-in)</title></head><body>
<h1>Sign in</h1><form method="post" action="/auth/signin"><label>Email <input name="email" type="email"></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form></body></html>`;

export function serveWeb(): void {
  if (existsSync("/broken"))
    throw new Error("Cannot read property 'tenant' of undefined (this image is broken on purpose)");
  const port = Number(process.env.PORT ?? "3000");
  createServer(async (request, response) => {
    try {
      await respond(request, response);
    } catch (problem) {
      answer(response, 503, JSON.stringify({ error: messageOf(problem) }));
    }
  }).listen(port, () => log(`web application (stand-in) answers on ${port}`));
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  if (path === "/") return void response.writeHead(302, { location: "/auth/signin" }).end();
  if (path === "/api/health") return answer(response, 200, '{"ok":true}');
  if (path !== "/auth/signin") return answer(response, 404, '{"error":"not found"}');
  const users = (await readTable<UserRow>("users")) ?? [];
  if (users.length === 0) return answer(response, 503, '{"error":"the bootstrap job has not finished"}');
  if (request.method !== "POST") return answer(response, 200, PAGE, "text/html; charset=utf-8");
  const known = signedIn(users, new URLSearchParams(await bodyOf(request)));
  answer(response, known ? 200 : 401, JSON.stringify({ signedIn: known }));
}

function signedIn(users: readonly UserRow[], form: URLSearchParams): boolean {
  const user = users.find((row) => row.email === form.get("email"));
  return user !== undefined && passwordMatches(user, form.get("password") ?? "");
}

function passwordMatches(user: UserRow, password: string): boolean {
  if (user.passwordHash === "") return user.password === password;
  const [salt, hash] = user.passwordHash.split(":");
  const given = pbkdf2Sync(password, salt ?? "", user.iterations, user.keyLength, "sha512");
  const stored = Buffer.from(hash ?? "", "hex");
  return given.length === stored.length && timingSafeEqual(given, stored);
}
