// A row of the application's database, written as the application would write it and read again after whatever has happened: from the
// database that answers, and from the file on its volume.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BOX, inBox, kubectl } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { secretValues } from "./cluster.ts";

const APP = "msp";
const TABLE = "tickets";
const VOLUMES = join(BOX.tree, "var/mnt/alga-data/local-path-provisioner");
const SECONDS = 120;

let written = "";

/** Writes a row that nobody else has. */
export async function writeMark(): Promise<void> {
  written = JSON.stringify([{ id: randomUUID(), title: "Printer on fire" }]);
  await until("the row in the database", SECONDS, () => database("-X", "PUT", "--data", written) === written);
}

/** Waits until the row is there, and looks for it on the volume. */
export async function marked(): Promise<void> {
  await until("the row that was written", SECONDS, () => database() === written);
  const files = readdirSync(VOLUMES, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith("tables.json"),
  );
  assert.ok(
    files.some((name) => readFileSync(join(VOLUMES, name), "utf8").includes(written.slice(1, -1))),
    `the row is in none of ${files.join(" ")}`,
  );
}

function database(...request: readonly string[]): string {
  const address = kubectl(["-n", APP, "get", "service", "db", "-o", "jsonpath={.spec.clusterIP}"]).stdout;
  const login = `authorization: Bearer ${secretValues(APP, "db-credentials").DB_PASSWORD_SUPERUSER}`;
  return inBox(["curl", "-sS", "-f", "-m", "5", "-H", login, ...request, `http://${address}:5432/${TABLE}`]).stdout;
}
