/** Images that the charts of a release name and the release does not: what boxes without a network would wait for in vain. */
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { imageText, isBaked, readImageName } from "../release/image-name.ts";
import type { ChartFiles } from "./chart-files.ts";
import { imagesOfChart, readValues } from "./chart-images.ts";
import { imageRepositories, type ReleaseSource, sourceComponents } from "./source.ts";

export interface UnlistedImage {
  /** As it is to be written into additionalImages: "docker.io/library/postgres:16". */
  readonly image: string;
  /** Who wants it: "chart temporal", "the storage provisioner". */
  readonly wantedBy: readonly string[];
}

export interface ImageReview {
  readonly unlisted: readonly UnlistedImage[];
  /** "chart temporal, templates/web.yaml: {{ ... }}": what only Helm can read. */
  readonly unread: readonly string[];
}

export interface ReviewInput {
  readonly source: ReleaseSource;
  /** Chart name -> its files; a chart that is not here is not looked through. */
  readonly charts: ReadonlyMap<string, ChartFiles>;
  /** Key of the values of a component -> their YAML text. */
  readonly values: Readonly<Record<string, string>>;
}

/** Who starts the images that no chart names. */
const STORAGE = "the storage provisioner of boxes without a storage class";

/** Compares what charts name, with the values of the release, with what the release lists. Pure. */
export function reviewImages({ source, charts, values }: ReviewInput): ImageReview {
  const isListed = listedIn(source);
  const wanted = new Map<string, Set<string>>();
  const unread: string[] = [];
  const want = (image: string, by: string): void => {
    if (!isListed(image)) wanted.set(image, (wanted.get(image) ?? new Set()).add(by));
  };
  for (const [name, files] of charts) {
    const users = sourceComponents(source).filter((component) => component.chart === name);
    const overlays = users.length === 0 ? [""] : users.map((component) => values[component.valuesKey] ?? "");
    for (const overlay of overlays) {
      const found = imagesOfChart({ files, overlay: readValues(overlay) });
      for (const image of found.images) want(image, `chart ${name}`);
      unread.push(...found.unread.map((line) => `chart ${name}, ${line}`));
    }
  }
  for (const image of Object.values(STORAGE_IMAGES)) want(image, STORAGE);
  const unlisted = [...wanted].map(([image, by]) => ({ image, wantedBy: [...by].sort() }));
  return { unlisted: unlisted.sort((a, b) => (a.image < b.image ? -1 : 1)), unread: [...new Set(unread)].sort() };
}

/** The release's own by key, whatever their tag: the release sets it; what it lists; and what is baked into boxes. */
function listedIn(source: ReleaseSource): (image: string) => boolean {
  const own = new Set([...imageRepositories(source).values()].map((name) => `${source.registry}/${name}`));
  const listed = new Set(source.additionalImages.map((text) => imageText(readImageName(text))));
  return (image) => {
    const read = readImageName(image);
    return own.has(read.name) || listed.has(image) || isBaked(read);
  };
}

/** What a person reads below the lock or the build; nothing when there is nothing to say. */
export function reviewText({ unlisted, unread }: ImageReview): readonly string[] {
  const missing = [
    "",
    "these images are in no list of release.yaml: mirrors and bundles will not hold them, and a box without a network cannot pull",
    "them. Add what belongs to the release:",
    "additionalImages:",
    ...unlisted.map(({ image, wantedBy }) => `  - ${image} # ${wantedBy.join(", ")}`),
  ];
  const strange = [
    "",
    "only Helm can read which image these lines name; look whether it is listed:",
    ...unread.map((line) => `  ${line}`),
  ];
  return [...(unlisted.length === 0 ? [] : missing), ...(unread.length === 0 ? [] : strange)];
}
