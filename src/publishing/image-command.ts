/** `release image`: the control-plane image as an OCI layout on disk, without a daemon and without a registry. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { shortDigest } from "../core/digest.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { createLayout, writeStore } from "../oci/layout-writer.ts";
import { createMemoryStore } from "../oci/store.ts";
import { REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { attestImage } from "./attest-release.ts";
import { type BuiltImage, buildControlPlaneImage, CONTROL_PLANE_REPOSITORY } from "./image.ts";
import { IMAGE_FLAGS, imagePlatforms } from "./image-flags.ts";
import { sourceDate } from "./source-date.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "image"],
    summary: "Build the control-plane image from executables, without a daemon",
    description:
      "Writes an image of the executable and the few libraries of glibc that it needs, for each platform, with its SBOM, " +
      "into an OCI layout. What is needed is read from the executable: a library that is missing, too old or of another " +
      "machine fails the build. The same input gives the same bytes; SOURCE_DATE_EPOCH sets the time in them.",
    flags: [
      {
        name: "out",
        type: "string",
        value: "<folder>",
        summary: "OCI layout to write; what it held before is replaced",
      },
      {
        name: "tag",
        type: "string",
        value: "<version>",
        summary: "Version and tag of the image",
        fallback: "the version of the executable",
      },
      {
        name: "source-url",
        type: "string",
        value: "<url>",
        summary: "Where the sources are, for the label of the image",
      },
      ...IMAGE_FLAGS,
      ...REGISTRY_FLAGS.filter((flag) => !["registry", "repository"].includes(flag.name)),
    ],
    examples: [
      {
        command: "alga-appliance release image --runtime-libs / --out control-plane",
        about: "This executable with the libraries of this system",
      },
      {
        command:
          "alga-appliance release image --executable dist/alga-appliance --executable dist/alga-appliance-arm64 " +
          "--runtime-libs amd64=libc6_2.36-9+deb12u14_amd64.deb --runtime-libs arm64=libc6_2.36-9+deb12u14_arm64.deb --out control-plane",
        about: "Both platforms, with the libraries of Debian's packages",
      },
    ],
    run: async (context) => {
      const out = outFolder(context);
      const platforms = await imagePlatforms(context);
      const [tag, sourceUrl] = [flagText(context.flags, "tag"), flagText(context.flags, "source-url")];
      const store = createMemoryStore();
      context.out.progress(`Building the image for ${platforms.map((one) => one.architecture).join(" and ")}`);
      const createdSeconds = sourceDate(context.env) ?? 0;
      const image = await buildControlPlaneImage(store, {
        platforms,
        createdSeconds,
        ...(tag === undefined ? {} : { version: tag }),
        ...(sourceUrl === undefined ? {} : { sourceUrl }),
      });
      const sbom = attestImage(store, image, createdSeconds);
      const layout = await createLayout(context.deps, out);
      await writeStore(store, layout);
      await layout.finish();
      context.out.result({ ...summaryOf(image, out), sbom }, () => imageText(image, out));
      return EXIT.done;
    },
  },
];

function outFolder({ flags, env }: CommandContext): string {
  const out = flagText(flags, "out");
  if (out === undefined) throw new ApplianceError("cli/usage", "Cannot write the image: --out <folder> is wanted");
  return typedPath(out, env);
}

/** The document of `-o json`. */
function summaryOf(image: BuiltImage, out: string): Readonly<Record<string, unknown>> {
  const platforms = image.platforms.map(({ architecture, digest, facts, runtime, layers, files }) => ({
    platform: `linux/${architecture}`,
    digest,
    version: facts.version,
    revision: facts.revision,
    glibc: runtime.glibc,
    libraries: runtime.source.what,
    layers,
    files,
  }));
  return { layout: out, repository: CONTROL_PLANE_REPOSITORY, tag: image.tag, digest: image.digest, platforms };
}

function imageText(image: BuiltImage, out: string): string {
  const platforms = image.platforms.flatMap(({ architecture, digest, facts, runtime, layers }) => [
    `linux/${architecture}  ${shortDigest(digest)}  ${facts.version} (${facts.revision}), glibc ${runtime.glibc} of ${runtime.source.what}`,
    ...layers.map(
      (layer) => `  ${humanBytes(layer.sizeBytes).padStart(9)}  ${shortDigest(layer.digest)}  ${layer.holds}`,
    ),
  ]);
  return [...platforms, `${CONTROL_PLANE_REPOSITORY}:${image.tag} is ${image.digest}`, `Written to ${out}`].join("\n");
}
