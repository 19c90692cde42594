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

const CASES: Case[] = [
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

/** The same bytes under another name: another registry, another port, with a tag beside its digest. */
const DIGEST_OF_NEW = `sha256:${"b".repeat(64)}`;
const MOVED = { image: `mirror.example/alga-appliance-control-plane@${DIGEST_OF_NEW}`, version: "1.2.0" };
const TAGGED = { image: `${BASE}:1.2.0@${DIGEST_OF_NEW}`, version: "1.2.0" };

CASES.push(
  [
    "running the channel's bytes by the name of another registry",
    { channel: { ...MOVED, ...here }, running: { ...NEW, ...healthy } },
    NEW.image,
    "channel",
    /channel names it/,
  ],
  [
    "running the channel's bytes by tag and digest",
    { channel: { ...NEW, ...here }, running: { ...TAGGED, ...unseen } },
    TAGGED.image,
    "channel",
    /channel names it/,
  ],
  [
    "running, channel's bytes failed before by the name of another registry",
    { channel: { ...MOVED, ...here }, running: { ...RUN, ...healthy }, failed: [NEW.image] },
    RUN.image,
    "running",
    /did not become healthy$/,
  ],
  [
    "sick one, the last healthy has its bytes",
    { running: { ...TAGGED, ...sick }, previous: { ...NEW, ...here }, baked: { ...BAKED, version: "1.2.0" } },
    BAKED.image,
    "baked",
    /box brought/,
  ],
  [
    "running by tag, another digest of that name in the channel",
    {
      channel: { image: `${BASE}:62cdce38@${DIGEST_OF_NEW}`, version: "1.0.0", ...here },
      running: { ...OLD, ...healthy },
    },
    `${BASE}:62cdce38@${DIGEST_OF_NEW}`,
    "channel",
    /channel names it/,
  ],
);

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

/** Every state of each part that makes a difference; all of their combinations are looked at. */
const IMAGES = [NEW, MOVED, RUN, OLD, { image: `${BASE}:unknown`, version: null }] as const;
const BOTH = [true, false];
const PARTS = {
  channel: [AWAY, ...IMAGES.flatMap((one) => BOTH.map((obtainable) => ({ ...one, obtainable })))],
  running: [
    null,
    ...[...IMAGES, BAKED].flatMap((one) =>
      [healthy, sick, unseen].flatMap(({ health }) => BOTH.map((obtainable) => ({ ...one, health, obtainable }))),
    ),
  ],
  previous: [null, ...[NEW, RUN, OLD, BAKED].flatMap((one) => BOTH.map((obtainable) => ({ ...one, obtainable })))],
  baked: [null, BAKED, { ...BAKED, version: "1.2.0" }, { ...BAKED, version: null }],
  failed: [[], [NEW.image], [RUN.image, BAKED.image]],
  allowDowngrade: BOTH,
};

function everyCase(): readonly ControlPlaneFacts[] {
  return Object.entries(PARTS).reduce<readonly object[]>(
    (cases, [name, states]) => cases.flatMap((one) => states.map((state) => ({ ...one, [name]: state }))),
    [{}],
  ) as readonly ControlPlaneFacts[];
}

const isLower = (one: string | null, than: string | null): boolean => (compareVersions(one ?? "", than ?? "") ?? 0) < 0;
const bytesOf = (image: string): string => image.split("@")[1] ?? image;

/** What must hold for each choice; each has the sentence that a failure is told by. */
const RULES: readonly (readonly [rule: string, holds: (given: ControlPlaneFacts, choice: Choice) => boolean])[] = [
  [
    "an image is what its origin says",
    ({ channel, running, previous, baked }, { origin, image }) => {
      const of = { channel: "image" in channel ? channel : null, running, previous, baked }[origin];
      return of !== null && bytesOf(of.image) === bytesOf(image);
    },
  ],
  [
    "a registry that has a hiccup changes nothing of one that works, or of which nobody knows and that is there",
    ({ channel, running }, { image }) =>
      !("problem" in channel || !channel.obtainable) ||
      running === null ||
      running.health === "unhealthy" ||
      (running.health === "unknown" && !running.obtainable) ||
      image === running.image,
  ],
  [
    "one that works stays, unless the channel has one that is not older",
    ({ running, allowDowngrade }, { image, origin, version }) =>
      running?.health !== "healthy" ||
      image === running.image ||
      (origin === "channel" && (allowDowngrade === true || !isLower(version, running.version))),
  ],
  [
    "the baked one never follows a newer one by itself",
    ({ running, previous, allowDowngrade }, { origin, version, image }) => {
      const before = previous ?? running;
      return (
        origin !== "baked" ||
        allowDowngrade === true ||
        before === null ||
        before.image === image ||
        (version !== null && before.version !== null && !isLower(version, before.version))
      );
    },
  ],
  [
    "the channel never goes below what runs, or ran last, by itself",
    ({ running, previous, allowDowngrade }, { origin, version, image }) => {
      const before = running ?? previous;
      return (
        origin !== "channel" ||
        allowDowngrade === true ||
        before === null ||
        image === before.image ||
        !isLower(version, before.version)
      );
    },
  ],
  [
    "an image that failed is not taken from the channel again, whatever its name",
    ({ running, failed }, { origin, image }) =>
      origin !== "channel" ||
      (running !== null && running.health !== "unhealthy" && image === running.image) ||
      !failed.some((one) => bytesOf(one) === bytesOf(image)),
  ],
  [
    "one that is sick gives way to the last healthy one where that can be had",
    ({ running, previous }, { image, origin }) =>
      running?.health !== "unhealthy" ||
      previous?.obtainable !== true ||
      bytesOf(previous.image) === bytesOf(running.image) ||
      origin === "channel" ||
      image === previous.image,
  ],
  [
    "one that is sick is named, to be remembered",
    ({ running }, { failed }) => failed === (running?.health === "unhealthy" ? running.image : null),
  ],
  ["the reason is a sentence", (_given, { why }) => /^["A-Z].{10,}[^.]$/.test(why)],
];

type Choice = ReturnType<typeof chooseControlPlane>;

it("holds its rules in every combination of channel, running, previous, baked and failed images", () => {
  let count = 0;
  for (const given of everyCase()) {
    count += 1;
    const { channel, running, previous, baked } = given;
    const isNothing = running === null && previous === null && baked === null;
    let choice: Choice;
    try {
      choice = chooseControlPlane(given);
    } catch (thrown) {
      const isKnown = thrown instanceof Error && "code" in thrown && thrown.code === "host/no-control-plane";
      const isOut = "problem" in channel || !channel.obtainable || given.failed.length > 0;
      assert.ok(isKnown && isNothing && isOut, JSON.stringify({ given, thrown: String(thrown) }));
      continue;
    }
    for (const [rule, holds] of RULES)
      if (!holds(given, choice)) assert.fail(`${rule}: ${JSON.stringify({ given, choice })}`);
  }
  assert.ok(count > 50_000, `${count} combinations`);
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
