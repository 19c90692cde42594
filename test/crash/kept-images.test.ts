/** Images that must stay for a way back, read from what updates, bootstraps and resolves really leave on the disk. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../src/core/digest.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import { unneeded } from "../../src/host/agent-prune.ts";
import { remember } from "../../src/host/control-plane-record.ts";
import { keptImages, placeOfInstalled } from "../../src/host/kept-images.ts";
import { createFileStore } from "../../src/operation/file-store.ts";
import { readReleaseManifest } from "../../src/release/model.ts";
import { createResolvedStore } from "../../src/release/resolved-store.ts";
import type { Installed } from "../../src/status/installed.ts";
import { keepPrevious } from "../../src/update/previous.ts";
import { createFakeBox } from "./fake-box.ts";
import { createMemoryFiles } from "./memory-files.ts";

const PATHS = statePaths("/");
const PUBLISHED = "ghcr.io/nine-minds";
const MIRROR = "harbor.example:5000/alga";
const POSTGRES = `docker.io/library/postgres@${digestOf("postgres")}`;

const release = (version: string) => ({
  version,
  images: { algaCore: version },
  imageDigests: { algaCore: digestOf(`core ${version}`) },
  additionalImages: [{ reference: "docker.io/library/postgres:17", digest: digestOf("postgres") }],
  config: { repository: `${PUBLISHED}/alga-appliance-config`, digest: digestOf("bundle") },
  controlPlane: `${PUBLISHED}/alga-appliance-control-plane:${version}@${digestOf(`control plane ${version}`)}`,
});

const installedOf = (version: string): Installed => ({
  schema: "alga.appliance.installed/v1",
  channel: "stable",
  version,
  digest: digestOf(`config ${version}`),
  verifiedBy: "none",
  answersDigest: digestOf("answers"),
  registry: "harbor.example:5000",
  repository: "alga/alga-appliance-release",
  appUrl: "https://psa.example.com",
  installedAt: "2026-11-20T10:00:00.000Z",
});

function box() {
  const fake = createFakeBox({ instant: true });
  const files = createMemoryFiles(() => fake.clock.now());
  const deps = { ...fake, files, log: SILENT_LOG, machine: fake.machineOf(fake.spawn()) };
  const store = createFileStore(deps, PATHS);
  const keep = (version: string) =>
    keepPrevious(store, {
      digest: digestOf(`config ${version}`),
      installed: installedOf(version),
      manifest: readReleaseManifest(release(version)),
      values: [],
      parts: [],
    });
  return { deps, files, store, keep };
}

/** What a node has of a release, as containerd lists it. */
const onNode = (version: string, place: string) => ({
  id: digestOf(`id ${version} ${place}`),
  repoTags: [`${place}/alga-psa-ee:${version}`],
  repoDigests: [`${place}/alga-psa-ee@${digestOf(`core ${version}`)}`],
  pinned: false,
});

describe("images that must stay", () => {
  it("are those of the releases that can be gone back to, by every name of a node, and no others", async () => {
    const { deps, keep } = box();
    for (const version of ["1.0.0", "1.1.0", "1.2.0"]) await keep(version);
    const kept = await keptImages(deps, PATHS);
    const left = (version: string, place: string): number =>
      unneeded([onNode(version, place)], { used: new Set(), kept }).length;
    for (const place of [PUBLISHED, MIRROR]) {
      assert.deepEqual([left("1.2.0", place), left("1.1.0", place), left("1.0.0", place)], [0, 0, 1], place);
    }
    assert.ok(kept.has(POSTGRES) && kept.has("docker.io/library/postgres:17"), [...kept].join("\n"));
    assert.ok(kept.has(`${MIRROR}/images/docker.io/library/postgres@${digestOf("postgres")}`));
    assert.ok(kept.has(`${MIRROR}/alga-appliance-control-plane@${digestOf("control plane 1.1.0")}`));
  });
  it("are those of the installed release too: its jobs run only now and then", async () => {
    const { deps, store } = box();
    const bytes = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const config = bytes(release("2.0.0"));
    const manifest = bytes({ schemaVersion: 2, config: { digest: digestOf(config) } });
    const digest = digestOf(manifest);
    await store.writeDocument("release", { ...installedOf("2.0.0"), digest });
    assert.ok(!(await keptImages(deps, PATHS)).has(`${MIRROR}/alga-psa-ee:2.0.0`));
    await createResolvedStore(deps, PATHS.resolvedReleases).keep(digest, { manifest, config });
    assert.ok((await keptImages(deps, PATHS)).has(`${MIRROR}/alga-psa-ee:2.0.0`));
  });
  it("are the last healthy control plane, what the payload brought, and what the storage starts", async () => {
    const { deps, files } = box();
    const image = `${MIRROR}/alga-appliance-control-plane@${digestOf("a")}`;
    await remember(deps, { image, version: "1.0.0" }, { paths: PATHS, as: "healthy" });
    files.garble(`${PATHS.payload}/control-plane/images/control-plane.tar`, "x");
    const archive = { sizeBytes: 1, modifiedMs: 1, images: ["docker.io/rancher/mirrored-coredns-coredns:1.12.1"] };
    const record = { schema: "alga.appliance.imported/v1", archives: { "/a.tar": archive } };
    files.garble(`${PATHS.host}/imported.json`, JSON.stringify(record));
    const kept = await keptImages(deps, PATHS);
    for (const name of [
      image,
      "localhost/alga-appliance-control-plane:baked",
      "docker.io/rancher/mirrored-coredns-coredns:1.12.1",
      "docker.io/library/busybox:1.37",
    ])
      assert.ok(kept.has(name), name);
  });
  it("are not known where the record of the release before is damaged: nobody may clear up then", async () => {
    const { deps, files, keep } = box();
    await keep("1.0.0");
    files.garble(`${PATHS.state}/previous-release.json`, '{"schema":"alga.app');
    await assert.rejects(keptImages(deps, PATHS), { code: "file/corrupt" });
    assert.ok(files.snapshot().has(`${PATHS.state}/previous-release.json`), "it was moved although it was only read");
  });
});

it("place of the images of an installed release: what stands before the repository of releases", () => {
  const place = (repository: string) => placeOfInstalled({ registry: "r.test:5000", repository });
  assert.deepEqual(place("nine-minds/alga-appliance-release"), { registry: "r.test:5000", base: "nine-minds" });
  assert.deepEqual(place("a/b/alga-appliance-release"), { registry: "r.test:5000", base: "a/b" });
  assert.deepEqual(place("alga-appliance-release"), { registry: "r.test:5000", base: "" });
  assert.equal(place("shop"), undefined);
  assert.equal(place(""), undefined);
});
