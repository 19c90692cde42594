/**
 * Our source and the parent Kustomization: the two objects by which a release reaches the cluster, and what they need
 * to pull from another registry than the publisher's.
 *
 * The bundle is the same bytes for everybody, and pins each chart by digest. What differs on this appliance (the registry of
 * the charts, a private CA, credentials, plain HTTP, a proxy, another profile) comes as patches of the parent, which
 * kustomize-controller applies when it builds. Patches for HelmReleases go through the child Kustomization that builds
 * them; so do the names of images that charts bring themselves. Bundles of the older form name one HelmRepository for all charts, and take chart versions from the manifest.
 *
 * @see Flux source-controller v1, "OCIRepository", "HelmRepository"; kustomize-controller v1, "Patches"; docs/adr/0005
 */
import { stringify } from "yaml";
import type { Digest } from "../core/digest.ts";
import { chooseProxy, proxyLogin } from "../core/proxy.ts";
import type { KubeObject } from "../kube/model.ts";
import type { Credentials } from "../oci/credentials.ts";
import type { ComponentSpec } from "../release/components.ts";
import { locate, placeText, publishedPlace } from "../release/location.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import { type ImageRename, imageRenames } from "./images.ts";
import type { Patch } from "./tree.ts";

export const FLUX_NAMESPACE = "flux-system";
/** Name of the OCIRepository and of the parent Kustomization. */
const SOURCE_NAME = "alga-appliance";
/** The one source of all charts in bundles of the older form. */
const CHARTS_NAME = "alga-charts";
const CHART_SOURCE = "alga-chart-";
/** The child Kustomizations in the order in which each waits for the one before. */
export const CHILD_KUSTOMIZATIONS = ["alga-platform", "alga-core", "alga-background"] as const;
const CA_SECRET = "alga-appliance-registry-ca";
const AUTH_SECRET = "alga-appliance-registry-auth";
/** The login for what the box keeps itself; apart, so that the registry's own stays as it is. */
const PARTS_SECRET = "alga-appliance-parts-auth";

const PROXY_SECRET = "alga-appliance-registry-proxy";

/** How Flux reaches the registry: as this process does. */
export type SourceAccess = Pick<RegistryAccess, "place" | "plainHttp" | "ca" | "credentials" | "proxy">;

/** The Secret of Flux's login for what the box keeps. */
export const PARTS_SECRET_REF = { apiVersion: "v1", kind: "Secret", namespace: FLUX_NAMESPACE, name: PARTS_SECRET };

/** The part of a resolved release that the source needs. */
export interface SourceRelease {
  readonly manifest: ReleaseManifest;
  /** Digest of the release's own OCI manifest. */
  readonly digest: Digest;
}

/** Where Flux reads: the registry of the images, or another place that has bundle and charts. */
interface Reads extends SourceAccess {
  /** Of the Secret with its login. */
  readonly login: string;
}

/**
 * Everything that `source` applies: Secrets for the registry where they are needed, the source, the parent.
 *
 * @param parts Where bundle and charts are read instead: what the box keeps. Images stay those of `access`.
 * @throws {ApplianceError} config/invalid when the proxy of the settings is no address.
 */
export function sourceObjects(
  release: SourceRelease,
  access: SourceAccess,
  parts?: SourceAccess,
): readonly KubeObject[] {
  const reads: Reads = parts === undefined ? { ...access, login: AUTH_SECRET } : { ...parts, login: PARTS_SECRET };
  return [...accessSecrets(reads), ociRepository(release, reads), kustomization(release, { access, reads })];
}

/** The config bundle, pinned by digest. */
function ociRepository(release: SourceRelease, reads: Reads): KubeObject {
  const { config } = release.manifest;
  const repository = locate(config.repository, { published: publishedPlace(release.manifest), place: reads.place });
  return {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "OCIRepository",
    metadata: metadataOf(release),
    spec: {
      interval: "1m",
      timeout: "2m",
      url: `oci://${repository}`,
      ref: { digest: config.digest },
      ...sourceFields(reads),
    },
  };
}

/**
 * The parent Kustomization, which applies `./base`: namespaces, the chart repository and the child Kustomizations.
 *
 * It does not wait for the children: they are watched one by one, and a waiting parent would hold a corrected release
 * back until its timeout.
 */
function kustomization(
  release: SourceRelease,
  { access, reads }: { readonly access: SourceAccess; readonly reads: Reads },
): KubeObject {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: metadataOf(release),
    spec: {
      interval: "5m",
      retryInterval: "1m",
      timeout: "5m",
      path: "./base",
      prune: true,
      wait: false,
      sourceRef: { kind: "OCIRepository", name: SOURCE_NAME },
      patches: [...chartPatches(release.manifest, reads), ...childPatches(release.manifest, access)],
    },
  };
}

function metadataOf(release: SourceRelease): KubeObject["metadata"] {
  return {
    name: SOURCE_NAME,
    namespace: FLUX_NAMESPACE,
    labels: { "app.kubernetes.io/part-of": "alga-appliance" },
    annotations: {
      "appliance.alga/release-version": release.manifest.version,
      "appliance.alga/release-digest": release.digest,
    },
  };
}

/** The fields that OCIRepository and HelmRepository share. */
function registryFields(access: Reads): Readonly<Record<string, unknown>> {
  return {
    ...(access.plainHttp === true ? { insecure: true } : {}),
    ...(access.ca === undefined ? {} : { certSecretRef: { name: CA_SECRET } }),
    ...(access.credentials === undefined ? {} : { secretRef: { name: access.login } }),
  };
}

