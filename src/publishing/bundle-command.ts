/** `release bundle`: a release with everything it refers to as one file, for boxes without a network. */
import { basename } from "node:path/posix";
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { flagText, flagTexts, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { humanBytes } from "../core/quantity.ts";
import { layoutTarBytes, writeLayoutTar } from "../oci/layout-tar-writer.ts";
import type { Platform } from "../oci/model.ts";
import { openRegistryOf, REGISTRY_FLAGS, RELEASE_FLAGS, releaseRefOf } from "../release/registry-flags.ts";
import { describeReleaseRef } from "../release/resolved.ts";
import { type BundlePlan, planBundle, TRUST_REPOSITORY } from "./bundle.ts";
import { otherImagesLine } from "./completeness.ts";
import { readHaveList } from "./have-list.ts";
import { OTHER_CA_FLAG, otherRegistries } from "./other-registries.ts";
import { percentLines } from "./percent.ts";

const DEFAULT_PLATFORM = "linux/amd64";
/** The running executable, on Linux. */
const SELF = "/proc/self/exe";

const FLAGS: readonly Flag[] = [
  { name: "out", type: "string", value: "<file.tar>", summary: "File to write" },
  {
    name: "platform",
    type: "string",
    value: "<os/architecture>",
    summary: "Platform of the images, or all",
    fallback: DEFAULT_PLATFORM,
  },
  { name: "since", type: "string", value: "<have-list>", summary: "Leave out what this list of release have names" },
  {
    name: "executable",
    type: "string",
    value: "<file>",
    multiple: true,
    summary: "Put this executable in as well; self is the running one",
  },
  { name: "dry-run", type: "boolean", summary: "Say what would be written, and how large it would be" },
  ...RELEASE_FLAGS,
  OTHER_CA_FLAG,
  ...REGISTRY_FLAGS,
];

export const commands: readonly Command[] = [
  {
    path: ["release", "bundle"],
    summary: "Write a release and everything it refers to into one file",
    description:
      "The file is an OCI image layout in a tar: release, charts, images, config, Flux manifests, control plane, signatures and " +
      "trust metadata. The same release gives the same bytes. Interrupted, the same command goes on where it was. release check reads all of it again, release serve serves it as " +
      "a registry, release load puts it into a box.",
    flags: FLAGS,
    examples: [
      {
        command: "alga-appliance release bundle --channel stable --out media.tar",
        about: "A whole installation on a stick",
      },
      {
        command: "alga-appliance release bundle --version 1.0.4 --since box.json --out update.tar",
        about: "What a box lacks, by the list that it printed",
      },
      {
        command: "alga-appliance release bundle --platform all --executable self --out media.tar",
        about: "For every platform, with this executable",
      },
    ],
    run: bundle,
  },
];

async function bundle(context: CommandContext): Promise<ExitCode> {
  const { flags, env, out } = context;
  const path = flagText(flags, "out");
  if (path === undefined) throw new ApplianceError("cli/usage", "Cannot write a bundle: --out <file.tar> is wanted");
  const plan = await planOf(context);
  const sizeBytes = layoutTarBytes(plan.tar);
  let keptBytes = 0;
  if (flags["dry-run"] !== true) {
    keptBytes = await write(context, plan, typedPath(path, env));
  }
  const result = resultOf(plan, { path, sizeBytes, keptBytes, written: flags["dry-run"] !== true });
  out.result(result, () => text(result));
  return EXIT.done;
}

/** Writes it, or goes on with what an earlier run has left. Returns the bytes that were there. */
async function write(context: CommandContext, { tar }: BundlePlan, path: string): Promise<number> {
  const { deps, out, signal } = context;
  const tell = percentLines(context, "Wrote");
  let writtenBytes = 0;
  try {
    const { keptBytes } = await writeLayoutTar(deps, path, {
      ...tar,
      signal,
      onProgress: (progress) => {
        writtenBytes = progress.writtenBytes;
        tell(writtenBytes, progress.totalBytes);
      },
    });
    return keptBytes;
  } catch (thrown) {
    if (writtenBytes > 0)
      out.progress(`Kept ${humanBytes(writtenBytes)} beside it: the same command goes on from there`);
    throw thrown;
  }
}

async function planOf(context: CommandContext): Promise<BundlePlan> {
  const { deps, flags, env, out, signal } = context;
  const ref = releaseRefOf(context);
  const platform = platformOf(flagText(flags, "platform") ?? DEFAULT_PLATFORM);
  const since = flagText(flags, "since");
  const have = since === undefined ? undefined : await readHaveList(deps, typedPath(since, env));
  const { client, access, repository } = await openRegistryOf(context);
  out.progress(`Asking ${client.registry} for ${describeReleaseRef(ref)} and everything it refers to`);
  return planBundle(deps, client, {
    ref,
    base: access.place.base,
    repository,
    running: context.build.version,
    signal,
    executables: flagTexts(flags, "executable").map((file) =>
      file === "self" ? { path: SELF, name: "alga-appliance" } : { path: typedPath(file, env), name: basename(file) },
    ),
    ...(platform === undefined ? {} : { platform }),
    ...(have === undefined ? {} : { have }),
    open: otherRegistries(context),
  });
}

function platformOf(given: string): Platform | undefined {
  if (given === "all") return undefined;
  const [os, architecture, variant, ...more] = given.split("/");
  if (os !== undefined && architecture !== undefined && more.length === 0 && /^[a-z0-9/]+$/.test(given)) {
    return { os, architecture, ...(variant === undefined ? {} : { variant }) };
  }
  throw new ApplianceError("cli/usage", `Cannot use platform "${given}": linux/amd64, linux/arm64 or all is wanted`);
}

interface Result {
  readonly file: string;
  readonly written: boolean;
  readonly sizeBytes: number;
  /** Bytes of it that an earlier run had written. */
  readonly keptBytes: number;
  readonly version: string;
  readonly digest: string;
  readonly platforms: readonly string[];
  readonly parts: number;
  /** Documents of the trust repository that went along; 0: the publisher has none, or hides it. */
  readonly trust: number;
  readonly otherImages: BundlePlan["otherImages"];
  readonly leftOut: Readonly<Record<"platform" | "store" | "node", { readonly parts: number; readonly bytes: number }>>;
}

function resultOf(
  { document, tar, leftOut, otherImages }: BundlePlan,
  at: { readonly path: string; readonly sizeBytes: number; readonly keptBytes: number; readonly written: boolean },
): Result {
  const because = (why: string): { readonly parts: number; readonly bytes: number } => {
    const found = leftOut.filter((one) => one.why === why);
    return { parts: found.length, bytes: found.reduce((sum, one) => sum + one.size, 0) };
  };
  return {
    file: at.path,
    written: at.written,
    sizeBytes: at.sizeBytes,
    keptBytes: at.keptBytes,
    version: document.release.version,
    digest: document.release.digest,
    platforms: document.platforms,
    parts: tar.contents.length,
    trust: document.contents.filter((one) => one.repository === TRUST_REPOSITORY).length,
    otherImages,
    leftOut: { platform: because("platform"), store: because("store"), node: because("node") },
  };
}

function text(result: Result): string {
  const { store, node } = result.leftOut;
  const left = [
    ...(store.parts === 0 ? [] : [`${humanBytes(store.bytes)} that the box's store has`]),
    ...(node.parts === 0 ? [] : [`${humanBytes(node.bytes)} of images that the box runs`]),
  ];
  return [
    `${result.written ? "Wrote" : "Would write"} release ${result.version} to ${result.file}: ${humanBytes(result.sizeBytes)}, ${result.parts} parts, ${result.platforms.join(", ")}`,
    ...(result.keptBytes === 0 ? [] : [`Went on behind ${humanBytes(result.keptBytes)} of an earlier run`]),
    ...(left.length === 0 ? [] : [`Left out: ${left.join(", ")}`]),
    ...otherImagesLine(result),
    ...(result.trust > 0 ? [] : ["No trust metadata was found: a box with keys cannot verify this release"]),
    result.digest,
  ].join("\n");
}
