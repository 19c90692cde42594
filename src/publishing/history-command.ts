/** `release history`: who moved a channel when, by which key, and where the story breaks. */
import type { Command } from "../cli/command.ts";
import { shortDigest } from "../core/digest.ts";
import { EXIT } from "../core/errors.ts";
import { openRegistryOf, REGISTRY_FLAGS } from "../release/registry-flags.ts";
import { TRUSTED_KEY_FLAG, trustedKeysOf } from "../trust/key-flags.ts";
import { type HistoryEntry, type HistoryGap, historyGaps, readHistory } from "./history.ts";
import { verifyHistory } from "./history-signing.ts";

interface Shown extends Omit<HistoryEntry, "signed" | "previous"> {
  /** Id of the key that signed it; null: nobody, or nobody was asked. */
  readonly signedBy: string | null;
}

export const commands: readonly Command[] = [
  {
    path: ["release", "history"],
    summary: "Show who moved a channel when, and verify it",
    description:
      "Every promotion is recorded beside the releases; entries that were made with --key are signed and chained. With " +
      "--trusted-key a history that was changed is refused. A gap is a place where the channel moved " +
      "without a record, or where two publishers moved it at the same time.",
    flags: [
      { name: "channel", type: "string", value: "<name>", summary: "Channel to show", fallback: "stable" },
      TRUSTED_KEY_FLAG,
      ...REGISTRY_FLAGS,
    ],
    examples: [
      { command: "alga-appliance release history --channel stable", about: "Newest last" },
      {
        command: "alga-appliance release history --channel stable --trusted-key keys/release.pub -o json",
        about: "Verified, for scripts",
      },
    ],
    run: async (context) => {
      const channel = context.settings.get("channel") ?? "stable";
      const keys = await trustedKeysOf(context);
      const { client, repository } = await openRegistryOf(context);
      const entries = await readHistory(client, { repository, channel, signal: context.signal });
      const ids = keys.length === 0 ? [] : verifyHistory(entries, { channel, keys });
      const shown = entries.map(
        ({ at, by, from, to }, index): Shown => ({ at, by, from, to, signedBy: ids[index] ?? null }),
      );
      const history = { channel, verified: keys.length > 0, entries: shown, gaps: historyGaps(entries) };
      context.out.result(history, () => historyText(history));
      return EXIT.done;
    },
  },
];

function historyText(history: {
  readonly channel: string;
  readonly verified: boolean;
  readonly entries: readonly Shown[];
  readonly gaps: readonly HistoryGap[];
}): string {
  if (history.entries.length === 0) return `channel ${history.channel} has no history`;
  const side = (one: HistoryEntry["from"]): string =>
    one === null ? "(none)" : `${one.version} ${shortDigest(one.digest)}`;
  return [
    ...history.entries.map(
      ({ at, by, from, to, signedBy }) =>
        `${at}  ${side(from)} -> ${side(to)}  by ${by}, ${signedBy === null ? "unverified" : `key ${signedBy}`}`,
    ),
    ...history.gaps.map(
      ({ at, found, expected }) => `gap at ${at}: it began from ${found ?? "nothing"}, ${expected} was expected`,
    ),
  ].join("\n");
}
