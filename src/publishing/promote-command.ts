/** `release promote`: a channel is moved to a release that is complete. */
import type { Command, CommandContext } from "../cli/command.ts";
import { ApplianceError, EXIT } from "../core/errors.ts";
import { isTag } from "../oci/reference.ts";
import { openRegistryOf, REGISTRY_FLAGS, refOfTag } from "../release/registry-flags.ts";
import { type Promoted, type Promotion, promote } from "./promote.ts";
import { authorOf, registryWrites } from "./registry-writes.ts";

export const commands: readonly Command[] = [
  {
    path: ["release", "promote"],
    summary: "Move a channel to a release that is complete",
    description:
      "Asks the registry for everything the release refers to, on all platforms and blob by blob, before anything is written, " +
      "and refuses when a part is missing or is not what the release pins. The move is recorded, without a signature, in the channel's history beside the " +
      "releases; then the channel is read, written and read again. Registries have no compare-and-set: of two promotions at " +
      "the same instant the last one stays, and the other one is told if it can still see it. Safe to call again.",
    flags: [
      { name: "from", type: "string", value: "<channel>", summary: "The release that this channel points at" },
      { name: "version", type: "string", value: "<version>", summary: "Exactly this version" },
      { name: "to", type: "string", value: "<channel>", summary: "Channel to move" },
      { name: "allow-downgrade", type: "boolean", summary: "Move also to an older release" },
      { name: "by", type: "string", value: "<name>", summary: "Who does it, for the history (default the user name)" },
      { name: "dry-run", type: "boolean", summary: "Check everything and write nothing" },
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
      const { client, access, repository } = await openRegistryOf(context);
      const options = { base: access.place.base, repository, running: context.build.version, signal: context.signal };
      const promoted = await promote({ ...context.deps, client, ...registryWrites(context, access) }, wanted, options);
      context.out.result(promoted, () => promotionText(promoted));
      return EXIT.done;
    },
  },
];

function wantedPromotion(context: CommandContext): Promotion {
  const { flags } = context;
  const text = (name: string): string | undefined => {
    const value = flags[name];
    return typeof value === "string" ? value : undefined;
  };
  const [from, version, to] = [text("from"), text("version"), text("to")];
  const ref = from !== undefined ? { channel: from } : version !== undefined ? { version } : undefined;
  if (to === undefined || ref === undefined || (from !== undefined && version !== undefined)) {
    throw new ApplianceError("cli/usage", "Cannot promote: --to and one of --from and --version are wanted");
  }
  if (!isTag(to) || !("channel" in refOfTag(to))) {
    throw new ApplianceError("cli/usage", `Cannot promote to "${to.slice(0, 200)}": a channel like stable is wanted`);
  }
  return {
    ref,
    channel: to,
    by: authorOf(context),
    allowDowngrade: flags["allow-downgrade"] === true,
    dryRun: flags["dry-run"] === true,
  };
}

function promotionText({ channel, from, to, outcome }: Promoted): string {
  const was = from === null ? "did not exist" : `was ${from.version}`;
  const is = { moved: "is now", already: "is already", "would-move": "would become" }[outcome];
  return `channel ${channel} ${was}, ${is} ${to.version}\n${to.digest}`;
}
