/** What people read while content goes to a registry, and when it is there. */
import type { CommandContext } from "../cli/command.ts";
import { shortDigest } from "../core/digest.ts";
import { humanBytes } from "../core/quantity.ts";
import type { PushProgress, PushReport, TagState } from "../oci/push.ts";
import { linesEveryMs } from "./percent.ts";
import type { Promoted } from "./promote.ts";

/** Makes the receiver of progress: a line now and then, and one at the end of every phase. */
export function progressLines(context: Pick<CommandContext, "out" | "deps">): (progress: PushProgress) => void {
  const { out, deps } = context;
  const everyMs = linesEveryMs(out);
  let [lastMs, phase] = [Number.NEGATIVE_INFINITY, ""];
  return (progress) => {
    const now = deps.clock.monotonic();
    if (progress.phase === phase && now - lastMs < everyMs) return;
    [lastMs, phase] = [now, progress.phase];
    out.progress(progressLine(progress));
  };
}

function progressLine(progress: PushProgress): string {
  const { phase, sentBytes, totalBytes, skippedBytes, bytesPerSecond, checkedBytes } = progress;
  if (phase === "looking") return `Looking for ${humanBytes(totalBytes)} at the registry`;
  if (phase === "reading back") return `Reading back: ${humanBytes(checkedBytes)}`;
  if (sentBytes === 0 && skippedBytes === totalBytes)
    return `Nothing to send, ${humanBytes(skippedBytes)} are there already`;
  const there = skippedBytes === 0 ? "" : `, ${humanBytes(skippedBytes)} are there already`;
  const checked = checkedBytes === 0 ? "" : `, ${humanBytes(checkedBytes)} read back`;
  const rate = bytesPerSecond === 0 ? "" : `, ${humanBytes(bytesPerSecond)}/s`;
  return `Sending: ${humanBytes(sentBytes)} of ${humanBytes(totalBytes - skippedBytes)}${rate}${checked}${there}`;
}

/** What went over the wire, what was there, and which lists were written; of a dry run, with the same figures, what would. */
export function reportText(report: PushReport, isDryRun: boolean): readonly string[] {
  const { blobs, manifests } = report;
  const would = isDryRun ? "would be " : "";
  const rate = report.bytesPerSecond === 0 ? "" : ` at ${humanBytes(report.bytesPerSecond)}/s`;
  const mounted =
    blobs.mounted === 0 ? "" : `, ${blobs.mounted} ${blobs.mounted === 1 ? "blob" : "blobs"} ${would}mounted`;
  const lists = `${report.referrerLists} ${report.referrerLists === 1 ? "list" : "lists"} of statements ${would}written`;
  return [
    `${isDryRun ? "would send" : "sent"} ${humanBytes(report.sentBytes)}${rate}: ${blobs.sent} of ${blobs.total} blobs, ${manifests.sent} of ${manifests.total} manifests`,
    `${humanBytes(report.skippedBytes)} ${isDryRun ? "are" : "were"} there${mounted}; ${humanBytes(report.checkedBytes)} of blobs ${would}read back`,
    ...(report.referrerLists === 0 ? [] : [`${lists}: the registry has no API for them`]),
  ];
}

/** One line for each tag, in columns, with the first digits of its digest: all of them are in the JSON. */
export function tagLines(tags: readonly TagState[]): readonly string[] {
  const names = tags.map(({ repository, tag }) => `${repository}:${shownTag(tag)}`);
  const width = Math.max(0, ...names.map(({ length }) => length));
  return tags.map(({ digest, was }, at) => {
    const before = was === null ? "new" : was === digest ? "as before" : `was ${shortDigest(was)}`;
    return `  ${(names[at] ?? "").padEnd(width)}  ${shortDigest(digest)}  ${before}`;
  });
}

/** The tag of a statement holds a whole digest. */
function shownTag(tag: string): string {
  return tag.replace(/^(sha256-[0-9a-f]{12})[0-9a-f]{52}/, "$1...");
}

/** What became of a channel, or would; also when it is one step of a larger verb. */
export function promotionText({ channel, from, to, outcome, gaps, signedBy }: Promoted): string {
  const was = from === null ? "did not exist" : `was ${from.version}`;
  const is = { moved: "is now", already: "is already", "would-move": "would become" }[outcome];
  const signed = outcome === "moved" ? "is" : "would be";
  const key = `the history ${signed} ${signedBy === null ? "unsigned" : `signed by ${signedBy}`}`;
  const lines = [`channel ${channel} ${was}, ${is} ${to.version}`, to.digest, ...(outcome === "already" ? [] : [key])];
  const gap = "the history has gaps: somebody moved the channel without a record, or at the same time";
  return [...lines, ...(gaps.length === 0 ? [] : [`${gap} (release history --channel ${channel})`])].join("\n");
}
