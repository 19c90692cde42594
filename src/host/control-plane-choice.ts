/**
 * Which image the control plane runs: one decision on what is known, for bootstrap, recover and whoever asks why.
 *
 * The rule: what the channel names, if it can be had; never an older one because the registry had a hiccup; and back to the last
 * image that was healthy when a new one is not. Pure: `control-plane-facts.ts` gathers what it decides on.
 */
import { ApplianceError } from "../core/errors.ts";
import { compareVersions } from "../release/version.ts";

/** An image with the version of the release that brought it; null when nobody knows. */
export interface ImageVersion {
  /** Whole reference: "ghcr.io/nine-minds/alga-appliance-control-plane@sha256:...". */
  readonly image: string;
  readonly version: string | null;
}

/** Of a control plane: it answers; it had its time and does not; nobody has seen either. */
export type Health = "healthy" | "unhealthy" | "unknown";

/** Everything that counts. */
export interface ControlPlaneFacts {
  /** What the channel names now, or why nobody can say. `obtainable`: it is on the box, or the registry has it. */
  readonly channel: (ImageVersion & { readonly obtainable: boolean }) | { readonly problem: string };
  /** What the Deployment names now; null when there is none. An image that cannot be had is no sign of bad health. */
  readonly running: (ImageVersion & { readonly health: Health; readonly obtainable: boolean }) | null;
  /** The last image that was seen healthy. */
  readonly previous: (ImageVersion & { readonly obtainable: boolean }) | null;
  /** What the ISO laid down; null when the payload has none. */
  readonly baked: ImageVersion | null;
  /** Images that were tried and did not become healthy. */
  readonly failed: readonly string[];
  /** The operator asked for an older one, in these words. */
  readonly allowDowngrade?: boolean;
}

/** The answer and why it is the answer. */
export interface ControlPlaneChoice extends ImageVersion {
  readonly origin: "channel" | "running" | "previous" | "baked";
  /** One sentence for the operator. */
  readonly why: string;
  /** An image that has just proved unhealthy: keep it in the record, so that it is not taken again. */
  readonly failed: string | null;
}

/**
 * Chooses the image.
 *
 * @throws {ApplianceError} host/no-control-plane when there is none that could be started.
 */
export function chooseControlPlane(facts: ControlPlaneFacts): ControlPlaneChoice {
  const { running, previous, baked } = facts;
  const channel = judgeChannel(facts);
  const failed = running?.health === "unhealthy" ? running.image : null;
  const choice = (origin: ControlPlaneChoice["origin"], one: ImageVersion, why: string): ControlPlaneChoice => ({
    image: one.image,
    version: one.version,
    origin,
    why,
    failed,
  });
  if ("image" in channel) return choice("channel", channel, "The channel names it, and it can be had");
  if (running !== null && (running.health === "healthy" || (failed === null && running.obtainable))) {
    return choice("running", running, `It runs now, and stays: ${channel.reason}`);
  }
  const fallen = whatFell(facts);
  if (previous?.obtainable === true && (failed === null || !isSame(previous.image, failed))) {
    return choice("previous", previous, `${fallen}, and this one was healthy last; ${channel.reason}`);
  }
  if (baked !== null && baked.image !== failed && mayFollow(baked, facts)) {
    return choice("baked", baked, `${fallen}, and the box brought this one; ${channel.reason}`);
  }
  const last = running ?? previous;
  if (last !== null) {
    const origin = running === null ? "previous" : "running";
    return choice(origin, last, `${fallen}, but no other can be had that is not older; ${channel.reason}`);
  }
  throw noControlPlane(channel.reason);
}

function whatFell({ running }: ControlPlaneFacts): string {
  if (running === null) return "No control plane runs";
  return `"${running.image}" ${running.health === "unhealthy" ? "did not become healthy" : "cannot be had now"}`;
}

/** The channel's image when it may be taken, else why not. */
function judgeChannel(facts: ControlPlaneFacts): ImageVersion | { readonly reason: string } {
  const { channel, running, previous } = facts;
  if ("problem" in channel) return { reason: `what the channel names is not known (${channel.problem})` };
  const isRunning = running !== null && isSame(channel.image, running.image);
  // Under the name that it runs by: the same bytes from another registry are no reason to start it anew.
  if (isRunning && running.health !== "unhealthy") return { ...channel, image: running.image };
  if (isRunning || facts.failed.some((image) => isSame(image, channel.image))) {
    return { reason: `the channel names "${channel.image}", which did not become healthy` };
  }
  const newest = running ?? previous;
  if (newest !== null && isOlder(channel, newest) && facts.allowDowngrade !== true) {
    return { reason: `the channel names version ${channel.version}, which is older than ${newest.version}` };
  }
  return channel.obtainable ? channel : { reason: `the channel names "${channel.image}", which cannot be had now` };
}

/** The baked image may come after another only when it is not known to be older, or nothing ran before, or the operator says so. */
function mayFollow(baked: ImageVersion, { running, previous, allowDowngrade }: ControlPlaneFacts): boolean {
  const before = previous ?? running;
  if (before === null || allowDowngrade === true || before.image === baked.image) return true;
  const order = compareVersions(baked.version ?? "", before.version ?? "");
  return order !== undefined && order >= 0;
}

/** Tells whether two references name the same image: by their text, or by the digest of its bytes wherever they lie. */
function isSame(one: string, other: string): boolean {
  const [, digest] = one.split("@");
  return one === other || (digest !== undefined && digest === other.split("@")[1]);
}

function isOlder(one: ImageVersion, than: ImageVersion): boolean {
  const order = compareVersions(one.version ?? "", than.version ?? "");
  return order !== undefined && order < 0;
}

function noControlPlane(reason: string): ApplianceError {
  return new ApplianceError(
    "host/no-control-plane",
    `Cannot choose a control plane: this box has no image of it, and ${reason}`,
    { hint: "Put the payload of the ISO back under /opt/alga-appliance, or mend the way to the registry" },
  );
}
