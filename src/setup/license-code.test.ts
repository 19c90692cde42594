/** An install code of an appliance that is set up: killed at any write, its one answer is not lost, and used once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { makeMortal } from "../../test/crash/mortal.ts";
import { absent, NO_NETWORK } from "../../test/crash/no-network.ts";
import { createStage, INSTALL_CODE, type Stage } from "../../test/crash/stage.ts";
import { isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Fetch } from "../core/ports.ts";
import { createKube } from "../kube/client.ts";
import { createFileStore } from "../operation/file-store.ts";
import type { StepCall } from "./context.ts";
import { createLicenseService } from "./license.ts";
import { forgetCodeOf, isOfCode, keptSeed, licenseOfCode, redeemStep, seedInCluster } from "./license-code.ts";
import { LICENSE_STEPS } from "./license-key-steps.ts";
import { namespaces, secretObject } from "./objects.ts";

const STATE = "/var/lib/alga-appliance";
const SEED = { EDITION_CHOICE: "ee", LICENSE_TOKEN: "old.old.old", APPLIANCE_CREDENTIAL: "old" };
const BROUGHT = { INSTALL_EDITION: "pro", LICENSE_TOKEN: "a.b.c", APPLIANCE_CREDENTIAL: "credential-1" };

const box = createFakeBox({ instant: true });

interface World {
  readonly files: MemoryFiles;
  readonly stage: Stage;
}

async function createWorld(tenant = "tenant-1"): Promise<World> {
  const world = { files: createMemoryFiles(() => box.clock.now()), stage: await createStage(box) };
  const { kube, store } = callOn(world).context.deps;
  for (const namespace of namespaces()) await kube.apply(namespace);
  await kube.apply(secretObject("appliance-license-seed", SEED));
  await kube.apply(secretObject("appliance-initial-tenant", { INITIAL_TENANT_ID: tenant }));
  await store.writeSecret("new-install-code", INSTALL_CODE);
  return world;
}

/** A call of the step in a process of its own, which dies where it is told to. */
function callOn({ files, stage }: World, more: { license?: Fetch; diesAt?: () => boolean; die?: () => void } = {}) {
  const { license = stage.license, diesAt = () => false, die = () => {} } = more;
  const transports = { open: absent };
  const machine = box.machineOf(box.spawn());
  const world: Deps = { ...box, files, transports, network: NO_NETWORK, machine, exec: absent, log: SILENT_LOG };
  const { deps, kube } = makeMortal(world, { kube: stage.kube, stateFolder: STATE, diesAt, die });
  const connection = { server: "http://api", fetch: kube, headers: async () => ({}) };
  const setupDeps = {
    ...deps,
    store: createFileStore(deps, statePaths("/")),
    kube: createKube(deps, connection, { fieldManager: "alga-appliance" }),
    license: createLicenseService(deps, { fetch: license, url: "http://license" }),
  };
  const context = { operationId: "0002-license", deps: setupDeps } as unknown as StepCall["context"];
  return { context, progress: () => {}, signal: new AbortController().signal } satisfies StepCall;
}

/** Does the work in a process that dies at this moment; false where it ends before. */
async function dieAtEvent(world: World, event: number, work: (call: StepCall) => Promise<unknown> = redeemStep) {
  let seen = 0;
  const { promise: death, resolve: die } = Promise.withResolvers<boolean>();
  const call = callOn(world, { diesAt: () => seen++ === event, die: () => die(true) });
  return Promise.race([death, work(call).then(() => false)]);
}

/** All steps but the application's own, from one on; `tell` hears which is begun. */
async function runSteps({ context, progress, signal }: StepCall, from: number, tell: (index: number) => void) {
  for (const [index, step] of LICENSE_STEPS.entries()) {
    if (index < from || step.id === "apply") continue;
    tell(index);
    await step.run(context, progress, signal);
  }
}

test("killed before or after any write, the step ends as if it had not been, and the code is traded once", async () => {
  let killed = 0;
  for (let event = 0; ; event += 1) {
    const world = await createWorld();
    if (!(await dieAtEvent(world, event))) break;
    killed += 1;
    const call = callOn(world);
    const { store } = call.context.deps;
    await redeemStep(call);
    assert.equal(world.stage.redeemed(), 1, `event ${event}`);
    assert.equal(await store.readSecret("new-license-key"), "a.b.c", `event ${event}`);
    const { APPLIANCE_ID, ...seed } = { ...(await keptSeed({ store }, "new-license-seed")) };
    assert.match(APPLIANCE_ID ?? "", /^appliance-/);
    assert.deepEqual(seed, { ...SEED, ...BROUGHT });
    assert.equal(await store.readSecret("new-install-code"), undefined);
  }
  assert.ok(killed >= 10, `only ${killed} moments`);
});

