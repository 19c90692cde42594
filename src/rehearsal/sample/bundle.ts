/**
 * The config bundle of the sample release: the real `flux/base` with the registry and the chart versions of the release.
 *
 * @see Flux v2.9, "OCI cheatsheet" (media types of an artifact)
 */
import { FLUX_TEMPLATES } from "../../../embed/templates.ts";
import { openYaml } from "../../flux/yaml.ts";
import { packTree } from "../../oci/tar.ts";
import { locateImage, placeText, type RegistryPlace } from "../../release/location.ts";
import { DEFAULT_COMPONENTS } from "../../release/model.ts";

export const FLUX_CONFIG_TYPE = "application/vnd.cncf.flux.config.v1+json";
export const FLUX_CONTENT_TYPE = "application/vnd.cncf.flux.content.v1.tar+gzip";

/** The publisher's place, which the templates name. */
const PUBLISHED = "ghcr.io/nine-minds";
const PROFILE = "profiles/single-node/values/";

export interface BundleInput {
  readonly place: RegistryPlace;
  /** Chart name -> version. */
  readonly charts: Readonly<Record<string, string>>;
}

/** Packs `base/` as publishing does: chart versions and the registry stand in it. */
export function bundleLayer(input: BundleInput): Uint8Array {
  const files = Object.entries(FLUX_TEMPLATES).filter(([path]) => path.startsWith("base/"));
  return packTree(files.map(([path, text]) => ({ path, bytes: encode(published(path, { text, input })) })));
}

function published(path: string, { text, input }: { readonly text: string; readonly input: BundleInput }): string {
  if (path === "base/charts/helm-repository.yaml") {
    return edited(text, [["spec", "url"], `oci://${placeText(input.place)}/charts`]);
  }
  const component = DEFAULT_COMPONENTS.find((one) => path === `base/releases/${one.name}.yaml`);
  const version = component === undefined ? undefined : input.charts[component.chart];
  return version === undefined ? text : edited(text, [["spec", "chart", "spec", "version"], version]);
}

function edited(text: string, [path, value]: readonly [readonly string[], string]): string {
  const document = openYaml(text, { what: "a template", code: "embed/missing" });
  document.setIn(path, value);
  return document.toString({ lineWidth: 0 });
}

/** The profile's values with the images of this registry, as a release manifest carries them. */
export function sampleProfileValues(place: RegistryPlace): Readonly<Record<string, string>> {
  return Object.fromEntries(
    DEFAULT_COMPONENTS.map((component) => {
      const text = FLUX_TEMPLATES[`${PROFILE}${component.valuesKey}`] ?? "";
      const document = openYaml(text, { what: "a template", code: "embed/missing" });
      for (const path of component.settings.imageName) {
        const keys = path.split(".");
        document.setIn(keys, locateImage(String(document.getIn(keys)), { published: PUBLISHED, place }));
      }
      return [component.valuesKey, document.toString({ lineWidth: 0 })];
    }),
  );
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
