/** `release lock`: every tag of a release.yaml is resolved to a digest, once. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagTexts, typedPath } from "../cli/flag-values.ts";
import type { SettingKey } from "../cli/settings.ts";
import { shortDigest } from "../core/digest.ts";
import { EXIT } from "../core/errors.ts";
import type { RegistryClient } from "../oci/client.ts";
import { parseReference, type Reference } from "../oci/reference.ts";
import { placeText, type RegistryPlace } from "../release/location.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { type LockReport, lockSource } from "./lock.ts";
import type { ReleaseSource } from "./source.ts";
import { instantOfSeconds, sourceDate } from "./source-date.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "lock"],
    summary: "Resolve every tag of a release.yaml to a digest",
    description:
      "Writes release.lock.yaml beside it, and fetches charts and Flux's manifests that lie in a registry into vendor/, so that " +
      "a build needs no network. What is locked already is not asked for again, even when its tag has moved; --update asks " +
      "anew. The release's own images are asked for in the registry that release.yaml names, or where the flags say.",
    flags: [
      {
        name: "update",
        type: "string",
        multiple: true,
        value: "<name>",
        summary: "Ask for this one anew (an image key, a chart, flux), or for all",
      },
      { name: "dry-run", type: "boolean", summary: "Say what would change and write nothing" },
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
        open: opener(context),
        now: instantOfSeconds(seconds),
        dryRun: context.flags["dry-run"] === true,
        signal: context.signal,
        onProgress: (line) => context.out.progress(line),
      });
      context.out.result(report, () => lockText(report, context.flags["dry-run"] === true));
      return EXIT.done;
    },
  },
];

interface Opened {
  readonly client: RegistryClient;
  readonly repository: string;
}

/** Opens each registry once. The release's own repositories may be asked for in a mirror; others are asked where they lie. */
export function opener(context: CommandContext): (reference: Reference, source: ReleaseSource) => Promise<Opened> {
  const clients = new Map<string, Promise<RegistryClient>>();
  const clientOf = (key: string, open: () => Promise<RegistryClient>): Promise<RegistryClient> => {
    const client = clients.get(key) ?? open();
    clients.set(key, client);
    return client;
  };
  return async (reference, source) => {
    const whole = `${reference.registry}/${reference.repository}`;
    if (!whole.startsWith(`${source.registry}/`)) {
      const client = await clientOf(
        reference.registry,
        async () => (await openRegistryOf(foreign(context), reference)).client,
      );
      return { client, repository: reference.repository };
    }
    const place = askedPlace(context, source);
    const repository = `${place.base === "" ? "" : `${place.base}/`}${whole.slice(source.registry.length + 1)}`;
    const asked = parseReference(`${placeText(place)}/any`);
    const client = await clientOf("ours", async () => (await openRegistryOf(context, asked)).client);
    return { client, repository };
  };
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

/** Somebody else's registry gets no login and no trust that was given for ours; its own stand in the credentials file. */
function foreign(context: CommandContext): CommandContext {
  const ours = ["registry.username", "registry.password", "registry.ca", "registry.plainHttp"];
  const settings = {
    ...context.settings,
    get: (key: SettingKey) => (ours.includes(key) ? undefined : context.settings.get(key)),
  };
  return { ...context, settings, flags: { ...context.flags, "password-stdin": false } };
}

function lockText(report: LockReport, dryRun: boolean): string {
  const width = Math.max(0, ...report.pins.map((pin) => pin.name.length));
  const rows = report.pins.map((pin) => {
    const was = pin.before === undefined || pin.before === pin.digest ? "" : `, was ${shortDigest(pin.before)}`;
    return `${pin.name.padEnd(width)}  ${shortDigest(pin.digest)}  ${pin.outcome}${was}  ${pin.reference}`;
  });
  const end = !report.hasChanged ? "is as it was" : dryRun ? "would be written" : "is written";
  return [...rows, `the lock of ${report.version} ${end}`].join("\n");
}
