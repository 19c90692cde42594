/** The release manifest of a build: from release.yaml, its lock and what was built, to the JSON of the config blob. Pure. */
import type { Digest } from "../core/digest.ts";
import { canonicalJson } from "../core/json.ts";
import { pushArtifact } from "../oci/artifact.ts";
import type { RegistryStore } from "../oci/store.ts";
import {
  RELEASE_ARTIFACT_TYPE,
  RELEASE_CONFIG_MEDIA_TYPE,
  RELEASE_REPOSITORY,
  RELEASE_SCHEMA,
  type ReleaseManifest,
  readReleaseManifest,
} from "../release/model.ts";
import { chartTag } from "./chart.ts";
import { CHART_SOURCE_KIND, CONFIG_REPOSITORY, type PinnedChart } from "./config-bundle.ts";
import { CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { vendorRepository } from "./lock.ts";
import { additionalPins, type ReleaseLock } from "./lock-file.ts";
import type { ReleaseSource } from "./source.ts";

export interface ReleaseParts {
  readonly source: ReleaseSource;
  readonly lock: ReleaseLock;
  /** RFC 3339; never this machine's clock. */
  readonly createdAt: string;
  readonly charts: ReadonlyMap<string, PinnedChart>;
  readonly configDigest: Digest;
  readonly controlPlane: { readonly tag: string; readonly digest: Digest };
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Makes the manifest and reads it as a box will.
 *
 * @throws {ApplianceError} release/invalid-manifest: a defect of the build, or values that are too large.
 */
export function releaseDocument(parts: ReleaseParts): Readonly<Record<string, unknown>> {
  const { source, lock, charts, controlPlane } = parts;
  const pinOf = (name: string): Digest | undefined => lock.pins[name]?.digest;
  const fluxDigest = pinOf("flux");
  const { tenantSecret, minimumControlPlane, update, components, supportAgent, supportReceiptKeys } = source;
  const additional = additionalPins(lock);
  const additionalImages = additional.length === 0 ? undefined : additional;
  const optional = {
    additionalImages,
    tenantSecret,
    minimumControlPlane,
    update,
    components,
    supportAgent,
    supportReceiptKeys,
  };
  const document = {
    schema: RELEASE_SCHEMA,
    version: source.version,
    channel: source.channels[0],
    valuesProfile: source.profile,
    images: mapped(source.images, ({ tag }) => tag),
    imageDigests: mapped(source.images, (_image, key) => pinOf(`image ${key}`)),
    controlPlane: `${source.registry}/${CONTROL_PLANE_REPOSITORY}:${controlPlane.tag}@${controlPlane.digest}`,
    config: {
      repository: `${source.registry}/${CONFIG_REPOSITORY}`,
      version: chartTag(source.version),
      digest: parts.configDigest,
      chartSource: CHART_SOURCE_KIND,
    },
    ...(source.flux === undefined || fluxDigest === undefined
      ? {}
      : {
          flux: {
            repository: `${source.registry}/${vendorRepository("flux")}`,
            version: chartTag(source.flux.version),
            digest: fluxDigest,
          },
        }),
    charts: Object.fromEntries([...charts].map(([name, { version }]) => [name, version])),
    chartDigests: Object.fromEntries([...charts].map(([name, { digest }]) => [name, digest])),
    profileValues: parts.values,
    createdAt: parts.createdAt,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
  readReleaseManifest(document);
  return document;
}

/** Pushes the manifest as the config blob of an artifact under its version, and returns the artifact's digest. */
export function pushRelease(
  store: RegistryStore,
  document: Readonly<Record<string, unknown>>,
): { readonly digest: Digest; readonly manifest: ReleaseManifest } {
  const manifest = readReleaseManifest(document);
  const digest = pushArtifact(store, RELEASE_REPOSITORY, {
    tag: chartTag(manifest.version),
    artifactType: RELEASE_ARTIFACT_TYPE,
    config: { mediaType: RELEASE_CONFIG_MEDIA_TYPE, bytes: new TextEncoder().encode(canonicalJson(document)) },
    annotations: {
      "org.opencontainers.image.version": manifest.version,
      ...(manifest.createdAt === undefined ? {} : { "org.opencontainers.image.created": manifest.createdAt }),
    },
  });
  return { digest, manifest };
}

function mapped<T, R>(record: Readonly<Record<string, T>>, read: (value: T, key: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, read(value, key)]));
}
