/** A box tells the same of itself to its control plane and to a `status` without one, also when its files are damaged. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { commandContext } from "../../test/support/command-context.ts";
import { kubeDeps } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Network } from "../core/ports.ts";
import { createOperations } from "../operation/engine.ts";
import { createFileStore } from "../operation/file-store.ts";
import { createResolvedStore } from "../release/resolved-store.ts";
import { createBoxReader } from "./box.ts";
import { INSTALLED_SCHEMA } from "./installed.ts";
import { openLocalSources } from "./local-sources.ts";
import type { BoxFacts } from "./sources.ts";

const PATHS = statePaths("/");
const DIGEST = `sha256:${"a".repeat(64)}`;
const INSTALLED = {
  schema: INSTALLED_SCHEMA,
  channel: "stable",
  version: "1.0.3",
  digest: DIGEST,
  verifiedBy: "none",
  answersDigest: DIGEST,
  registry: "ghcr.io",
  repository: "nine-minds/alga-appliance-release",
  appUrl: "https://psa.example.com",
  installedAt: "2026-11-21T00:00:00.000Z",
};
const HISTORY = {
  schema: "alga.appliance.history/v1",
  at: "2026-11-21T00:00:00.000Z",
  operationId: "0001-setup",
  kind: "setup",
  state: "done",
  startedAt: "2026-11-20T23:00:00.000Z",
  about: { ...INSTALLED, version: "1.0.2" },
};

interface Told {
  readonly server: BoxFacts;
  readonly local: BoxFacts;
  readonly operations: readonly (readonly [string | undefined, string | undefined])[];
  readonly files: MemoryFiles;
}

/** What both say of a box with these files. The local one looks first: it must not tidy up before the other comes. */
async function told(files: Readonly<Record<string, string>>): Promise<Told> {
  const box = createFakeBox();
  const memory = createMemoryFiles(() => box.clock.now());
  for (const folder of [PATHS.state, PATHS.journal]) await memory.makeDirectory(folder);
  for (const [path, text] of Object.entries(files)) memory.garble(path, text);
  const network = { addresses: async () => ["192.0.2.10"] } as Partial<Network> as Network;
  const transports = {
    open: () => async () => Promise.reject(new ApplianceError("net/unreachable", "Cannot reach it: nobody is there")),
  };
  const deps: Deps = {
    ...kubeDeps,
    clock: box.clock,
    random: box.random,
    files: memory,
    exec: () => Promise.reject(new Error("nothing is run in this test")),
    machine: box.machineOf(box.spawn()),
    network,
    transports,
  };
  const { context } = commandContext({ flags: {}, env: { ALGA_APPLIANCE_ROOT: "/", HOME: "/nobody" }, deps });
  const before = [...memory.snapshot()];
  const sources = await openLocalSources(context);
  const local = await sources.box();
  assert.deepEqual([...memory.snapshot()], before, "who only looks changes nothing");
  const store = createFileStore(deps, PATHS);
  const operations = createOperations({ ...deps, store }, { programs: {} });
  await operations.list();
  const read = createBoxReader(deps, {
    paths: PATHS,
    store,
    releases: createResolvedStore(deps, PATHS.resolvedReleases),
    version: local.appliance.version,
    operations: { current: () => operations.current(), planOf: async (id) => (await operations.get(id))?.plan },
  });
  const seen = [operations.current(), sources.operations?.current()];
  return {
    server: await read(),
    local,
    operations: seen.map((view) => [view?.state, view?.problem?.code] as const),
    files: memory,
  };
}

describe("a box", () => {
  test("that is set up is told alike", async () => {
    const { server, local } = await told({
      [PATHS.release]: JSON.stringify(INSTALLED),
      [PATHS.adminCredential]: "{}",
    });
    assert.deepEqual(local, server);
    assert.deepEqual([local.installed?.version, local.claimed, local.urls.login], ["1.0.3", true, INSTALLED.appUrl]);
    assert.equal(local.appliance.id, "appliance-0123456789abcdef");
    assert.equal(local.bootstrap?.job, "alga-core-sebastian-bootstrap", "the login page answered: there is a tenant");
  });

  test("that is new, or has only answers, is told alike", async () => {
    const fresh = await told({});
    assert.deepEqual(fresh.local, fresh.server);
    assert.deepEqual([fresh.local.installed, fresh.local.claimed, fresh.local.urls.login], [null, false, null]);
    const answered = await told({
      [`${PATHS.state}/answers.json`]: JSON.stringify({ schema: "a", answers: { appHostname: "https://a.example" } }),
    });
    assert.deepEqual(answered.local, answered.server);
    assert.equal(answered.local.urls.login, "https://a.example");
  });

  test("that holds keys or a root of a publisher is told apart from one that holds none", async () => {
    assert.equal((await told({})).local.appliance.verifies, false);
    const keyed = await told({ [`${PATHS.trustedKeys}/publisher.pem`]: "a key, or what somebody took for one" });
    const rooted = await told({ [PATHS.trustRoot]: "{}" });
    for (const { local, server } of [keyed, rooted]) {
      assert.equal(local.appliance.verifies, true);
      assert.deepEqual(local, server);
    }
  });

  test("whose release.json is damaged is told from its history, and only its control plane puts the damage aside", async () => {
    const { server, local, files } = await told({
      [PATHS.release]: '{"schema":"alga.app',
      [PATHS.history]: `${JSON.stringify(HISTORY)}\n`,
    });
    assert.deepEqual(local, server);
    assert.equal(local.installed?.version, "1.0.2");
    assert.ok([...files.snapshot().keys()].some((path) => path.startsWith(`${PATHS.release}.corrupt-`)));
  });

  test("whose journal cannot be read says so, here and there", async () => {
    const { operations } = await told({ [`${PATHS.journal}/0001-setup.ndjson`]: '{"kind":"nothing of ours"}\n' });
    assert.deepEqual(operations, [
      ["failed", "operation/journal-corrupt"],
      ["failed", "operation/journal-corrupt"],
    ]);
  });
});
