/** What is kept of releases: whole, by digest, bounded, and served to nobody without the login for Flux. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles, type MemoryFiles } from "../../test/crash/memory-files.ts";
import { isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryClient, type RegistryClient } from "../oci/client.ts";
import { blobPath } from "../oci/layout.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { createPartsShelf, type KeptPart, partsOf } from "./kept-parts.ts";
import { closeParts, createPartsRegistry, isForRegistry, openParts, PARTS_HOST } from "./parts-registry.ts";
import { resolveRelease } from "./resolve.ts";
import { createResolvedStore } from "./resolved-store.ts";

const HOST = "registry.test:5000";
const FOLDER = "/state/kept";
const BASE = "nine-minds";
const { signal } = new AbortController();
const box = createFakeBox({ instant: true });
const server = createRegistryServer();
for (const version of ["1.0.3", "1.1.0"]) {
  buildSampleRelease(server.store, { registry: HOST, version, channels: [`at-${version}`], pinned: true });
}

function clientOf(fetch: Fetch): RegistryClient {
  return createRegistryClient({ ...box, fetch, log: SILENT_LOG }, { registry: HOST, plainHttp: true });
}

/** Bundle and charts of a sample release. */
async function partsOfSample(version: string): Promise<readonly KeptPart[]> {
  const files = createMemoryFiles(() => box.clock.now());
  const store = createResolvedStore({ files, log: SILENT_LOG }, "/resolved");
  const deps = { ...box, files, log: SILENT_LOG };
  const found = await resolveRelease(
    deps,
    clientOf(server.fetch),
    { version },
    { base: BASE, running: "1.0.0", store, signal },
  );
  return partsOf(found, BASE);
}

