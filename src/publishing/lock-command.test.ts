import assert from "node:assert/strict";
import { test } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { sourceTree, TREE } from "../../test/support/source-tree.ts";
import type { FlagValue } from "../cli/command.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import type { MemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { commands } from "./lock-command.ts";

/** Where images of docker.io are asked for. */
const DOCKER = "registry-1.docker.io";
const LOGIN = { username: "publisher", password: "of-ours-only" };

/** Registries by host: each with what the example refers to, and the logins that it saw. */
function internet(hosts: readonly string[], given: { readonly open?: readonly string[] } = {}) {
  const seen = new Map<string, string[]>();
  const servers = new Map(
    hosts.map((host) => {
      const server = createRegistryServer(
        given.open?.includes(host) ? {} : { auth: { kind: "basic", users: [LOGIN] } },
      );
      const { fluxDigest } = buildSampleRelease(server.store, {
        registry: "ghcr.io",
        version: "0.9.0",
        imageTag: "62cdce38",
        additional: given.open === undefined ? "mirrored" : "pinned",
      });
      server.store.tag("nine-minds/flux-manifests", "v2.9.5", fluxDigest);
      return [host, server] as const;
    }),
  );
  const fetch = async (request: Request): Promise<Response> => {
    const { host } = new URL(request.url);
    seen.set(host, [...(seen.get(host) ?? []), request.headers.get("authorization") ?? "none"]);
    return (await servers.get(host)?.fetch(request)) ?? new Response(null, { status: 404 });
  };
  return { fetch, seen };
}

async function lock(
  files: MemoryFiles,
  given: { fetch: (request: Request) => Promise<Response>; flags?: Record<string, FlagValue> },
) {
  const clock = { now: () => 1_800_000_000_000, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
  const random = { bytes: (count: number) => new Uint8Array(count), uuid: () => "id", fraction: () => 0 };
  const { context, said } = commandContext({
    deps: { files, clock, random, transports: { open: () => given.fetch } },
    args: [TREE],
    flags: { username: LOGIN.username, ...given.flags },
    env: { PWD: "/", ALGA_APPLIANCE_REGISTRY_PASSWORD: LOGIN.password },
  });
  await commands[0]?.run(context);
  return said;
}

test("locks at the registry of release.yaml, with the login that was given", async () => {
  const { fetch, seen } = internet(["ghcr.io", DOCKER], { open: [DOCKER] });
  const files = await sourceTree();
  const { text } = await lock(files, { fetch });
  assert.match(text, /image algaCore +[0-9a-f]{12} +new +ghcr\.io\/nine-minds\/alga-psa-ee:62cdce38/);
  assert.match(text, /the lock of 1\.0\.3 is written$/);
  assert.match(files.snapshot().get(`${TREE}/release.lock.yaml`) ?? "", /lockedAt: 2027-01-15T08:00:00Z/);
  assert.deepEqual([...seen.keys()].sort(), ["ghcr.io", DOCKER]);
  assert.deepEqual(new Set(seen.get(DOCKER)), new Set(["none"]), "the login of ours went to Docker Hub");
  const locked = files.snapshot().get(`${TREE}/release.lock.yaml`) ?? "";
  assert.match(locked, /flux image ghcr\.io\/fluxcd\/source-controller:\S+:\n +digest: sha256:/);
  assert.match(locked, /image docker\.io\/library\/busybox:1\.37:\n +digest: sha256:/);
});

test("asks a mirror in place of it where the flags say so, and pins what the publisher named", async () => {
  const { fetch, seen } = internet(["mirror.example"]);
  const files = await sourceTree();
  await lock(files, { fetch, flags: { registry: "mirror.example" } });
  assert.deepEqual([...seen.keys()], ["mirror.example"]);
  assert.match(files.snapshot().get(`${TREE}/release.lock.yaml`) ?? "", /reference: ghcr\.io\/nine-minds\/alga-psa-ee/);
});

test("another's registry is never shown the login of ours", async () => {
  const { fetch, seen } = internet(["ghcr.io", "charts.example"]);
  const files = await sourceTree((text) =>
    text.replace("oci://ghcr.io/nine-minds/charts/temporal", "oci://charts.example/nine-minds/charts/temporal"),
  );
  await assert.rejects(lock(files, { fetch }), { code: "oci/unauthorized" });
  assert.ok(seen.get("ghcr.io")?.some((header) => header.startsWith("Basic ")));
  assert.deepEqual(new Set(seen.get("charts.example")), new Set(["none"]));
  assert.equal(files.snapshot().get(`${TREE}/release.lock.yaml`), undefined);
});

test("a dry run says what would be written", async () => {
  const { text } = await lock(await sourceTree(), {
    fetch: internet(["ghcr.io", DOCKER], { open: [DOCKER] }).fetch,
    flags: { "dry-run": true },
  });
  assert.match(text, /the lock of 1\.0\.3 would be written$/);
});
