/** The maintenance document of the host as a few calm lines: how it was started and ended, what changed beneath. Pure. */
import { formatAge, formatMoment } from "../format.ts";
import type { Maintenance } from "../state/wire.ts";
import { text } from "../strings.ts";

/** Rows of each list; on the box a command shows more. */
const SHOWN = 5;
/** Longer names are cut: they come from the host. */
const MAX_WORDS = 80;

export interface StartRow {
  readonly key: string;
  readonly name: string;
  readonly value: string;
}

export interface StartsView {
  /** One sentence of all that are kept. */
  readonly summary: string;
  /** The newest first. */
  readonly starts: readonly StartRow[];
  readonly changes: readonly StartRow[];
  /** There is more than what is shown. */
  readonly isCut: boolean;
}

/** Folds the document. A start without a shutdown is told as what it was, and is no alarm: the box runs. */
export function startsView({ boots, changes, uncleanShutdowns }: Maintenance): StartsView {
  const ended = boots.filter(({ end }) => end === "clean" || end === "unclean").length;
  return {
    summary: summaryOf(ended, uncleanShutdowns),
    starts: boots.slice(-SHOWN).reverse().map(startRow),
    changes: changes.slice(-SHOWN).reverse().map(changeRow),
    isCut: boots.length > SHOWN || changes.length > SHOWN,
  };
}

function summaryOf(ended: number, unclean: number): string {
  if (ended === 0) return text("starts.first");
  if (unclean === 0) return text("starts.good");
  return ended === 1 ? text("starts.bad-one") : text("starts.bad", { n: unclean, total: ended });
}

function startRow({ bootId, startedAt, endedAt, end }: Maintenance["boots"][number]): StartRow {
  const lasted = endedAt === null ? Number.NaN : Date.parse(endedAt) - Date.parse(startedAt);
  const value = (): string => {
    if (end === "running") return text("starts.running");
    if (end === "unknown") return text("starts.unknown");
    // A clock that was set in between makes a time that was none.
    if (!(lasted >= 0)) return text(end === "clean" ? "starts.clean-unknown" : "starts.unclean-unknown");
    return text(end === "clean" ? "starts.clean" : "starts.unclean", { time: formatAge(lasted) });
  };
  return { key: bootId, name: momentOf(startedAt), value: value() };
}

function changeRow({ at, what, from, to }: Maintenance["changes"][number], index: number): StartRow {
  const key = `${at} ${what} ${index}`;
  const part = text(`part.${what}`);
  const value =
    from === null
      ? text("starts.change-new", { part, to: cut(to) })
      : text("starts.change", { part, from: cut(from), to: cut(to) });
  return { key, name: momentOf(at), value };
}

function cut(words: string | null): string {
  if (words === null) return text("starts.none");
  return words.length > MAX_WORDS ? `${words.slice(0, MAX_WORDS)}…` : words;
}

/** The host's clock may have told no time at all. */
function momentOf(iso: string): string {
  return Number.isNaN(Date.parse(iso)) ? text("starts.no-time") : formatMoment(iso);
}
