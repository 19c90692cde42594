import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { commandContext } from "../../test/support/command-context.ts";
import { asDryRun } from "../../test/support/dry-run.ts";
import { countedRandom, fakeClock } from "../../test/support/oci.ts";
import { died } from "../../test/support/push.ts";
import type { FlagValue } from "../cli/command.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { generateKey } from "../trust/keys.ts";
import { commands } from "./pipeline-command.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/release");
const RELEASES = "nine-minds/alga-appliance-release";

/** The example tree, and a registry with what it refers to. */
async function world() {
  const files = createMemoryFiles();
  for (const entry of readdirSync(EXAMPLE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const folder = join("/tree", entry.parentPath.slice(EXAMPLE.length));
    await files.makeDirectory(folder);
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    const pinned = entry.name === "release.yaml" ? `${text}controlPlane: { tag: 62cdce38 }\n` : text;
    await files.write(join(folder, entry.name), pinned);
  }
  const server = createRegistryServer();
  const sample = buildSampleRelease(server.store, {
    registry: "ghcr.io",
    version: "0.9.0",
    imageTag: "62cdce38",
    additional: "pinned",
  });
  server.store.tag("nine-minds/flux-manifests", "v2.9.5", sample.fluxDigest);
  const keys = generateKey({ random: systemRandom }, { kind: "ed25519", passphrase: undefined });
  await files.makeDirectory("/keys");
  await files.write("/keys/release.pub", keys.publicPem);
  let writes = 0;
  /** Told of every writing request by its number; what it throws is what the line does. */
  let onWrite = async (_count: number, _serve: () => Promise<unknown>): Promise<void> => {};
  const fetch: Fetch = async (request) => {
    if (["GET", "HEAD"].includes(request.method)) return server.fetch(request);
    writes += 1;
    await onWrite(writes, () => server.fetch(request));
    return server.fetch(request);
  };
  const run = async (flags: Readonly<Record<string, FlagValue>>, args: readonly string[] = ["/tree"]) => {
    const deps = { files, clock: fakeClock(), random: countedRandom(), transports: { open: () => fetch } };
    const given = { deps, flags, args, env: { SIGNING_KEY: keys.privatePem } };
    const { context, said } = commandContext(given);
    const [command] = commands;
    await command?.run(context);
    return said;
  };
  const tagOf = (tag: string) => server.store.manifest(RELEASES, tag)?.digest;
  return {
    run,
    tagOf,
    writes: () => writes,
    id: keys.id,
    files,
    store: server.store,
    whenWriting: (call: typeof onWrite) => {
      onWrite = call;
    },
  };
}

/** A world, and the digest of another release that is in it. */
async function worldOf() {
  const made = await world();
  return { ...made, taken: made.tagOf("0.9.0") ?? assert.fail() };
}

const BOTH = { "publish-appliance-release": "true", "promote-release": "true" };

test("locks, builds, publishes and promotes; the second time nothing is written", async () => {
  const { run, tagOf, writes, id } = await world();
  const keys = { key: ["env://SIGNING_KEY"] };
  const first = await run({ ...BOTH, ...keys, "appliance-release-source-ref": "refs/heads/main" });
  const done = first.value as {
    published: { releases: { version: string; digest: string }[] };
    promoted: { signedBy: string };
  };
  const [release] = done.published.releases;
  assert.ok(release !== undefined);
  assert.deepEqual([tagOf(release.version), tagOf("nightly")], [release.digest, release.digest]);
  assert.equal(done.promoted.signedBy, id);
  assert.match(first.text, /channel nightly did not exist, is now/);
  const before = writes();
  const again = (await run({ ...BOTH, ...keys, "trusted-key": ["/keys/release.pub"] })).value as typeof done & {
    published: { outcome: string };
  };
  assert.deepEqual([again.published.outcome, writes()], ["already", before]);
});

test("publishes without promoting, then promotes a version without publishing", async () => {
  const { run, tagOf } = await world();
  const { value } = await run({ "publish-appliance-release": "true" });
  const version = (value as { published: { releases: { version: string }[] } }).published.releases[0]?.version ?? "";
  assert.equal(tagOf("nightly"), undefined);
  const promote = { "promote-release": "true", "appliance-release-channel": "stable" };
  await assert.rejects(run(promote, []), { code: "cli/usage" });
  await run({ ...promote, "appliance-release-version": version }, []);
  assert.equal(tagOf("stable"), tagOf(version));
});

test("neither parameter does nothing", async () => {
  const { run, writes } = await world();
  assert.match((await run({})).text, /^nothing to do/);
  assert.equal(writes(), 0);
});

for (const [name, flags] of [
  ["publishing and promoting", BOTH],
  ["publishing alone", { "publish-appliance-release": "true" }],
  ["publishing with a key", { ...BOTH, key: ["env://SIGNING_KEY"] }],
] as const) {
  test(`a dry run of ${name} says word for word what the real run says, and writes nothing anywhere`, async () => {
    const { run, writes, files } = await world();
    const before = files.snapshot();
    const { text } = await run({ ...flags, "dry-run": true });
    assert.equal(writes(), 0);
    assert.deepEqual(files.snapshot(), before);
    assert.equal(text, asDryRun((await run(flags)).text));
    assert.ok(writes() > 0);
  });
}

test("a dry run refuses what the real run refuses, in the same words, and neither has sent anything", async () => {
  const failure = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => assert.fail("it was not refused"),
      ({ code, message }) => `${code} ${message}`,
    );
  const spoilt: Readonly<Record<string, (world: Awaited<ReturnType<typeof worldOf>>) => void>> = {
    "release/incomplete": ({ store }) => {
      const [one] = store.manifests("nine-minds/alga-psa-ee");
      store.deleteManifest("nine-minds/alga-psa-ee", one?.digest ?? "");
    },
    "oci/tag-taken": ({ store, taken }) => store.tag(RELEASES, "1.0.3", taken),
  };
  for (const [code, spoil] of Object.entries(spoilt)) {
    const made = await worldOf();
    // Locked before, because a lock asks for images too.
    await made.run({ "publish-appliance-release": "true" });
    spoil(made);
    const before = made.writes();
    const flags = { ...BOTH, "appliance-release-channel": "stable" };
    const dry = await failure(made.run({ ...flags, "dry-run": true }));
    assert.match(dry, new RegExp(`^${code} Cannot`));
    assert.equal(await failure(made.run(flags)), dry);
    assert.equal(made.writes(), before);
  }
  const { run, store } = await world();
  await run(BOTH);
  buildSampleRelease(store, { registry: "ghcr.io", version: "2.0.0", channels: ["nightly"], imageTag: "62cdce38" });
  const dry = await failure(run({ ...BOTH, "dry-run": true }));
  assert.match(dry, /^release\/downgrade/);
  assert.equal(await failure(run(BOTH)), dry);
});

