/** The images of Flux's controllers, as its manifests name them: a release pins them without its publisher writing them down. */
import type { Deps } from "../core/ports.ts";
import { imagesOf } from "../flux/images.ts";
import { readFluxObjects } from "../flux/install.ts";
import { isBaked, readImageName } from "../release/image-name.ts";

export interface FluxImages {
  /** Whole and normal, each once, sorted. */
  readonly pulled: readonly string[];
  /** Of the host "localhost": a box has them, and nobody can pull them. */
  readonly baked: readonly string[];
}

/**
 * Reads the images of the controllers out of the layer of Flux's artifact.
 *
 * @throws {ApplianceError} flux/bad-artifact for manifests that no box would install; oci/bad-reference for an image's name.
 */
export async function fluxImages(deps: Pick<Deps, "clock">, layer: Uint8Array): Promise<FluxImages> {
  const images = imagesOf(await readFluxObjects(deps, layer));
  return {
    pulled: images.filter((image) => !isBaked(readImageName(image))),
    baked: images.filter((image) => isBaked(readImageName(image))),
  };
}
