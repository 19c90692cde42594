/** When an update may begin by itself: only as far as the operator has said so. Pure. */
import { parseInstant } from "../core/time.ts";
import { compareVersions, readVersion } from "../release/version.ts";
import { DAYS, type UpdatePolicy } from "./model.ts";

const DAY_MINUTES = 24 * 60;

/** Tells whether an update between two versions may begin by itself at this moment. Without a window it never may. */
export function mayBegin(
  policy: UpdatePolicy,
  step: { readonly from: string; readonly to: string },
  nowMs: number,
): boolean {
  if (policy.automatic === "never" || policy.window === null) return false;
  if (policy.holdUntil !== null && nowMs < (parseInstant(policy.holdUntil) ?? Number.POSITIVE_INFINITY)) return false;
  if ((compareVersions(step.to, step.from) ?? -1) <= 0) return false;
  if (policy.automatic === "patch" && !isPatch(step.from, step.to)) return false;
  return isWithin(policy.window, nowMs);
}

/** The same major and minor version. */
function isPatch(from: string, to: string): boolean {
  const series = (text: string): string | undefined => readVersion(text)?.split(".").slice(0, 2).join(".");
  return series(from) === series(to);
}

/** In UTC. A window over midnight belongs to the day on which it begins. */
function isWithin(window: NonNullable<UpdatePolicy["window"]>, nowMs: number): boolean {
  const now = new Date(nowMs);
  const minute = now.getUTCHours() * 60 + now.getUTCMinutes();
  const [from, to] = [minuteOf(window.from), minuteOf(window.to)];
  const length = (to - from + DAY_MINUTES) % DAY_MINUTES || DAY_MINUTES;
  const since = (minute - from + DAY_MINUTES) % DAY_MINUTES;
  const beganToday = minute >= from;
  const day = DAYS[(now.getUTCDay() + (beganToday ? 0 : 6)) % 7];
  return since < length && day !== undefined && window.days.includes(day);
}

function minuteOf(time: string): number {
  const [hours = "0", minutes = "0"] = time.split(":");
  return Number(hours) * 60 + Number(minutes);
}
