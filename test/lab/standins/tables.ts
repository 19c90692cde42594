// The client side of the database stand-in.

import { log, messageOf, pause, setting } from "./plumbing.ts";

export interface UserRow {
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  /** Empty when the release asks for the password in plain form; then `password` holds it. */
  readonly passwordHash: string;
  readonly password: string;
  readonly iterations: number;
  readonly keyLength: number;
}

/** Rows of a table, or null when the table does not exist. */
export async function readTable<Row>(name: string): Promise<Row[] | null> {
  const response = await fetch(address(name), { headers: headers(), signal: AbortSignal.timeout(3_000) });
  if (!response.ok) throw new Error(`Cannot read table "${name}": the database answered ${response.status}`);
  return (await response.json()) as Row[] | null;
}

export async function writeTable(name: string, rows: readonly unknown[]): Promise<void> {
  const body = JSON.stringify(rows);
  const response = await fetch(address(name), {
    method: "PUT",
    headers: headers(),
    body,
    signal: AbortSignal.timeout(3_000),
  });
  if (!response.ok) throw new Error(`Cannot write table "${name}": the database answered ${response.status}`);
}

/** Waits without limit until the bootstrap job has made the users table, as the real application's init container does. */
export async function waitForUsers(): Promise<void> {
  for (;;) {
    try {
      if ((await readTable("users"))?.length) return log("the users table is there");
      log("waiting for the users table");
    } catch (problem) {
      log(messageOf(problem));
    }
    await pause(1_000);
  }
}

function address(table: string): string {
  return `http://${setting("DB_HOST")}:${process.env.DB_PORT ?? "5432"}/${encodeURIComponent(table)}`;
}

function headers(): Record<string, string> {
  return { authorization: `Bearer ${setting("DB_PASSWORD_SUPERUSER")}` };
}
