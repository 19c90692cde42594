/** A registry in memory with a recorder before it, and a release-like store to push: what the tests of pushing share. */
import { ApplianceError } from "../../src/core/errors.ts";
import type { Fetch } from "../../src/core/ports.ts";
import { pushArtifact, pushIndex } from "../../src/oci/artifact.ts";
import { type ContentSource, storeContent } from "../../src/oci/content.ts";
import { openPush, type Push, type PushOptions } from "../../src/oci/push.ts";
import { createRegistryServer, type RegistryServerOptions } from "../../src/oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../../src/oci/store.ts";
import { fakeClock, testDeps, utf8 } from "./oci.ts";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Headers;
}

/** What a wrapper may do with a request: answer it itself, or let `next` do it. */
export type Meddle = (request: Request, next: Fetch, count: number) => Promise<Response> | undefined;

export interface PushWorld {
  readonly store: RegistryStore;
  readonly fetch: Fetch;
  readonly seen: Seen[];
  /** Opens a push of a source through the recorder. */
  open(source: ContentSource | RegistryStore, options?: Partial<PushOptions>, meddle?: Meddle): Promise<Push>;
  /** "PATCH /v2/a/blobs/uploads/1" of everything that is no reading. */
  writes(): string[];
}

export const HOST = "registry.test";

/** Uploads have names of their own in every run; here they are all alike. */
const nameless = (path: string): string => path.replace(/uploads\/.+$/, "uploads/*");

export function pushWorld(options: RegistryServerOptions = {}): PushWorld {
  const server = createRegistryServer(options);
  const seen: Seen[] = [];
  return {
    store: server.store,
    fetch: server.fetch,
    seen,
    open: (source, more = {}, meddle = () => undefined) => {
      let count = 0;
      const fetch: Fetch = (request) => {
        const url = new URL(request.url);
        seen.push({ method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers });
        count += 1;
        return meddle(request, server.fetch, count) ?? server.fetch(request);
      };
      const content = "entries" in source ? source : storeContent(source);
      return openPush(content, { ...testDeps(fakeClock()), fetch }, { registry: HOST, ...more });
    },
    writes: () =>
      seen
        .filter(({ method }) => method !== "GET" && method !== "HEAD")
        .map(({ method, path, query }) => `${method} ${nameless(path)}${query.has("mount") ? "?mount" : ""}`),
  };
}

/** Bytes that no two places share. */
export function noise(sizeBytes: number, seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed;
  return new Uint8Array(sizeBytes).map(() => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state >> 16;
  });
}

/** Two repositories that share a layer, an index of two platforms, a signature on it, and tags. */
export function sampleContent(sizeBytes = 2_000): RegistryStore {
  const store = createMemoryStore();
  const shared = { mediaType: "application/octet-stream", bytes: noise(sizeBytes) };
  const entries = ["amd64", "arm64"].map((architecture) => ({
    digest: pushArtifact(store, "base/image", {
      artifactType: "x",
      config: { mediaType: "application/vnd.oci.image.config.v1+json", bytes: utf8(architecture) },
      layers: [shared],
    }),
    platform: { os: "linux", architecture },
  }));
  const index = pushIndex(store, "base/image", { tag: "1.0.0", entries });
  const stored = store.manifest("base/image", index);
  if (stored === undefined) throw new Error("the index is in the store");
  pushArtifact(store, "base/image", {
    artifactType: "signature",
    subject: { mediaType: stored.mediaType, digest: index, size: stored.bytes.length },
    layers: [{ mediaType: "text/plain", bytes: utf8("signed") }],
  });
  pushArtifact(store, "base/chart", { tag: "0.1.0", layers: [shared, { mediaType: "text/plain", bytes: utf8("c") }] });
  return store;
}

export function died(): ApplianceError {
  return new ApplianceError("net/reset", "Cannot go on: the registry died");
}
