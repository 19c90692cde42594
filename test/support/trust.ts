/** A publisher with keys, a registry with two releases, and a box that believes in a root: for tests of trust. */
import { createHash } from "node:crypto";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Clock, Fetch } from "../../src/core/ports.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { pushStore } from "../../src/oci/push.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import type { RegistryStore } from "../../src/oci/store.ts";
import { moveChannel } from "../../src/publishing/trust-hook.ts";
import { createMemoryFiles, type MemoryFiles } from "../../src/rehearsal/memory-files.ts";
import { buildSampleRelease, type SampleRelease } from "../../src/rehearsal/sample-release.ts";
import { resolveRelease } from "../../src/release/resolve.ts";
import type { ReleaseRef } from "../../src/release/resolved.ts";
import type { ReleaseTrust } from "../../src/release/trust.ts";
import { beginTrust } from "../../src/trust/ceremony.ts";
import { generateKey, openSigningKey, type SigningKey } from "../../src/trust/keys.ts";
import type { PublisherDeps } from "../../src/trust/publisher.ts";
import type { RoleKeys } from "../../src/trust/root.ts";

export const HOST = "registry.test";
export const BASE = "nine-minds";
export const REPOSITORY = `${BASE}/alga-appliance-release`;
export const TRUST = `${BASE}/alga-appliance-trust`;
export const START = Date.parse("2026-11-21T00:00:00Z");
export const DAY = 86_400_000;

/** Bytes that are the same in every run, another row for every seed. */
export function rolled(seed: string) {
  let count = 0;
  const bytes = (size: number): Uint8Array => {
    count += 1;
    const out = Buffer.alloc(size);
    for (let at = 0; at < size; at += 32) {
      createHash("sha256").update(`${seed} ${count} ${at}`).digest().copy(out, at);
    }
    return new Uint8Array(out);
  };
  return { bytes, uuid: () => `${seed}-${count}`, fraction: () => 0.5 };
}

export function keyNamed(name: string, kind: "ed25519" | "ecdsa-p256" = "ed25519"): SigningKey {
  return openSigningKey(generateKey({ random: rolled(name) }, { kind, passphrase: undefined }).privatePem, undefined);
}

export const publicPart = ({ id, kind, publicPem }: SigningKey) => ({ id, kind, pem: publicPem });

export interface TrustWorld {
  readonly store: RegistryStore;
  readonly fetch: Fetch;
  readonly clock: Clock & { nowMs: number };
  readonly keys: Readonly<Record<"rootA" | "rootB" | "rootC" | "targets" | "online", SigningKey>>;
  readonly roles: RoleKeys;
  readonly root: Uint8Array;
  readonly old: SampleRelease;
  readonly next: SampleRelease;
  readonly files: MemoryFiles;
  publisher(wire?: Fetch): PublisherDeps;
  promote(
    release: SampleRelease,
    version: string,
    options?: { channel?: string; keys?: readonly SigningKey[]; wire?: Fetch },
  ): Promise<unknown>;
  /** What a box resolves, over a wire that may be hostile. */
  resolve(
    ref?: ReleaseRef,
    options?: { wire?: Fetch; trust?: Partial<ReleaseTrust>; files?: MemoryFiles },
  ): ReturnType<typeof resolveRelease>;
}

/** stable is 1.0.3, signed; 1.0.4 lies beside it and is not signed yet. */
export async function trustWorld(): Promise<TrustWorld> {
  const { fetch, store } = createRegistryServer();
  const old = buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"], pinned: true });
  const newer = { registry: HOST, version: "1.0.4", imageTag: "new", channels: ["nightly"], pinned: true };
  const next = buildSampleRelease(store, newer);
  const clock = {
    nowMs: START,
    now: () => clock.nowMs,
    monotonic: () => 0,
    sleep: async () => {},
    after: () => () => {},
  };
  const [rootA, rootB, rootC] = [keyNamed("root a"), keyNamed("root b", "ecdsa-p256"), keyNamed("root c")];
  const keys = { rootA, rootB, rootC, targets: keyNamed("targets", "ecdsa-p256"), online: keyNamed("online") };
  const roles = {
    root: [rootA, rootB, rootC].map(publicPart),
    rootThreshold: 2,
    targets: [publicPart(keys.targets)],
    online: [publicPart(keys.online)],
  };
  const wires = (wire: Fetch) => ({ clock, random: rolled("wire"), log: SILENT_LOG, fetch: wire });
  const publisher = (wire: Fetch = fetch): PublisherDeps => ({
    clock,
    client: createRegistryClient(wires(wire), { registry: HOST }),
    push: async (pushed) => void (await pushStore(pushed, wires(wire), { registry: HOST })),
  });
  const root = await beginTrust(publisher(), roles, { base: BASE, keys: [rootA, rootB, keys.targets, keys.online] });
  const files = createMemoryFiles();
  const promote: TrustWorld["promote"] = (release, version, { channel = "stable", keys: signing, wire } = {}) => {
    const sizeBytes = store.manifest(REPOSITORY, release.digest)?.bytes.length ?? 0;
    const options = { base: BASE, anchor: root, keys: signing ?? [keys.targets, keys.online] };
    return moveChannel(publisher(wire), { channel, version, digest: release.digest, sizeBytes }, options);
  };
  const resolve: TrustWorld["resolve"] = (
    ref = { channel: "stable" },
    { wire = fetch, trust, files: disk = files } = {},
  ) => {
    const deps = { clock, log: SILENT_LOG, files: disk };
    const believed = { keys: [], root, folder: "/var/trust", allowUnsigned: false, deps, ...trust };
    const client = createRegistryClient(wires(wire), { registry: HOST });
    return resolveRelease(deps, client, ref, { base: BASE, running: "9.0.0", trust: believed });
  };
  await promote(old, "1.0.3");
  return { store, fetch, clock, keys, roles, root, old, next, files, publisher, promote, resolve };
}
