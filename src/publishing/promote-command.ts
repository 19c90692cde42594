/** `release promote`: a channel is moved to a release that is complete. */
import type { Command, CommandContext } from "../cli/command.ts";
import { flagText } from "../cli/flag-values.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { KEY_FLAGS, TRUSTED_KEY_FLAG } from "../trust/key-flags.ts";
import { OTHER_CA_FLAG } from "./other-registries.ts";
import { assertChannelName, promoteTo, publishingKeys } from "./publish-run.ts";
import { ALLOW_DOWNGRADE_FLAG, BY_FLAG, DRY_RUN_FLAG } from "./publishing-flags.ts";
import { promotionText } from "./push-text.ts";
import { ROOT_FLAG_OF_CHANNELS } from "./trust-context.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "promote"],
    summary: "Move a channel to a release that is complete",
    description:
      "Asks the registry for everything the release refers to, on all platforms and blob by blob, before anything is written, " +
      "and refuses when a part is missing or is not what the release pins. The move is recorded in the channel's history beside the releases, signed with --key; " +
      "then the channel is read, written and read again. Registries have no compare-and-set: of two promotions at " +
      "the same instant the last one stays, and the other one is told if it can still see it. Safe to call again.",
    flags: [
      { name: "from", type: "string", value: "<channel>", summary: "The release that this channel points at" },
      { name: "version", type: "string", value: "<version>", summary: "Exactly this version" },
      { name: "to", type: "string", value: "<channel>", summary: "Channel to move" },
      ALLOW_DOWNGRADE_FLAG,
      BY_FLAG,
      DRY_RUN_FLAG,
      ...KEY_FLAGS,
      ROOT_FLAG_OF_CHANNELS,
      TRUSTED_KEY_FLAG,
      OTHER_CA_FLAG,
      ...REGISTRY_FLAGS,
    ],
    examples: [
      { command: "alga-appliance release promote --from nightly --to stable", about: "What nightly is now" },
      {
        command: "alga-appliance release promote --version 1.0.3 --to stable --dry-run",
        about: "Whether it could be done",
      },
    ],
    run: async (context) => {
      const wanted = wantedPromotion(context);
      const keys = await publishingKeys(context);
      const promoted = await promoteTo(context, await openRegistryOf(context), { ...wanted, keys });
      context.out.result(promoted, () => promotionText(promoted));
      return EXIT.done;
    },
  },
];

function wantedPromotion({ flags }: CommandContext): { readonly ref: ReleaseRef; readonly channel: string } {
  const [from, version, to] = [flagText(flags, "from"), flagText(flags, "version"), flagText(flags, "to")];
  const ref = from !== undefined ? { channel: from } : version !== undefined ? { version } : undefined;
  if (to === undefined || ref === undefined || (from !== undefined && version !== undefined)) {
    throw new ApplianceError("cli/usage", "Cannot promote: --to and one of --from and --version are wanted");
  }
  assertChannelName(to);
  return { ref, channel: to };
}
