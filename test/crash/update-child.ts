/**
 * One process of an update or a return, for the test that kills real processes: real files, real sockets, real signals.
 *
 * Environment: ROOT, REGISTRY, KUBE (addresses), WANTED (JSON: what is brought to its end). With MOMENTS (a regular expression) it
 * names the first write of that kind that is not in SURVIVED (a JSON list), after it was made, and then does nothing more:
 * it kills itself, or with HALT waits to be killed. Prints one JSON line.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { SILENT_LOG } from "../../src/core/log.ts";
import { createDeps } from "../../src/platform/deps.ts";
import { makeMortal } from "./mortal.ts";
import { bringToEnd, openUpdateBench } from "./update-bench.ts";

const { ROOT = "", REGISTRY = "", KUBE = "", WANTED = "{}", MOMENTS, SURVIVED = "[]", HALT } = process.env;

const survived = new Set(JSON.parse(SURVIVED) as string[]);
const moments = MOMENTS === undefined ? undefined : new RegExp(MOMENTS);
const deps = createDeps(SILENT_LOG);
const stateFolder = join(ROOT, "var/lib/alga-appliance");
const fetch = deps.transports.open();
const mortal = makeMortal(deps, {
  kube: (request) => fetch(new Request(request.url.replace("http://api", KUBE), request)),
  stateFolder,
  diesAt: (name, when) => {
    if (when !== "after" || moments?.test(name) !== true || survived.has(name)) return false;
    writeSync(1, `${JSON.stringify({ at: name })}\n`);
    return true;
  },
  die: () => {
    if (HALT === undefined) process.kill(process.pid, "SIGKILL");
  },
});
const bench = openUpdateBench(mortal.deps, {
  registry: REGISTRY,
  kube: mortal.kube,
  stateFolder,
  root: ROOT,
  settings: { pollMs: 20, pace: 3_000 },
  followMs: 20,
});
const view = await bringToEnd(bench, JSON.parse(WANTED));
const { installed } = await bench.updates.view(new AbortController().signal);
await bench.operations.stop();
console.log(JSON.stringify({ state: view?.state, problem: view?.problem, version: installed?.version }));
process.exit(0);
