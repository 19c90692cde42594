/**
 * `release build`: everything of a release from a source tree and its lock, in one store, offline.
 *
 * Charts, Flux's manifests, the config bundle, the control-plane image and the manifest that names them all. The bytes depend on
 * the tree, the lock, the executables and the time that was asked for: never on the clock, the machine, modes, owners or
 * the order of folders. Every part is checked before the next one is made, so that nothing is written for a wrong tree.
 */
import { join } from "node:path/posix";
import type { Digest } from "../core/digest.ts";
import type { Deps } from "../core/ports.ts";
import { parseDocument } from "../oci/model.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import type { ReleaseManifest } from "../release/model.ts";
import { type AttestOptions, attestRelease } from "./attest-release.ts";
import { CHART_LAYER_TYPE, packChartAt, pushChart } from "./chart.ts";
import { loadChartArchive } from "./chart-files.ts";
import { badChart } from "./chart-metadata.ts";
import {
  bundleLayer,
  CONFIG_REPOSITORY,
  checkBundle,
  type PinnedChart,
  pushFluxArtifact,
  renderBundle,
} from "./config-bundle.ts";
import { fluxImages } from "./flux-images.ts";
import { type BuiltImage, buildControlPlaneImage, type PlatformInput } from "./image.ts";
import { vendorRepository } from "./lock.ts";
import { additionalPins, assertFluxLocked, assertLocked, type ReleaseLock, readLock } from "./lock-file.ts";
import { pushRelease, releaseDocument } from "./release-document.ts";
import { type ReleaseSource, readSource, SOURCE_FILE, sourceComponents } from "./source.ts";
import { treeAndValues } from "./source-content.ts";
import { instantOfSeconds } from "./source-date.ts";
import { type ImageReview, reviewImages } from "./unlisted-images.ts";
import { pushVendored } from "./vendored.ts";

/** A source tree, and what a build takes from outside it. */
export interface BuildInput {
  /** Absolute path of the source tree. */
  readonly folder: string;
  /** Seconds since 1970 for everything that carries a time. Absent: when the tree was locked. */
  readonly createdSeconds?: number;
  /** Platforms of the control-plane image; asked for only when release.yaml has it built. */
  readonly platforms: () => Promise<readonly PlatformInput[]>;
  /** Where the sources are, for annotations. */
  readonly sourceUrl?: string;
  /** The tree that the executable carries: path below `flux/` -> text. */
  readonly embeddedTree: Readonly<Record<string, string>>;
  /** Who builds, as a URI, for the provenance; default: a person's machine. */
  readonly builderId?: string;
  /** Puts the provenance into a signed envelope; absent: it is not signed. */
  readonly seal?: AttestOptions["seal"];
  readonly onProgress?: (line: string) => void;
}

export interface BuiltRelease {
  readonly store: RegistryStore;
  readonly source: ReleaseSource;
  readonly lock: ReleaseLock;
  readonly manifest: ReleaseManifest;
  /** Of the release's own OCI manifest. */
  readonly digest: Digest;
  readonly configDigest: Digest;
  readonly charts: ReadonlyMap<string, PinnedChart>;
  /** Absent when release.yaml names one that is in the registry. */
  readonly image?: BuiltImage;
  readonly createdSeconds: number;
  /** Images that charts name and the release does not pin. */
  readonly review: ImageReview;
}

/**
 * Builds a release in memory. Nothing is written and no network is asked.
 *
 * @throws {ApplianceError} build/... for the source, its lock, charts and missing files; flux/bad-artifact for a tree that
 *   kustomize would refuse; image/... for executables and libraries.
 */
export async function buildRelease(deps: Pick<Deps, "files" | "clock">, input: BuildInput): Promise<BuiltRelease> {
  const { folder } = input;
  const source = await readSource(deps, folder);
  const lock = assertLocked(source, await readLock(deps, folder));
  const createdSeconds = input.createdSeconds ?? Math.floor(Date.parse(lock.lockedAt) / 1000);
  const store = createMemoryStore();
  const charts = await pushCharts(deps, store, { folder, source, lock });
  await pushFlux(deps, store, { folder, source, lock });
  const content = await treeAndValues(deps, { folder, source, embeddedTree: input.embeddedTree });
  const rendering = {
    ...content,
    place: source.registry,
    charts,
    profile: source.profile,
    components: sourceComponents(source),
    renamesImages: additionalPins(lock).length > 0,
  };
  const bundle = renderBundle(rendering);
  checkBundle(bundle, rendering);
  const createdAt = instantOfSeconds(createdSeconds);
  const sourceUrl = input.sourceUrl === undefined ? {} : { sourceUrl: input.sourceUrl };
  const artifact = { tag: source.version, layer: bundleLayer(bundle), created: createdAt, ...sourceUrl };
  const configDigest = pushFluxArtifact(store, CONFIG_REPOSITORY, artifact);
  const image = await builtImage(store, { source, input, createdSeconds });
  const controlPlane = image ?? pinnedImage(source, lock);
  const parts = { source, lock, createdAt, charts, configDigest, controlPlane, values: content.values };
  const document = releaseDocument(parts);
  const release = pushRelease(store, document);
  const { digest, manifest } = release;
  const review = reviewImages({ source, charts: chartFiles(store, charts), values: content.values });
  const made = { store, source, lock, manifest, digest, configDigest, charts, createdSeconds, review };
  const built = { ...made, ...(image === undefined ? {} : { image }) };
  await attestRelease(deps, built, input);
  return built;
}

