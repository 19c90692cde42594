/** A box that has no cluster and whose network is not asked: for commands that end before they reach for either. */
import type { CommandContext, FlagValue } from "../../src/cli/command.ts";
import { createFakeBox } from "../crash/fake-box.ts";
import { createMemoryFiles } from "../crash/memory-files.ts";
import { commandContext, type Said } from "./command-context.ts";

/** Makes the context of one command there. @param given.files Path to text, below `/box`. */
export function onBareBox(given: {
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
}): { readonly context: CommandContext; readonly said: Said } {
  const box = createFakeBox({ instant: true });
  const files = createMemoryFiles(() => box.clock.now());
  for (const [path, text] of Object.entries(given.files ?? {})) files.garble(path, text);
  const deps = {
    clock: box.clock,
    random: box.random,
    files,
    machine: box.machineOf(box.spawn()),
    transports: { open: () => () => Promise.reject(new Error("the network is not asked in this test")) },
  };
  const flags = { registry: "registry.test:5000", ...given.flags };
  return commandContext({ flags, deps, ...(given.stdin === undefined ? {} : { stdin: given.stdin }) });
}
