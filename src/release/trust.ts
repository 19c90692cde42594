/**
 * What this box believes: the keys and the root document that a person put on it, and what they make of a release.
 *
 * Public keys in `trusted-keys/*.pem`: the release's manifest must be signed by one of them. A root document `root.json`: the
 * channel, version or digest must be what the publisher's signed metadata says. With both, both must hold. With neither, the
 * registry decides, and every screen says "unverified". Where they are there and cannot be read, no release is taken at all.
 */
import { join } from "node:path/posix";
import type { SettingKey } from "../cli/settings.ts";
import type { Digest } from "../core/digest.ts";
import { humanDuration } from "../core/duration.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import { parseInstant } from "../core/time.ts";
import type { RegistryClient } from "../oci/client.ts";
import { type PublicKey, readPublicKey } from "../trust/keys.ts";
import { fileMemory } from "../trust/memory.ts";
import { readMetadata } from "../trust/metadata.ts";
import { registrySource } from "../trust/registry-source.ts";
import { verifySignatures } from "../trust/signatures.ts";
import { findTarget, type SignedTarget } from "../trust/targets.ts";
import { type ExpiredRole, refreshTrust, type TrustState } from "../trust/tuf.ts";
import type { ReleaseRef } from "./resolved.ts";

/** What the box trusts, read and checked. */
export interface ReleaseTrust {
  readonly keys: readonly PublicKey[];
  /** Bytes of the publisher's root document. */
  readonly root?: Uint8Array;
  /** Folder of signed metadata seen last. */
  readonly folder: string;
  /** A release without any signature is taken, and called unverified. A wrong signature never is. */
  readonly allowUnsigned: boolean;
  /** Until when expired metadata is accepted, milliseconds since 1970. */
  readonly acceptExpiredUntil?: number;
  readonly deps: Pick<Deps, "clock" | "files" | "log">;
}

/** The files of the box, read whenever a release is judged: what is put there, taken away or repaired counts without a restart. */
export interface TrustOnDisk {
  /** Undefined while there is neither a key nor a root; throws while they cannot be read, and then no release is taken. */
  readonly read: () => Promise<ReleaseTrust | undefined>;
}

/** What a box trusts, as `ResolveOptions.trust` takes it. */
export type BoxTrust = ReleaseTrust | TrustOnDisk;

type BoxDeps = ReleaseTrust["deps"];

/** A PEM file of one key, and far above it. */
const MAX_KEY_BYTES = 16 * 1024;
const MAX_ROOT_BYTES = 256 * 1024;

/**
 * Reads the keys of a box: every `*.pem` of its folder of trusted keys.
 *
 * @throws {ApplianceError} trust/bad-key naming the file that is no public key: a box must not believe less than it looks.
 */
export async function boxKeys(deps: Pick<Deps, "files">, root: string | undefined): Promise<readonly PublicKey[]> {
  const folder = statePaths(root).trustedKeys;
  const names = (await deps.files.list(folder)).filter((name) => name.endsWith(".pem"));
  const keys: PublicKey[] = [];
  for (const name of names) {
    const bytes = await deps.files.read(join(folder, name), { maxBytes: MAX_KEY_BYTES });
    try {
      if (bytes !== undefined) keys.push(readPublicKey(new TextDecoder().decode(bytes)));
    } catch (cause) {
      throw new ApplianceError(
        "trust/bad-key",
        `Cannot use trusted key "${join(folder, name)}": it is no public key in PEM`,
        {
          cause,
          hint: "Replace the file by the publisher's public key, or remove it, and try again",
        },
      );
    }
  }
  return keys;
}

/**
 * Opens what a box trusts. Reads nothing yet, so that the control plane comes up whatever the files hold, and can say it:
 * whoever judges a release calls `readableTrust`.
 *
 * @throws {ApplianceError} config/invalid for a setting that is no instant.
 */
export function openTrust(
  deps: BoxDeps,
  settings: { readonly get: (key: SettingKey) => string | undefined },
): TrustOnDisk {
  const box = settings.get("root");
  const until = acceptUntil(settings.get("trust.acceptExpired"));
  const read = async (): Promise<ReleaseTrust | undefined> => {
    const [keys, root] = [await boxKeys(deps, box), await boxRoot(deps, box)];
    if (keys.length === 0 && root === undefined) return undefined;
    return {
      keys,
      ...(root === undefined ? {} : { root }),
      folder: statePaths(box).trust,
      allowUnsigned: settings.get("trust.allowUnsigned") === "true",
      ...(until === undefined ? {} : { acceptExpiredUntil: until }),
      deps,
    };
  };
  return { read };
}

/**
 * Gives what a box trusts now to whoever is about to judge a release; undefined: nothing, so nothing is verified. Safe to call
 * again.
 *
 * @throws {ApplianceError} trust/bad-key, trust/bad-metadata or a file/ code while the box's keys or root cannot be read.
 */
