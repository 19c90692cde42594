/**
 * What signed targets say: which release a version is (`release/1.0.3`) and which one a channel means (`channel/stable`).
 *
 * A target is the release's own OCI manifest: its length and SHA-256 are those of the bytes that a registry gives.
 */
import { TargetFile, type Targets } from "@tufjs/models";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";

/** A release as signed targets name it. */
export interface SignedTarget {
  readonly version: string;
  /** Of the release's OCI manifest. */
  readonly digest: Digest;
  /** Of that manifest. */
  readonly sizeBytes: number;
}

/** What a person, a channel or an operation names. */
export type TargetName = { readonly channel: string } | { readonly version: string } | { readonly digest: Digest };

/**
 * Finds what a name means by signed targets alone; no tag of a registry is asked.
 *
 * @throws {ApplianceError} trust/unknown-release when the publisher never signed such a release or channel;
 *   trust/wrong-release when a channel names something that is no release of its version.
 */
export function findTarget(targets: Targets, name: TargetName): SignedTarget {
  if ("digest" in name) {
    const paths = Object.keys(targets.targets).filter((path) => path.startsWith("release/"));
    const found = paths.map((path) => targetAt(targets, path)).find((one) => one?.digest === name.digest);
    return found ?? refuseUnknown(`release "${name.digest}"`);
  }
  if ("version" in name)
    return targetAt(targets, `release/${name.version}`) ?? refuseUnknown(`release "${name.version}"`);
  const meant = targetAt(targets, `channel/${name.channel}`) ?? refuseUnknown(`channel "${name.channel}"`);
  const release = targetAt(targets, `release/${meant.version}`);
  if (release?.digest === meant.digest) return meant;
  throw new ApplianceError(
    "trust/wrong-release",
    `Cannot trust channel "${name.channel}": it means ${meant.digest} as version ${meant.version}, which is signed as another release`,
    { hint: "Tell the publisher" },
  );
}

function targetAt(targets: Targets, path: string): SignedTarget | undefined {
  const found = Object.hasOwn(targets.targets, path) ? targets.targets[path] : undefined;
  if (found === undefined) return undefined;
  const digest = `sha256:${found.hashes.sha256 ?? ""}`;
  const version = path.startsWith("release/") ? path.slice("release/".length) : found.custom.version;
  if (!isDigest(digest) || typeof version !== "string") return undefined;
  return { version, digest, sizeBytes: found.length };
}

function refuseUnknown(what: string): never {
  throw new ApplianceError("trust/unknown-release", `Cannot trust ${what}: the publisher has not signed it`, {
    hint: "Choose a release of the publisher's list, or ask the publisher to sign this one",
  });
}

/** All channels of signed targets, by name. */
export function channelsOf(targets: Targets): Readonly<Record<string, SignedTarget>> {
  const paths = Object.keys(targets.targets).filter((path) => path.startsWith("channel/"));
  return Object.fromEntries(
    paths.flatMap((path) => {
      const found = targetAt(targets, path);
      return found === undefined ? [] : [[path.slice("channel/".length), found]];
    }),
  );
}

/** Puts a release under a path of targets. */
export function putTarget(targets: Targets, path: string, { version, digest, sizeBytes }: SignedTarget): void {
  const hashes = { sha256: digest.slice("sha256:".length) };
  targets.addTarget(new TargetFile({ path, length: sizeBytes, hashes, unrecognizedFields: { custom: { version } } }));
}
