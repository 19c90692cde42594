/** Which control plane: the table of all cases, and one property over thousands of made-up ones. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { compareVersions } from "../release/version.ts";
import { type ControlPlaneFacts, chooseControlPlane, type Health } from "./control-plane-choice.ts";

const BASE = "harbor.example:5000/alga/alga-appliance-control-plane";
const NEW = { image: `${BASE}@sha256:${"b".repeat(64)}`, version: "1.2.0" };
const RUN = { image: `${BASE}@sha256:${"a".repeat(64)}`, version: "1.1.0" };
const OLD = { image: `${BASE}:62cdce38`, version: "1.0.0" };
const BAKED = { image: "localhost/alga-appliance-control-plane:baked", version: "1.0.0" };

const here = { obtainable: true };
const gone = { obtainable: false };
const healthy = { health: "healthy" as Health, ...here };
const sick = { health: "unhealthy" as Health, ...here };
const unseen = { health: "unknown" as Health, ...here };
const AWAY = { problem: "the registry does not answer" };

/** A box on which nothing has run yet, whose registry is away; a case changes what it is about. */
const NOTHING: ControlPlaneFacts = { channel: AWAY, running: null, previous: null, baked: null, failed: [] };

type Case = readonly [name: string, facts: Partial<ControlPlaneFacts>, image: string, origin: string, why: RegExp];

const CASES: readonly Case[] = [
  ["first boot, registry away", { baked: BAKED }, BAKED.image, "baked", /^No control plane runs, and the box brought/],
  [
    "first boot, channel to be had",
    { channel: { ...NEW, ...here }, baked: BAKED },
    NEW.image,
    "channel",
    /channel names it/,
  ],
  [
    "first boot, channel not to be had",
    { channel: { ...NEW, ...gone }, baked: BAKED },
    BAKED.image,
    "baked",
    /cannot be had now$/,
  ],
  [
    "first boot, channel known to fail",
    { channel: { ...NEW, ...here }, baked: BAKED, failed: [NEW.image] },
    BAKED.image,
    "baked",
    /did not become healthy$/,
  ],
  [
    "running, registry away",
    { running: { ...RUN, ...healthy }, baked: BAKED },
    RUN.image,
    "running",
    /stays: what the channel names is not known/,
  ],
  ["running unseen, registry away", { running: { ...RUN, ...unseen }, baked: BAKED }, RUN.image, "running", /stays/],
  [
    "running, its image collected, still healthy",
    { running: { ...RUN, ...healthy, ...gone }, baked: BAKED },
    RUN.image,
    "running",
    /stays/,
  ],
  [
    "running the channel's already",
    { channel: { ...RUN, ...gone }, running: { ...RUN, ...healthy } },
    RUN.image,
    "channel",
    /channel names it/,
  ],
  [
    "running, channel newer",
    { channel: { ...NEW, ...here }, running: { ...RUN, ...healthy } },
    NEW.image,
    "channel",
    /channel names it/,
  ],
  [
    "running, channel newer but not to be had",
    { channel: { ...NEW, ...gone }, running: { ...RUN, ...healthy } },
    RUN.image,
    "running",
    /cannot be had now$/,
  ],
  [
    "running, channel newer but failed before",
    { channel: { ...NEW, ...here }, running: { ...RUN, ...healthy }, failed: [NEW.image] },
    RUN.image,
    "running",
    /did not become healthy$/,
  ],
  [
    "running, channel older",
    { channel: { ...OLD, ...here }, running: { ...RUN, ...healthy } },
    RUN.image,
    "running",
    /1\.0\.0, which is older than 1\.1\.0$/,
  ],
  [
    "running, channel older, asked for",
    { channel: { ...OLD, ...here }, running: { ...RUN, ...healthy }, allowDowngrade: true },
    OLD.image,
    "channel",
    /channel names it/,
  ],
  [
    "running of unknown version, channel",
    { channel: { ...NEW, ...here }, running: { ...RUN, version: null, ...healthy } },
    NEW.image,
    "channel",
    /channel names it/,
  ],
  [
    "running baked, registry away",
    { running: { ...BAKED, ...healthy }, baked: BAKED },
    BAKED.image,
    "running",
    /stays/,
  ],
  [
    "new one sick, previous here",
    { channel: { ...NEW, ...here }, running: { ...NEW, ...sick }, previous: { ...RUN, ...here }, baked: BAKED },
    RUN.image,
    "previous",
    /did not become healthy, and this one was healthy last/,
  ],
  [
    "new one sick, registry away, previous here",
    { running: { ...NEW, ...sick }, previous: { ...RUN, ...here }, baked: BAKED },
    RUN.image,
    "previous",
    /healthy last/,
  ],
  [
    "new one sick, previous gone, baked older",
    { running: { ...NEW, ...sick }, previous: { ...RUN, ...gone }, baked: BAKED },
    NEW.image,
    "running",
    /no other can be had that is not older/,
  ],
  [
    "new one sick, previous gone, older asked for",
    { running: { ...NEW, ...sick }, previous: { ...RUN, ...gone }, baked: BAKED, allowDowngrade: true },
    BAKED.image,
    "baked",
    /box brought/,
  ],
  [
    "new one sick, nothing healthy before",
    { running: { ...NEW, ...sick }, baked: { ...BAKED, version: "1.2.0" } },
    BAKED.image,
    "baked",
    /box brought/,
  ],
  [
    "new one sick, channel has the next",
    { channel: { ...NEW, version: "1.3.0", ...here }, running: { ...RUN, ...sick }, previous: { ...OLD, ...here } },
    NEW.image,
    "channel",
    /channel names it/,
  ],
  [
    "sick one is the last healthy one too",
    { running: { ...RUN, ...sick }, previous: { ...RUN, ...here }, baked: { ...BAKED, version: "1.1.0" } },
    BAKED.image,
    "baked",
    /box brought/,
  ],
  [
    "baked sick, nothing else",
    { running: { ...BAKED, ...sick }, baked: BAKED },
    BAKED.image,
    "running",
    /no other can be had/,
  ],
  [
    "image gone, registry away, baked older",
    { running: { ...RUN, ...unseen, ...gone }, baked: BAKED },
    RUN.image,
    "running",
    /cannot be had now, but no other/,
  ],
  [
    "image gone, previous here",
    { running: { ...NEW, ...unseen, ...gone }, previous: { ...RUN, ...here } },
    RUN.image,
    "previous",
    /cannot be had now, and this one/,
  ],
  [
    "cluster lost, previous here",
    { previous: { ...RUN, ...here }, baked: BAKED },
    RUN.image,
    "previous",
    /^No control plane runs, and this one was healthy last/,
  ],
  [
    "cluster lost, previous gone, baked older",
    { previous: { ...RUN, ...gone }, baked: BAKED },
    RUN.image,
    "previous",
    /no other can be had that is not older/,
  ],
  [
    "cluster lost, previous gone, baked as new",
    { previous: { ...RUN, ...gone }, baked: { ...BAKED, version: "1.1.0" } },
    BAKED.image,
    "baked",
    /box brought/,
  ],
  [
    "cluster lost, baked of unknown version",
    { previous: { ...RUN, ...gone }, baked: { ...BAKED, version: null } },
    RUN.image,
    "previous",
    /not older/,
  ],
  [
    "cluster lost, channel older than what ran",
    { channel: { ...OLD, ...here }, previous: { ...RUN, ...here } },
    RUN.image,
    "previous",
    /older than 1\.1\.0$/,
  ],
];

