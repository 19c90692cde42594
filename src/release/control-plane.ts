/** The control plane's image as a release manifest names it, made a whole reference. Pure. */
import type { Digest } from "../core/digest.ts";
import { locate, placeText, publishedPlace, type RegistryPlace } from "./location.ts";
import type { ReleaseManifest } from "./model.ts";

const CONTROL_PLANE = "alga-appliance-control-plane";

const WHOLE = /^(.+?\/.+?)(?::([A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;
const SHORT = /^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@?(sha256:[0-9a-f]{64})?$/;

/** Where an image lies: with its registry, and a tag, a digest or both. */
export interface ImageName {
  /** "ghcr.io/nine-minds/alga-appliance-control-plane". */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/**
 * Reads `controlPlane` of a release: a bare tag ("62cdce38"), a bare digest, or a whole reference whose registry may have a port.
 * What is bare lies in the appliance's own registry; a whole reference of the publisher is moved to a mirror with it.
 *
 * @returns undefined when the release names none.
 */
export function controlPlaneImage(
  manifest: Pick<ReleaseManifest, "config" | "controlPlane">,
  place: RegistryPlace,
): ImageName | undefined {
  const text = manifest.controlPlane;
  if (text === undefined || text === null) return undefined;
  const [, bareTag, bareDigest] = SHORT.exec(text) ?? [];
  if (bareTag !== undefined || bareDigest !== undefined) {
    return nameOf(`${placeText(place)}/${CONTROL_PLANE}`, bareTag, bareDigest);
  }
  const [, repository, tag, digest] = WHOLE.exec(text) ?? [];
  if (repository === undefined) return { repository: `${placeText(place)}/${CONTROL_PLANE}`, tag: text };
  return nameOf(locate(repository, { published: publishedPlace(manifest), place }), tag, digest);
}

/**
 * Tells whether an image of the cluster is the one that a release names. Pure.
 *
 * @param image Whole reference, as the Deployment has it: the host pins by digest and leaves the tag out.
 * @param seen Digest that the registry gave for the name, where it is known: a name without a digest is compared by it.
 */
export function isNamedBy(image: string, { repository, tag, digest }: ImageName, seen?: Digest): boolean {
  const pinned = digest ?? seen;
  if (pinned !== undefined && image.startsWith(repository) && image.endsWith(`@${pinned}`)) return true;
  return digest === undefined && image === `${repository}:${tag ?? "latest"}`;
}

function nameOf(repository: string, tag: string | undefined, digest: string | undefined): ImageName {
  return {
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: digest as Digest }),
  };
}
