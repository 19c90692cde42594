/**
 * Values of the components: the release's profile with what this installation decides, as ConfigMaps.
 *
 * The YAML is edited as a document, so comments and order stay and text is never pasted into text. Which path of which
 * component takes which setting stands in the component table. Profile values come with the release manifest and are
 * trusted as much as it is.
 */
import { isScalar, Scalar } from "yaml";
import { ApplianceError } from "../core/errors.ts";
import type { KubeObject } from "../kube/model.ts";
import type { ComponentSpec, SettingName } from "../release/components.ts";
import { locateImage, publishedPlace, type RegistryPlace } from "../release/location.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import { openYaml } from "./yaml.ts";

export interface ValuesSettings {
  /** The address people open: "https://psa.example.com". */
  readonly appUrl: string;
  /** Host of that address, with its port where it has one. */
  readonly host: string;
  /** "recover" takes an existing database over; "fresh" refuses one. Default recover. */
  readonly bootstrapMode?: "fresh" | "recover";
  /** Registry that this appliance pulls from. */
  readonly place: RegistryPlace;
}

/** Wakes helm-controller as soon as a values ConfigMap changes. @see Flux v2.7, "Watching ConfigMaps and Secrets" */
const WATCH_LABEL = { "reconcile.fluxcd.io/watch": "Enabled" };

/**
 * Renders one ConfigMap for each component. Pure: the same release and settings give the same bytes.
 *
 * @throws {ApplianceError} release/incomplete when the release carries no values for a component.
 * @throws {ApplianceError} flux/bad-values naming the component and the path that its values do not have.
 */
export function renderValues(manifest: ReleaseManifest, settings: ValuesSettings): readonly KubeObject[] {
  return [...valuesOf(manifest, settings)];
}

/** As `renderValues`, one component after the other: each is some milliseconds of YAML, and others may run between. */
export function* valuesOf(manifest: ReleaseManifest, settings: ValuesSettings): Generator<KubeObject> {
  for (const component of componentsOf(manifest)) {
    yield {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: component.valuesConfigMap,
        namespace: component.releaseNamespace,
        labels: { "app.kubernetes.io/part-of": "alga-appliance", ...WATCH_LABEL },
      },
      data: { [component.valuesKey]: renderComponent(component, { manifest, settings }) },
    };
  }
}

interface Context {
  readonly manifest: ReleaseManifest;
  readonly settings: ValuesSettings;
}

function renderComponent(component: ComponentSpec, context: Context): string {
  const text = context.manifest.profileValues[component.valuesKey];
  if (text === undefined) {
    throw new ApplianceError(
      "release/incomplete",
      `Cannot render values of component "${component.name}": the release has no profileValues["${component.valuesKey}"]`,
      { hint: "Choose another version of the release, and tell its publisher" },
    );
  }
  const document = openYaml(text, { what: `values of component "${component.name}"`, code: "flux/bad-values" });
  for (const { path, edit } of editsOf(component, context)) {
    const keys = path.split(".");
    const node: unknown = document.getIn(keys, true);
    if (!isScalar(node)) throw missingPath(component, path);
    setText(node, edit(String(node.value)));
  }
  return document.toString({ lineWidth: 0 });
}

interface Edit {
  readonly path: string;
  readonly edit: (old: string) => string;
}

/** What each setting puts in its place; a setting without a value for this release changes nothing. */
function editsOf(component: ComponentSpec, { manifest, settings }: Context): readonly Edit[] {
  const place = { published: publishedPlace(manifest), place: settings.place };
  const tag = imageTagOf(component, manifest);
  const digest = component.imageKey === undefined ? undefined : manifest.imageDigests?.[component.imageKey];
  const values: Readonly<Record<SettingName, ((old: string) => string) | undefined>> = {
    imageTag: tag === undefined ? undefined : () => tag,
    imageName: (old) => locateImage(old, place),
    imageDigest: digest === undefined ? undefined : () => digest,
    appUrl: () => settings.appUrl,
    host: () => settings.host,
    empty: () => "",
    bootstrapMode: () => settings.bootstrapMode ?? "recover",
  };
  return Object.entries(values).flatMap(([name, edit]) =>
    edit === undefined ? [] : component.settings[name as SettingName].map((path) => ({ path, edit })),
  );
}

/** `tag`, or `tag@digest` where the release pins the image and the chart has no field for a digest of its own. */
function imageTagOf(component: ComponentSpec, manifest: ReleaseManifest): string | undefined {
  if (component.imageKey === undefined) return undefined;
  const tag = manifest.images[component.imageKey];
  const digest = manifest.imageDigests?.[component.imageKey];
  return tag === undefined || digest === undefined || component.settings.imageDigest.length > 0
    ? tag
    : `${tag}@${digest}`;
}

/** Always quoted: a tag like 1e10 or an empty text must stay text for Helm. */
function setText(node: Scalar, text: string): void {
  node.value = text;
  node.type = Scalar.QUOTE_DOUBLE;
}

function missingPath(component: ComponentSpec, path: string): ApplianceError {
  return new ApplianceError(
    "flux/bad-values",
    `Cannot set "${path}" in the values of component "${component.name}": it is absent or no single value, one is wanted`,
    {
      hint: "Choose another version of the release, and tell its publisher",
      details: { component: component.name, path },
    },
  );
}
