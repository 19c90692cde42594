/**
 * A setup that runs when trust is lost: keys are put on the box, metadata turns bad, a signature or bytes are replaced behind
 * its back. The step that reads them stops the run with the cause and what to do, the cluster has nothing of it, and when it is
 * mended the run goes on to its end.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWERS, openBench } from "../../test/crash/bench.ts";
import { createFakeBox, FOREVER_MS } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { createStage } from "../../test/crash/stage.ts";
import { BASE, HOST, keyNamed, REPOSITORY, TRUST, type TrustWorld, trustWorld } from "../../test/support/trust.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { readInstalled } from "../status/installed.ts";
import { readPublicKey, type SigningKey } from "../trust/keys.ts";
import { refreshDates } from "../trust/publisher.ts";
import { putSignature, signManifest } from "../trust/signatures.ts";

const signal = new AbortController().signal;
const PUBLISHER = keyNamed("publisher");

/** What a test may turn while the run goes on. */
interface Turn {
  readonly world: TrustWorld;
  /** Keys of the box, and whether it has a root. */
  keys: readonly SigningKey[];
  root: boolean;
  /** The setting of the operator. */
  allowUnsigned: boolean;
  /** Bytes of the registry on their way. */
  wire: Fetch;
}

interface Told {
  /** Turned when the run has done this step; null: when it has begun. */
  readonly after: string;
  readonly turn: (turn: Turn) => Promise<void> | void;
  readonly mend: (turn: Turn) => Promise<void> | void;
  readonly before?: (turn: Turn) => Promise<void> | void;
  /** The step that stops, and with which code. */
  readonly step: string;
  readonly code: string;
  /** What stands for the release at the end. */
  readonly by: (world: TrustWorld) => string;
}

async function stageOf(told: Pick<Told, "after" | "turn" | "before">) {
  const world = await trustWorld();
  const box = createFakeBox({ instant: true });
  const files = createMemoryFiles(() => box.clock.now());
  const stage = await createStage(box);
  const turn: Turn = { world, keys: [PUBLISHER], root: true, allowUnsigned: false, wire: world.fetch };
  await signWith(turn, PUBLISHER);
  await told.before?.(turn);
  const judge = { clock: world.clock, files, log: SILENT_LOG };
  const notAsked = async (): Promise<never> => Promise.reject(new Error("not asked in this test"));
  const network = { nameServers: notAsked, resolve: notAsked, addresses: notAsked, isListening: notAsked };
  const deps = {
    clock: box.clock,
    random: box.random,
    files,
    transports: { open: () => (request: Request) => turn.wire(request) },
    network: { ...network, certificate: notAsked },
    exec: notAsked,
    machine: box.machineOf(box.spawn()),
    log: SILENT_LOG,
  };
  const bench = openBench(deps, {
    root: "/",
    registry: HOST,
    kube: { server: "http://api", fetch: stage.kube },
    license: { url: "http://license", fetch: stage.license },
    followMs: FOREVER_MS,
    trust: {
      read: async () => {
        if (turn.keys.length === 0 && !turn.root) return undefined;
        const keys = turn.keys.map(({ publicPem }) => readPublicKey(publicPem));
        const common = { keys, folder: "/var/trust", allowUnsigned: turn.allowUnsigned, deps: judge };
        return turn.root ? { ...common, root: world.root } : common;
      },
    },
  });
  let turned: Promise<void> | undefined;
  bench.operations.subscribe((event) => {
    if (event.type !== "journal" || event.entry.kind !== "step-done" || event.entry.step !== told.after) return;
    turned ??= Promise.resolve(told.turn(turn));
  });
  // Nothing is read of the registry before the turn is whole.
  const direct = deps.transports.open();
  deps.transports.open = () => async (request) => {
    await turned;
    return direct(request);
  };
  return { ...bench, stage, turn };
}