interface Tree {
  readonly folder: string;
  readonly source: ReleaseSource;
  readonly lock: ReleaseLock;
}

async function pushCharts(
  deps: Pick<Deps, "files">,
  store: RegistryStore,
  { folder, source, lock }: Tree,
): Promise<ReadonlyMap<string, PinnedChart>> {
  const charts = new Map<string, PinnedChart>();
  for (const [name, chart] of Object.entries(source.charts).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if ("path" in chart) {
      const packed = await packChartAt(deps, join(folder, chart.path), chart.path);
      if (packed.name !== name)
        throw badChart(chart.path, `its name is ${packed.name}, ${name} is wanted by ${SOURCE_FILE}`);
      charts.set(name, { version: packed.version, digest: pushChart(store, `charts/${name}`, packed) });
      continue;
    }
    const pin = pinOf(lock, `chart ${name}`);
    await pushVendored(deps, store, { folder, wanted: { name: `chart ${name}`, pin, version: chart.version } });
    charts.set(name, { version: chart.version, digest: pin.digest });
  }
  return charts;
}

/** The files of the charts that were packed or fetched. */
function chartFiles(
  store: RegistryStore,
  charts: ReadonlyMap<string, PinnedChart>,
): ReadonlyMap<string, ReadonlyMap<string, Uint8Array>> {
  return new Map(
    [...charts].map(([name, { digest }]) => {
      const repository = `charts/${name}`;
      const { bytes, mediaType } = store.manifest(repository, digest) ?? { bytes: new Uint8Array(), mediaType: "" };
      const document = parseDocument(bytes, { contentType: mediaType, what: `chart ${name}` });
      const layers = document.kind === "manifest" ? document.manifest.layers : [];
      const layer = layers.find((one) => one.mediaType === CHART_LAYER_TYPE);
      return [name, loadChartArchive(store.blob(repository, layer?.digest ?? "") ?? bytes, `chart ${name}`).files];
    }),
  );
}

async function pushFlux(
  deps: Pick<Deps, "files" | "clock">,
  store: RegistryStore,
  { folder, source, lock }: Tree,
): Promise<void> {
  if (source.flux === undefined) return;
  const wanted = { name: "flux", pin: pinOf(lock, "flux"), version: source.flux.version };
  await pushVendored(deps, store, { folder, wanted });
  const repository = vendorRepository("flux");
  const { bytes, mediaType } = store.manifest(repository, wanted.pin.digest) ?? { bytes: new Uint8Array() };
  const document = parseDocument(bytes, { contentType: mediaType ?? "", what: wanted.pin.reference });
  const [layer] = document.kind === "manifest" ? document.manifest.layers : [];
  const { pulled } = await fluxImages(deps, store.blob(repository, layer?.digest ?? "") ?? new Uint8Array());
  assertFluxLocked(pulled, lock);
}

/** A lock that belongs to its source has every pin; this is where the type learns it. */
function pinOf(lock: ReleaseLock, name: string): ReleaseLock["pins"][string] {
  const pin = lock.pins[name];
  if (pin === undefined) throw new Error(`Cannot build: the lock has no ${name}`);
  return pin;
}

async function builtImage(
  store: RegistryStore,
  {
    source,
    input,
    createdSeconds,
  }: { readonly source: ReleaseSource; readonly input: BuildInput; readonly createdSeconds: number },
): Promise<BuiltImage | undefined> {
  if (source.controlPlane !== "build") return undefined;
  const platforms = await input.platforms();
  input.onProgress?.(`Building the control-plane image for ${platforms.map((one) => one.architecture).join(" and ")}`);
  const sourceUrl = input.sourceUrl === undefined ? {} : { sourceUrl: input.sourceUrl };
  return await buildControlPlaneImage(store, { platforms, version: source.version, createdSeconds, ...sourceUrl });
}

function pinnedImage(
  { controlPlane }: ReleaseSource,
  lock: ReleaseLock,
): { readonly tag: string; readonly digest: Digest } {
  const tag = controlPlane === "build" ? "" : controlPlane.tag;
  return { tag, digest: pinOf(lock, "control-plane image").digest };
}
