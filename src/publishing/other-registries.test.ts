import assert from "node:assert/strict";
import { test } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { fakeClock, testDeps } from "../../test/support/oci.ts";
import type { FlagValue } from "../cli/command.ts";
import type { TransportOptions } from "../core/ports.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { otherRegistries } from "./other-registries.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const LOGINS = {
  auths: {
    "quay.test": { auth: btoa("quay:of-quay") },
    "https://index.docker.io/v1/": { auth: btoa("hub:of-hub") },
  },
};

/** What other registries see of a run that has a login, an authority and plain HTTP for its own. */
async function world(flags: Readonly<Record<string, FlagValue>> = {}) {
  const files = createMemoryFiles();
  await files.makeDirectory("/files");
  await files.write("/files/config.json", JSON.stringify(LOGINS));
  for (const name of ["ours.pem", "quay.pem"]) await files.write(`/files/${name}`, PEM.replace("AAAA", name));
  const opened: TransportOptions[] = [];
  const seen: { readonly url: string; readonly login: string }[] = [];
  const open = (options: TransportOptions) => {
    opened.push(options);
    return async (request: Request): Promise<Response> => {
      const login = request.headers.get("authorization") ?? "none";
      seen.push({ url: request.url, login });
      const headers = { "www-authenticate": 'Basic realm="x"' };
      return login === "none" ? new Response(null, { status: 401, headers }) : new Response(null, { status: 404 });
    };
  };
  const { context } = commandContext({
    deps: { ...testDeps(fakeClock()), files, transports: { open } },
    args: [],
    flags: {
      registry: "ours.test",
      username: "publisher",
      "registry-ca": "/files/ours.pem",
      "plain-http": true,
      "registry-config": "/files/config.json",
      "other-ca": ["quay.test=/files/quay.pem"],
      ...flags,
    },
    env: { PWD: "/", ALGA_APPLIANCE_REGISTRY_PASSWORD: "of-ours" },
  });
  const others = otherRegistries(context);
  const ask = async (host: string): Promise<void> => {
    const client = await others(host);
    await client.resolve("a/b", "1").catch(() => {});
  };
  return { ask, others, opened, seen };
}

test("another registry gets its own login and authority, over TLS, and nothing of ours", async () => {
  const { ask, opened, seen } = await world();
  await ask("quay.test");
  assert.deepEqual(new Set(seen.map(({ login }) => login)), new Set(["none", `Basic ${btoa("quay:of-quay")}`]));
  assert.ok(seen.every(({ url }) => url.startsWith("https://quay.test/")));
  assert.match(opened[0]?.ca ?? "", /quay\.pem/);
});

test("one without a login and an authority of its own gets none", async () => {
  const { ask, opened, seen } = await world();
  await ask("ghcr.test");
  assert.deepEqual([new Set(seen.map(({ login }) => login)), opened[0]?.ca], [new Set(["none"]), undefined]);
});

test("Docker Hub is asked at the host of its API, with the login that Docker keeps for it", async () => {
  const { ask, seen } = await world();
  await ask("docker.io");
  assert.ok(seen.every(({ url }) => url.startsWith("https://registry-1.docker.io/")));
  assert.ok(seen.some(({ login }) => login === `Basic ${btoa("hub:of-hub")}`));
});

test("each registry is opened once", async () => {
  const { others, opened } = await world();
  assert.equal(await others("docker.io"), await others("registry-1.docker.io"));
  assert.equal(opened.length, 1);
});

for (const text of ["quay.test", "=ca.pem", "quay.test=", "https://quay.test=ca.pem"]) {
  test(`refuses --other-ca "${text}"`, async () => {
    await assert.rejects(world({ "other-ca": [text] }), { code: "cli/usage", message: /<host>=<pem file> is wanted/ });
  });
}

test("an authority that is not there is told", async () => {
  const { others } = await world({ "other-ca": ["quay.test=/files/none.pem"] });
  await assert.rejects(others("quay.test"), { code: "config/invalid", message: /none\.pem/ });
});