test("killed anywhere in the steps around the application's, the seed is whole, the one before is kept, and nothing else is", async () => {
  let killed = 0;
  for (let event = 0; ; event += 1) {
    const world = await createWorld();
    let last = 0;
    const tell = (index: number): void => {
      last = index;
    };
    if (!(await dieAtEvent(world, event, (call) => runSteps(call, 0, tell)))) break;
    killed += 1;
    const call = callOn(world);
    await runSteps(call, last, tell);
    const { store } = call.context.deps;
    const { APPLIANCE_ID: _id, ...seed } = await seedInCluster(call.context.deps, call.signal);
    assert.deepEqual(seed, { ...SEED, ...BROUGHT }, `event ${event}`);
    assert.deepEqual([...(await store.secretNames())].sort(), ["former-license-key", "former-license-seed"]);
    // The way back is the same steps with what was kept: what the code brought leaves the seed.
    await store.writeSecret("new-license-seed", (await store.readSecret("former-license-seed")) ?? "");
    await store.writeSecret("new-license-key", (await store.readSecret("former-license-key")) ?? "");
    await runSteps(callOn(world), 0, tell);
    assert.deepEqual(await seedInCluster(call.context.deps, call.signal), SEED, `event ${event}`);
    assert.equal((await keptSeed({ store }, "former-license-seed"))?.LICENSE_TOKEN, "a.b.c");
  }
  assert.ok(killed >= 20, `only ${killed} moments`);
});

test("what a cancelled run leaves is used when the same code is given again, without asking the service", async () => {
  const world = await createWorld();
  const { store } = callOn(world).context.deps;
  await redeemStep(callOn(world));
  for (const name of ["new-license-key", "new-license-seed"] as const) await store.removeSecret(name);
  await store.writeSecret("new-install-code", INSTALL_CODE);
  assert.equal((await licenseOfCode({ store }, INSTALL_CODE))?.token, "a.b.c");
  assert.equal(await licenseOfCode({ store }, "OTHER"), undefined);
  const silent: Fetch = async () => assert.fail("the service was asked again");
  await redeemStep(callOn(world, { license: silent }));
  assert.equal(await store.readSecret("new-license-key"), "a.b.c");
  await forgetCodeOf({ store }, "d.e.f");
  assert.equal(await isOfCode({ store }, "a.b.c"), true);
  await forgetCodeOf({ store }, "a.b.c");
  assert.deepEqual(await store.secretNames(), ["new-license-key", "new-license-seed"]);
});

test("a code that fails leaves what another code brought", async () => {
  const world = await createWorld();
  const { store } = callOn(world).context.deps;
  await redeemStep(callOn(world));
  await store.writeSecret("new-install-code", "WRONG");
  await assert.rejects(redeemStep(callOn(world)), (thrown) => {
    return isApplianceError(thrown, "setup/license-rejected") && /not known/.test(thrown.message);
  });
  assert.equal((await licenseOfCode({ store }, INSTALL_CODE))?.token, "a.b.c");
});

test("a code that somebody else has used is told as that, also the second time", async () => {
  const world = await createWorld();
  const used: Fetch = async () => Response.json({ code: "consumed_claim_code" }, { status: 409 });
  for (const _ of [1, 2]) {
    await assert.rejects(redeemStep(callOn(world, { license: used })), (thrown) => {
      return isApplianceError(thrown, "setup/license-rejected") && /has been used already$/.test(thrown.message);
    });
  }
});

test("a code that this appliance has used, and whose answer was cut, is told by the name of its request", async () => {
  const world = await createWorld();
  const cut: Fetch = async () => Promise.reject(new Error("cut"));
  await assert.rejects(redeemStep(callOn(world, { license: cut })), (thrown) => {
    return isApplianceError(thrown, "setup/license-unavailable");
  });
  const forgetful: Fetch = async () => Response.json({ code: "consumed_claim_code" }, { status: 409 });
  await assert.rejects(redeemStep(callOn(world, { license: forgetful })), /of this appliance has used it/);
});

test("a code of another organisation is refused, and nothing of it stays", async () => {
  const world = await createWorld("tenant-2");
  const { store } = callOn(world).context.deps;
  await assert.rejects(redeemStep(callOn(world)), (thrown) => {
    assert.ok(isApplianceError(thrown, "setup/license-rejected"));
    assert.match(thrown.message, /belongs to another organisation$/);
    assert.match(thrown.hint ?? "", /the code is used up.*"appliance-/);
    assert.deepEqual(thrown.details, { fields: ["installCode"], evidence: [], retrySafe: false });
    return true;
  });
  assert.deepEqual(await store.secretNames(), []);
});

test("an answer on the disk that nobody can read is asked for again by the same request", async () => {
  const world = await createWorld();
  const { store } = callOn(world).context.deps;
  await redeemStep(callOn(world));
  await store.writeSecret("new-license", "{");
  await store.writeSecret("new-install-code", INSTALL_CODE);
  await redeemStep(callOn(world));
  assert.deepEqual([world.stage.redeemed(), await isOfCode({ store }, "a.b.c")], [1, true]);
});
