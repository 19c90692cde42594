import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { textAt } from "../kube/model.ts";
import { type ReleaseManifest, readReleaseManifest } from "../release/model.ts";
import { renderValues } from "./values.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const SETTINGS = {
  appUrl: "https://psa.example.com",
  host: "psa.example.com",
  place: { registry: "ghcr.io", base: "nine-minds" },
};

function profileValues(): Record<string, string> {
  const folder = "profiles/single-node/values/";
  const files = Object.entries(FLUX_TEMPLATES).filter(([path]) => path.startsWith(folder));
  return Object.fromEntries(files.map(([path, text]) => [path.slice(folder.length), text]));
}

function release(change: object = {}): ReleaseManifest {
  return readReleaseManifest({
    version: "1.0.3",
    images: { algaCore: "62e10", workflowWorker: "a2cbb43", emailService: "61e4a00e", temporalWorker: "a2cbb43" },
    config: { repository: "ghcr.io/nine-minds/alga-appliance-config", digest: DIGEST },
    profileValues: profileValues(),
    ...change,
  });
}

function valuesOf(
  name: string,
  options: { readonly manifest?: ReleaseManifest; readonly settings?: object } = {},
): string {
  const objects = renderValues(options.manifest ?? release(), { ...SETTINGS, ...options.settings });
  const map = objects.find((object) => object.metadata.name === `appliance-values-${name}`);
  return textAt(map, "data", `${name}.single-node.yaml`) ?? "";
}

test("sets address, tags and mode where each component has them, and keeps the comments", () => {
  const core = parse(valuesOf("alga-core"));
  assert.equal(core.appUrl, "https://psa.example.com");
  assert.equal(core.host, "psa.example.com");
  assert.equal(core.domainSuffix, "");
  assert.equal(core.bootstrap.mode, "recover");
  assert.equal(core.setup.image.tag, "62e10");
  assert.equal(core.server.image.tag, "62e10");
  assert.equal(parse(valuesOf("temporal-worker")).publicBaseUrl, "https://psa.example.com");
  assert.equal(parse(valuesOf("temporal-worker")).image.tag, "a2cbb43");
  assert.match(valuesOf("alga-core"), /# Set by setup from the operator's address/);
});

test("a tag that looks like a number stays text", () => {
  assert.match(valuesOf("alga-core"), /tag: "62e10"/);
});

test("changes nothing else: values without settings come out as they went in", () => {
  assert.deepEqual(parse(valuesOf("pgbouncer")), parse(profileValues()["pgbouncer.single-node.yaml"] ?? ""));
});

test("an address cannot add a key or break out of its line", () => {
  const core = parse(valuesOf("alga-core", { settings: { appUrl: 'https://a"\nserver: {evil: 1}\n#' } }));
  assert.equal(core.appUrl, 'https://a"\nserver: {evil: 1}\n#');
  assert.equal(core.server.replicaCount, 1);
});

test("moves the publisher's own images to a mirror and leaves others alone", () => {
  const core = parse(valuesOf("alga-core", { settings: { place: { registry: "harbor.example:5000", base: "alga" } } }));
  assert.equal(core.server.image.name, "harbor.example:5000/alga/alga-psa-ee");
  assert.equal(core.setup.waitForBootstrap.image.name, "ankane/pgvector");
});

test("pins an image by digest beside its tag where the release does", () => {
  const core = parse(valuesOf("alga-core", { manifest: release({ imageDigests: { algaCore: DIGEST } }) }));
  assert.equal(core.server.image.tag, `62e10@${DIGEST}`);
});

test("names the component and the path that its values do not have", () => {
  const broken = { ...profileValues(), "alga-core.single-node.yaml": "appUrl: x\nhost: {}\n" };
  assert.throws(() => renderValues(release({ profileValues: broken }), SETTINGS), {
    code: "flux/bad-values",
    message:
      'Cannot set "setup.image.tag" in the values of component "alga-core": it is absent or no single value, one is wanted',
  });
});

test("names values that a release does not carry or that are no YAML", () => {
  assert.throws(() => renderValues(release({ profileValues: {} }), SETTINGS), { code: "release/incomplete" });
  const twice = { ...profileValues(), "alga-core.single-node.yaml": "a: 1\na: 2\n" };
  assert.throws(() => renderValues(release({ profileValues: twice }), SETTINGS), {
    code: "flux/bad-values",
    message: /^Cannot read values of component "alga-core": Map keys must be unique/,
  });
});

test("the same release and settings give the same bytes", () => {
  assert.deepEqual(renderValues(release(), SETTINGS), renderValues(release(), SETTINGS));
});
