/** `release lock`: every tag of a release.yaml is resolved to a digest, once. */
import { FLUX_TEMPLATES } from "../../embed/templates.ts";
import type { Command, CommandContext } from "../cli/command.ts";
import { flagTexts, typedPath } from "../cli/flag-values.ts";
import type { SettingKey } from "../cli/settings.ts";
import { shortDigest } from "../core/digest.ts";
import { EXIT, isApplianceError } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { parseReference } from "../oci/reference.ts";
import type { ImageName } from "../release/image-name.ts";
import { mirroredName, placeText, type RegistryPlace } from "../release/location.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { type Located, type LockOptions, type LockReport, lockSource } from "./lock.ts";
import { OTHER_CA_FLAG, otherRegistries } from "./other-registries.ts";
import { reviewSource } from "./review-source.ts";
import type { ReleaseSource } from "./source.ts";
import { instantOfSeconds, sourceDate } from "./source-date.ts";
import { reviewText } from "./unlisted-images.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "lock"],
    summary: "Resolve every tag of a release.yaml to a digest",
    description:
      "Writes release.lock.yaml beside it, and fetches charts and Flux's manifests that lie in a registry into vendor/, so that " +
      "a build needs no network. What is locked already is not asked for again, even when its tag has moved; --update asks " +
      "anew. Flux's own images are found in its manifests and pinned too; images that charts name and additionalImages of " +
      "release.yaml does not list are told, with the lines to add. The release's own images are asked for in the registry that release.yaml names, or where the flags say.",
    flags: [
      {
        name: "update",
        type: "string",
        multiple: true,
        value: "<name>",
        summary: "Ask for this one anew (an image key, a chart, flux), or for all",
      },
      { name: "dry-run", type: "boolean", summary: "Say what would change and write nothing" },
      OTHER_CA_FLAG,
      ...REGISTRY_FLAGS,
    ],
    positionals: [{ name: "dir", summary: "Folder with the release.yaml" }],
    examples: [
      { command: "alga-appliance release lock .", about: "Lock what is new in release.yaml" },
      { command: "alga-appliance release lock . --update algaCore", about: "Take the image that the tag names now" },
    ],
    run: async (context) => {
      const seconds = sourceDate(context.env) ?? Math.floor(context.deps.clock.now() / 1000);
      const report = await lockSource(context.deps, typedPath(context.args[0] ?? "", context.env), {
        update: flagTexts(context.flags, "update"),
        ...openers(context),
        now: instantOfSeconds(seconds),
        dryRun: context.flags["dry-run"] === true,
        signal: context.signal,
        onProgress: (line) => context.out.progress(line),
      });
      const { unlisted, unread } = await reviewSource(context.deps, {
        folder: typedPath(context.args[0] ?? "", context.env),
        embeddedTree: FLUX_TEMPLATES,
      });
      const text = () => [lockText(report, context.flags["dry-run"] === true), ...reviewText({ unlisted, unread })];
      context.out.result({ ...report, unlisted, unread }, () => text().join("\n"));
      return EXIT.done;
    },
  },
];

/**
 * Opens each registry once. The release's own repositories may be asked for in a mirror, and images of others are looked for there
 * too; everything else is asked where it lies, without what was given for ours.
 */
export function openers(context: CommandContext): Required<Pick<LockOptions, "open" | "openImage">> {
  const others = otherRegistries(context);
  let ours: Promise<RegistryClient> | undefined;
  const clientOf = (place: RegistryPlace): Promise<RegistryClient> => {
    ours ??= openRegistryOf(context, parseReference(`${placeText(place)}/any`)).then((opened) => opened.client);
    return ours;
  };
  const inMirror = ({ base }: RegistryPlace, name: string): string => (base === "" ? name : `${base}/${name}`);
  const open: LockOptions["open"] = async (reference, source) => {
    const { registry, repository } = reference;
    const place = askedPlace(context, source);
    const whole = `${registry}/${repository}`;
    if (whole.startsWith(`${source.registry}/`)) {
      const own = whole.slice(source.registry.length + 1);
      return { client: await clientOf(place), repository: inMirror(place, own) };
    }
    // What was given for a host holds for all of it.
    const client = registry === place.registry ? await clientOf(place) : await others(registry);
    return { client, repository };
  };
  const openImage = async (image: ImageName, source: ReleaseSource): Promise<Located> => {
    const place = askedPlace(context, source);
    const mirrored = inMirror(place, mirroredName(image.name, source.registry));
    const isMirror = placeText(place) !== source.registry;
    if (isMirror && (await isThere(await clientOf(place), mirrored, image)))
      return { client: await clientOf(place), repository: mirrored };
    return open(image, source);
  };
  return { open, openImage };
}

async function isThere(client: RegistryClient, repository: string, { tag, digest }: ImageName): Promise<boolean> {
  try {
    await client.resolve(repository, tag ?? digest ?? "");
    return true;
  } catch (thrown) {
    if (isApplianceError(thrown, "oci/not-found", "oci/unauthorized", "oci/forbidden")) return false;
    throw thrown;
  }
}

/** The registry that flags, environment and settings name; what they leave open stands in release.yaml. */
export function askedPlace({ settings }: Pick<CommandContext, "settings">, source: ReleaseSource): RegistryPlace {
  const [registry = "", ...base] = source.registry.split("/");
  // A default is nobody's word: release.yaml says where the release lies.
  const said = (key: SettingKey): string | undefined =>
    settings.all.find((one) => one.key === key && one.origin !== "default")?.value;
  return {
    registry: (said("registry.host") ?? registry).toLowerCase(),
    base: said("registry.repository") ?? base.join("/"),
  };
}

function lockText(report: LockReport, dryRun: boolean): string {
  const width = Math.max(0, ...report.pins.map((pin) => pin.name.length));
  const rows = report.pins.map((pin) => {
    const was = pin.before === undefined || pin.before === pin.digest ? "" : `, was ${shortDigest(pin.before)}`;
    return `${pin.name.padEnd(width)}  ${shortDigest(pin.digest)}  ${pin.outcome}${was}  ${pin.reference}`;
  });
  const baked = report.baked.map((image) => `Flux's ${image} is taken as baked into every box: it is not pinned`);
  const end = !report.hasChanged ? "is as it was" : dryRun ? "would be written" : "is written";
  return [...rows, ...baked, `the lock of ${report.version} ${end}`].join("\n");
}
