// The publisher's side: pushes images, charts (by the real helm), the Flux base bundle, Flux's manifests and the release
// manifest to the lab's registry, as `seeds/registry-metadata-design.md` of the product describes a release.

import { randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { TLS } from "./authority.ts";
import { renderFlux } from "./flux-manifests.ts";
import { annotatedCopy, pushArtifact, pushLayout } from "./layout.ts";
import type { LabImages } from "./parts.ts";
import { LAB_SOURCES, REPOSITORY } from "./places.ts";
import { damageLayer, REGISTRY, withNames } from "./registry.ts";
import { run, tryRun } from "./shell.ts";
import { toolPath } from "./tools.ts";

export const BASE = "nine-minds";
export const IMAGE_TAG = "lab1";
export const FLUX_VERSION = "v2.9.5";
/** Images of the application's components, by repository. */
export const APPLICATION_IMAGES = ["alga-psa-ee", "workflow-worker", "email-service", "temporal-worker"] as const;
const PARTS = `${BASE}/lab-parts:1`;
const FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json";
const FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip";
const RELEASE_CONFIG = "application/vnd.alga.appliance.release.config.v1+json";
const RELEASE_TYPE = "application/vnd.alga.appliance.release.v1";

export interface Published {
  readonly configDigest: string;
  readonly fluxDigest: string;
  readonly charts: Readonly<Record<string, string>>;
  readonly chartDigests: Readonly<Record<string, string>>;
}

/** Pushes everything that all releases of the lab share. */
export function publishContent(images: LabImages): Published {
  pushLayout(images.standins.layout, [
    PARTS,
    ...APPLICATION_IMAGES.map((name) => `${BASE}/${name}:${IMAGE_TAG}`),
    "fluxcd/source-controller:v1.9.5",
  ]);
  pushLayout(images.helmController.layout, ["fluxcd/helm-controller:v1.6.4"]);
  pushLayout(images.kustomizeController.layout, ["fluxcd/kustomize-controller:v1.9.5"]);
  pushLayout(images.controlPlane.layout, [`${BASE}/alga-appliance-control-plane:${IMAGE_TAG}`]);
  return {
    configDigest: pushFluxArtifact(packTree(join(REPOSITORY, "flux")), `${BASE}/alga-appliance-config:1.0.0`),
    fluxDigest: publishFlux(`${REGISTRY.host}/fluxcd`, BASE),
    ...publishCharts(),
  };
}

/** Pushes a configuration bundle of its own and damages what the registry stores of it; answers its digest. */
export function publishBrokenConfig(): string {
  const folder = mkdtempSync(join(tmpdir(), "alga-lab-broken-"));
  writeFileSync(join(folder, "note.txt"), randomUUID());
  const digest = pushFluxArtifact(packTree(folder), `${BASE}/alga-appliance-config:broken`);
  rmSync(folder, { recursive: true });
  damageLayer(digest);
  return digest;
}

export interface ReleaseRecipe {
  readonly version: string;
  /** Tags beside the version's own. */
  readonly channels: readonly string[];
  /** Fields that replace those of a good release. */
  readonly changes?: Readonly<Record<string, unknown>>;
}

/** Pushes one release manifest under its version and channels, and answers its digest. */
export function publishRelease(content: Published, recipe: ReleaseRecipe): string {
  const manifest = { ...goodManifest(content, recipe), ...recipe.changes };
  const blob = { mediaType: RELEASE_CONFIG, bytes: JSON.stringify(manifest) };
  const targets = [recipe.version, ...recipe.channels].map((tag) => `${BASE}/alga-appliance-release:${tag}`);
  return pushArtifact({ artifactType: RELEASE_TYPE, config: blob, layers: [blob] }, targets);
}

export function goodImages(): Record<string, string> {
  return { algaCore: IMAGE_TAG, workflowWorker: IMAGE_TAG, emailService: IMAGE_TAG, temporalWorker: IMAGE_TAG };
}

// As its publisher wrote it for ghcr.io and a mirror copied it: the box must find every part below the mirror's base.
function goodManifest(content: Published, recipe: ReleaseRecipe): Record<string, unknown> {
  const { configDigest, fluxDigest, charts, chartDigests } = content;
  return {
    schema: "alga.appliance.release/v1",
    version: recipe.version,
    channel: recipe.channels[0] ?? "stable",
    valuesProfile: "single-node",
    createdAt: "2026-11-21T00:00:00Z",
    images: goodImages(),
    controlPlane: IMAGE_TAG,
    config: { repository: `ghcr.io/${BASE}/alga-appliance-config`, version: "1.0.0", digest: configDigest },
    flux: { repository: "ghcr.io/fluxcd/flux-manifests", version: FLUX_VERSION, digest: fluxDigest },
    charts,
    chartDigests,
    profileValues: profileValues(),
  };
}

/** Images of the control plane: the one of all releases, the same made a second time, and one that ends as soon as it starts. */
export interface ControlPlanes {
  readonly first: string;
  readonly second: string;
  readonly broken: string;
}

/** Pushes them, and answers how a release names each. */
export function publishControlPlanes(images: LabImages): ControlPlanes {
  const repository = `${BASE}/alga-appliance-control-plane`;
  const { layout, digest } = images.controlPlane;
  const second = annotatedCopy(layout, { "alga.test/build": "2" });
  pushLayout(second.layout, [`${repository}:lab2`]);
  rmSync(second.layout, { recursive: true });
  pushLayout(images.standins.layout, [`${repository}:broken`]);
  return {
    first: `${IMAGE_TAG}@${digest}`,
    second: `lab2@${second.digest}`,
    broken: `broken@${images.standins.digest}`,
  };
}

function profileValues(): Record<string, string> {
  const folder = join(REPOSITORY, "flux/profiles/single-node/values");
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
}

function pushFluxArtifact(bytes: Buffer, target: string): string {
  const config = { mediaType: FLUX_CONFIG, bytes: "{}" };
  const annotations = {
    "org.opencontainers.image.created": "2026-11-21T00:00:00Z",
    "org.opencontainers.image.source": "lab",
  };
  return pushArtifact({ config, layers: [{ mediaType: FLUX_CONTENT, bytes }], annotations }, [target]);
}

/**
 * Pushes Flux's own manifests below a base, and answers their digest.
 * @param images registry and path of the controllers' images
 */
export function publishFlux(images: string, base: string): string {
  return pushFluxArtifact(packFlux(images), `${base}/flux-manifests:${FLUX_VERSION}`);
}

function packFlux(images: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "alga-lab-flux-"));
  writeFileSync(join(folder, "gotk-components.yaml"), renderFlux({ images }));
  const packed = packTree(folder);
  rmSync(folder, { recursive: true });
  return packed;
}

