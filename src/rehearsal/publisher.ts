/**
 * The publisher of a rehearsal: releases in the embedded registry, signed by keys that end with this run, and signed metadata
 * that says what each channel means. The box of the rehearsal holds the key and the root, so every screen shows the strongest form.
 *
 * A scenario makes it a bad one: metadata that nobody signed anew in time, metadata of before, a release signed by another key.
 * It does then what a real publisher or a registry in other hands does; mended, it signs anew under higher numbers.
 */
import type { Digest } from "../core/digest.ts";
import type { Clock, Deps, Fetch } from "../core/ports.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import { pushStore } from "../oci/push.ts";
import type { RegistryStore } from "../oci/store.ts";
import { moveChannel } from "../publishing/trust-hook.ts";
import { RELEASE_REPOSITORY } from "../release/model.ts";
import { beginTrust } from "../trust/ceremony.ts";
import { generateKey, openSigningKey, type PublicKey, readPublicKey, type SigningKey } from "../trust/keys.ts";
import { fileMemory } from "../trust/memory.ts";
import { type PublisherDeps, refreshDates } from "../trust/publisher.ts";
import { registrySource, trustRepository } from "../trust/registry-source.ts";
import { LIFETIMES } from "../trust/root.ts";
import { putSignature } from "../trust/signatures.ts";
import { refreshTrust } from "../trust/tuf.ts";
import { buildSampleRelease, type SampleOptions, type SampleRelease } from "./sample-release.ts";

/** What is wrong with what the publisher, or who stands in its place, says. */
export type TrustFault = "expired" | "rolled-back" | "foreign-key";

/** The embedded registry, from inside. */
export interface PublishedRegistry {
  /** `host:port` by which everybody names it. */
  readonly host: string;
  readonly base: string;
  readonly fetch: Fetch;
  readonly store: RegistryStore;
}

export interface Publisher {
  /** Signs releases. */
  readonly key: PublicKey;
  /** Root document, as it goes to the boxes. */
  readonly root: Uint8Array;
  /**
   * Publishes a release and lets channels mean it: by signed metadata first, then by their tags. Safe to call again with
   * another release for the same channel.
   */
  publish(sample: Omit<SampleOptions, "registry" | "base" | "pinned">): Promise<SampleRelease>;
  /** Makes what is published bad, or mends it. Calls are done one after the other. */
  play(fault: TrustFault | null): Promise<void>;
}

export interface PublisherOptions {
  /** Where the box keeps the metadata that it has seen. */
  readonly memory: string;
}

/** The channel whose release the scenario of the foreign key is about. */
const CHANNEL = "stable";
const DAY_MS = 86_400_000;
/** Milliseconds since the timestamp of the scenario expired. */
const EXPIRED_MS = 3 * DAY_MS;

type PublisherPorts = Pick<Deps, "clock" | "random" | "log" | "files">;

/** Begins signed metadata in the registry, under keys of this run. */
export async function openPublisher(
  deps: PublisherPorts,
  registry: PublishedRegistry,
  options: PublisherOptions,
): Promise<Publisher> {
  const [release, online] = [newKey(deps), newKey(deps)];
  // Nobody else publishes here, so there is nothing to wait for.
  const clock: Clock = { ...deps.clock, sleep: async () => {} };
  const wire = { ...deps, clock, fetch: registry.fetch };
  const at = { registry: registry.host, plainHttp: true };
  const client = createRegistryClient(wire, at);
  const publishing: PublisherDeps = { clock, client, push: async (store) => void (await pushStore(store, wire, at)) };
  const signing = { base: registry.base, keys: [release, online] };
  const publicPart = readPublicKey(release.publicPem);
  const roles = {
    root: [publicPart],
    rootThreshold: 1,
    targets: [publicPart],
    online: [readPublicKey(online.publicPem)],
  };
  const root = await beginTrust(publishing, roles, signing);
  const own: Own = { deps, registry, options, client, publishing, signing: { ...signing, anchor: root }, release };
  let playing: TrustFault | null = null;
  let queue: Promise<unknown> = Promise.resolve();
  const next = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work);
    queue = done.catch(() => {});
    return done;
  };
  return {
    key: publicPart,
    root,
    publish: (sample) => next(() => publish(own, sample)),
    play: (fault) =>
      next(async () => {
        if (fault === playing) return;
        if (playing !== null) await mend(own, playing);
        playing = fault;
        if (fault !== null) await FAULTS[fault](own);
      }),
  };
}

