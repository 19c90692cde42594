import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { assertLocked, formatLock, lockDifferences, readLock, wantedPins } from "./lock-file.ts";
import { parseSource, readSource } from "./source.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "../../examples/release/release.yaml"), "utf8");

function errorsOf(text: string): readonly string[] {
  try {
    parseSource(text);
  } catch (thrown) {
    assert.ok(thrown instanceof ApplianceError && thrown.code === "build/bad-source", String(thrown));
    const errors = (thrown.details.errors ?? []) as readonly { readonly field: string; readonly detail: string }[];
    return errors.map(({ field, detail }) => `${field} ${detail}`);
  }
  return [];
}

test("the example is read, and what is left out has a default", () => {
  const source = parseSource(EXAMPLE);
  assert.deepEqual([source.version, source.profile, source.controlPlane], ["1.0.3", "single-node", "build"]);
});

const WRONG: readonly (readonly [name: string, change: (text: string) => string, says: RegExp])[] = [
  [
    "no schema",
    (text) => text.replace(/^schema:.*$/m, ""),
    /^schema is absent, alga\.appliance\.release-source\/v1 is wanted/,
  ],
  [
    "a number for a version",
    (text) => text.replace("version: 1.0.3", "version: 1.0"),
    /^version is 1, a string is wanted/,
  ],
  [
    "a word for a version",
    (text) => text.replace("version: 1.0.3", "version: next"),
    /^version is "next", a version like/,
  ],
  ["a channel that is a version", (text) => text.replace("[nightly, stable]", "[v1.0]"), /^channels\[0\] is "v1\.0"/],
  ["a registry with a scheme", (text) => text.replace("registry: ghcr", "registry: oci://ghcr"), /^registry is "oci:/],
  [
    "a path that leaves the tree",
    (text) => text.replace("path: charts/sebastian", "path: ../sebastian"),
    /^charts\.sebastian\.path is "\.\.\/sebastian"/,
  ],
  [
    "an absolute path",
    (text) => text.replace("values/pgbouncer.yaml", "/etc/passwd"),
    /^values\.pgbouncer is "\/etc\/passwd"/,
  ],
  [
    "a field that nobody knows",
    (text) => `${text}minimumControlplane: 1.0.0\n`,
    /^minimumControlplane is "1.0.0", no field of that name is wanted/,
  ],
  [
    "a chart that nobody takes",
    (text) => text.replace("charts:", "charts:\n  other: { path: x }"),
    /^charts\.other is for no component/,
  ],
  ["a missing chart", (text) => text.replace(/ {2}sebastian: .*\n/, ""), /^charts\.sebastian is absent/],
  ["a missing image", (text) => text.replace(/ {2}algaCore: .*\n/, ""), /^images\.algaCore is absent/],
  [
    "an image of another repository",
    (text) => text.replace("algaCore: { tag", "algaCore: { repository: other, tag"),
    /^images\.algaCore\.repository is "other", alga-psa-ee is wanted/,
  ],
  ["a reference with a tag", (text) => text.replace('flux-manifests"', 'flux-manifests:v1"'), /^flux\.reference is/],
  [
    "a field of a chart that nobody knows",
    (text) => text.replace("{ path: charts/sebastian }", "{ path: a, folder: b }"),
    /^charts\.sebastian\.folder is "b", no field of that name is wanted/,
  ],
  [
    "a chart that is a number",
    (text) => text.replace("{ path: charts/sebastian }", "5"),
    /^charts\.sebastian is 5, an object with a path, or with reference and version is wanted/,
  ],
  [
    "a control plane of its own",
    (text) => `${text}controlPlane: later\n`,
    /^controlPlane is "later", build, or an object with a tag is wanted/,
  ],
  [
    "an image of others without a tag",
    (text) => text.replace("docker.io/library/busybox:1.37", "busybox"),
    /^additionalImages\[3\] is "busybox", a tag or a digest of it is wanted/,
  ],
  [
    "an image of others twice, in two spellings",
    (text) => text.replace("docker.io/ankane/pgvector:v0.5.1", "busybox:1.37"),
    /^additionalImages\[3\] is "docker\.io\/library\/busybox:1\.37", an image that stands only once is wanted/,
  ],
  [
    "an image of no registry",
    (text) => text.replace("docker.io/library/busybox:1.37", "localhost/busybox:1.37"),
    /^additionalImages\[3\] is "localhost\/busybox:1\.37", an image in a registry is wanted, localhost is none/,
  ],
  [
    "an image of others that is no name",
    (text) => text.replace("docker.io/library/busybox:1.37", "Not An Image"),
    /^additionalImages\[3\] is "Not An Image", an image like docker\.io\/library\/postgres:16 is wanted/,
  ],
  ["nothing at all", () => "", /^schema is absent/],
];

for (const [name, change, says] of WRONG) {
  test(`refuses ${name}, naming the field`, () => {
    const text = change(EXAMPLE);
    assert.notEqual(text, EXAMPLE);
    const errors = errorsOf(text);
    assert.ok(
      errors.some((one) => says.test(one)),
      errors.join("\n"),
    );
  });
}

test("several wrong fields are told at once", () => {
  assert.ok(errorsOf(EXAMPLE.replace("version: 1.0.3", "version: x").replace("[nightly, stable]", "[]")).length >= 2);
});

test("a commit id of digits is a tag", () => {
  assert.equal(parseSource(EXAMPLE.replaceAll("62cdce38", "62034288")).images.algaCore?.tag, "62034288");
});

test("a folder without a release.yaml is told so", async () => {
  await assert.rejects(readSource({ files: createMemoryFiles() }, "/nowhere"), { code: "build/missing-input" });
});

function lockOf(text: string) {
  const source = parseSource(text);
  const digest = `sha256:${"a".repeat(64)}`;
  const pins = Object.fromEntries([...wantedPins(source)].map(([name, reference]) => [name, { reference, digest }]));
  return { version: source.version, lockedAt: "2026-01-01T00:00:00Z", pins } as Parameters<typeof formatLock>[0];
}

test("a lock is read as it was written, and the same pins in another order are the same bytes", async () => {
  const files = createMemoryFiles();
  const lock = lockOf(EXAMPLE);
  const turned = { ...lock, pins: Object.fromEntries(Object.entries(lock.pins).reverse()) };
  assert.equal(formatLock(lock), formatLock(turned));
  await files.makeDirectory("/tree");
  await files.write("/tree/release.lock.yaml", formatLock(lock));
  const { schema: _schema, ...read } = (await readLock({ files }, "/tree")) ?? {};
  assert.deepEqual(read, lock);
  assert.deepEqual(lockDifferences(parseSource(EXAMPLE), { schema: "alga.appliance.release-lock/v1", ...lock }), []);
});

test("a lock of another release.yaml is refused, and says what differs", () => {
  const lock = { schema: "alga.appliance.release-lock/v1" as const, ...lockOf(EXAMPLE) };
  const changed = parseSource(
    EXAMPLE.replace("1.0.3", "1.0.4")
      .replace("algaCore: { tag: 62cdce38", "algaCore: { tag: new")
      .replace(/^flux: .*$/m, ""),
  );
  assert.deepEqual(lockDifferences(changed, lock), [
    "version is 1.0.4, the lock is of 1.0.3",
    "image algaCore is ghcr.io/nine-minds/alga-psa-ee:new, the lock has ghcr.io/nine-minds/alga-psa-ee:62cdce38",
    "flux is not in release.yaml any more",
  ]);
  assert.throws(() => assertLocked(changed, lock), { code: "build/stale-lock", message: /\(and 2 more\)/ });
  assert.throws(() => assertLocked(changed, undefined), { code: "build/stale-lock", message: /there is no lock/ });
});

test("a lock that somebody edited is refused with its field", async () => {
  const files = createMemoryFiles();
  await files.makeDirectory("/tree");
  await files.write("/tree/release.lock.yaml", formatLock(lockOf(EXAMPLE)).replace(/sha256:a+/, "sha256:short"));
  await assert.rejects(readLock({ files }, "/tree"), { code: "build/bad-source", message: /digest is "sha256:short"/ });
});

test("what an update must know is read, and a stop that is no version is named", () => {
  const rules =
    "update:\n  stops: [1.0.2]\n  migrations: [{id: contacts, about: Contacts are split}]\n  dataFloor: 1.0.0\n";
  assert.deepEqual(parseSource(`${EXAMPLE}\n${rules}`).update, {
    stops: ["1.0.2"],
    migrations: [{ id: "contacts", about: "Contacts are split", reversible: false }],
    dataFloor: "1.0.0",
  });
  assert.match(errorsOf(`${EXAMPLE}\nupdate: {stops: [soon]}\n`).join(), /^update\.stops\[0\] is "soon"/);
});
