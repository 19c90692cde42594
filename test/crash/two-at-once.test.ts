/** Two processes of the host at once on one box: bootstraps, and a bootstrap beside a recover. One works, the other waits or is told. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { isApplianceError } from "../../src/core/errors.ts";
import { runBootstrap } from "../../src/host/bootstrap.ts";
import { runRecover } from "../../src/host/recover.ts";
import { runReset } from "../../src/host/reset.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { createFakeBox } from "./fake-box.ts";
import { BAKED, createFakeHost, type FakeHost, runningImage } from "./fake-host.ts";

const signal = new AbortController().signal;

type Run = (host: FakeHost, process: ReturnType<ReturnType<typeof createFakeBox>["spawn"]>) => Promise<OperationView>;

const bootstrap: Run = (host, process) =>
  runBootstrap({ deps: host.deps(process), settings: host.settings() }, { signal });
const reset: Run = (host, process) =>
  runReset({ deps: host.deps(process), settings: host.settings() }, { signal, keepData: false });
const recover: Run = (host, process) =>
  runRecover(
    {
      deps: host.deps(process),
      settings: host.settings(),
      rebuild: async () => ({ documents: [], notes: [] }),
      makeOwnImage: () => Promise.reject(new Error("the payload is there")),
      ownExecutable: null,
    },
    { signal, findings: [] },
  );

/** What came of a run that may have to give way. */
async function endOf(run: Promise<OperationView>): Promise<string> {
  try {
    const { kind, state, problem } = await run;
    return `${kind} ${state}${problem === null ? "" : ` ${problem.code}`}`;
  } catch (thrown) {
    if (!isApplianceError(thrown)) throw thrown;
    return thrown.code;
  }
}

async function both(host: FakeHost, box: ReturnType<typeof createFakeBox>, runs: readonly [Run, Run]) {
  return Promise.all(runs.map((run) => endOf(run(host, box.spawn()))));
}

it("two bootstraps: one does the work, and both end with it", { timeout: 30_000 }, async () => {
  const box = createFakeBox({ instant: true });
  const host = createFakeHost(box);
  assert.deepEqual(await both(host, box, [bootstrap, bootstrap]), ["bootstrap done", "bootstrap done"]);
  assert.equal(host.ran.filter((argv) => argv.includes("import")).length, 2, "an archive was imported twice");
  const journals = (await host.files.list("/var/lib/alga-appliance-host/journal")).filter((one) =>
    /\.ndjson$/.test(one),
  );
  assert.deepEqual(journals, ["0001-bootstrap.ndjson"]);
});

for (const [name, runs] of [
  ["two recovers", [recover, recover]],
  ["a recover beside a bootstrap", [recover, bootstrap]],
  ["a bootstrap beside a recover", [bootstrap, recover]],
] as const) {
  it(`${name}: none undoes what the other does, and the box works`, { timeout: 30_000 }, async () => {
    const box = createFakeBox({ instant: true });
    const host = createFakeHost(box);
    await bootstrap(host, box.spawn());
    host.state.images.delete(BAKED);
    box.boot();
    const ends = await both(host, box, runs);
    assert.ok(
      ends.some((end) => end.endsWith(" done")),
      ends.join(", "),
    );
    for (const end of ends)
      assert.match(end, / (?:done|cancelled)$|^operation\/busy$|^bootstrap done$/, ends.join(", "));
    assert.equal((await bootstrap(host, box.spawn())).state, "done");
    assert.equal(await runningImage(host), BAKED);
    assert.ok(host.state.images.has(BAKED));
  });
}

it("two resets, and a bootstrap beside them: it is removed once, and the next start is a first boot", {
  timeout: 30_000,
}, async () => {
  const box = createFakeBox({ instant: true });
  const host = createFakeHost(box);
  await bootstrap(host, box.spawn());
  const ends = await both(host, box, [reset, reset]);
  assert.ok(ends.includes("reset done"), ends.join(", "));
  for (const end of ends) assert.match(end, /^reset done$|^operation\/busy$/, ends.join(", "));
  const again = await both(host, box, [reset, bootstrap]);
  for (const end of again)
    assert.match(end, /^(?:reset|bootstrap) (?:done|cancelled)$|^operation\/busy$/, again.join(", "));
  assert.equal((await bootstrap(host, box.spawn())).state, "done");
  assert.equal(await runningImage(host), BAKED);
});
