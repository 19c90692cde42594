// The database stand-in: tables of JSON rows behind a password, kept in one file on the claimed volume, written whole.

import { timingSafeEqual } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { answer, bodyOf, log, setting } from "./plumbing.ts";

type Tables = Record<string, unknown[]>;

export function serveDatabase(): void {
  const folder = process.env.DATA_DIR ?? "/var/lib/data";
  const password = setting("DB_PASSWORD_SUPERUSER");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "tables.json");
  const tables: Tables = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const server = createServer(async (request, response) => {
    if (request.url === "/healthz") return answer(response, 200, "{}");
    if (!samePassword(request.headers.authorization, password)) {
      return answer(response, 401, '{"error":"password authentication failed"}');
    }
    const table = decodeURIComponent((request.url ?? "/").slice(1));
    if (request.method === "PUT") {
      tables[table] = JSON.parse(await bodyOf(request));
      keep(file, tables);
    }
    answer(response, 200, JSON.stringify(tables[table] ?? null));
  });
  server.listen(5432, () => log(`database (stand-in) serves ${folder} on 5432`));
}

function samePassword(header: string | undefined, password: string): boolean {
  const given = Buffer.from(header ?? "");
  const wanted = Buffer.from(`Bearer ${password}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function keep(file: string, tables: Tables): void {
  writeFileSync(`${file}.new`, JSON.stringify(tables), { flush: true });
  renameSync(`${file}.new`, file);
}
