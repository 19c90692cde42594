/** `release copy`: a release with everything it refers to goes from one registry to another. */
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import type { SettingKey, Settings } from "../cli/settings.ts";
import { EXIT, type ExitCode } from "../core/errors.ts";
import { openRegistry, type RegistryAccess, registryWire } from "../release/registry-access.ts";
import { openRegistryOf, REGISTRY_FLAGS, registryAccess } from "../release/registry-flags.ts";
import { type Copied, copyRelease, targetPlace } from "./copy.ts";
import { namedRelease, RELEASE_ARGUMENT } from "./named-release.ts";
import { OTHER_CA_FLAG, otherRegistries } from "./other-registries.ts";
import {
  ALLOW_DOWNGRADE_FLAG,
  DRY_RUN_FLAG,
  isDryRun,
  MOVE_TAGS_FLAG,
  mayDowngrade,
  takenOf,
  VERIFY_FLAG,
  verifyOf,
} from "./publishing-flags.ts";
import { progressLines, reportText, tagLines } from "./push-text.ts";
import { PUSH_IDLE_MS } from "./registry-writes.ts";

/** How the target is reached, where it is not as the source is. */
const TARGET_FLAGS: readonly Flag[] = [
  { name: "to-ca", type: "string", value: "<pem file>", summary: "Private CA of the target" },
  { name: "to-plain-http", type: "boolean", summary: "Speak HTTP without TLS to the target" },
  {
    name: "to-username",
    type: "string",
    value: "<name>",
    summary: "User name at the target, with the password of --to-password-stdin",
  },
  { name: "to-password-stdin", type: "boolean", summary: "Read the target's password from standard input" },
];

export const commands: readonly Command[] = [
  {
    path: ["release", "copy"],
    summary: "Mirror a release with everything it refers to into another registry",
    description:
      "Copies charts, config, Flux, control plane, images on all platforms, signatures and other statements, and trust " +
      "metadata; nothing is rewritten, so every digest stays the same and boxes of the mirror check the same signatures. " +
      "What the target has is not sent again, what the same registry has elsewhere is mounted. A channel is set at the target " +
      "when all of it is there. Logins come from the registry configuration for both sides, or from the flags.",
    flags: [
      {
        name: "no-channel",
        type: "boolean",
        summary: "Copy the version that a channel points at, and leave the channel",
      },
      ALLOW_DOWNGRADE_FLAG,
      MOVE_TAGS_FLAG,
      DRY_RUN_FLAG,
      VERIFY_FLAG,
      ...TARGET_FLAGS,
      OTHER_CA_FLAG,
      ...REGISTRY_FLAGS,
    ],
    positionals: [
      { name: "from", summary: RELEASE_ARGUMENT },
      { name: "to", summary: "Registry and base of the mirror: harbor.example.com/alga" },
    ],
    examples: [
      { command: "alga-appliance release copy stable harbor.example.com/alga", about: "The channel with its release" },
      {
        command: "alga-appliance release copy 1.0.3 127.0.0.1:5000/nine-minds --dry-run",
        about: "How much one version would send",
      },
    ],
    run: copy,
  },
];

async function copy(context: CommandContext): Promise<ExitCode> {
  const { deps, args, flags, out, signal, build } = context;
  const [from = "", to = ""] = args;
  const place = targetPlace(to);
  const { ref, reference } = namedRelease(context, from);
  const opened = await openRegistryOf(context, reference);
  const access = await targetAccess(context, place);
  const wire = registryWire(deps, access, { idleTimeoutMs: PUSH_IDLE_MS });
  out.progress(`Asking ${opened.client.registry} for everything that the release refers to`);
  const copied = await copyRelease(
    { log: deps.log, from: opened.client, to: openRegistry(deps, access), wire: wire.deps },
    {
      ref,
      moveChannel: flags["no-channel"] !== true,
      allowDowngrade: mayDowngrade(context),
      taken: takenOf(context),
      dryRun: isDryRun(context),
    },
    {
      source: {
        base: opened.access.place.base,
        repository: opened.repository,
        running: build.version,
        signal,
        open: otherRegistries(context),
      },
      target: {
        ...wire.options,
        base: place.base,
        verify: verifyOf(context),
        onProgress: progressLines(context),
        signal,
      },
    },
  );
  out.result({ ...copied, to: `${place.registry}/${place.base}` }, () => copyText(copied, to));
  return EXIT.done;
}

/** The settings of the source do not hold for the target: its own flags stand in their place. */
function targetAccess(
  context: CommandContext,
  place: { readonly registry: string; readonly base: string },
): Promise<RegistryAccess> {
  const { flags, settings } = context;
  const own: Partial<Record<SettingKey, string | undefined>> = {
    "registry.host": place.registry,
    "registry.repository": place.base,
    "registry.ca": flagText(flags, "to-ca"),
    "registry.plainHttp": flags["to-plain-http"] === true ? "true" : undefined,
    "registry.username": flagText(flags, "to-username"),
    "registry.password": undefined,
  };
  const of: Settings = { ...settings, get: (key) => (key in own ? own[key] : settings.get(key)) };
  const passwords = { "password-stdin": flags["to-password-stdin"] };
  return registryAccess({ ...context, settings: of, flags: { ...flags, ...passwords } });
}

function copyText(copied: Copied, to: string): string {
  const is = { copied: "is copied to", already: "was already in", "would-copy": "would be copied to" }[copied.outcome];
  return [
    `release ${copied.version} ${is} ${to}, ${copied.parts} parts`,
    ...reportText(copied.content, copied.outcome === "would-copy"),
    ...tagLines(copied.tags),
    copied.digest,
  ].join("\n");
}