describe("the shelf of parts", () => {
  let files: MemoryFiles;
  let old: readonly KeptPart[];
  let next: readonly KeptPart[];
  const options = { base: BASE, signal };

  beforeEach(async () => {
    files = createMemoryFiles(() => box.clock.now());
    old = await partsOfSample("1.0.3");
    next = await partsOfSample("1.1.0");
  });

  it("is the bundle and every chart of a release, named below the base", () => {
    assert.deepEqual([old[0]?.name, old[0]?.repository], ["config", "alga-appliance-config"]);
    assert.ok(old.length > 3);
    for (const { repository } of old.slice(1)) assert.match(repository, /^charts\//);
  });

  it("is filled once: what is whole is not asked for again", async () => {
    const shelf = createPartsShelf({ files }, FOLDER);
    assert.deepEqual(
      await shelf.lacking(old, signal),
      old.map(({ name }) => name),
    );
    assert.ok((await shelf.keep(clientOf(server.fetch), old, options)) > 0);
    assert.deepEqual(await shelf.lacking(old, signal), []);
    const silent: Fetch = () => assert.fail("the registry was asked");
    assert.equal(await shelf.keep(clientOf(silent), old, options), 0);
  });

  it("knows what the disk has lost, and brings just that again", async () => {
    const shelf = createPartsShelf({ files }, FOLDER);
    await shelf.keep(clientOf(server.fetch), old, options);
    const [config] = old;
    assert.ok(config !== undefined);
    const path = blobPath(FOLDER, config.digest);
    const bytes = await files.read(path, { maxBytes: 1024 * 1024 });
    await files.write(path, new Uint8Array(bytes?.length ?? 0));
    assert.deepEqual(await shelf.lacking(old, signal), ["config"]);
    await shelf.keep(clientOf(server.fetch), old, options);
    assert.deepEqual(await shelf.lacking(old, signal), []);
  });

  it("takes no byte that is not what its digest says", async () => {
    const liar: Fetch = async (request) => {
      const response = await server.fetch(request);
      if (!request.url.includes("/blobs/") || request.method !== "GET") return response;
      const bytes = new Uint8Array(await response.arrayBuffer());
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return new Response(bytes, { status: response.status, headers: response.headers });
    };
    const shelf = createPartsShelf({ files }, FOLDER);
    await assert.rejects(shelf.keep(clientOf(liar), old, options), (thrown) =>
      isApplianceError(thrown, "oci/digest-mismatch"),
    );
    assert.equal((await shelf.lacking(old, signal)).length, old.length);
  });

  it("is cleared to what is wanted, and what is left is whole", async () => {
    const shelf = createPartsShelf({ files }, FOLDER);
    await shelf.keepOnly(old);
    await shelf.keep(clientOf(server.fetch), [...old, ...next], options);
    const all = (await files.list(`${FOLDER}/blobs/sha256`)).length;
    await shelf.keepOnly(next);
    assert.deepEqual(await shelf.lacking(next, signal), []);
    assert.ok((await shelf.lacking(old, signal)).includes("config"));
    assert.ok((await files.list(`${FOLDER}/blobs/sha256`)).length < all);
  });

  it("gives tags to one release without losing another of the same versions", async () => {
    const shelf = createPartsShelf({ files }, FOLDER);
    const tagged = (parts: readonly KeptPart[]) => parts.slice(0, 1).map((part) => ({ ...part, tag: "1" }));
    await shelf.keep(clientOf(server.fetch), [...old, ...next], options);
    for (const parts of [tagged(old), tagged(next), tagged(old)]) await shelf.name(parts);
    assert.deepEqual(await shelf.lacking([...old, ...next], signal), []);
    const { authorization, registry } = await served(files);
    const url = `http://${PARTS_HOST}/v2/${BASE}/${old[0]?.repository}/manifests/1`;
    const answer = await registry(new Request(url, { headers: { authorization, accept: "*/*" } }));
    assert.deepEqual([answer.status, answer.headers.get("docker-content-digest")], [200, old[0]?.digest]);
  });
});

describe("the registry for Flux", () => {
  it("is not there without a login, closed to others with one, and gone with its end", async () => {
    const files = createMemoryFiles(() => box.clock.now());
    const { registry, authorization, store } = await served(files);
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await registry(new Request(`http://${PARTS_HOST}/v2/`, { headers }))).status;
    assert.equal(await ask({ authorization }), 200);
    assert.equal(await ask({}), 401);
    assert.equal(await ask({ authorization: `Basic ${Buffer.from("flux:guess").toString("base64")}` }), 401);
    const write = new Request(`http://${PARTS_HOST}/v2/x/blobs/uploads/`, {
      method: "POST",
      headers: { authorization },
    });
    assert.equal((await registry(write)).status, 405);
    await closeParts({ store });
    assert.equal(await ask({ authorization }), 404);
  });

  it("answers under /v2 and nowhere else", () => {
    const paths = ["/v2", "/v2/", "/v2/a/manifests/b", "/v20", "/api/v2/", "/"];
    assert.deepEqual(
      paths.map((path) => isForRegistry(new Request(`http://box${path}`))),
      [true, true, true, false, false, false],
    );
  });
});

/** The registry of a shelf with its login, as Flux's Secret holds it. */
async function served(files: MemoryFiles) {
  const secrets = new Map<string, string>();
  const store = {
    readSecret: async (name: string) => secrets.get(name),
    writeSecret: async (name: string, text: string) => void secrets.set(name, text),
    removeSecret: async (name: string) => void secrets.delete(name),
  };
  const registry = createPartsRegistry({ files, clock: box.clock }, { folder: FOLDER, base: BASE, store });
  assert.equal((await registry(new Request(`http://${PARTS_HOST}/v2/`))).status, 404);
  const { credentials } = await openParts({ random: box.random, store }, BASE);
  assert.ok(credentials?.kind === "password");
  const again = await openParts({ random: box.random, store }, BASE);
  assert.deepEqual(
    again.credentials?.kind === "password" && again.credentials.password.reveal(),
    credentials.password.reveal(),
  );
  const login = `${credentials.username}:${credentials.password.reveal()}`;
  return { registry, store, authorization: `Basic ${Buffer.from(login).toString("base64")}` };
}
