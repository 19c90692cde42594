/** `release resolve`, `release inspect`, `release list`: what a registry offers, and what a release is made of. */
import type { Command, CommandContext } from "../cli/command.ts";
import { shortDigest } from "../core/digest.ts";
import { humanDuration } from "../core/duration.ts";
import { EXIT } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { additionalImages } from "./additional-images.ts";
import { DEFAULT_PLACE } from "./location.ts";
import { componentsOf } from "./model.ts";
import {
  openRegistryOf,
  REGISTRY_FLAGS,
  RELEASE_FLAGS,
  referenceArgument,
  refsOfTags,
  releaseRefOf,
  TRUST_FLAGS,
} from "./registry-flags.ts";
import { resolveOrLast } from "./resolve.ts";
import { describeReleaseRef, type ResolvedRelease, verifiedText } from "./resolved.ts";
import { compareVersions } from "./version.ts";

const REFERENCE = {
  name: "reference",
  summary: "A whole reference instead of flags: oci://host/repository:tag@sha256:...",
  optional: true,
} as const;

export const commands: readonly Command[] = [
  {
    path: ["release", "resolve"],
    summary: "Resolve a channel, version or digest to an immutable release",
    description:
      "Prints the release's digest and the digests and sizes of everything it refers to. When the registry cannot be reached, " +
      "the last good resolve is printed with its age.",
    flags: [...RELEASE_FLAGS, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    positionals: [REFERENCE],
    examples: [
      { command: "alga-appliance release resolve --channel stable", about: "What stable is now" },
      {
        command:
          "alga-appliance release resolve --version 1.0.3 --registry harbor.example.com --repository alga -o json",
        about: "A version in a mirror, for scripts",
      },
    ],
    run: async (context) => {
      const resolved = await resolveFrom(context);
      context.out.result(summaryOf(resolved), () => resolvedText(resolved));
      return EXIT.done;
    },
  },
  {
    path: ["release", "inspect"],
    summary: "Show a release manifest and its components",
    flags: [...RELEASE_FLAGS, ...TRUST_FLAGS, ...REGISTRY_FLAGS],
    positionals: [REFERENCE],
    examples: [
      { command: "alga-appliance release inspect --channel nightly", about: "What nightly would install" },
      {
        command: "alga-appliance release inspect oci://ghcr.io/nine-minds/alga-appliance-release:1.0.3 -o yaml",
        about: "The whole manifest",
      },
    ],
    run: async (context) => {
      const resolved = await resolveFrom(context);
      const shown = {
        ...summaryOf(resolved),
        manifest: resolved.manifest,
        components: componentsOf(resolved.manifest),
      };
      context.out.result(shown, () => inspectText(resolved));
      return EXIT.done;
    },
  },
  {
    path: ["release", "list"],
    summary: "List channels and versions of a registry",
    flags: REGISTRY_FLAGS,
    examples: [{ command: "alga-appliance release list", about: "Channels first, then versions, newest first" }],
    run: async (context) => {
      const { client, repository } = await openRegistryOf(context);
      const tags = refsOfTags(await client.tags(repository, { signal: context.signal }));
      const channels = tags.flatMap((ref) => ("channel" in ref ? [ref.channel] : []));
      const versions = tags.flatMap((ref) => ("version" in ref ? [ref.version] : []));
      const listed = { channels: channels.sort(), versions: versions.sort((a, b) => compareVersions(b, a) ?? 0) };
      context.out.result(listed, () =>
        [
          ...listed.channels.map((name) => `channel  ${name}`),
          ...listed.versions.map((name) => `version  ${name}`),
        ].join("\n"),
      );
      return EXIT.done;
    },
  },
];

async function resolveFrom(context: CommandContext): Promise<ResolvedRelease> {
  const reference = referenceArgument(context.args[0]);
  const ref = releaseRefOf(context, reference);
  const { client, access, repository, store } = await openRegistryOf(context, reference);
  context.out.progress(`Asking ${client.registry} for ${describeReleaseRef(ref)}`);
  const resolved = await resolveOrLast(context.deps, client, ref, {
    base: access.place.base,
    repository,
    running: context.build.version,
    store,
    trust: access.trust,
    signal: context.signal,
  });
  if (resolved.stale !== undefined) {
    context.out.notice(
      `${resolved.stale.problem.message}; this was resolved ${humanDuration(resolved.stale.ageMs)} ago`,
    );
  }
  return resolved;
}

/** The document of `-o json`: everything but the manifest itself. */
function summaryOf(resolved: ResolvedRelease): Readonly<Record<string, unknown>> {
  const { manifest, ...rest } = resolved;
  return {
    ...rest,
    version: manifest.version,
    channel: manifest.channel ?? null,
    createdAt: manifest.createdAt ?? null,
    totalBytes: totalBytes(resolved),
  };
}

function totalBytes(resolved: ResolvedRelease): number {
  return resolved.artifacts.reduce((sum, artifact) => sum + artifact.sizeBytes, 0);
}

function resolvedText(resolved: ResolvedRelease): string {
  const rows = resolved.artifacts.map((one) => [
    one.name,
    shortDigest(one.digest),
    humanBytes(one.sizeBytes),
    one.reference,
  ]);
  return [
    `${describeReleaseRef(resolved.ref)} is release ${resolved.manifest.version}`,
    `${resolved.registry}/${resolved.repository}@${resolved.digest}`,
    `${verifiedText(resolved)}; ${humanBytes(totalBytes(resolved))} in ${rows.length} parts; ${resolved.roundTrips} ${resolved.roundTrips === 1 ? "request" : "requests"}`,
    "",
    ...table(rows),
    ...resolved.missing.map((one) => `not there: ${one.name} ${one.reference} (${one.problem})`),
    ...notAsked(resolved).map((reference) => `nodes pull it from elsewhere, not asked for here: ${reference}`),
  ].join("\n");
}

/** Images of others that lie in registries of their own. */
function notAsked({ manifest, artifacts, missing }: ResolvedRelease): readonly string[] {
  const asked = new Set([...artifacts, ...missing].map((one) => one.name));
  return additionalImages(manifest, DEFAULT_PLACE)
    .filter(({ title }) => !asked.has(title))
    .map(({ name, tag, digest }) => `${name}${tag === undefined ? "" : `:${tag}`}@${digest}`);
}

function inspectText(resolved: ResolvedRelease): string {
  const { manifest } = resolved;
  const rows = componentsOf(manifest).map((one) => [
    one.name,
    `${one.chart} ${manifest.charts[one.chart] ?? "(in the bundle)"}`,
    one.imageKey === undefined ? "-" : (manifest.images[one.imageKey] ?? "-"),
    one.tier,
    one.dependsOn.join(", "),
  ]);
  return [
    `release ${manifest.version}  ${resolved.digest}`,
    verifiedText(resolved),
    `profile ${manifest.valuesProfile}, created ${manifest.createdAt ?? "at an unknown time"}`,
    "",
    ...table([["component", "chart", "image", "tier", "after"], ...rows]),
    "",
    ...otherImages(manifest),
  ].join("\n");
}

function otherImages({ additionalImages: images }: ResolvedRelease["manifest"]): readonly string[] {
  if (images === undefined) return ["it does not say which images Flux and its charts need"];
  return ["also pulled:", ...table(images.map(({ reference, digest }) => [`  ${reference}`, shortDigest(digest)]))];
}

/** Columns padded to their widest cell; the last one is left as it is. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_cell, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