test("a registry that dies at a write shows nothing half by version or channel, and the next pipeline completes it", async () => {
  const whole = await world();
  await whole.run(BOTH);
  const total = whole.writes();
  // Of the last ones are the version, the history and the channel; every single request is the matter of the push's own tests.
  const last = Array.from({ length: 5 }, (_, index) => total - index);
  for (const dies of [1, Math.round(total / 2), ...last]) {
    const { run, tagOf, whenWriting, store } = await world();
    whenWriting(async (count, serve) => {
      // Of every second one the answer is lost after the registry has done it.
      if (count === dies && dies % 2 === 0) await serve();
      if (count >= dies) throw died();
    });
    await assert.rejects(run(BOTH), { code: "net/reset" }, `write ${dies} of ${total}`);
    const version = tagOf("1.0.3");
    if (version !== undefined) assert.ok(store.tags("nine-minds/charts/sebastian")?.includes("0.0.1"), `write ${dies}`);
    assert.ok([undefined, version].includes(tagOf("nightly")), `write ${dies}`);
    whenWriting(async () => {});
    await run(BOTH);
    assert.deepEqual([tagOf("nightly"), tagOf("nightly") === undefined], [tagOf("1.0.3"), false]);
  }
});

test("two pipelines at once come to the same end", async () => {
  const { run, tagOf } = await world();
  const ends = await Promise.allSettled([run(BOTH), run(BOTH)]);
  for (const end of ends) {
    // Whoever sees the other one move the channel says so, and may run again.
    if (end.status === "rejected") assert.ok(["oci/tag-moved", "oci/tag-taken"].includes(end.reason.code), end.reason);
  }
  await run(BOTH);
  assert.equal(tagOf("nightly"), tagOf("1.0.3"));
  assert.notEqual(tagOf("nightly"), undefined);
});

test("refuses another version than the tree has, a version as a channel, and a strange source ref", async () => {
  const { run, writes } = await world();
  for (const flags of [
    { ...BOTH, "appliance-release-version": "9.9.9" },
    { ...BOTH, "appliance-release-channel": "1.0.0" },
    { ...BOTH, "appliance-release-source-ref": "main; rm -rf /" },
  ]) {
    await assert.rejects(run(flags), { code: "cli/usage" });
  }
  await assert.rejects(run(BOTH, []), { code: "cli/usage" });
  assert.equal(writes(), 0);
});

test("the workflow in the documents is YAML, and hands on parameters that the verb has", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/pipeline.md"), "utf8");
  const yaml = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const { spec } = parse(yaml) as {
    spec: { arguments: { parameters: { name: string }[] }; templates: { container: { args: string[] } }[] };
  };
  const [command] = commands;
  const known = new Set(["output", ...(command?.flags ?? []).map(({ name }) => name)]);
  const words = spec.templates[0]?.container.args ?? [];
  const flags = words.flatMap((word) => /^--([a-z-]+)=/.exec(word)?.[1] ?? []);
  assert.deepEqual(
    flags.filter((name) => !known.has(name)),
    [],
  );
  const parameters = spec.arguments.parameters.map(({ name }) => name);
  assert.equal(parameters.length, 5);
  for (const name of parameters) assert.ok(words.includes(`--${name}={{workflow.parameters.${name}}}`), name);
});
