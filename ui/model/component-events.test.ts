import assert from "node:assert/strict";
import { test } from "node:test";
import { eventsOfComponent } from "./component-events.ts";

type Args = Parameters<typeof eventsOfComponent>;
const pod = (name: string) => ({ namespace: "msp", name }) as Args[1]["pods"][number];
const event = (name: string, namespace = "msp") => ({ namespace, name, reason: "x", ref: "", message: "", at: null });
const CORE = { name: "alga-core", pods: [pod("alga-core-sebastian-48a236df"), pod("db-0")] };
const CASES: readonly (readonly [string, string, boolean])[] = [
  ["its pods", "msp/db-0", true],
  ["what made them", "msp/alga-core-sebastian", true],
  ["a pod of the same maker that is gone", "msp/alga-core-sebastian-7d9c5f8b6-x2k4p", true],
  ["a StatefulSet's next pod", "msp/db-1", true],
  ["its release", "alga-system/alga-core", true],
  ["another component", "msp/temporal-1edc5c07", false],
  ["the same name elsewhere", "other/db-0", false],
  ["a name that only begins alike", "msp/db-backup-0", false],
];

for (const [what, place, is] of CASES) {
  const [namespace = "", name = ""] = place.split("/");
  test(`${is ? "takes" : "leaves"} ${what}`, () =>
    assert.equal(eventsOfComponent([event(name, namespace)], CORE).length, is ? 1 : 0));
}