export async function readableTrust(trust: BoxTrust | undefined): Promise<ReleaseTrust | undefined> {
  return trust !== undefined && "read" in trust ? trust.read() : trust;
}

/**
 * The same trust with an operator's decision: expired metadata is good until an instant, or until that of the settings where it
 * is later.
 *
 * @param until RFC 3339, validated; undefined: no decision.
 */
export function acceptingExpired(trust: BoxTrust | undefined, until: string | undefined): BoxTrust | undefined {
  const decided = until === undefined ? undefined : parseInstant(until);
  if (trust === undefined || decided === undefined) return trust;
  return {
    read: async () => {
      const box = await readableTrust(trust);
      if (box === undefined) return undefined;
      return { ...box, acceptExpiredUntil: Math.max(decided, box.acceptExpiredUntil ?? decided) };
    },
  };
}

async function boxRoot(deps: Pick<Deps, "files">, box: string | undefined): Promise<Uint8Array | undefined> {
  const path = statePaths(box).trustRoot;
  const bytes = await deps.files.read(path, { maxBytes: MAX_ROOT_BYTES });
  if (bytes === undefined) return undefined;
  try {
    readMetadata("root", bytes);
    return bytes;
  } catch (cause) {
    throw new ApplianceError(
      "trust/bad-metadata",
      `Cannot use trusted root "${path}": it is no root document of a publisher`,
      { cause, hint: "Replace the file by the publisher's root.json, or remove it, and try again" },
    );
  }
}

function acceptUntil(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const until = parseInstant(text);
  if (until !== undefined) return until;
  throw new ApplianceError(
    "config/invalid",
    `Cannot use instant "${text.slice(0, 60)}": one like 2026-12-31T00:00:00Z is wanted`,
    {
      hint: "Give it with --accept-expired <instant>",
    },
  );
}

/** A release as signed metadata names it, with the key that stands for it. */
export interface TrustedTarget extends SignedTarget {
  readonly keyId: string;
  /** When the first of the signed documents expires, RFC 3339. */
  readonly goodUntil: string;
  /** In words, when expired metadata was accepted. */
  readonly accepted?: string;
}

/**
 * Asks signed metadata what a ref means; undefined when the box has no root, or takes unsigned channels and this is one.
 *
 * @throws {ApplianceError} the codes of `refreshTrust` and `findTarget`.
 */
export async function targetOf(
  trust: ReleaseTrust,
  registry: RegistryClient,
  asked: { readonly ref: ReleaseRef; readonly base: string; readonly signal?: AbortSignal | undefined },
): Promise<TrustedTarget | undefined> {
  const { root, deps } = trust;
  if (root === undefined) return undefined;
  const wanted = { anchor: root, acceptExpiredUntil: trust.acceptExpiredUntil, signal: asked.signal };
  const source = registrySource(registry, asked.base);
  const memory = fileMemory(deps, trust.folder, root);
  let state: TrustState;
  try {
    state = await refreshTrust({ clock: deps.clock, source, memory }, wanted);
  } catch (thrown) {
    if (!trust.allowUnsigned || !isApplianceError(thrown, "trust/unsigned")) throw thrown;
    deps.log.warn("channel without signed metadata taken, as the settings say", { error: thrown });
    return undefined;
  }
  const target = findTarget(state.targets.signed, asked.ref);
  const accepted = acceptedText(state.expired);
  if (accepted !== undefined) deps.log.warn("expired metadata accepted, as the settings say", { accepted });
  const found = { ...target, keyId: state.signers[0] ?? "", goodUntil: goodUntil(state) };
  return accepted === undefined ? found : { ...found, accepted };
}

function goodUntil({ root, timestamp, snapshot, targets }: TrustState): string {
  const dates = [root, timestamp, snapshot, targets].map(({ signed }) => signed.expires);
  return dates.reduce((first, one) => (Date.parse(one) < Date.parse(first) ? one : first));
}

function acceptedText(expired: readonly ExpiredRole[]): string | undefined {
  if (expired.length === 0) return undefined;
  return expired.map(({ role, ageMs }) => `${role} metadata expired ${humanDuration(ageMs)} ago`).join(", ");
}

/**
 * Verifies the signature of a release's manifest where the box has keys.
 *
 * @returns The id of the key; undefined when the box has none, or takes unsigned releases and this is one.
 * @throws {ApplianceError} trust/unsigned, trust/untrusted-signature.
 */
export async function signerOf(
  trust: ReleaseTrust,
  registry: RegistryClient,
  release: { readonly repository: string; readonly digest: Digest; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  if (trust.keys.length === 0) return undefined;
  try {
    return (await verifySignatures(registry, { ...release, keys: trust.keys })).keyId;
  } catch (thrown) {
    if (!trust.allowUnsigned || !isApplianceError(thrown, "trust/unsigned")) throw thrown;
    trust.deps.log.warn("unsigned release taken, as the settings say", { digest: release.digest });
    return undefined;
  }
}
