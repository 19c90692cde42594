/** A release that was resolved: what it is, by which digest, and everything it refers to. Plain data, safe to show. */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import type { PublicError } from "../core/errors.ts";
import type { ReleaseManifest } from "./model.ts";

/** What the operator or a channel names. */
export type ReleaseRef = { readonly channel: string } | { readonly version: string } | { readonly digest: Digest };

const digest = z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted");

/** One thing that a release refers to. */
export const artifactSchema = z.object({
  /** "config", "flux", "chart sebastian", "image algaCore", "control-plane image". */
  name: z.string(),
  kind: z.enum(["config", "flux", "chart", "image"]),
  /** Where this appliance finds it: "ghcr.io/nine-minds/charts/sebastian:0.0.1". */
  reference: z.string(),
  /** Digest of its manifest, or of its index where it has one. */
  digest,
  /** Bytes to download: config and layers of one platform. */
  sizeBytes: z.number().int().min(0),
});

/** Something that a release names and the registry did not give when it was asked. */
export const missingSchema = z.object({ name: z.string(), reference: z.string(), problem: z.string() });

export type ResolvedArtifact = z.infer<typeof artifactSchema>;
export type MissingArtifact = z.infer<typeof missingSchema>;

/** A manifest that was found, with its digest. */
export interface FoundRelease {
  readonly ref: ReleaseRef;
  readonly manifest: ReleaseManifest;
  /** Of the release's own OCI manifest; this is what an operation carries on with. */
  readonly digest: Digest;
  readonly registry: string;
  /** Repository of the release artifacts: "nine-minds/alga-appliance-release". */
  readonly repository: string;
  /** Id of the key that signed it, or "none". */
  readonly verifiedBy: string;
  /** Set when something was accepted that would be refused otherwise: "timestamp metadata expired 3 days ago". */
  readonly accepted?: string;
  /** Where signed metadata was asked: when the first of its documents expires, RFC 3339. */
  readonly goodUntil?: string;
}

export interface ResolvedRelease extends FoundRelease {
  readonly artifacts: readonly ResolvedArtifact[];
  /** Images that the registry does not have or does not show; they may be on the box already. */
  readonly missing: readonly MissingArtifact[];
  /** RFC 3339. */
  readonly resolvedAt: string;
  /** Requests that this resolve took; 0 when all of it was known. */
  readonly roundTrips: number;
  /** Set when the registry could not be asked and this is what was resolved before. */
  readonly stale?: { readonly ageMs: number; readonly problem: PublicError };
}

/** Who stands for a release, in the words of every command: "verified by key 1f74167495f2", or "unverified". */
export function verifiedText({ verifiedBy, accepted }: Pick<FoundRelease, "verifiedBy" | "accepted">): string {
  const who = verifiedBy === "none" ? "unverified" : `verified by key ${verifiedBy.slice(0, 12)}`;
  return accepted === undefined ? who : `${who}, accepted although ${accepted}`;
}

/** The text of a ref for people and keys: "channel stable", "version 1.0.3", the digest. */
export function describeReleaseRef(ref: ReleaseRef): string {
  if ("channel" in ref) return `channel ${ref.channel}`;
  return "version" in ref ? `version ${ref.version}` : ref.digest;
}

/** The same for a message, with its value in quotes: `channel "stable"`. */
export function quoteReleaseRef(ref: ReleaseRef): string {
  if ("channel" in ref) return `channel "${ref.channel}"`;
  return "version" in ref ? `version "${ref.version}"` : `release "${ref.digest}"`;
}

/** The tag or digest by which a registry knows a ref. @see Helm, "Use OCI-based registries": '+' of a version is '_' in a tag */
export function referenceOf(ref: ReleaseRef): string {
  if ("channel" in ref) return ref.channel;
  return "version" in ref ? ref.version.replaceAll("+", "_") : ref.digest;
}
