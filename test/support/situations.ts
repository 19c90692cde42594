/** Status documents of the recorded situations, for tests that need a true one. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { foldStatus } from "../../src/status/fold.ts";
import type { ApplianceStatus } from "../../src/status/model.ts";
import { readSituation, type Situation } from "../../src/status/situations/situation.ts";

const FOLDER = new URL("../../src/status/situations/", import.meta.url);

export function situationOf(name: string): Situation {
  const read = (file: string): string => readFileSync(new URL(`${file}.yaml`, FOLDER), "utf8");
  return readSituation(read(name), (base) => parse(read(base)));
}

export function statusOf(name: string): ApplianceStatus {
  const { observations, nowMs } = situationOf(name);
  return foldStatus(observations, nowMs);
}
