/** The example source tree in memory, and a registry with everything that it refers to. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Clock, Fetch } from "../../src/core/ports.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import type { LockOptions } from "../../src/publishing/lock.ts";
import { createMemoryFiles, type MemoryFiles } from "../../src/rehearsal/memory-files.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";

const EXAMPLE = join(import.meta.dirname, "../../examples/release");
export const TREE = "/tree";
/** Everything that the example asks for, without an executable to build an image from. */
const PINNED = "controlPlane: { tag: 62cdce38 }\n";

/** A clock that stands still. */
export const CLOCK: Clock = { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };

/** The tree in memory; `change` edits its release.yaml. */
export async function sourceTree(change: (text: string) => string = (text) => text): Promise<MemoryFiles> {
  const files = createMemoryFiles();
  for (const entry of readdirSync(EXAMPLE, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const folder = join(TREE, entry.parentPath.slice(EXAMPLE.length));
    await files.makeDirectory(folder);
    const text = readFileSync(join(entry.parentPath, entry.name), "utf8");
    await files.write(join(folder, entry.name), entry.name === "release.yaml" ? change(`${text}${PINNED}`) : text);
  }
  return files;
}

/** A registry with what the example refers to. */
export function world() {
  const { fetch, store } = createRegistryServer();
  const sample = { registry: "ghcr.io", version: "0.9.0", imageTag: "62cdce38", additional: "pinned" as const };
  const { fluxDigest } = buildSampleRelease(store, sample);
  store.tag("nine-minds/flux-manifests", "v2.9.5", fluxDigest);
  let requests = 0;
  const counted: Fetch = (request) => {
    requests += 1;
    return fetch(request);
  };
  const random = { bytes: (count: number) => new Uint8Array(count), uuid: () => "id", fraction: () => 0 };
  const client = createRegistryClient(
    { clock: CLOCK, random, log: SILENT_LOG, fetch: counted },
    { registry: "ghcr.io" },
  );
  const options = (given: Partial<LockOptions> = {}): LockOptions => ({
    update: [],
    open: async (reference) => ({ client, repository: reference.repository }),
    now: "2026-11-21T00:00:00Z",
    dryRun: false,
    signal: new AbortController().signal,
    ...given,
  });
  return { store, options, requests: () => requests };
}
