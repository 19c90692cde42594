/**
 * A whole release in a registry store: what a publisher pushes, small enough for a laptop and with the same shape.
 *
 * Charts, images, the config bundle made from the real `flux/` tree, Flux's manifests and the release manifest, all
 * deterministic: the same options give the same digests. The rehearsal serves it; tests and the lab push it elsewhere.
 * Faults are those of a publisher's bad day.
 */
import { gunzipSync } from "node:zlib";
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import { type Digest, digestOf } from "../core/digest.ts";
import { canonicalJson } from "../core/json.ts";
import { pushArtifact } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import type { RegistryStore } from "../oci/store.ts";
import { packTree } from "../oci/tar.ts";
import { pushChart } from "../publishing/chart.ts";
import {
  bundleLayer,
  CHART_SOURCE_KIND,
  CONFIG_REPOSITORY,
  type ConfigBundle,
  pushFluxArtifact,
  renderBundle,
} from "../publishing/config-bundle.ts";
import type { Pin } from "../publishing/lock-file.ts";
import { profileValues } from "../publishing/profile-values.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { readImageName } from "../release/image-name.ts";
import { mirroredName, placeText, type RegistryPlace } from "../release/location.ts";
import {
  type ComponentSpec,
  DEFAULT_COMPONENTS,
  RELEASE_ARTIFACT_TYPE,
  RELEASE_CONFIG_MEDIA_TYPE,
  RELEASE_REPOSITORY,
  RELEASE_SCHEMA,
  type ReleaseManifest,
  readReleaseManifest,
} from "../release/model.ts";
import { sampleChart } from "./sample/charts.ts";
import { fluxManifestsLayer, SAMPLE_CONTROLLERS, SAMPLE_FLUX_VERSION } from "./sample/flux-manifests.ts";

/** What a publisher can get wrong. */
export type SampleFault =
  /** The manifest names a bundle digest that was never pushed. */
  | "missing-config"
  /** The chart of the application is not pushed. */
  | "missing-chart"
  /** Somebody pushed another chart under the tag that the manifest pins. */
  | "moved-chart"
  /** The application's image is not pushed. */
  | "missing-image"
  /** The image of one of Flux's controllers is not pushed. */
  | "missing-flux-image"
  /** The manifest's version is a number. */
  | "invalid-manifest"
  /** The application's image starts and ends with an error. */
  | "crashing-application";

/** A tag of an image that starts and ends with an error; the rehearsal's kubelet knows it by this end. */
export const CRASHES = "-crashes";

export interface SampleOptions {
  /** `host[:port]` by which the cluster and this appliance reach the registry. */
  readonly registry: string;
  /** Default "nine-minds". */
  readonly base?: string;
  readonly version: string;
  /** Tags that point at the release beside its version. */
  readonly channels?: readonly string[];
  /** Tag of all images; default: the version. */
  readonly imageTag?: string;
  /** Version of all charts; default "0.1.0". */
  readonly chartVersion?: string;
  /** RFC 3339; default a fixed instant, so that the bytes do not change from day to day. */
  readonly createdAt?: string;
  readonly minimumControlPlane?: string;
  readonly tenantSecret?: "hashed" | "plaintext";
  /** What an update to it must know. Default: nothing. */
  readonly update?: Readonly<Record<string, unknown>>;
  /** Layer of the Flux artifact in place of the sample's own. */
  readonly fluxManifests?: { readonly layer: Uint8Array; readonly version: string };
  /** Bytes of filler in every image, so that downloads have a size. Default 1,024. */
  readonly imageBytes?: number;
  /** Images are named by digest too, as `release lock` does it. Default: by tag alone, as old publishers did. */
  readonly pinned?: boolean;
  /**
   * Images beside those of the components are pinned, as `release lock` does it: Flux's, which lie in the same registry, and the
   * one that charts bring. "mirrored": the registry is a mirror of the one that is named, so they lie below the base, and with
   * them some of Docker Hub. Default: the release does not know of them, as old ones did not.
   */
  readonly additional?: "pinned" | "mirrored";
  readonly fault?: SampleFault;
}

