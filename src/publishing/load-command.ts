/** `release load`: puts a bundle into the box's own store. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText, typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { humanBytes } from "../core/quantity.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { signedLines, verifyReleases } from "./bundle-trust.ts";
import { type LoadReport, loadBundle } from "./load.ts";
import { percentLines } from "./percent.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "load"],
    summary: "Put a bundle into the box's own store",
    description:
      "Copies what the store lacks, checks every byte on its way, and names the releases last. What a load that died has copied " +
      "is not copied again. The store serves as a registry by release serve, or by serve where store.listen is set; the " +
      "cluster takes images from it when its containerd has it as a mirror, which is a matter of the host.",
    flags: [
      {
        name: "keep",
        type: "string",
        value: "<count>",
        summary: "Keep this many releases, the newest, beside the installed one; remove the others",
        fallback: "all",
      },
      TRUSTED_KEY_FLAG,
      {
        name: "allow-unsigned",
        type: "boolean",
        summary: "Take an unsigned release although this box has trusted keys",
      },
      { name: "allow-downgrade", type: "boolean", summary: "Let a channel of the store move to an older release" },
    ],
    positionals: [{ name: "bundle", summary: "Tar file or layout folder" }],
    examples: [
      { command: "alga-appliance release load /media/stick/media.tar", about: "From a stick" },
      {
        command: "alga-appliance release load update.tar --keep 2",
        about: "And give up all but the two newest releases",
      },
    ],
    run: load,
  },
];

async function load(context: CommandContext): Promise<ExitCode> {
  const { deps, args, env, flags, settings, out, signal } = context;
  const keep = keepOf(flagText(flags, "keep"));
  const tell = percentLines(context, "Copied");
  const bundle = await openLayoutAt(deps, typedPath(args[0] ?? "", env));
  try {
    const report = await loadBundle(deps, bundle, {
      paths: statePaths(settings.get("root") ?? "/"),
      signal,
      allowDowngrade: flags["allow-downgrade"] === true,
      verify: (releases) => verifyReleases(context, releases),
      ...(keep === undefined ? {} : { keep }),
      onProgress: ({ copiedBytes, totalBytes }) => tell(copiedBytes, totalBytes),
    });
    out.result(report, () => text(report));
    return EXIT.done;
  } finally {
    await bundle.close();
  }
}

function keepOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (/^[1-9]\d{0,3}$/.test(given)) return Number(given);
  throw new ApplianceError("cli/usage", `Cannot keep "${given}" releases: a number from 1 on is wanted`);
}

function text(report: LoadReport): string {
  return [
    ...report.releases.map((one) => `Loaded release ${one.version} (${one.tags.join(", ") || "no tag"})`),
    ...signedLines(report.signed),
    `${humanBytes(report.copiedBytes)} copied, ${humanBytes(report.presentBytes)} were there before`,
    ...(report.leftOut === 0 ? [] : [`${report.leftOut} parts were left out of the bundle on purpose`]),
    ...(report.removedBytes === 0 ? [] : [`${humanBytes(report.removedBytes)} of older releases removed`]),
  ].join("\n");
}
