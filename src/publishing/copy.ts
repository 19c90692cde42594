/**
 * Mirroring a release: everything that it refers to goes to another registry or another base of the same one, what is said
 * about it too, and nothing is rewritten, so every digest stays what it is.
 *
 * Parties: both registries are untrusted. What is read is checked against its digest while it streams, what is written is
 * read back. The version of the release is tagged last, then its channel, when one was asked for. Interrupted at any point,
 * the next run goes on; what the target has is not read from the source again.
 */
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import type { RegistryClient, RegistryDeps } from "../oci/client.ts";
import type { ContentRoot } from "../oci/content.ts";
import { openPush, type PushOptions, type PushReport, type TagState } from "../oci/push.ts";
import { assertFree, type TagName, type Taken } from "../oci/push-tags.ts";
import { isOfOthers } from "../release/location.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { findRelease } from "../release/resolve.ts";
import type { ReleaseRef } from "../release/resolved.ts";
import { assertNotDowngrade } from "../release/version.ts";
import { HISTORY_REPOSITORY, readTrust, TRUST_REPOSITORY } from "./bundle.ts";
import {
  assertComplete,
  type ClosureOptions,
  type ClosurePart,
  type ReleaseClosure,
  releaseClosure,
} from "./closure.ts";
import { closureContent } from "./closure-content.ts";

export type CopyDeps = Pick<Deps, "log"> & {
  /** Reads the source. */
  readonly from: RegistryClient;
  /** Reads the target. */
  readonly to: RegistryClient;
  /** Writes to the target. */
  readonly wire: RegistryDeps;
};

export interface CopyWanted {
  readonly ref: ReleaseRef;
  /** Set the channel at the target too, when `ref` is one. */
  readonly moveChannel: boolean;
  readonly allowDowngrade: boolean;
  /** Tags of the target that name something else already. */
  readonly taken: "refuse" | "move";
  readonly dryRun: boolean;
}

export interface CopyOptions {
  readonly source: ClosureOptions & { readonly base: string };
  readonly target: PushOptions & { readonly base: string };
}

export interface Copied {
  readonly outcome: "copied" | "already" | "would-copy";
  readonly version: string;
  readonly digest: string;
  /** Named parts and statements; each with all its platforms. */
  readonly parts: number;
  readonly content: PushReport;
  readonly tags: readonly TagState[];
}

/**
 * Copies a release. Safe to call again.
 *
 * @throws {ApplianceError} release/incomplete when the source lacks a part, oci/tag-taken, release/downgrade: all of them
 *   before anything is written; oci/digest-mismatch when a registry gives other bytes; oci/tag-moved; and what reading and
 *   pushing throw.
 */
export async function copyRelease(deps: CopyDeps, wanted: CopyWanted, options: CopyOptions): Promise<Copied> {
  const { source, target } = options;
  const closure = await releaseClosure(deps.from, wanted.ref, source);
  assertComplete(closure, "copy");
  const channel = wanted.moveChannel && "channel" in wanted.ref ? wanted.ref.channel : undefined;
  if (channel !== undefined) await assertUpwards(deps, { channel, closure, wanted }, target);
  const trust = await readTrust(deps.from, { ...source, ref: wanted.ref, ...signalOf(source) });
  const content = closureContent({
    entries: [...statementRoots(closure), ...trust.entries.toSorted(byPointer), ...releaseRoots(closure, channel)],
    manifests: [...closure.manifests, ...trust.walk.manifests()],
    blobs: [...closure.blobs, ...trust.walk.blobs()],
  });
  const push = await openPush(content, deps.wire, {
    ...target,
    mountFrom: (digest) => content.placesOf(deps.to.registry, digest),
  });
  const taken = (tag: TagName): Taken => (isPointer(tag, { base: target.base, channel }) ? "move" : wanted.taken);
  const before = await push.tagStates();
  for (const state of before) assertFree(state, { taken });
  const report = wanted.dryRun ? await push.dryRun() : await push.content();
  if (!wanted.dryRun) await push.tags({ taken });
  const isNew = report.manifests.sent > 0 || before.some(({ was, digest }) => was !== digest);
  const { version } = closure.release.manifest;
  deps.log.info("release copied", { to: deps.to.registry, version, bytes: report.sentBytes });
  return {
    outcome: wanted.dryRun ? "would-copy" : isNew ? "copied" : "already",
    version,
    digest: closure.release.digest,
    parts: closure.parts.length,
    content: report,
    tags: before,
  };
}

