/**
 * Where the parts of a release lie: as published, or moved as a whole into another registry.
 *
 * A release names repositories of the publisher's registry. An appliance may use a mirror instead (host and base are
 * settings); then everything is taken from the mirror, under the same names below its base. Images of other registries lie
 * there below `images/<host>/`: no two of them meet, and all of one host are one place for containerd.
 *
 * @see docs/adr/0011-images-of-others.md
 */
import type { ReleaseManifest } from "./model.ts";

/** A registry and the path below which our repositories lie: "ghcr.io", "nine-minds". */
export interface RegistryPlace {
  readonly registry: string;
  readonly base: string;
}

export const DEFAULT_PLACE: RegistryPlace = { registry: "ghcr.io", base: "nine-minds" };

/** "ghcr.io/nine-minds"; without a base only the registry. */
export function placeText(place: RegistryPlace): string {
  return place.base === "" ? place.registry : `${place.registry}/${place.base}`;
}

/** Where the publisher put the release: what stands before the last part of the bundle's repository. */
export function publishedPlace(manifest: Pick<ReleaseManifest, "config">): string {
  const repository = withoutScheme(manifest.config.repository);
  return repository.slice(0, repository.lastIndexOf("/"));
}

/**
 * The repository that holds a part of a release for an appliance of `place`.
 *
 * A part outside the publisher's base (Flux's own manifests) is expected right below the base of a mirror.
 */
export function locate(
  repository: string,
  options: { readonly published: string; readonly place: RegistryPlace },
): string {
  const name = withoutScheme(repository);
  const wanted = placeText(options.place);
  if (wanted === options.published) return name;
  const below = name.startsWith(`${options.published}/`)
    ? name.slice(options.published.length + 1)
    : name.slice(name.lastIndexOf("/") + 1);
  return `${wanted}/${below}`;
}

/** Below a base: images of other registries, each host in a folder of its own. */
const OTHERS = "images";

/**
 * The name below the base of a mirror of an image that a release pins: its own name below the publisher's base, else
 * `images/<host>/<name>`. The colon before a port is no letter of a repository; `_` is none of a host.
 *
 * @param name Normal and whole: "docker.io/library/postgres".
 */
export function mirroredName(name: string, published: string): string {
  if (name.startsWith(`${published}/`)) return name.slice(published.length + 1);
  const slash = name.indexOf("/");
  return `${OTHERS}/${name.slice(0, slash).replace(":", "_")}/${name.slice(slash + 1)}`;
}

/** Tells whether a repository below the base of a mirror holds an image of others, whose tags are theirs to move. */
export function isOfOthers(repository: string): boolean {
  return repository.startsWith(`${OTHERS}/`);
}

/** The repository that holds an image that a release pins for an appliance of `place`, whoever published the image. */
export function locatePinned(
  name: string,
  options: { readonly published: string; readonly place: RegistryPlace },
): string {
  const wanted = placeText(options.place);
  return wanted === options.published ? name : `${wanted}/${mirroredName(name, options.published)}`;
}

/**
 * The name of an image for an appliance of `place`: moved when it is the publisher's own, unchanged otherwise.
 */
export function locateImage(
  name: string,
  options: { readonly published: string; readonly place: RegistryPlace },
): string {
  return name.startsWith(`${options.published}/`) ? locate(name, options) : name;
}

function withoutScheme(repository: string): string {
  return repository.replace(/^oci:\/\//, "");
}
