import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import { componentsOf, DEFAULT_COMPONENTS, parseReleaseManifest, readReleaseManifest } from "./model.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const SEED = {
  schema: "alga.appliance.release/v1",
  version: "1.0.3",
  channel: "stable",
  valuesProfile: "single-node",
  images: { algaCore: "62cdce38", workflowWorker: "a2cbb43", emailService: "61e4a00e", temporalWorker: "a2cbb43" },
  controlPlane: "62cdce38",
  config: { repository: "ghcr.io/nine-minds/alga-appliance-config", version: "1.0.3", digest: DIGEST },
  charts: { sebastian: "0.0.1", temporal: "0.1.0", "temporal-worker": "0.1.0", "workflow-worker": "0.1.0" },
};

test("reads the manifest of the design and keeps what it does not know", () => {
  const manifest = readReleaseManifest({ ...SEED, later: { a: 1 }, config: { ...SEED.config, mirror: "x" } });
  assert.equal(manifest.version, "1.0.3");
  assert.deepEqual(manifest.later, { a: 1 });
  assert.equal(manifest.config.mirror, "x");
  assert.deepEqual(manifest.profileValues, {});
});

test("reads the oldest manifests, which name no schema and only what must be there", () => {
  const manifest = readReleaseManifest({
    version: "1.0",
    images: { algaCore: "abc" },
    config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
  });
  assert.equal(manifest.valuesProfile, "single-node");
  assert.deepEqual(
    componentsOf(manifest).map((component) => component.name),
    ["alga-core", "pgbouncer", "temporal", "workflow-worker", "email-service", "temporal-worker"],
  );
});

const wrong: readonly (readonly [string, object, string])[] = [
  [
    "config.digest",
    { config: { ...SEED.config, digest: "sha512:ab" } },
    'is "sha512:ab", sha256: and 64 lower-case hex digits are wanted',
  ],
  ["config", { config: undefined }, "is absent, an object is wanted"],
  ["version", { version: 7 }, "is 7, a string is wanted"],
  ["version", { version: "soon" }, 'is "soon", a version like 1.0.3 is wanted'],
  ["images.algaCore", { images: {} }, "is absent, a tag is wanted"],
  ["images.algaCore", { images: { algaCore: "a b" } }, `is "a b", a tag of letters, digits, '.', '_', '-' is wanted`],
  [
    "config.repository",
    { config: { ...SEED.config, repository: "nope" } },
    'is "nope", a repository like ghcr.io/nine-minds/alga-appliance-config is wanted',
  ],
  ["tenantSecret", { tenantSecret: "open" }, 'is "open", hashed or plaintext is wanted'],
  ['profileValues["a.yaml"]', { profileValues: { "a.yaml": {} } }, "is an object, a string is wanted"],
  ["createdAt", { createdAt: "yesterday" }, 'is "yesterday", an instant of RFC 3339 is wanted'],
  ["minimumControlPlane", { minimumControlPlane: [] }, "is a list of 0, a string is wanted"],
  [
    "flux.digest",
    { flux: { repository: "ghcr.io/fluxcd/flux-manifests" } },
    "is absent, sha256: and 64 lower-case hex digits are wanted",
  ],
  ["components", { components: [] }, "is a list of 0, at least 1 is wanted"],
  [
    "additionalImages[0].reference",
    { additionalImages: [{ reference: "postgres:16", digest: SEED.config.digest }] },
    'is "postgres:16", a whole image name like docker.io/library/postgres:16 is wanted',
  ],
  [
    "additionalImages[1].reference",
    { additionalImages: ["a", "b"].map(() => ({ reference: "ghcr.io/a/b:1", digest: SEED.config.digest })) },
    'is "ghcr.io/a/b:1", an image that stands only once is wanted',
  ],
];
for (const [field, change, detail] of wrong) {
  test(`names ${field} when it ${detail}`, () => {
    const thrown = failure(() => readReleaseManifest({ ...SEED, ...change }));
    assert.equal(thrown.code, "release/invalid-manifest");
    assert.equal(thrown.message, `Cannot use release manifest: ${field} ${detail}`);
    assert.deepEqual(
      (thrown.details.errors as { field: string }[]).map((error) => error.field),
      [field],
    );
  });
}

test("names every wrong field at once", () => {
  const thrown = failure(() => readReleaseManifest({ ...SEED, version: 1, charts: { temporal: "x" } }));
  assert.deepEqual(
    (thrown.details.errors as { field: string }[]).map((error) => error.field),
    ["version", "charts.temporal"],
  );
});

test("refuses another schema before anything else", () => {
  const thrown = failure(() => readReleaseManifest({ schema: "alga.appliance.release/v2" }));
  assert.equal(thrown.code, "release/unsupported-schema");
});

test("refuses bytes that two readers could read differently", () => {
  assert.throws(() => parseReleaseManifest('{"version":"1.0.0","version":"2.0.0"}'), { code: "json/duplicate-key" });
});

/** A table row with nothing but what it must have. */
const ROW = {
  name: "web",
  chart: "web",
  group: "core",
  tier: "login",
  workloads: [{ kind: "Deployment", name: "web", tier: "login" }],
};

test("takes another table of components from the manifest and fills what follows from the name", () => {
  const [web] = componentsOf(readReleaseManifest({ ...SEED, images: {}, valuesProfile: "ha", components: [ROW] }));
  assert.equal(web?.valuesConfigMap, "appliance-values-web");
  assert.equal(web?.valuesKey, "web.ha.yaml");
  assert.equal(web?.targetNamespace, "msp");
  assert.deepEqual(web?.settings.imageTag, []);
});

test("refuses a table whose rows depend on nothing known or share a name", () => {
  const thrown = failure(() =>
    readReleaseManifest({ ...SEED, components: [ROW, ROW, { ...ROW, name: "other", dependsOn: ["db"] }] }),
  );
  assert.deepEqual(
    (thrown.details.errors as { field: string }[]).map((error) => error.field),
    ["components[1].name", "components[2].dependsOn"],
  );
});

test("every dependency of the built-in table comes before its user", () => {
  const before = new Set<string>();
  for (const component of DEFAULT_COMPONENTS) {
    for (const other of component.dependsOn) assert.ok(before.has(other), `${component.name} needs ${other}`);
    before.add(component.name);
  }
});

function failure(call: () => unknown): ApplianceError {
  try {
    call();
  } catch (thrown) {
    assert.ok(thrown instanceof ApplianceError);
    return thrown;
  }
  throw new Error("it was accepted");
}
