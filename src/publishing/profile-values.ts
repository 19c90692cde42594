/** The values of a release: each component's file of the profile, with the images where the release is published. */
import { ApplianceError } from "../core/errors.ts";
import type { FileTree } from "../flux/tree.ts";
import { openYaml } from "../flux/yaml.ts";
import type { ComponentSpec } from "../release/components.ts";
import { locateImage, type RegistryPlace } from "../release/location.ts";

/** The place that the embedded tree names. */
const TEMPLATE_PLACE = "ghcr.io/nine-minds";

export interface ValuesInput {
  readonly tree: FileTree;
  readonly profile: string;
  readonly components: readonly ComponentSpec[];
  readonly place: RegistryPlace;
  /** Component -> text that replaces the tree's own. */
  readonly given: ReadonlyMap<string, string>;
}

/**
 * Collects `<component>.<profile>.yaml` -> text. Image names of the templates are moved to the release's own place.
 *
 * @throws {ApplianceError} build/missing-input when a component has no values; flux/bad-values for what is no YAML.
 */
export function profileValues(input: ValuesInput): Readonly<Record<string, string>> {
  return Object.fromEntries(
    input.components.map((component) => {
      const path = `profiles/${input.profile}/values/${component.valuesKey}`;
      const text = input.given.get(component.name) ?? input.tree.get(path);
      if (text === undefined) throw noValues(component, path);
      return [component.valuesKey, moved(text, component, input.place)];
    }),
  );
}

function moved(text: string, component: ComponentSpec, place: RegistryPlace): string {
  const document = openYaml(text, { what: `values of component "${component.name}"`, code: "flux/bad-values" });
  let hasMoved = false;
  for (const path of component.settings.imageName) {
    const keys = path.split(".");
    const name = String(document.getIn(keys));
    const target = locateImage(name, { published: TEMPLATE_PLACE, place });
    if (target === name) continue;
    document.setIn(keys, target);
    hasMoved = true;
  }
  return hasMoved ? document.toString({ lineWidth: 0 }) : text;
}

function noValues(component: ComponentSpec, path: string): ApplianceError {
  return new ApplianceError(
    "build/missing-input",
    `Cannot build values of component "${component.name}": "${path}" is not in the flux tree, values are wanted`,
    { hint: `Name a file in release.yaml: values.${component.name}` },
  );
}
