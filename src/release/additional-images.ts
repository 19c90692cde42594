/** The images that a release pins beside those of its components: Flux's controllers, databases, caches. Pure. */
import type { Digest } from "../core/digest.ts";
import { imageText, readImageName } from "./image-name.ts";
import { locatePinned, placeText, publishedPlace, type RegistryPlace } from "./location.ts";
import type { ReleaseManifest } from "./model.ts";

/** One of them, and where an appliance finds it. */
export interface AdditionalImage {
  /** "image docker.io/library/postgres"; with its tag where the release has several of that name. */
  readonly title: string;
  /** Whole and normal, without tag: "docker.io/library/postgres". */
  readonly name: string;
  /** Absent: it is named by its digest alone. */
  readonly tag?: string;
  readonly digest: Digest;
  /** Where it is pulled from: "harbor.example.com/alga/images/docker.io/library/postgres". */
  readonly repository: string;
}

/**
 * The name by which an appliance of `place` pulls an image: from its mirror and by digest where the release pins the image, else
 * as it is written. At the publisher's own place nothing is renamed: a node may have it already, under the name that all use.
 *
 * @throws {ApplianceError} oci/bad-reference when it is no image's name.
 */
export function pulledName(
  written: string,
  release: { readonly manifest: Pick<ReleaseManifest, "additionalImages" | "config">; readonly place: RegistryPlace },
): string {
  const wanted = imageText(readImageName(written));
  const found = movedImages(release).find((image) => imageText(image) === wanted);
  return found === undefined ? written : `${found.repository}@${found.digest}`;
}

/** Those that an appliance of `place` pulls by other names; none at the publisher's own place. */
export function movedImages({
  manifest,
  place,
}: {
  readonly manifest: Pick<ReleaseManifest, "additionalImages" | "config">;
  readonly place: RegistryPlace;
}): readonly AdditionalImage[] {
  return placeText(place) === publishedPlace(manifest) ? [] : additionalImages(manifest, place);
}

/** Lists them as an appliance of `place` finds them; none for a release that does not say. */
export function additionalImages(
  manifest: Pick<ReleaseManifest, "additionalImages" | "config">,
  place: RegistryPlace,
): readonly AdditionalImage[] {
  const published = publishedPlace(manifest);
  const images = (manifest.additionalImages ?? []).map((one) => ({
    ...readImageName(one.reference),
    digest: one.digest,
  }));
  return images.map((image) => {
    const { name, tag } = image;
    const isOnly = images.every((other) => other === image || other.name !== name);
    return {
      title: `image ${isOnly ? name : imageText(image)}`,
      name,
      ...(tag === undefined ? {} : { tag }),
      digest: image.digest,
      repository: locatePinned(name, { published, place }),
    };
  });
}
