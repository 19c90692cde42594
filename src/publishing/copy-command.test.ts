import assert from "node:assert/strict";
import { test } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { fakeClock, utf8 } from "../../test/support/oci.ts";
import type { FlagValue } from "../cli/command.ts";
import type { Fetch } from "../core/ports.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { commands } from "./copy-command.ts";

const SOURCE = { username: "reader", password: "source-secret" };
const TARGET = { username: "writer", password: "target-secret" };

/** Two registries with logins of their own, each of which remembers what it was given. */
async function world() {
  const ports = { clock: fakeClock(), random: systemRandom };
  const source = createRegistryServer({ ...ports, auth: { kind: "basic", users: [SOURCE] } });
  const target = createRegistryServer({ ...ports, auth: { kind: "token", users: [TARGET] } });
  buildSampleRelease(source.store, { registry: "source.test", version: "1.0.4", channels: ["stable"] });
  const logins = { source: new Set<string>(), target: new Set<string>() };
  const fetch: Fetch = (request) => {
    const isTarget = new URL(request.url).host === "target.test";
    const login = request.headers.get("authorization") ?? "";
    const text = login.startsWith("Basic ") ? Buffer.from(login.slice(6), "base64").toString() : login.slice(0, 6);
    logins[isTarget ? "target" : "source"].add(text);
    return (isTarget ? target : source).fetch(request);
  };
  const files = createMemoryFiles();
  const auth = (user: typeof SOURCE): string => Buffer.from(`${user.username}:${user.password}`).toString("base64");
  await files.makeDirectory("/both");
  const auths = { "source.test": { auth: auth(SOURCE) }, "target.test": { auth: auth(TARGET) } };
  await files.write("/both/config.json", utf8(JSON.stringify({ auths })));
  const run = async (flags: Readonly<Record<string, FlagValue>>, stdin = "") => {
    const deps = { ...ports, files, transports: { open: () => fetch } };
    const env = { ALGA_APPLIANCE_REGISTRY_PASSWORD: SOURCE.password };
    const args = ["stable", "target.test/mirror"];
    const { context, said } = commandContext({ deps, flags: { registry: "source.test", ...flags }, args, env, stdin });
    await commands[0]?.run(context);
    return said;
  };
  const mirrored = (): readonly string[] => target.store.tags("mirror/alga-appliance-release") ?? [];
  return { run, logins, mirrored };
}

test("each registry gets its own login and never the other one's, from flags", async () => {
  const { run, logins, mirrored } = await world();
  const flags = { username: "reader", "to-username": "writer", "to-password-stdin": true };
  const { text } = await run(flags, "target-secret\n");
  assert.match(text, /^release 1\.0\.4 is copied to target\.test\/mirror/);
  assert.deepEqual(mirrored(), ["1.0.4", "stable"]);
  assert.deepEqual([...logins.source].sort(), ["", "reader:source-secret"]);
  assert.deepEqual([...logins.target].sort(), ["", "Bearer", "writer:target-secret"]);
});

test("each registry gets its own login from one file", async () => {
  const { run, logins, mirrored } = await world();
  await run({ "registry-config": "/both/config.json" });
  assert.deepEqual(mirrored(), ["1.0.4", "stable"]);
  assert.deepEqual([...logins.source].sort(), ["", "reader:source-secret"]);
  assert.deepEqual([...logins.target].sort(), ["", "Bearer", "writer:target-secret"]);
});

test("without a login for the target nothing is written, and the source's is not tried", async () => {
  const { run, logins, mirrored } = await world();
  await assert.rejects(run({ username: "reader" }), { code: "oci/unauthorized" });
  assert.deepEqual([mirrored(), [...logins.target]], [[], [""]]);
});
