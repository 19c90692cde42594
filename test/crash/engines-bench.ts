/** All engines of a box together, as one process of it has them: the control plane, or a command. */
import type { Fetch, TransportOptions } from "../../src/core/ports.ts";
import { createEngines, type EngineDeps, type Engines } from "../../src/engines/engines.ts";
import { openBench } from "./bench.ts";
import type { FakeBox } from "./fake-box.ts";
import { openUpdateBench } from "./update-bench.ts";
import { depsOf, REGISTRY, STATE, type World } from "./update-world.ts";

export interface OpenBox extends Engines {
  /** The process dies; a run that is not done is left to the next one. */
  close(): Promise<void>;
}

/** Opens a box as a process of its own. */
export function openEnginesOn(
  world: World,
  on: {
    readonly box: FakeBox;
    readonly registry: Fetch;
    /** How the registry is reached. Absent: always by `registry`. */
    readonly transport?: (options: TransportOptions | undefined) => Fetch;
  },
): OpenBox {
  const { box, registry, transport } = on;
  const process = box.spawn();
  const calm = depsOf(world, { box, process, registry });
  const deps = transport === undefined ? calm : { ...calm, transports: { open: transport } };
  const { kube, license } = world.stage;
  const forSetup = openBench(deps, {
    ...{ root: "/", registry: REGISTRY, kube: { server: "http://api", fetch: kube } },
    license: { url: "http://license", fetch: license },
  });
  const forUpdates = openUpdateBench(deps, { registry: REGISTRY, kube, stateFolder: STATE });
  const engineDeps: EngineDeps = { ...forSetup.deps, ...forUpdates.deps, network: forSetup.deps.network };
  const engines = createEngines(engineDeps, {
    ...{ controlPlane: "1.0.0", stateFolder: STATE, rehearsal: false, pollMs: 20, passwordIterations: 1_000 },
    requirements: { freeDiskBytes: 1, memoryBytes: 1, cpus: 1 },
  });
  const close = async (): Promise<void> => {
    await engines.operations.stop();
    box.kill(process);
  };
  return { ...engines, close };
}
