import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { TransportOptions } from "../core/ports.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createFileStore } from "../operation/file-store.ts";
import { nameServersOfBox, openRegistryFor, watchedRegistry } from "./answered-registry.ts";

const PLACE = { registry: "registry.test:5000", base: "" };

function open() {
  const { clock, random } = createFakeBox({ instant: true });
  const asked: (readonly string[] | undefined)[] = [];
  const { fetch } = createRegistryServer();
  const transports = {
    open: (options?: TransportOptions) => {
      asked.push(options?.nameServers);
      return fetch;
    },
  };
  const files = createMemoryFiles(() => clock.now());
  const store = createFileStore({ files, clock }, statePaths("/"));
  const registry = { place: PLACE, plainHttp: true };
  return { deps: { clock, random, log: SILENT_LOG, transports, store, registry }, files, asked };
}

test("the registry is asked by the name servers that the answers name at that moment, and else by the system's", async () => {
  const { deps, files, asked } = open();
  const watched = watchedRegistry(deps);
  assert.equal(watched.registry, PLACE.registry);
  await watched.ping();
  await deps.store.writeDocument("answers", {
    schema: "x",
    answers: { dnsMode: "custom", dnsServers: "192.0.2.7, 192.0.2.8" },
  });
  await watched.ping();
  await deps.store.writeDocument("answers", { schema: "x", answers: { dnsMode: "system", dnsServers: "192.0.2.7" } });
  await watched.ping();
  files.garble("/var/lib/alga-appliance/answers.json", "{");
  await watched.ping();
  assert.deepEqual(asked, [undefined, ["192.0.2.7", "192.0.2.8"], undefined, undefined]);
});

test("before answers are kept, those in hand count", () => {
  const { deps, asked } = open();
  openRegistryFor(deps, { dnsMode: "custom", dnsServers: "192.0.2.7" });
  assert.deepEqual(asked, [["192.0.2.7"]]);
});

test("answers of which nothing about names can be read mean the system's", async () => {
  const { deps } = open();
  await deps.store.writeDocument("answers", { schema: "x", answers: { dnsMode: 5 } });
  assert.equal(await nameServersOfBox(deps), undefined);
});
