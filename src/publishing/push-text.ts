/** What people read while content goes to a registry, and when it is there. */
import type { CommandContext } from "../cli/command.ts";
import { humanBytes } from "../core/quantity.ts";
import type { PushProgress, PushReport, TagState } from "../oci/push.ts";

/** On a terminal a line a second is followed with the eye; a log of a pipeline is read later. */
const TERMINAL_MS = 1_000;
const LOG_MS = 15_000;

/** Makes the receiver of progress: a line now and then, and one at the end of every phase. */
export function progressLines(context: Pick<CommandContext, "out" | "deps">): (progress: PushProgress) => void {
  const { out, deps } = context;
  const everyMs = out.terminal ? TERMINAL_MS : LOG_MS;
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
  const there = skippedBytes === 0 ? "" : `, ${humanBytes(skippedBytes)} are there already`;
  const checked = checkedBytes === 0 ? "" : `, ${humanBytes(checkedBytes)} read back`;
  const rate = bytesPerSecond === 0 ? "" : `, ${humanBytes(bytesPerSecond)}/s`;
  return `Sending: ${humanBytes(sentBytes)} of ${humanBytes(totalBytes - skippedBytes)}${rate}${checked}${there}`;
}

/** Two lines: what went over the wire, and what was there. */
export function reportText(report: PushReport, isDryRun: boolean): readonly string[] {
  const { blobs, manifests } = report;
  const rate = report.bytesPerSecond === 0 ? "" : ` at ${humanBytes(report.bytesPerSecond)}/s`;
  return [
    `${isDryRun ? "would send" : "sent"} ${humanBytes(report.sentBytes)}${rate}: ${blobs.sent} of ${blobs.total} blobs, ${manifests.sent} of ${manifests.total} manifests`,
    `${humanBytes(report.skippedBytes)} ${isDryRun ? "are there" : `were there, ${blobs.mounted} blobs mounted; ${humanBytes(report.checkedBytes)} read back`}`,
  ];
}

/** One line for each tag. */
export function tagLines(tags: readonly TagState[]): readonly string[] {
  return tags.map(({ repository, tag, digest, was }) => {
    const before = was === null ? "new" : was === digest ? "as before" : `was ${was}`;
    return `  ${repository}:${tag}  ${digest}  ${before}`;
  });
}