/** A folder as a tar+gzip that is the same for the same files. */
function packTree(folder: string): Buffer {
  const tar = join(mkdtempSync(join(tmpdir(), "alga-lab-tar-")), "tree.tar");
  const flags = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"];
  run(["tar", "-C", folder, ...flags, "-cf", tar, "."]);
  const packed = gzipSync(readFileSync(tar), { level: 6 });
  rmSync(join(tar, ".."), { recursive: true });
  return packed;
}

function publishCharts(): Pick<Published, "charts" | "chartDigests"> {
  const charts: Record<string, string> = {};
  const chartDigests: Record<string, string> = {};
  const folder = mkdtempSync(join(tmpdir(), "alga-lab-charts-"));
  for (const name of layCharts(folder, `${REGISTRY.host}/${PARTS}`)) {
    const { version, digest } = pushChart(folder, name);
    charts[name] = version;
    chartDigests[name] = digest;
  }
  rmSync(folder, { recursive: true });
  return { charts, chartDigests };
}

/** Copies the sample charts to a folder, tells them the image of their own parts, and answers their names. */
export function layCharts(folder: string, partsImage: string): readonly string[] {
  const names = readdirSync(join(LAB_SOURCES, "charts")).sort();
  for (const name of names) {
    cpSync(join(LAB_SOURCES, "charts", name), join(folder, name), { recursive: true });
    const values = join(folder, name, "values.yaml");
    writeFileSync(values, `${readFileSync(values, "utf8")}\nparts: { image: "${partsImage}" }\n`);
  }
  return names;
}

function pushChart(folder: string, name: string): { version: string; digest: string } {
  const helm = toolPath("helm");
  const version = /^version: (\S+)$/m.exec(readFileSync(join(folder, name, "Chart.yaml"), "utf8"))?.[1] ?? "";
  run([helm, "package", join(folder, name), "--destination", folder]);
  const flags = ["--ca-file", TLS.authority, "--registry-config", REGISTRY.credentials];
  const env = {
    HELM_CACHE_HOME: join(folder, ".cache"),
    HELM_CONFIG_HOME: join(folder, ".config"),
    HELM_DATA_HOME: join(folder, ".data"),
  };
  const pushed = tryRunBoth(
    [helm, "push", join(folder, `${name}-${version}.tgz`), `oci://${REGISTRY.host}/${BASE}/charts`, ...flags],
    env,
  );
  const digest = /Digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1];
  if (digest === undefined) throw new Error(`Cannot push chart "${name}": helm named no digest\n${pushed}`);
  return { version, digest };
}

function tryRunBoth(argv: readonly string[], env: Record<string, string>): string {
  const result = tryRun(withNames(argv), { env });
  return result.stdout + result.stderr;
}
