/**
 * Images that others than the publisher have made, on a box that takes everything from one registry of its own.
 *
 * Flux's Deployments are applied by this executable and name their images there, by digest. What charts render is applied by
 * helm-controller, which renames images after rendering, as its HelmRelease says. At the publisher's own registry nothing is
 * renamed: a node may have the images already, under the names that everybody uses.
 *
 * @see Flux helm-controller v2, "Post renderers"; kustomize, "images" (name -> newName and digest; a digest replaces the tag)
 */
import { isPlainObject } from "../core/json.ts";
import { type KubeObject, listAt, textAt } from "../kube/model.ts";
import { movedImages, pulledName } from "../release/additional-images.ts";
import { imageText, readImageName, spellingsOf } from "../release/image-name.ts";
import type { RegistryPlace } from "../release/location.ts";
import type { ReleaseManifest } from "../release/model.ts";

/** The part of a release that is read here. */
type Pinning = Pick<ReleaseManifest, "additionalImages" | "config">;

const CONTAINERS = ["containers", "initContainers"] as const;

/** Images of the Deployments, each once and in its normal form. Throws oci/bad-reference for what is no image's name. */
export function imagesOf(objects: readonly KubeObject[]): readonly string[] {
  const written = objects
    .filter((object) => object.kind === "Deployment")
    .flatMap((object) => CONTAINERS.flatMap((list) => listAt(object, "spec", "template", "spec", list)))
    .flatMap((container) => textAt(container, "image") ?? []);
  return [...new Set(written.map((text) => imageText(readImageName(text))))].sort();
}

/** The same objects with the images of their Deployments where an appliance of `place` finds them. Pure. */
export function withImagesOf(
  objects: readonly KubeObject[],
  release: { readonly manifest: Pinning; readonly place: RegistryPlace },
): readonly KubeObject[] {
  return objects.map((object) => (object.kind === "Deployment" ? renamed(object, release) : object));
}

function renamed(
  deployment: KubeObject,
  release: { readonly manifest: Pinning; readonly place: RegistryPlace },
): KubeObject {
  const copy = structuredClone(deployment);
  for (const container of CONTAINERS.flatMap((list) => listAt(copy, "spec", "template", "spec", list))) {
    if (!isPlainObject(container) || typeof container.image !== "string") continue;
    Object.assign(container, { image: pulledName(container.image, release) });
  }
  return copy;
}

/** One row of a post renderer. @see kustomize, "images" */
export interface ImageRename {
  /** With its tag: kustomize takes it as a pattern, which then fits this tag and no other. */
  readonly name: string;
  readonly newName: string;
  readonly digest: string;
}

/**
 * How the images of rendered charts are renamed for an appliance of `place`; empty at the publisher's own.
 *
 * Every spelling of a name has a row, because kustomize compares letters. A row fits one tag: were it for the name alone, a
 * chart that wants postgres:15 would silently get the digest of the listed postgres:16, and start it on its data.
 */
export function imageRenames(manifest: Pinning, place: RegistryPlace): readonly ImageRename[] {
  return movedImages({ manifest, place }).flatMap((image) =>
    spellingsOf(image.name).map((name) => ({
      name: imageText({ ...image, name }),
      newName: image.repository,
      digest: image.digest,
    })),
  );
}
