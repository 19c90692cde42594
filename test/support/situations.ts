/** Status documents of the recorded situations, for tests that need a true one. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { foldStatus } from "../../src/status/fold.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { readSituation, type Situation } from "../../src/status/situations/situation.ts";

const FOLDER = new URL("../../src/status/situations/", import.meta.url);

const read = (name: string): string => readFileSync(new URL(`${name}.yaml`, FOLDER), "utf8");
/** What the others start from; long, and read once. */
const healthy: unknown = parse(read("healthy"));

export function situationOf(name: string): Situation {
  return readSituation(read(name), (base) => (base === "healthy" ? healthy : parse(read(base))));
}

export function statusOf(name: string): ApplianceStatus {
  const { observations, nowMs } = situationOf(name);
  return foldStatus(observations, nowMs);
}