describe("which control plane", () => {
  for (const [name, facts, image, origin, why] of CASES) {
    it(name, () => {
      const choice = chooseControlPlane({ ...NOTHING, ...facts });
      assert.deepEqual([choice.image, choice.origin], [image, origin]);
      assert.match(choice.why, why);
      assert.equal(choice.failed, facts.running?.health === "unhealthy" ? facts.running.image : null);
    });
  }
  it("none at all: says what is missing", () => {
    assert.throws(() => chooseControlPlane(NOTHING), {
      code: "host/no-control-plane",
      message: /^Cannot choose a control plane: this box has no image of it, and what the channel names is not known/,
    });
  });
});

it("never puts a version below the one that runs or ran, whatever the registry says", () => {
  const image = fc.constantFrom("a", "b", "c", "d");
  const version = fc.constantFrom(null, "1.0.0", "1.1.0", "2.0.0");
  const one = fc.record({ image, version });
  const obtainable = fc.boolean();
  const health = fc.constantFrom<Health>("healthy", "unhealthy", "unknown");
  const facts = fc.record({
    channel: fc.oneof(fc.record({ image, version, obtainable }), fc.constant(AWAY)),
    running: fc.option(fc.record({ image, version, obtainable, health })),
    previous: fc.option(fc.record({ image, version, obtainable })),
    baked: fc.option(one),
    failed: fc.array(image, { maxLength: 2 }),
  });
  fc.assert(
    fc.property(facts, (given) => {
      const last = given.previous ?? given.running;
      fc.pre(last !== null);
      const choice = chooseControlPlane(given);
      if (choice.origin !== "channel" && choice.origin !== "baked") return;
      if (choice.image === given.running?.image) return;
      const before = choice.origin === "baked" ? last : (given.running ?? last);
      const order = compareVersions(choice.version ?? "", before.version ?? "");
      assert.ok(order === undefined || order >= 0 || choice.image === before.image, JSON.stringify({ given, choice }));
    }),
    { numRuns: 5_000 },
  );
});