export interface SampleRelease {
  readonly manifest: ReleaseManifest;
  /** Of the release's OCI manifest. */
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly fluxDigest: Digest;
  readonly chartDigests: Readonly<Record<string, Digest>>;
  readonly imageDigests: Readonly<Record<string, Digest>>;
  /** Images that the release pins beside those of its components. */
  readonly additionalImages: readonly Pin[];
}

const CREATED_AT = "2026-01-01T00:00:00Z";
const PROFILE = "single-node";
const TREE = new Map(Object.entries(FLUX_TEMPLATES));
const NEVER_PUSHED = digestOf("never pushed");

interface Publisher {
  readonly store: RegistryStore;
  readonly options: SampleOptions;
  readonly place: RegistryPlace;
}

/** Pushes the release and points its version and channels at it. Safe to call again; a later call moves the channels. */
export function buildSampleRelease(store: RegistryStore, options: SampleOptions): SampleRelease {
  const publisher = { store, options, place: { registry: options.registry, base: options.base ?? "nine-minds" } };
  const imageDigests = pushImages(publisher);
  const chartDigests = pushCharts(publisher);
  const bundle = sampleBundle(publisher, chartDigests);
  const configDigest = pushConfig(publisher, bundle);
  const fluxDigest = pushFlux(publisher);
  const additionalImages = pushAdditional(publisher);
  const digests = { chartDigests, imageDigests, configDigest, fluxDigest, additionalImages };
  const document = releaseDocument(publisher, digests);
  const digest = pushRelease(publisher, document);
  const manifest = readReleaseManifest({ ...document, version: options.version });
  return { manifest, digest, ...digests };
}

function repositoryOf({ place }: Publisher, name: string): string {
  return place.base === "" ? name : `${place.base}/${name}`;
}

function chartVersionOf({ options }: Publisher): string {
  return options.chartVersion ?? "0.1.0";
}

function imageTagOf({ options }: Publisher, key = ""): string {
  const tag = options.imageTag ?? options.version;
  return options.fault === "crashing-application" && key === "algaCore" ? `${tag}${CRASHES}` : tag;
}

/** What charts bring themselves. The same in every release, so that a chart does not change under its version. */
const BUNDLED_IMAGE = { name: "sample-base", tag: "1" } as const;
const CONTROL_PLANE_IMAGE = "alga-appliance-control-plane";

/** Image key -> repository, each once, and the control plane's. */
function imageNames(): ReadonlyMap<string, string> {
  const named = DEFAULT_COMPONENTS.flatMap(({ imageKey, imageRepository }) =>
    imageKey === undefined || imageRepository === undefined ? [] : [[imageKey, imageRepository] as const],
  );
  return new Map([...named, ["controlPlane", CONTROL_PLANE_IMAGE]]);
}

function pushImages(publisher: Publisher): Readonly<Record<string, Digest>> {
  const isLost = (key: string): boolean => publisher.options.fault === "missing-image" && key === "algaCore";
  return Object.fromEntries(
    [...imageNames()].map(([key, name]) => {
      const image = { name, tag: imageTagOf(publisher, key) };
      return [key, isLost(key) ? NEVER_PUSHED : pushImage(publisher, image)];
    }),
  );
}

/** Images of Docker Hub: of the storage provisioner, and what the profile's values name for a database. */
const OTHERS = [...Object.values(STORAGE_IMAGES), "docker.io/ankane/pgvector:v0.5.1"];

