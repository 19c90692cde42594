/**
 * Media types of the OCI image specification and of Docker's older one, which registries still serve.
 *
 * @see OCI image-spec v1.1.1, media-types.md; Docker "Image Manifest Version 2, Schema 2"
 */
export const MEDIA = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerTar: "application/vnd.oci.image.layer.v1.tar",
  empty: "application/vnd.oci.empty.v1+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
} as const;

/** What a client that reads all of them sends as Accept. */
export const ACCEPT_MANIFESTS = [MEDIA.manifest, MEDIA.index, MEDIA.dockerManifest, MEDIA.dockerIndex].join(", ");

/** Tells whether this is the type of a manifest of one image or artifact, in OCI's or Docker's words. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA.manifest || mediaType === MEDIA.dockerManifest;
}

/** Tells whether this is the type of an index of manifests, in OCI's or Docker's words. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA.index || mediaType === MEDIA.dockerIndex;
}

/** The media type of a Content-Type value, without parameters, in lower case; empty when there is none. */
export function bareMediaType(contentType: string | null | undefined): string {
  return (contentType ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}
