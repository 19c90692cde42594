/** `host image import`: archives of images into the node's containerd, for a box that no registry reaches. */
import type { Command, CommandContext } from "../cli/command.ts";
import { typedPath } from "../cli/flag-values.ts";
import { ApplianceError, EXIT, type ExitCode } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import { importedNames, importImages, listImages } from "./containerd.ts";
import { assertRootOnBox } from "./host-run.ts";

export const commands: readonly Command[] = [
  {
    path: ["host", "image", "import"],
    summary: "Import archives of images into the node's containerd",
    description:
      "OCI or Docker archives, plain or compressed. Safe to run again: what containerd has stays. The whole of an update comes by " +
      "release load; this is for single images.",
    flags: [],
    positionals: [{ name: "archive", summary: "A file, .tar, .tar.gz or .tar.zst", multiple: true }],
    examples: [
      {
        command: "alga-appliance host image import /media/usb/control-plane.tar",
        about: "The control plane, from a stick",
      },
    ],
    run: importArchives,
  },
];

async function importArchives(context: CommandContext): Promise<ExitCode> {
  const { deps, settings, args, env, signal, out } = context;
  const paths = statePaths(settings.get("root") ?? "/");
  const archives = args.map((archive) => typedPath(archive, env));
  for (const archive of archives) {
    if ((await deps.files.stat(archive))?.kind !== "file") throw noArchive(archive);
  }
  await assertRootOnBox(context, "import images");
  const before = await listImages(deps, paths, signal);
  let said = "";
  for (const archive of archives) {
    out.progress(`Importing ${archive}`);
    said += `${await importImages(deps, archive, { paths, signal })}\n`;
  }
  const now = await listImages(deps, paths, signal);
  const told = importedNames(said, now);
  const images = [...now].filter((name) => told?.has(name) === true || !before.has(name));
  out.result({ archives, images }, () => (images.length === 0 ? "All images were there" : images.join("\n")));
  return EXIT.done;
}

function noArchive(path: string): ApplianceError {
  return new ApplianceError("cli/usage", `Cannot import "${path}": it is no file, an archive of images is wanted`);
}