/** Only an OCIRepository has a proxy of its own. @see source-controller v1, OCIRepository, "Proxy secret reference" */
function sourceFields(access: Reads): Readonly<Record<string, unknown>> {
  const proxied = proxyOf(access) === undefined ? {} : { proxySecretRef: { name: PROXY_SECRET } };
  return { ...registryFields(access), ...proxied };
}

/** Flux knows no list of exceptions here: where this process goes directly, Flux is told of no proxy. */
function proxyOf({ place, plainHttp, proxy }: SourceAccess): URL | undefined {
  return chooseProxy(new URL(`${plainHttp === true ? "http" : "https"}://${place.registry}/`), proxy);
}

/** The charts come from this appliance's registry, by the digests of the release. */
function chartPatches(manifest: ReleaseManifest, access: Reads): readonly Patch[] {
  const charts = `oci://${placeText(access.place)}/charts`;
  if (!isPinnedByDigest(manifest)) {
    const repository = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "HelmRepository", name: CHARTS_NAME };
    return [patchOf(repository, { url: charts, ...registryFields(access) })];
  }
  return [...new Set(componentsOf(manifest).map((component) => component.chart))].map((chart) =>
    patchOf(
      { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "OCIRepository", name: chartSourceName(chart) },
      { url: `${charts}/${chart}`, ...sourceFields(access) },
    ),
  );
}

/** Name of the OCIRepository of a chart. */
export function chartSourceName(chart: string): string {
  return `${CHART_SOURCE}${chart}`;
}

/** Tells the source of a chart from the source of the release. */
export function isChartSource(name: string): boolean {
  return name.startsWith(CHART_SOURCE);
}

/** The bundle pins every chart itself; only older ones leave the version to the manifest. */
function isPinnedByDigest(manifest: ReleaseManifest): boolean {
  return manifest.config.chartSource === "OCIRepository";
}

/** One patch a child whose HelmReleases take something from this release. */
function childPatches(manifest: ReleaseManifest, { place }: SourceAccess): readonly Patch[] {
  const components = componentsOf(manifest);
  const images = imageRenames(manifest, place);
  return (["core", "background"] as const).flatMap((group) => {
    const patches = components
      .filter((component) => component.group === group)
      .flatMap((component) => releasePatch(component, { manifest, images }));
    const child = { apiVersion: "kustomize.toolkit.fluxcd.io/v1", kind: "Kustomization", name: `alga-${group}` };
    return patches.length === 0 ? [] : [patchOf(child, { patches })];
  });
}

function releasePatch(
  component: ComponentSpec,
  { manifest, images }: { readonly manifest: ReleaseManifest; readonly images: readonly ImageRename[] },
): readonly Patch[] {
  const version = manifest.charts[component.chart];
  const values = { kind: "ConfigMap", name: component.valuesConfigMap, valuesKey: component.valuesKey };
  const spec = {
    ...(version === undefined || isPinnedByDigest(manifest) ? {} : { chart: { spec: { version } } }),
    ...(manifest.valuesProfile === "single-node" ? {} : { valuesFrom: [values] }),
    ...(images.length === 0 ? {} : { postRenderers: [{ kustomize: { images } }] }),
  };
  const target = { apiVersion: "helm.toolkit.fluxcd.io/v2", kind: "HelmRelease", name: component.name };
  return Object.keys(spec).length === 0 ? [] : [patchOf(target, spec)];
}

function patchOf(
  target: { readonly apiVersion: string; readonly kind: string; readonly name: string },
  spec: Readonly<Record<string, unknown>>,
): Patch {
  const { apiVersion, kind, name } = target;
  // kustomize drops the last line break of a patch inside a patch; without one both read the same.
  const patch = stringify({ apiVersion, kind, metadata: { name }, spec }, { lineWidth: 0 }).trimEnd();
  return { target: { kind, name }, patch };
}

/** Secrets by which Flux reaches, trusts and enters the registry; none for a public one without a proxy. */
function accessSecrets(access: Reads): readonly KubeObject[] {
  const secrets: KubeObject[] = [];
  if (access.ca !== undefined)
    secrets.push(secretOf(CA_SECRET, { type: "Opaque", data: { "ca.crt": base64(access.ca) } }));
  if (access.credentials !== undefined) secrets.push(secretOf(access.login, dockerConfig(access, access.credentials)));
  const proxy = proxyOf(access);
  if (proxy !== undefined) secrets.push(secretOf(PROXY_SECRET, { type: "Opaque", data: proxyData(proxy) }));
  return secrets;
}

function secretOf(name: string, content: { readonly type: string; readonly data: Record<string, string> }): KubeObject {
  const labels = { "app.kubernetes.io/part-of": "alga-appliance" };
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: FLUX_NAMESPACE, labels }, ...content };
}

/** @see Kubernetes documentation, "Secrets", type kubernetes.io/dockerconfigjson; docker/cli config.json "auths" */
function dockerConfig(
  access: SourceAccess,
  credentials: Credentials,
): { readonly type: string; readonly data: Record<string, string> } {
  const config = JSON.stringify({ auths: { [access.place.registry]: authEntry(credentials) } });
  return { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": base64(config) } };
}

/** @see source-controller v1, OCIRepository, "Proxy secret reference": address, username, password */
function proxyData(proxy: URL): Record<string, string> {
  const data = { address: `${proxy.protocol}//${proxy.host}`, ...proxyLogin(proxy) };
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, base64(text)]));
}

function authEntry(credentials: Credentials): Readonly<Record<string, string>> {
  if (credentials.kind === "identity") return { identitytoken: credentials.token.reveal() };
  if (credentials.kind === "bearer") return { registrytoken: credentials.token.reveal() };
  return { auth: base64(`${credentials.username}:${credentials.password.reveal()}`) };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