/** The image that charts bring themselves, and those of Flux's controllers, which lie beside the publisher's base. */
function pushAdditional(publisher: Publisher): readonly Pin[] {
  const { options, place } = publisher;
  const { name, tag } = BUNDLED_IMAGE;
  const own = { reference: `${placeText(place)}/${name}:${tag}`, digest: pushImage(publisher, BUNDLED_IMAGE) };
  if (options.additional === undefined) return [];
  if (options.fluxManifests !== undefined) return [own];
  const others = OTHERS.flatMap((reference) => {
    const image = readImageName(reference);
    const mirrored = mirroredName(image.name, placeText(place));
    const isMirror = options.additional === "mirrored";
    const repository = isMirror ? repositoryOf(publisher, mirrored) : image.repository;
    const digest = pushImage(publisher, { name: image.repository, tag: image.tag ?? "" }, repository);
    return isMirror ? [{ reference, digest }] : [];
  });
  const flux = SAMPLE_CONTROLLERS.map((controller, at) => {
    const image = { name: controller, tag: SAMPLE_FLUX_VERSION };
    const repository = `fluxcd/${controller}`;
    const reference = `${place.registry}/${repository}:${SAMPLE_FLUX_VERSION}`;
    if (options.fault === "missing-flux-image" && at === 0) return { reference, digest: NEVER_PUSHED };
    const mirrored = mirroredName(`${place.registry}/${repository}`, placeText(place));
    if (options.additional === "mirrored") pushImage(publisher, image, repositoryOf(publisher, mirrored));
    return { reference, digest: pushImage(publisher, image, repository) };
  });
  return [own, ...flux, ...others];
}

/** An image of one layer with one file: valid, and of a size that was asked for. */
function pushImage(
  publisher: Publisher,
  image: { readonly name: string; readonly tag: string },
  repository = repositoryOf(publisher, image.name),
): Digest {
  const { options, store } = publisher;
  const { name, tag } = image;
  const filler = new Uint8Array(options.imageBytes ?? 1024).map((_byte, at) => (at * 2654435761) >>> 24);
  const label = new TextEncoder().encode(`${name} ${tag}\n`);
  const layer = packTree([
    { path: "etc/sample-release", bytes: label },
    { path: "filler", bytes: filler },
  ]);
  const config = {
    architecture: "amd64",
    os: "linux",
    created: createdAtOf(publisher),
    config: { Entrypoint: ["/sample"] },
    rootfs: { type: "layers", diff_ids: [digestOf(gunzipSync(layer))] },
  };
  return pushArtifact(store, repository, {
    tag,
    config: { mediaType: MEDIA.config, bytes: json(config) },
    layers: [{ mediaType: MEDIA.layerGzip, bytes: layer }],
  });
}

function pushCharts(publisher: Publisher): Readonly<Record<string, Digest>> {
  return Object.fromEntries(
    DEFAULT_COMPONENTS.map((component) => [component.chart, pushSampleChart(publisher, component)] as const),
  );
}

function pushSampleChart(publisher: Publisher, component: ComponentSpec): Digest {
  const { store, options } = publisher;
  const { chart } = component;
  const version = chartVersionOf(publisher);
  const bundledImage = `${placeText(publisher.place)}/${BUNDLED_IMAGE.name}:${BUNDLED_IMAGE.tag}`;
  const isLost = options.fault === "missing-chart" && chart === "sebastian";
  const isMoved = options.fault === "moved-chart" && chart === "sebastian";
  if (isLost) return NEVER_PUSHED;
  const packed = sampleChart({ component, version, bundledImage });
  const digest = pushChart(store, repositoryOf(publisher, `charts/${chart}`), packed);
  return isMoved ? NEVER_PUSHED : digest;
}

/** The bundle as `release build` renders it, from the tree that the executable carries; a test checks it, and not each start. */
function sampleBundle(publisher: Publisher, chartDigests: Readonly<Record<string, Digest>>): ConfigBundle {
  const version = chartVersionOf(publisher);
  return renderBundle({
    tree: TREE,
    place: placeText(publisher.place),
    charts: new Map(Object.entries(chartDigests).map(([name, digest]) => [name, { version, digest }])),
    profile: PROFILE,
    values: sampleValues(publisher),
    components: DEFAULT_COMPONENTS,
  });
}

/** The profile's values with the images of this registry, as a release manifest carries them. */
function sampleValues({ place }: Publisher): Readonly<Record<string, string>> {
  return profileValues({ tree: TREE, profile: PROFILE, components: DEFAULT_COMPONENTS, place, given: new Map() });
}