/** The release's one signature. */
async function signWith({ world }: Turn, key: SigningKey): Promise<void> {
  const { store, old } = world;
  for (const other of store.referrers(REPOSITORY, old.digest)) store.deleteManifest(REPOSITORY, other.digest);
  const { mediaType, bytes } = store.manifest(REPOSITORY, old.digest) ?? { mediaType: "", bytes: new Uint8Array() };
  const subject = { mediaType, digest: old.digest, size: bytes.length };
  putSignature(store, key, { reference: `${HOST}/${REPOSITORY}`, repository: REPOSITORY, subject });
}

function unsign({ world }: Turn): void {
  const { store, old } = world;
  for (const other of store.referrers(REPOSITORY, old.digest)) store.deleteManifest(REPOSITORY, other.digest);
  store.deleteManifest(REPOSITORY, `${old.digest.replace(":", "-")}.sig`);
}

const timestampOf = ({ store }: TrustWorld) => store.manifest(TRUST, "timestamp")?.digest;
let before: ReturnType<typeof timestampOf>;

const CASES: Readonly<Record<string, Told>> = {
  "keys are put on a box that had none, and the release is unsigned": {
    before: (turn) => {
      Object.assign(turn, { keys: [], root: false });
      unsign(turn);
    },
    after: "storage",
    turn: (turn) => void Object.assign(turn, { keys: [PUBLISHER] }),
    mend: async ({ world }) =>
      void (await signManifest(world.publisher(), PUBLISHER, { repository: REPOSITORY, digest: world.old.digest })),
    step: "flux",
    code: "trust/unsigned",
    by: () => PUBLISHER.id,
  },
  "keys are put on a box that had none, after the release was resolved": {
    before: (turn) => void Object.assign(turn, { keys: [], root: false }),
    after: "release",
    turn: (turn) => void Object.assign(turn, { keys: [keyNamed("another")] }),
    mend: (turn) => void Object.assign(turn, { keys: [keyNamed("another"), PUBLISHER] }),
    step: "values",
    code: "trust/untrusted-signature",
    by: () => PUBLISHER.id,
  },
  "a root is put on the box, and the publisher never signed this release by it": {
    before: (turn) => {
      Object.assign(turn, { keys: [], root: false });
      const { store } = turn.world;
      for (const tag of store.tags(TRUST) ?? []) store.deleteManifest(TRUST, tag);
    },
    after: "storage",
    turn: (turn) => void Object.assign(turn, { root: true }),
    mend: (turn) => void Object.assign(turn, { root: false }),
    step: "flux",
    code: "trust/unsigned",
    by: () => "none",
  },
  "a root is put on a box that had keys, and the registry has no metadata": {
    before: (turn) => {
      turn.root = false;
      const { store } = turn.world;
      for (const tag of store.tags(TRUST) ?? []) store.deleteManifest(TRUST, tag);
    },
    after: "release",
    turn: (turn) => void Object.assign(turn, { root: true }),
    mend: (turn) => void Object.assign(turn, { root: false }),
    step: "values",
    code: "trust/unsigned",
    by: () => PUBLISHER.id,
  },
  "metadata goes back behind its back": {
    before: async ({ world }) => {
      before = timestampOf(world);
      await refreshDates(world.publisher(), { base: BASE, anchor: world.root, keys: [world.keys.online] });
    },
    after: "storage",
    turn: ({ world }) => {
      const now = timestampOf(world);
      if (before !== undefined) world.store.tag(TRUST, "timestamp", before);
      before = now;
    },
    mend: ({ world }) => void (before !== undefined && world.store.tag(TRUST, "timestamp", before)),
    step: "flux",
    code: "trust/rollback",
    by: () => PUBLISHER.id,
  },
  "the signature is replaced by a foreign one": {
    after: "storage",
    turn: (turn) => signWith(turn, keyNamed("foreign")),
    mend: (turn) => signWith(turn, PUBLISHER),
    step: "flux",
    code: "trust/untrusted-signature",
    by: () => PUBLISHER.id,
  },
  "the key that stood for the release is taken from the box": {
    after: "release",
    turn: (turn) => void Object.assign(turn, { keys: [keyNamed("another")] }),
    mend: (turn) => void Object.assign(turn, { keys: [PUBLISHER] }),
    step: "values",
    code: "trust/untrusted-signature",
    by: () => PUBLISHER.id,
  },
  "the registry gives other bytes of Flux than the release pins": {
    after: "storage",
    turn: (turn) => {
      const { fetch } = turn.world;
      turn.wire = async (request) => {
        const answer = await fetch(request);
        if (!/flux-manifests\/blobs\//.test(request.url) || request.method !== "GET") return answer;
        const bytes = new Uint8Array(await answer.arrayBuffer()).map((byte, at) => (at === 100 ? byte ^ 1 : byte));
        return new Response(bytes, { status: answer.status, headers: answer.headers });
      };
    },
    mend: (turn) => void Object.assign(turn, { wire: turn.world.fetch }),
    step: "flux",
    code: "oci/digest-mismatch",
    by: () => PUBLISHER.id,
  },
};

for (const [name, told] of Object.entries(CASES)) {
  test(`${name}: the run stops with its cause, uses nothing of it, and goes on when that is mended`, async () => {
    const { setup, operations, deps, stage, turn } = await stageOf(told);
    await setup.start(ANSWERS, signal);
    const stopped = await operations.settled();
    const { state, step, problem } = stopped ?? {};
    assert.deepEqual([state, step, problem?.code], ["blocked", told.step, told.code], JSON.stringify(problem));
    assert.ok((problem?.message ?? "") !== "" && (problem?.hint ?? "") !== "", "a cause and a next step");
    assert.deepEqual(problem?.fields, told.code.startsWith("trust/") ? ["channel", "releaseRef"] : []);
    const objects = [...(await stage.objects()).keys()].join("\n");
    if (told.step === "flux") assert.doesNotMatch(objects, /flux-system|msp|alga-system/, "something was applied");
    assert.doesNotMatch(objects, /OCIRepository|values|Secret/, "something of the release was used");
    assert.equal(await readInstalled(deps), undefined);
    await told.mend(turn);
    await operations.resume(stopped?.id ?? "");
    const end = await operations.settled();
    assert.equal(end?.state, "done", JSON.stringify(end?.problem));
    const installed = await readInstalled(deps);
    assert.deepEqual([installed?.version, installed?.verifiedBy], ["1.0.3", told.by(turn.world)]);
  });
}

test("what was verified stays verified: metadata that turns bad after the release was resolved stops nothing", async () => {
  const given = await stageOf({
    after: "release",
    turn: ({ world }) => {
      for (const tag of world.store.tags(TRUST) ?? []) world.store.deleteManifest(TRUST, tag);
    },
  });
  await given.setup.start(ANSWERS, signal);
  const end = await given.operations.settled();
  assert.equal(end?.state, "done", JSON.stringify(end?.problem));
  assert.equal((await readInstalled(given.deps))?.verifiedBy, PUBLISHER.id);
});

test("an old channel without signature and metadata installs where the operator allows it, and every record says unverified", async () => {
  const given = await stageOf({
    before: (turn) => {
      turn.allowUnsigned = true;
      unsign(turn);
      for (const tag of turn.world.store.tags(TRUST) ?? []) turn.world.store.deleteManifest(TRUST, tag);
    },
    after: "never",
    turn: () => {},
  });
  const plan = await given.setup.plan(ANSWERS, signal);
  assert.equal(plan.release.verifiedBy, "none");
  assert.ok(plan.warnings.some((warning) => warning.startsWith("The release is unverified")));
  assert.deepEqual(
    (await given.setup.config(signal)).channels.map(({ verifiedBy }) => verifiedBy),
    ["none", "none"],
  );
  await given.setup.start(ANSWERS, signal);
  const end = await given.operations.settled();
  assert.equal(end?.state, "done", JSON.stringify(end?.problem));
  const details = end?.steps.filter(({ id }) => id === "preflight" || id === "release").map(({ detail }) => detail);
  for (const detail of details ?? []) assert.match(detail ?? "", /unverified/);
  assert.equal((await readInstalled(given.deps))?.verifiedBy, "none");
  assert.equal((await given.deps.store.readHistory())[0]?.about.verifiedBy, "none");
});
