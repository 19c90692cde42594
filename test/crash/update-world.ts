/** A box on which a release is installed, for the tests of updates that are killed or meet bad days. */
import assert from "node:assert/strict";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Deps, Fetch, ProcessIdentity } from "../../src/core/ports.ts";
import { openBench, bringToEnd as setUp } from "./bench.ts";
import { type FakeBox, FOREVER_MS } from "./fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "./memory-files.ts";
import { absent, NO_NETWORK } from "./no-network.ts";
import { createStage, type Stage } from "./stage.ts";

export const REGISTRY = "registry.test:5000";
export const STATE = "/var/lib/alga-appliance";

/** What a process leaves when it dies. */
export interface World {
  readonly files: MemoryFiles;
  readonly stage: Stage;
}

/** The ports of one process on a fake box. */
export function depsOf(
  world: World,
  on: { readonly box: FakeBox; readonly process: ProcessIdentity; readonly registry: Fetch },
): Deps {
  const { box, process, registry } = on;
  return {
    clock: box.clock,
    random: box.random,
    files: world.files,
    transports: { open: () => registry },
    network: NO_NETWORK,
    machine: box.machineOf(process),
    exec: absent,
    log: SILENT_LOG,
  };
}

/** A box on which 1.0.3 is installed. */
export async function installed(box: FakeBox, registry: Fetch): Promise<World> {
  const world: World = {
    files: createMemoryFiles(() => box.clock.now()),
    stage: await createStage(box, { playsFlux: true }),
  };
  const process = box.spawn();
  const bench = openBench(depsOf(world, { box, process, registry }), {
    root: "/",
    registry: REGISTRY,
    kube: { server: "http://api", fetch: world.stage.kube },
    license: { url: "http://license", fetch: world.stage.license },
    followMs: FOREVER_MS,
  });
  assert.equal(await setUp(bench), "done", JSON.stringify(bench.operations.current()?.problem));
  await bench.operations.stop();
  box.kill(process);
  return world;
}
