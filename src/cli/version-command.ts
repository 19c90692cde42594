/** `version`: what this executable is. Loads nothing else, because scripts call it often. */
import { EXIT, type ExitCode } from "../core/errors.ts";
import type { BareContext, Command } from "./command.ts";

export const commands: readonly Command[] = [
  {
    path: ["version"],
    summary: "Print version, revision, runtime and target",
    flags: [],
    examples: [{ command: "alga-appliance version -o json", about: "For scripts" }],
    run: show,
    bare: show,
  },
];

async function show({ build, out, runtime }: BareContext): Promise<ExitCode> {
  const shown = { ...build, runtime };
  out.result(shown, () => `alga-appliance ${build.version} (${build.revision}, ${build.target}, ${runtime})`);
  return EXIT.done;
}