function signalOf({ signal }: ClosureOptions): { readonly signal: AbortSignal } {
  return { signal: signal ?? new AbortController().signal };
}

const rootOf = ({ repository, tag, descriptor }: ClosurePart): ContentRoot => ({ repository, tag, descriptor });

/** Signatures and the like: before what they are about is named by a tag. */
function statementRoots({ parts }: ReleaseClosure): readonly ContentRoot[] {
  return parts.filter(({ kind }) => kind === "statement").map(rootOf);
}

/** The parts, then the release by its version, then its channel. */
function releaseRoots({ parts }: ReleaseClosure, channel: string | undefined): readonly ContentRoot[] {
  const isRelease = ({ kind }: ClosurePart): boolean => kind === "release";
  const named = parts
    .filter(({ kind }) => kind !== "statement")
    .toSorted((a, b) => Number(isRelease(a)) - Number(isRelease(b)));
  const release = channel === undefined ? undefined : named.find(isRelease);
  return [...named.map(rootOf), ...(release === undefined ? [] : [{ ...rootOf(release), tag: channel }])];
}

/** Of trust metadata the pointer to the newest goes last, when what it names is there. */
function byPointer(a: ContentRoot, b: ContentRoot): number {
  return Number(a.tag === "timestamp") - Number(b.tag === "timestamp");
}

/**
 * Versions name one thing for ever; channels, their histories, trust metadata and cosign's tags are there to be moved, and
 * the tags of others' images follow them.
 */
function isPointer(
  { repository, tag }: TagName,
  { base, channel }: { readonly base: string; readonly channel: string | undefined },
): boolean {
  const name = base === "" ? repository : repository.slice(base.length + 1);
  if (tag.startsWith("sha256-") || name === HISTORY_REPOSITORY || name === TRUST_REPOSITORY || isOfOthers(name))
    return true;
  return name === RELEASE_REPOSITORY && tag === channel;
}

/** A mirror's channel goes up too, unless somebody wants exactly that. */
async function assertUpwards(
  { to }: CopyDeps,
  given: { readonly channel: string; readonly closure: ReleaseClosure; readonly wanted: CopyWanted },
  { base, signal }: CopyOptions["target"],
): Promise<void> {
  const { channel, closure, wanted } = given;
  const repository = base === "" ? RELEASE_REPOSITORY : `${base}/${RELEASE_REPOSITORY}`;
  // Versions of the control plane were compared at the source.
  const running = closure.release.manifest.minimumControlPlane ?? closure.release.manifest.version;
  try {
    const call = { repository, running, ...(signal === undefined ? {} : { signal }) };
    const current = await findRelease(to, { channel }, call);
    assertNotDowngrade(current.manifest.version, closure.release.manifest.version, { asked: wanted.allowDowngrade });
  } catch (thrown) {
    if (isApplianceError(thrown, "release/unknown-channel")) return;
    if (isApplianceError(thrown, "release/control-plane-too-old") && wanted.allowDowngrade) return;
    throw thrown;
  }
}

/** Where a copy goes: "harbor.example.com/alga" as a registry and a base. Throws cli/usage for another form. */
export function targetPlace(text: string): { readonly registry: string; readonly base: string } {
  const plain = text.replace(/^oci:\/\//, "").replace(/\/+$/, "");
  const slash = plain.indexOf("/");
  const place =
    slash < 0 ? { registry: plain, base: "" } : { registry: plain.slice(0, slash), base: plain.slice(slash + 1) };
  if (plain !== "" && !/[@\s]/.test(plain) && !place.base.includes(":")) return place;
  throw new ApplianceError(
    "cli/usage",
    `Cannot copy to "${text.slice(0, 200)}": a registry with a base like harbor.example.com/alga is wanted`,
  );
}
