/** Bundles that are published into another registry, or copied from where they are served: whole, or refused before any byte. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runWords, startWords } from "../../test/support/command-line.ts";
import { serveFetch } from "../../test/support/serve-registry.ts";
import type { Digest } from "../core/digest.ts";
import type { Fetch } from "../core/ports.ts";
import { pushArtifact, pushIndex } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";

const root = mkdtempSync(join(tmpdir(), "alga-publish-bundle-"));
after(() => rmSync(root, { recursive: true, force: true }));
const closing: (() => Promise<unknown>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

interface Registry {
  readonly host: string;
  readonly store: RegistryStore;
  /** Requests that are no reading, so far. */
  readonly writes: () => number;
}

async function registry(store = createMemoryStore()): Promise<Registry> {
  const server = createRegistryServer({ store });
  let writes = 0;
  const fetch: Fetch = (request) => {
    if (!["GET", "HEAD"].includes(request.method)) writes += 1;
    return server.fetch(request);
  };
  const served = await serveFetch(fetch);
  closing.push(() => served.close());
  return { host: `127.0.0.1:${served.port}`, store, writes: () => writes };
}

const publisher = await registry();
const digests: Record<string, Digest> = {};
for (const [version, channel] of [
  ["1.0.3", "stable"],
  ["1.0.4", "nightly"],
] as const) {
  const repository = "nine-minds/alga-appliance-control-plane";
  const layer = (text: string) => ({ mediaType: MEDIA.layerTar, bytes: new TextEncoder().encode(text.repeat(2_000)) });
  const entries = ["amd64", "arm64"].map((architecture) => ({
    digest: pushArtifact(publisher.store, repository, {
      layers: [layer(`libraries of ${architecture} `), layer(`${architecture} ${version} `)],
    }),
    platform: { os: "linux", architecture },
  }));
  pushIndex(publisher.store, repository, { tag: version, entries });
  const release = { registry: publisher.host, version, channels: [channel], imageBytes: 40_000 };
  digests[version] = buildSampleRelease(publisher.store, release).digest;
  pushIndex(publisher.store, repository, { tag: version, entries });
}

interface Said {
  readonly code: number;
  readonly value: {
    readonly outcome?: string;
    readonly digest?: string;
    readonly content?: { readonly sentBytes: number };
    readonly error?: { readonly code: string; readonly message: string; readonly hint: string };
  };
}

async function words(...all: readonly string[]): Promise<Said> {
  const { code, stdout } = await runWords([...all, "-o", "json"], { root, env: { PWD: root } });
  return { code, value: JSON.parse(stdout) };
}

async function bundle(out: string, ...more: readonly string[]): Promise<void> {
  const { code, value } = await words("release", "bundle", "--registry", publisher.host, "--out", out, ...more);
  assert.equal(code, 0, JSON.stringify(value));
}

const publish = (file: string, to: Registry, ...more: readonly string[]): Promise<Said> =>
  words("release", "publish", file, "--registry", to.host, "--repository", "mirror", ...more);

const versionsOf = ({ store }: Registry): readonly string[] =>
  (store.tags("mirror/alga-appliance-release") ?? []).filter((tag) => !tag.startsWith("sha256-"));

test("a bundle of one platform is refused with what to do, before any byte and by a dry run alike", async () => {
  await bundle("amd64.tar");
  const target = await registry();
  for (const more of [[], ["--dry-run"], ["--channel", "stable"]]) {
    const { code, value } = await publish("amd64.tar", target, ...more);
    assert.notEqual(code, 0);
    assert.equal(value.error?.code, "release/incomplete");
    assert.match(
      value.error?.message ?? "",
      /^Cannot publish bundle ".*amd64\.tar": made for linux\/amd64, it leaves out 1 part \(/,
    );
    assert.match(value.error?.hint ?? "", /--platform all and without --since/);
  }
  assert.deepEqual([target.writes(), target.store.repositories()], [0, []]);
});

test("a bundle of all platforms is published whole; what belongs to channels stays behind; then one platform is there already", async () => {
  await bundle("all.tar", "--platform", "all");
  const target = await registry();
  const dry = await publish("all.tar", target, "--dry-run");
  assert.deepEqual([dry.value.outcome, target.writes()], ["would-publish", 0]);
  const { value } = await publish("all.tar", target);
  assert.deepEqual([value.outcome, value.content?.sentBytes], ["published", dry.value.content?.sentBytes]);
  assert.deepEqual(versionsOf(target), ["1.0.3"]);
  assert.equal(target.store.manifest("mirror/alga-appliance-release", "1.0.3")?.digest, digests["1.0.3"]);
  assert.ok(!target.store.repositories().some((name) => /-bundle$|-history$|-trust$/.test(name)));
  const again = await publish("amd64.tar", target);
  assert.deepEqual([again.value.outcome, again.value.content?.sentBytes], ["already", 0]);
});

test("a bundle without what a box has is published where the rest is, and refused where it is not", async () => {
  const target = await registry();
  assert.equal((await publish("all.tar", target)).code, 0);
  const load = await words("release", "load", "all.tar");
  assert.equal(load.code, 0, JSON.stringify(load.value));
  writeFileSync(join(root, "box.json"), (await runWords(["release", "have"], { root, env: { PWD: root } })).stdout);
  await bundle("update.tar", "--channel", "nightly", "--since", "box.json", "--platform", "all");
  const empty = await registry();
  const refused = await publish("update.tar", empty);
  assert.equal(refused.value.error?.code, "release/incomplete");
  assert.match(refused.value.error?.message ?? "", /^Cannot publish bundle ".*update\.tar": it leaves out \d+ parts/);
  assert.deepEqual([empty.writes(), versionsOf(empty)], [0, []]);
  const { value } = await publish("update.tar", target);
  assert.equal(value.outcome, "published", JSON.stringify(value));
  assert.deepEqual(versionsOf(target), ["1.0.3", "1.0.4"]);
  const resolved = await words(
    "release",
    "resolve",
    "--version",
    "1.0.4",
    "--registry",
    target.host,
    "--repository",
    "mirror",
  );
  assert.equal(resolved.value.digest, digests["1.0.4"], JSON.stringify(resolved.value));
});

test("a copy from a served bundle of one platform is refused before any byte, from one of all it is whole with its channel", async () => {
  const target = await registry();
  const part = await startWords(["release", "serve", "amd64.tar", "--port", "0", "-o", "json"], { root });
  for (const more of [[], ["--dry-run"]]) {
    const copy = ["release", "copy", "stable", `${target.host}/mirror`, "--registry", String(part.first.registry)];
    const { value } = await words(...copy, ...more);
    assert.equal(value.error?.code, "release/incomplete");
    assert.match(value.error?.message ?? "", /^Cannot copy release "1\.0\.3": its control-plane image/);
  }
  await part.stop();
  assert.deepEqual([target.writes(), target.store.repositories()], [0, []]);
  const whole = await startWords(["release", "serve", "all.tar", "--port", "0", "-o", "json"], { root });
  const copy = ["release", "copy", "stable", `${target.host}/mirror`, "--registry", String(whole.first.registry)];
  const { value } = await words(...copy);
  await whole.stop();
  assert.equal(value.outcome, "copied", JSON.stringify(value));
  assert.deepEqual(versionsOf(target), ["1.0.3", "stable"]);
});
