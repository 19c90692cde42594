/** The bundles that a verb names: tar files or layout folders, several of them read as one. */
import type { CommandContext, Positional } from "../cli/command.ts";
import { typedPath } from "../cli/flag-values.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { openLayoutAt } from "../oci/layout-tar.ts";
import { unionOf } from "../oci/layout-union.ts";

export const BUNDLES: Positional = {
  name: "bundle",
  summary: "Tar file or layout folder; by default the box's own store",
  optional: true,
  multiple: true,
};

/** Absolute paths of what was named; the box's own store when nothing was. */
export function bundlePlaces({ args, env, settings }: Pick<CommandContext, "args" | "env" | "settings">): string[] {
  return args.length > 0 ? args.map((one) => typedPath(one, env)) : [statePaths(settings.get("root") ?? "/").store];
}

/**
 * Opens them as one layout; the caller closes it.
 *
 * @throws {ApplianceError} what `openLayoutAt` throws for one of them: oci/bad-layout, oci/truncated, file/unreadable.
 */
export async function openBundles(
  deps: Pick<Deps, "files">,
  places: readonly string[],
): Promise<ReturnType<typeof unionOf>> {
  return unionOf(await Promise.all(places.map((place) => openLayoutAt(deps, place))));
}
