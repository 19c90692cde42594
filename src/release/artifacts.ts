/** What a release refers to, as a list of things to ask the registry for. Pure. */
import type { Digest } from "../core/digest.ts";
import { type AdditionalImage, additionalImages } from "./additional-images.ts";
import { controlPlaneImage } from "./control-plane.ts";
import { locate, placeText, publishedPlace, type RegistryPlace } from "./location.ts";
import { type ComponentSpec, componentsOf, type ReleaseManifest } from "./model.ts";
import type { ResolvedArtifact } from "./resolved.ts";

/** One thing to ask for. */
export interface WantedArtifact {
  readonly name: string;
  readonly kind: ResolvedArtifact["kind"];
  /** With its registry: "ghcr.io/nine-minds/charts/sebastian". */
  readonly repository: string;
  /** Absent: only the digest names it. */
  readonly tag?: string;
  /** What the release pins it to; a registry that answers another digest is refused. */
  readonly digest?: Digest;
  /** Asked for by its digest alone: its tag is another's to move. */
  readonly byDigest?: true;
}

/** Lists the bundle, Flux's manifests, the charts and the images of a release, each once. */
export function wantedArtifacts(manifest: ReleaseManifest, place: RegistryPlace): readonly WantedArtifact[] {
  const moved = (repository: string): string => locate(repository, { published: publishedPlace(manifest), place });
  const { config, flux } = manifest;
  const components = componentsOf(manifest);
  return [
    { name: "config", kind: "config", repository: moved(config.repository), digest: config.digest },
    ...(flux === undefined
      ? []
      : [{ name: "flux", kind: "flux" as const, repository: moved(flux.repository), digest: flux.digest }]),
    ...chartNames(components).flatMap((chart) => wantedChart(chart, { manifest, place })),
    ...imageRows(components).flatMap((row) => wantedImage(row, { manifest, place })),
    ...wantedControlPlane({ manifest, place }),
    ...additionalImages(manifest, place).map(wantedAdditional),
  ];
}

function wantedAdditional({ title, repository, tag, digest }: AdditionalImage): WantedArtifact {
  return { name: title, kind: "image", repository, ...(tag === undefined ? {} : { tag }), digest, byDigest: true };
}

interface At {
  readonly manifest: ReleaseManifest;
  readonly place: RegistryPlace;
}

function chartNames(components: readonly ComponentSpec[]): readonly string[] {
  return [...new Set(components.map((component) => component.chart))];
}

/** A chart whose version stands only in the bundle cannot be asked for. */
function wantedChart(chart: string, { manifest, place }: At): readonly WantedArtifact[] {
  const version = manifest.charts[chart];
  const digest = manifest.chartDigests?.[chart];
  if (version === undefined) return [];
  const repository = `${placeText(place)}/charts/${chart}`;
  const tag = version.replaceAll("+", "_");
  return [{ name: `chart ${chart}`, kind: "chart", repository, tag, ...(digest === undefined ? {} : { digest }) }];
}

interface ImageRow {
  readonly key: string;
  readonly repository: string;
}

function imageRows(components: readonly ComponentSpec[]): readonly ImageRow[] {
  const rows = new Map<string, ImageRow>();
  for (const { imageKey, imageRepository } of components) {
    if (imageKey !== undefined && imageRepository !== undefined) {
      rows.set(imageKey, { key: imageKey, repository: imageRepository });
    }
  }
  return [...rows.values()];
}

function wantedImage(row: ImageRow, { manifest, place }: At): readonly WantedArtifact[] {
  const tag = manifest.images[row.key];
  const digest = manifest.imageDigests?.[row.key];
  if (tag === undefined) return [];
  const repository = `${placeText(place)}/${row.repository}`;
  return [{ name: `image ${row.key}`, kind: "image", repository, tag, ...(digest === undefined ? {} : { digest }) }];
}

function wantedControlPlane({ manifest, place }: At): readonly WantedArtifact[] {
  const found = controlPlaneImage(manifest, place);
  return found === undefined ? [] : [{ name: "control-plane image", kind: "image", ...found }];
}
