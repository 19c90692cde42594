/** The embedded registry on a loopback socket with a sample release in it, for tests and benchmarks of whole commands. */
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { listen } from "../../src/platform/http-server.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";

export interface TestRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly base: string;
  /** Of the release that "stable" points at. */
  readonly digest: string;
  close(): Promise<void>;
}

export async function openTestRegistry(): Promise<TestRegistry> {
  const server = createRegistryServer({ clock: systemClock });
  const listening = await listen({ host: "127.0.0.1", port: 0, handle: (request) => server.fetch(request) });
  const host = `127.0.0.1:${listening.port}`;
  const { digest } = buildSampleRelease(server.store, { registry: host, version: "1.0.3", channels: ["stable"] });
  return { host, base: "nine-minds", digest, close: () => listening.close(0) };
}