function pushConfig(publisher: Publisher, bundle: ConfigBundle): Digest {
  const digest = pushFluxArtifact(publisher.store, repositoryOf(publisher, CONFIG_REPOSITORY), {
    tag: publisher.options.version,
    layer: bundleLayer(bundle),
    created: createdAtOf(publisher),
  });
  return publisher.options.fault === "missing-config" ? NEVER_PUSHED : digest;
}

function pushFlux(publisher: Publisher): Digest {
  const { layer, version } = fluxSource(publisher);
  const repository = repositoryOf(publisher, "flux-manifests");
  return pushFluxArtifact(publisher.store, repository, { tag: version, layer, created: createdAtOf(publisher) });
}

function fluxSource({ options, place }: Publisher): { readonly layer: Uint8Array; readonly version: string } {
  const images = options.additional === undefined ? "ghcr.io" : place.registry;
  return options.fluxManifests ?? { layer: fluxManifestsLayer(`${images}/fluxcd`), version: SAMPLE_FLUX_VERSION };
}

function createdAtOf({ options }: Publisher): string {
  return options.createdAt ?? CREATED_AT;
}

function chartVersions(publisher: Publisher): Readonly<Record<string, string>> {
  return Object.fromEntries(DEFAULT_COMPONENTS.map(({ chart }) => [chart, chartVersionOf(publisher)]));
}

type Digests = Omit<SampleRelease, "manifest" | "digest">;

/** The control plane's image is a field of its own; all others are pinned by their keys. */
function imagePins(publisher: Publisher, { imageDigests }: Digests): Record<string, unknown> {
  const tag = imageTagOf(publisher);
  const { controlPlane, ...others } = imageDigests;
  if (publisher.options.pinned !== true) return { controlPlane: tag };
  const reference = `${placeText(publisher.place)}/${CONTROL_PLANE_IMAGE}:${tag}@${controlPlane}`;
  return { controlPlane: reference, imageDigests: others };
}

function releaseDocument(publisher: Publisher, digests: Digests): Record<string, unknown> {
  const { options, place } = publisher;
  const keys = DEFAULT_COMPONENTS.flatMap(({ imageKey }) => (imageKey === undefined ? [] : [imageKey]));
  const at = placeText(place);
  return {
    schema: RELEASE_SCHEMA,
    version: options.fault === "invalid-manifest" ? Number.parseFloat(options.version) : options.version,
    ...(options.channels?.[0] === undefined ? {} : { channel: options.channels[0] }),
    valuesProfile: PROFILE,
    images: Object.fromEntries(keys.map((key) => [key, imageTagOf(publisher, key)])),
    ...imagePins(publisher, digests),
    config: {
      repository: `${at}/${CONFIG_REPOSITORY}`,
      version: options.version,
      digest: digests.configDigest,
      chartSource: CHART_SOURCE_KIND,
    },
    flux: { repository: `${at}/flux-manifests`, version: fluxSource(publisher).version, digest: digests.fluxDigest },
    charts: chartVersions(publisher),
    chartDigests: digests.chartDigests,
    ...(digests.additionalImages.length === 0 ? {} : { additionalImages: digests.additionalImages }),
    profileValues: sampleValues(publisher),
    createdAt: createdAtOf(publisher),
    ...(options.minimumControlPlane === undefined ? {} : { minimumControlPlane: options.minimumControlPlane }),
    ...(options.tenantSecret === undefined ? {} : { tenantSecret: options.tenantSecret }),
    ...(options.update === undefined ? {} : { update: options.update }),
  };
}

function pushRelease(publisher: Publisher, document: Record<string, unknown>): Digest {
  const { store, options } = publisher;
  const repository = repositoryOf(publisher, RELEASE_REPOSITORY);
  const digest = pushArtifact(store, repository, {
    tag: options.version.replaceAll("+", "_"),
    artifactType: RELEASE_ARTIFACT_TYPE,
    config: { mediaType: RELEASE_CONFIG_MEDIA_TYPE, bytes: json(document) },
    annotations: { "org.opencontainers.image.version": options.version },
  });
  for (const channel of options.channels ?? []) store.tag(repository, channel, digest);
  return digest;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(canonicalJson(value));
}
