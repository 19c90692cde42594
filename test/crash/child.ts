/**
 * One process of a setup, for the test that kills real processes: real files, real sockets, real signals.
 *
 * Environment: ROOT, REGISTRY, KUBE, LICENSE (addresses); with KILL ("before" or "after") it names the first write that is
 * not in SURVIVED (a JSON list) and kills itself with SIGKILL there. Prints one JSON line. With WATCH it only follows.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { SILENT_LOG } from "../../src/core/log.ts";
import { createDeps } from "../../src/platform/deps.ts";
import { bringToEnd, openBench } from "./bench.ts";
import { makeMortal } from "./mortal.ts";

const { ROOT = "", REGISTRY = "", KUBE = "", LICENSE = "", KILL, SURVIVED = "[]", WATCH } = process.env;

const survived = new Set(JSON.parse(SURVIVED) as string[]);
const deps = createDeps(SILENT_LOG);
const fetch = deps.transports.open();
const mortal = makeMortal(deps, {
  kube: fetch,
  stateFolder: join(ROOT, "var/lib/alga-appliance"),
  diesAt: (name, when) => {
    if (when !== KILL || survived.has(name)) return false;
    writeSync(1, JSON.stringify({ at: name }));
    return true;
  },
  die: () => process.kill(process.pid, "SIGKILL"),
});
const bench = openBench(mortal.deps, {
  root: ROOT,
  registry: REGISTRY,
  kube: { server: KUBE, fetch: mortal.kube },
  license: { url: LICENSE, fetch },
  followMs: 20,
});
let worked = 0;
bench.operations.subscribe((event) => {
  if (event.type === "journal" && event.entry.kind === "step-done") worked += 1;
});
if (WATCH === undefined) {
  const state = await bringToEnd(bench);
  await bench.operations.stop();
  console.log(JSON.stringify({ state, writes: mortal.writes, problem: bench.operations.current()?.problem ?? null }));
} else {
  await bench.operations.recover();
  while (bench.operations.current()?.state !== "done") await deps.clock.sleep(10);
  await bench.operations.stop();
  const clusterWrites = mortal.writes.filter((name) => /^[A-Z]+ /.test(name)).length;
  console.log(JSON.stringify({ state: "done", seen: worked, clusterWrites, view: bench.operations.current() }));
}
process.exit(0);
