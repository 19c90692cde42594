/** `release trust sign` and `finish`: a root whose keys lie on several machines, signed on one after the other. */
import type { Metadata, Root } from "@tufjs/models";
import type { Command, CommandContext, Flag } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import { REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { beginTrust, currentRoot, rotateRoot } from "../trust/ceremony.ts";
import { KEY_FLAGS, signingKeysOf } from "../trust/key-flags.ts";
import { readMetadata } from "../trust/metadata.ts";
import { signersOf, signRoot } from "../trust/root.ts";
import { publisherOf, ROOT_FLAG, readRootFile } from "./trust-context.ts";
import { assertFinished, finishRoot, OUT_FLAG, readUnfinished, writeUnfinished } from "./unfinished-root.ts";

const BEFORE_FLAG: Flag = {
  name: ROOT_FLAG.name,
  type: "string",
  value: "<file>",
  summary: "Root that is published now, where this one takes its place",
};
const FILE = { name: "file", summary: "The unfinished root" };

export const commands: readonly Command[] = [
  {
    path: ["release", "trust", "sign"],
    summary: "Add signatures to a root that is not published yet",
    description:
      "For keys of root that lie on several machines: the file of --unfinished goes from one to the next, and each adds its " +
      "signature. Says which keys the root gives which role, and whose signatures are lacking: read it before you send it on. " +
      "Asks no network.",
    positionals: [FILE],
    flags: [...KEY_FLAGS, BEFORE_FLAG],
    examples: [
      { command: "alga-appliance release trust sign next.json --key b.key", about: "The second of two people" },
      {
        command: "alga-appliance release trust sign next.json --root root.json --key old.key",
        about: "With a key that only the root of now knows",
      },
    ],
    run: async (context) => {
      const root = await readUnfinished(context);
      const before = await rootBefore(context, root);
      const keys = await signingKeysOf(context);
      for (const key of keys) {
        const known = [before, root].some((judge) => judge !== undefined && signersOf(judge, "root", [key]).length > 0);
        if (!known) throw notOfRoot(key.id);
      }
      signRoot(context.deps, root, { version: root.signed.version, keys, before });
      return await writeUnfinished(context, root, before);
    },
  },
  {
    path: ["release", "trust", "finish"],
    summary: "Publish a root that has all its signatures",
    description:
      "Refuses a root that lacks signatures, of its own keys or of those before it. Needs a private key of targets and one of the " +
      "online keys; with those of the root before as well, boxes see a whole chain at every moment. Writes root for the boxes as " +
      "release trust init and rotate do. Safe to call again, also when it was interrupted.",
    positionals: [FILE],
    flags: [...KEY_FLAGS, ROOT_FLAG, OUT_FLAG, ...REGISTRY_FLAGS],
    examples: [
      { command: "alga-appliance release trust finish next.json --key t.key --key o.key", about: "The first root" },
      {
        command:
          "alga-appliance release trust finish next.json --root root.json --key t.key --key o.key --out root-2.json",
        about: "A root that takes the place of root.json",
      },
    ],
    run: async (context) => {
      const root = await readUnfinished(context);
      const { deps, options } = await publisherOf(context);
      const { version } = root.signed;
      if (version === 1) {
        assertFinished(signRoot(deps, root, { ...options, version }));
        return await finishRoot(context, await beginTrust(deps, root, options), "begun");
      }
      const anchored = { ...options, anchor: await readRootFile(context) };
      const before = await currentRoot(deps, anchored, version - 1);
      assertFinished(signRoot(deps, root, { ...options, version: before.signed.version + 1, before }), before);
      return await finishRoot(context, await rotateRoot(deps, root, anchored), "rotated");
    },
  },
];

/** The root of now, where it was named: its keys may sign too. */
async function rootBefore(context: CommandContext, root: Metadata<Root>): Promise<Metadata<Root> | undefined> {
  if (context.flags[BEFORE_FLAG.name] === undefined) return undefined;
  const before = readMetadata("root", await readRootFile(context));
  if (before.signed.version === root.signed.version - 1) return before;
  throw new ApplianceError(
    "trust/bad-metadata",
    `Cannot use root "${before.signed.version}": root ${root.signed.version - 1} is wanted, whose place this one takes`,
  );
}

function notOfRoot(id: string): ApplianceError {
  return new ApplianceError("trust/bad-key", `Cannot sign with key "${id}": it is no key of this root`, {
    hint: "Take the private part of a key that the root names, or name the root of now with --root <file>",
  });
}