interface Own {
  readonly deps: PublisherPorts;
  readonly registry: PublishedRegistry;
  readonly options: PublisherOptions;
  readonly client: RegistryClient;
  readonly publishing: PublisherDeps;
  readonly signing: { readonly base: string; readonly keys: readonly SigningKey[]; readonly anchor: Uint8Array };
  readonly release: SigningKey;
}

function newKey({ random }: Pick<Deps, "random">): SigningKey {
  return openSigningKey(generateKey({ random }, { kind: "ed25519", passphrase: undefined }).privatePem, undefined);
}

async function publish(own: Own, sample: Parameters<Publisher["publish"]>[0]): Promise<SampleRelease> {
  const { registry, publishing, signing } = own;
  const { host, base, store } = registry;
  const { channels = [], ...unnamed } = sample;
  const built = buildSampleRelease(store, { registry: host, base, ...unnamed, pinned: true });
  sign(own, built.digest, own.release);
  const repository = releases(own);
  const sizeBytes = store.manifest(repository, built.digest)?.bytes.length ?? 0;
  for (const channel of channels) {
    await moveChannel(publishing, { channel, version: sample.version, digest: built.digest, sizeBytes }, signing);
    store.tag(repository, channel, built.digest);
  }
  return built;
}

function releases({ registry }: Own): string {
  return `${registry.base}/${RELEASE_REPOSITORY}`;
}

/** The one signature of a release, in the place of any other. */
function sign(own: Own, digest: Digest, key: SigningKey): void {
  const { store, host } = own.registry;
  const repository = releases(own);
  const { mediaType, bytes } = store.manifest(repository, digest) ?? { mediaType: "", bytes: new Uint8Array() };
  for (const other of store.referrers(repository, digest)) store.deleteManifest(repository, other.digest);
  const subject = { mediaType, digest, size: bytes.length };
  putSignature(store, key, { reference: `${host}/${repository}`, repository, subject });
}

const FAULTS: Readonly<Record<TrustFault, (own: Own) => Promise<void>>> = {
  expired: async ({ deps, publishing, signing }) => {
    const before = LIFETIMES.timestamp + EXPIRED_MS;
    const clock: Clock = { ...publishing.clock, now: () => deps.clock.now() - before };
    await refreshDates({ ...publishing, clock }, signing);
  },
  "rolled-back": async (own) => {
    const { registry, publishing, signing } = own;
    const repository = trustRepository(registry.base);
    const before = registry.store.manifest(repository, "timestamp")?.digest;
    await refreshDates(publishing, signing);
    await lookAsTheBox(own);
    if (before !== undefined) registry.store.tag(repository, "timestamp", before);
  },
  "foreign-key": async (own) => signChannel(own, newKey(own.deps)),
};

/** A box that has never looked cannot tell old from new; this one has. */
async function lookAsTheBox({ deps, client, registry, options, signing }: Own): Promise<void> {
  const memory = fileMemory(deps, options.memory, signing.anchor);
  const source = registrySource(client, registry.base);
  await refreshTrust({ clock: deps.clock, source, memory }, { anchor: signing.anchor });
}

async function mend(own: Own, fault: TrustFault): Promise<void> {
  if (fault === "foreign-key") return signChannel(own, own.release);
  await refreshDates(own.publishing, own.signing);
}

function signChannel(own: Own, key: SigningKey): void {
  const found = own.registry.store.manifest(releases(own), CHANNEL);
  if (found !== undefined) sign(own, found.digest, key);
}
