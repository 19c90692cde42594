/** The images that a release pins beside those of its components: Flux's controllers, databases, caches. Pure. */
import type { Digest } from "../core/digest.ts";
import { imageText, readImageName } from "./image-name.ts";
import { locatePinned, publishedPlace, type RegistryPlace } from "./location.ts";
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
