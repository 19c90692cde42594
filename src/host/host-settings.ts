/** What bootstrap, recover and reset take of their command line alike. */
import { CONTROL_PLANE_MANIFESTS, HOST_FILES } from "../../embed/manifests.ts";
import type { CommandContext } from "../cli/command.ts";
import { parsePort } from "../cli/listen-flags.ts";
import { statePaths } from "../core/paths.ts";
import type { BootstrapSettings } from "./bootstrap-context.ts";

/** The box and what this executable carries for it. @throws {ApplianceError} cli/usage for a port that is none. */
export function hostSettings({
  settings,
  build,
}: Pick<CommandContext, "settings" | "build">): Pick<
  BootstrapSettings,
  "paths" | "hostFiles" | "manifests" | "version" | "port"
> {
  return {
    paths: statePaths(settings.get("root") ?? "/"),
    hostFiles: HOST_FILES,
    manifests: CONTROL_PLANE_MANIFESTS,
    version: build.version,
    port: parsePort(settings.get("listen.port") ?? "8080"),
  };
}
