/**
 * Versions of releases and of the control plane: which is newer, and the rule that versions only go up.
 *
 * Releases carry semantic versions; the two-part form ("1.0") and a leading "v" of old releases are read too.
 */
import semver from "semver";
import { ApplianceError } from "../core/errors.ts";

/** For who only reads what a release names and does not take it in: no `minimumControlPlane` is too new for it. */
export const ANY_VERSION = "0.0.0-source";

/** The semantic version that a text means, or undefined when it means none. */
export function readVersion(text: string): string | undefined {
  const parsed = semver.parse(text, { loose: true });
  if (parsed !== null) return parsed.version;
  const twoPart = /^v?(\d+\.\d+)(-[0-9A-Za-z.-]+)?$/.exec(text);
  return twoPart === null ? undefined : (semver.valid(`${twoPart[1]}.0${twoPart[2] ?? ""}`) ?? undefined);
}

/** Orders two versions: negative, zero or positive; undefined when one of them is no version. */
export function compareVersions(left: string, right: string): number | undefined {
  const [a, b] = [readVersion(left), readVersion(right)];
  return a === undefined || b === undefined ? undefined : semver.compare(a, b);
}

export interface DowngradeOptions {
  /** The operator named exactly this version or digest, not a channel. */
  readonly asked: boolean;
}

/**
 * Refuses to put an older release over a newer one, unless the operator asked for it by name.
 *
 * Versions that cannot be ordered count as a step down: a channel must not be able to hide one behind an odd name.
 *
 * @throws {ApplianceError} release/downgrade when `wanted` is lower and was not asked for by name.
 */
export function assertNotDowngrade(installed: string, wanted: string, options: DowngradeOptions): void {
  if (options.asked || installed === wanted) return;
  const order = compareVersions(wanted, installed);
  if (order !== undefined && order >= 0) return;
  throw new ApplianceError(
    "release/downgrade",
    `Cannot install release "${wanted}": ${installed} is installed, a version that is not lower is wanted`,
    {
      hint: `Name it to install it all the same: --version ${wanted}`,
      details: { installed, wanted },
    },
  );
}

/**
 * Refuses a release that needs a newer control plane than this executable.
 *
 * An executable run from sources has no version of its own and is let through.
 *
 * @throws {ApplianceError} release/control-plane-too-old when `running` is lower than `minimum`.
 */
export function assertControlPlane(minimum: string | undefined, running: string): void {
  if (minimum === undefined || running.endsWith("-source")) return;
  const order = compareVersions(running, minimum);
  if (order !== undefined && order >= 0) return;
  throw new ApplianceError(
    "release/control-plane-too-old",
    `Cannot use the release: this control plane is ${running}, at least ${minimum} is wanted`,
    { hint: "Update the control plane first, then try again", details: { minimum, running } },
  );
}
