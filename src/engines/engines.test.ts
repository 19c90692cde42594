import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWERS } from "../../test/crash/bench.ts";
import { openEnginesOn } from "../../test/crash/engines-bench.ts";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { createSampleRegistry, createStage } from "../../test/crash/stage.ts";
import { REGISTRY } from "../../test/crash/update-world.ts";
import { ApplianceError } from "../core/errors.ts";

const SIGNAL = new AbortController().signal;

test("where the system's name servers are broken, a step that lost the network goes on as soon as those of the answers work", async () => {
  const box = createFakeBox({ instant: true });
  const registry = createSampleRegistry(REGISTRY);
  const world = {
    files: createMemoryFiles(() => box.clock.now()),
    stage: await createStage(box, { playsFlux: true }),
  };
  const none = new ApplianceError("net/dns", "Cannot resolve the registry: no name server answers");
  let isDown = false;
  const open = openEnginesOn(world, {
    ...{ box, registry },
    transport: (options) => (request) => {
      const isAnswered = options?.nameServers?.includes("192.0.2.7") === true && !isDown;
      return isAnswered ? registry(request) : Promise.reject(none);
    },
  });
  const kinds: string[] = [];
  open.operations.subscribe((event) => {
    if (event.type !== "journal" || !("step" in event.entry) || event.entry.step !== "flux") return;
    const { kind } = event.entry;
    kinds.push(kind);
    isDown = kind === "step-started" && kinds.length === 1;
  });
  await open.setup.start({ ...ANSWERS, dnsMode: "custom", dnsServers: "192.0.2.7" }, SIGNAL);
  const end = await open.operations.settled();
  assert.equal(end?.state, "done", JSON.stringify(end?.problem));
  const told = kinds.filter((kind) => kind !== "step-progress");
  assert.deepEqual(told, ["step-started", "step-failed", "step-started", "step-done"]);
  await open.close();
});
