/** `release resolve` against the embedded registry over a socket: cold, warm, and how many round trips each takes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SILENT_LOG } from "../src/core/log.ts";
import { statePaths } from "../src/core/paths.ts";
import type { RegistryClient } from "../src/oci/client.ts";
import { systemClock } from "../src/platform/clock.ts";
import { createTransports } from "../src/platform/fetch.ts";
import { systemFiles } from "../src/platform/files.ts";
import { systemRandom } from "../src/platform/random.ts";
import { openRegistry } from "../src/release/registry-access.ts";
import { resolveOrLast } from "../src/release/resolve.ts";
import type { ResolvedRelease } from "../src/release/resolved.ts";
import { createResolvedStore } from "../src/release/resolved-store.ts";
import { openTestRegistry, type TestRegistry } from "../test/support/registry.ts";
import { median, type Row, row } from "./measure.ts";

export async function resolveTimes(runs: number): Promise<Row[]> {
  const registry = await openTestRegistry();
  const seen = { cold: [] as number[], warm: [] as number[], coldTrips: 0, warmTrips: 0 };
  try {
    for (let index = 0; index < runs; index += 1) {
      const root = mkdtempSync(join(tmpdir(), "alga-resolve-"));
      const cold = await resolveOnce(registry, root);
      const warm = await resolveOnce(registry, root);
      seen.cold.push(cold.ms);
      seen.warm.push(warm.ms);
      seen.coldTrips = cold.trips;
      seen.warmTrips = warm.trips;
      rmSync(root, { recursive: true, force: true });
    }
  } finally {
    await registry.close();
  }
  const more = { unit: "requests", note: "cold", digits: 0 };
  return [
    row("release resolve, warm", median(seen.warm), median(seen.cold), {
      unit: "ms",
      note: "cold, nothing kept on disk",
      digits: 2,
    }),
    row("release resolve, round trips warm", seen.warmTrips, seen.coldTrips, more),
  ];
}

async function resolveOnce(registry: TestRegistry, root: string): Promise<{ ms: number; trips: number }> {
  const { client, resolve } = openResolver(registry, root);
  const started = performance.now();
  await resolve();
  return { ms: performance.now() - started, trips: client.requests() };
}

/** A client of the test registry and the resolve of its channel; what was resolved is kept below the root. */
export function openResolver(
  registry: TestRegistry,
  root: string,
): { readonly client: RegistryClient; readonly resolve: () => Promise<ResolvedRelease> } {
  const deps = {
    clock: systemClock,
    random: systemRandom,
    log: SILENT_LOG,
    files: systemFiles,
    transports: createTransports(),
  };
  const { host, base } = registry;
  const client = openRegistry(deps, { place: { registry: host, base }, plainHttp: true });
  const options = {
    base,
    repository: `${base}/alga-appliance-release`,
    running: "1.0.0",
    store: createResolvedStore(deps, statePaths(root).resolvedReleases),
  };
  return { client, resolve: () => resolveOrLast(deps, client, { channel: "stable" }, options) };
}
