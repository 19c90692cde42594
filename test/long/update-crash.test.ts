/**
 * An update that is killed after any write to disk and cluster ends in one of two exact states: the wanted release where it
 * works, the one before where it does not. So does a return. In this process.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError } from "../../src/core/errors.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { PARTS_HOST } from "../../src/release/parts-registry.ts";
import { createFakeBox } from "../crash/fake-box.ts";
import { makeMortal } from "../crash/mortal.ts";
import { comparableFiles } from "../crash/remains.ts";
import { BAD, bringToEnd, createUpdateServer, GOOD, openUpdateBench } from "../crash/update-bench.ts";
import { depsOf, installed, REGISTRY, STATE, type World } from "../crash/update-world.ts";

const box = createFakeBox({ instant: true });
const registry = createUpdateServer(REGISTRY).fetch;

/** Of the writes and removals of blobs this part is looked at. */
const EVERY_BLOB = 24;

type Wanted = Parameters<typeof bringToEnd>[1];

interface End {
  readonly state: string;
  readonly code: string | undefined;
  readonly version: string;
  readonly objects: ReadonlyMap<string, unknown>;
  readonly files: ReadonlyMap<string, string>;
}

/** Brings what is wanted to its end from what is there, in a new process. */
async function runOn(
  world: World,
  { line = registry, ...wanted }: Wanted & { readonly line?: Fetch },
  onWrite: (name: string) => void = () => {},
): Promise<End> {
  const process = box.spawn();
  const mortal = makeMortal(depsOf(world, { box, process, registry: line }), {
    kube: world.stage.kube,
    stateFolder: STATE,
    diesAt: (name, when) => {
      if (when === "after") onWrite(name);
      return false;
    },
    die: () => {},
  });
  const bench = openUpdateBench(mortal.deps, { registry: REGISTRY, kube: mortal.kube, stateFolder: STATE });
  const view = await bringToEnd(bench, wanted);
  await bench.operations.stop();
  box.kill(process);
  const files = comparableFiles(world.files.snapshot());
  const release = files.get(`${STATE}/release.json`) ?? "{}";
  return {
    state: view?.state ?? "none",
    code: view?.problem?.code,
    version: String((JSON.parse(release) as { version?: string }).version),
    objects: await world.stage.objects(),
    files,
  };
}

/** Runs it once undisturbed, then from each moment after a write, and compares what is left. */
async function killedEverywhere(
  world: World,
  wanted: Wanted & { readonly line?: Fetch },
  isRight: (end: End) => void,
): Promise<number> {
  const moments: (World & { readonly name: string })[] = [];
  let blobs = 0;
  const calm = await runOn(world, wanted, (name) => {
    // One blob of the shelf is written like the other.
    if (name.includes(" kept/blobs/") && blobs++ % EVERY_BLOB !== 0) return;
    moments.push({ name, files: world.files.copy(), stage: world.stage.copy() });
  });
  isRight(calm);
  for (const moment of moments) {
    const found = await runOn(moment, wanted);
    isRight(found);
    assert.deepEqual(found.objects, calm.objects, `killed after ${moment.name}: other objects`);
    assert.deepEqual(found.files, calm.files, `killed after ${moment.name}: other files`);
  }
  return moments.length;
}

/** What is wanted of the cluster, without the namespace of the pod that fetches images, which stays. */
async function left(world: World): Promise<ReadonlyMap<string, unknown>> {
  const objects = [...(await world.stage.objects())] as [string, { spec?: unknown; data?: unknown }][];
  const ours = objects.filter(([name]) => !name.includes("alga-appliance-prefetch"));
  return new Map(ours.map(([name, { spec, data }]) => [name, { spec, data }]));
}

const LIMIT = { timeout: 180_000 };

test("killed after every write, a good update and the return from it end as undisturbed ones", LIMIT, async () => {
  const world = await installed(box, registry);
  const before = await left(world);
  const updated = await killedEverywhere(world, { kind: "update", version: GOOD }, ({ state, version, code }) =>
    assert.deepEqual([state, version, code], ["done", GOOD, undefined]),
  );
  const returned = await killedEverywhere(world, { kind: "rollback", after: "0002" }, ({ state, version }) =>
    assert.deepEqual([state, version], ["done", "1.0.3"]),
  );
  assert.deepEqual(await left(world), before, "the return left something else than there was");
  assert.ok(updated > 40 && returned > 15, `only ${updated} and ${returned} moments were seen`);
  console.log(`# went on from ${updated} moments of the update and ${returned} of the return`);
});

test("killed after every write, an update that does not work is taken back to what was there", LIMIT, async () => {
  const world = await installed(box, registry);
  const before = await left(world);
  const count = await killedEverywhere(world, { kind: "update", version: BAD }, ({ state, version, code }) =>
    assert.deepEqual([state, version, code], ["failed", "1.0.3", "update/returned"]),
  );
  assert.deepEqual(await left(world), before, "the way back left something else than there was");
  assert.ok(count > 60, `only ${count} moments were seen`);
  console.log(`# went on from ${count} moments`);
});

test(
  "killed after every write, a way back without the registry ends as an undisturbed one: from the box itself",
  LIMIT,
  async () => {
    const world = await installed(box, registry);
    const updated = await runOn(world, { kind: "update", version: GOOD });
    assert.deepEqual([updated.state, updated.version], ["done", GOOD]);
    const before = await left(world);
    const line: Fetch = async () => {
      throw new ApplianceError("net/unreachable", "Cannot reach the registry: the line is cut");
    };
    const count = await killedEverywhere(
      world,
      { kind: "rollback", after: "0002", line },
      ({ state, version, objects }) => {
        assert.deepEqual([state, version], ["done", "1.0.3"]);
        const source = objects.get("OCIRepository flux-system/alga-appliance") as { spec: { url: string } };
        assert.equal(source.spec.url, `oci://${PARTS_HOST}/nine-minds/alga-appliance-config`);
      },
    );
    assert.ok(count > 10, `only ${count} moments were seen`);
    const again = await runOn(world, { kind: "update", version: GOOD });
    assert.deepEqual([again.state, again.version], ["done", GOOD]);
    assert.deepEqual(await left(world), before, "the update after it left something else than the one before");
    assert.ok(![...again.files.keys()].some((path) => path.endsWith("/secrets/parts-login")), "the login stays");
    console.log(`# went on from ${count} moments`);
  },
);
