import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { commandContext, newSaid } from "../../test/support/command-context.ts";
import type { Command, CommandContext, FlagValue } from "../cli/command.ts";
import { ApplianceError } from "../core/errors.ts";
import type { TransportOptions } from "../core/ports.ts";
import { pushArtifact } from "../oci/artifact.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { commands } from "../publishing/commands.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { RELEASE_CONFIG_MEDIA_TYPE } from "./model.ts";
import { openRegistryOf, registryAccess, releaseRefOf } from "./registry-flags.ts";

const HOST = "registry.test:5000";

interface Run {
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly isDown?: boolean;
}

function world() {
  const { fetch, store } = createRegistryServer();
  const opened: TransportOptions[] = [];
  const files = createMemoryFiles();
  const said = newSaid();
  const contextOf = (run: Run): CommandContext => {
    for (const [path, text] of Object.entries(run.files ?? {})) files.garble(path, text);
    const flags = { registry: HOST, ...run.flags };
    const wire = async (request: Request): Promise<Response> => {
      if (run.isDown === true) throw new ApplianceError("net/unreachable", "Cannot reach the registry: it is down");
      return fetch(request);
    };
    const deps = {
      clock: { now: () => 0, monotonic: () => 0, sleep: async () => {}, after: () => () => {} },
      random: { bytes: (count: number) => new Uint8Array(count), uuid: () => "id", fraction: () => 0 },
      files,
      transports: {
        open: (options: TransportOptions = {}) => {
          opened.push(options);
          return wire;
        },
      },
    };
    return commandContext({ ...run, flags, deps, said }).context;
  };
  const run = (verb: string, given: Run = {}): Promise<number> => command(verb).run(contextOf(given));
  return { store, opened, said, contextOf, run };
}

function command(verb: string): Command {
  const found = commands.find((one) => one.path[1] === verb);
  assert.ok(found !== undefined);
  return found;
}

test("resolve prints the digest, the parts and the sizes; as JSON without the manifest", async () => {
  const { store, said, run } = world();
  const { digest } = buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"] });
  const plain = { "plain-http": true };
  assert.equal(await run("resolve", { flags: plain }), 0);
  assert.match(said.text, /^channel stable is release 1\.0\.3\n/);
  assert.match(said.text, new RegExp(`${HOST}/nine-minds/alga-appliance-release@${digest}`));
  assert.match(
    said.text,
    /chart sebastian +[0-9a-f]{12} +\S+ k?B +registry\.test:5000\/nine-minds\/charts\/sebastian:0\.1\.0/,
  );
  assert.match(said.text, /; \d+ requests\n/);
  assert.equal(await run("resolve", { flags: plain }), 0);
  assert.match(said.text, /; 1 request\n/);
  const value = said.value as Record<string, unknown>;
  assert.equal(value.digest, digest);
  assert.equal(value.version, "1.0.3");
  assert.equal(value.manifest, undefined);
});

test("a whole reference wins over flags for registry and repository", async () => {
  const { store, said, run } = world();
  buildSampleRelease(store, { registry: "other.test", base: "deep/base", version: "2.0.0" });
  await run("inspect", { args: ["oci://other.test/deep/base/alga-appliance-release:2.0.0"] });
  assert.match(said.text, /^release 2\.0\.0 /);
  assert.match(said.text, /alga-core +sebastian 0\.1\.0 +2\.0\.0 +login/);
});

test("without a registry the last resolve is printed with its age", async () => {
  const { store, said, run } = world();
  buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"] });
  await assert.rejects(run("resolve", { isDown: true }), { code: "release/offline" });
  await run("resolve");
  await run("resolve", { isDown: true });
  assert.match(said.notices[0] ?? "", /it is down; this was resolved 0 s ago/);
  assert.match(said.text, /is release 1\.0\.3/);
});

test("list puts channels first, and versions newest first", async () => {
  const { store, said, run } = world();
  for (const [version, channel] of [
    ["1.0.9", "stable"],
    ["1.0.10", "nightly"],
  ] as const) {
    buildSampleRelease(store, { registry: HOST, version, channels: [channel] });
  }
  // A registry without the API of referrers keeps lists under such tags, and cosign its signatures.
  const repository = "nine-minds/alga-appliance-release";
  for (const end of ["", ".sig", ".att"]) {
    pushArtifact(store, repository, { tag: `sha256-${"a".repeat(64)}${end}` });
  }
  await run("list");
  assert.deepEqual(said.value, { channels: ["nightly", "stable"], versions: ["1.0.10", "1.0.9"] });
});

test("diff names what is another between a version and a whole reference, and what is to be downloaded", async () => {
  const { store, said, run } = world();
  buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"], imageTag: "a" });
  buildSampleRelease(store, { registry: HOST, version: "1.0.4", imageTag: "b" });
  assert.equal(await run("diff", { args: ["stable", `oci://${HOST}/nine-minds/alga-appliance-release:1.0.4`] }), 0);
  assert.match(said.text, /^from 1\.0\.3 .*\nto {3}1\.0\.4 /);
  assert.match(said.text, /image algaCore +a@sha256:[0-9a-f]{12} -> b@sha256:[0-9a-f]{12}\n/);
  assert.doesNotMatch(said.text, /chart sebastian/);
  await run("diff", { args: ["stable", "1.0.3"] });
  assert.match(said.text, /nothing that is installed is another\n\nto download: at most 0 B in 0 parts$/);
  for (const text of ["no such thing!", `oci://${HOST}/nine-minds/alga-appliance-release`]) {
    await assert.rejects(run("diff", { args: ["stable", text] }), { code: "cli/usage" });
  }
  await assert.rejects(run("diff", { args: ["stable", "nightly"] }), { code: "release/unknown-channel" });
});

test("diff writes out what would move the cursor of a terminal", async () => {
  const { store, said, run } = world();
  const repository = "nine-minds/alga-appliance-release";
  const { manifest } = buildSampleRelease(store, { registry: HOST, version: "1.0.3" });
  const bytes = new TextEncoder().encode(JSON.stringify({ ...manifest, version: "1.0.4", later: "\u001b[2J\u202e" }));
  pushArtifact(store, repository, { tag: "1.0.4", config: { mediaType: RELEASE_CONFIG_MEDIA_TYPE, bytes } });
  await run("diff", { args: ["1.0.3", "1.0.4"] });
  assert.match(said.text, /\nlater {2}\(none\) -> \\u001b\[2J\\u202e\n/);
});

test("promote moves a channel and says from what to what; a wrong wish is refused before anything is asked", async () => {
  const { store, said, run } = world();
  buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"] });
  const { digest } = buildSampleRelease(store, { registry: HOST, version: "1.0.4", channels: ["nightly"] });
  const flags = { from: "nightly", to: "stable" };
  await run("promote", { flags: { ...flags, "dry-run": true } });
  assert.equal(said.text, `channel stable was 1.0.3, would become 1.0.4\n${digest}\nthe history would be unsigned`);
  assert.equal(await run("promote", { flags, env: { USER: "ann" } }), 0);
  assert.equal(said.text, `channel stable was 1.0.3, is now 1.0.4\n${digest}\nthe history is unsigned`);
  assert.equal(store.manifest("nine-minds/alga-appliance-release", "stable")?.digest, digest);
  await run("promote", { flags });
  assert.equal(said.text, `channel stable was 1.0.4, is already 1.0.4\n${digest}`);
  for (const wrong of [
    { to: "stable" },
    { from: "nightly" },
    { ...flags, version: "1.0.4" },
    { ...flags, to: "1.0.4" },
  ]) {
    await assert.rejects(run("promote", { flags: wrong, isDown: true }), { code: "cli/usage" });
  }
});

test("takes at most one release", () => {
  const { contextOf } = world();
  const refOf = (flags: Readonly<Record<string, FlagValue>>) => releaseRefOf(contextOf({ flags }));
  assert.deepEqual(refOf({}), { channel: "stable" });
  assert.deepEqual(refOf({ version: "1.0.0" }), { version: "1.0.0" });
  assert.throws(() => refOf({ version: "1.0.0", channel: "stable" }), { code: "cli/usage" });
  assert.throws(() => refOf({ digest: "sha256:short" }), { code: "oci/bad-digest" });
  assert.throws(() => releaseRefOf(contextOf({ flags: { channel: "stable" } }), { tag: "1.0.0" }), {
    code: "cli/usage",
  });
});

test("a password comes from standard input or the environment, and needs a name", async () => {
  const { contextOf } = world();
  const accessOf = async (run: Run) => (await registryAccess(contextOf(run))).credentials;
  const typed = await accessOf({ flags: { username: "robot", "password-stdin": true }, stdin: "hunter2\n" });
  assert.ok(typed?.kind === "password");
  assert.equal(typed.password.reveal(), "hunter2");
  assert.doesNotMatch(JSON.stringify(typed), /hunter2/);
  const kept = await accessOf({ flags: { username: "robot" }, env: { ALGA_APPLIANCE_REGISTRY_PASSWORD: "s3" } });
  assert.ok(kept?.kind === "password" && kept.password.reveal() === "s3");
  await assert.rejects(accessOf({ flags: { username: "robot" } }), { code: "cli/usage" });
  await assert.rejects(accessOf({ flags: { "password-stdin": true } }), { code: "cli/usage" });
});

test("credentials and CA are read from the files that are named, the proxy from the environment", async () => {
  const { contextOf, opened } = world();
  const auth = Buffer.from("robot:pw").toString("base64");
  const files = {
    "/etc/ca.pem": "-----BEGIN CERTIFICATE-----\nx",
    "/etc/auth.json": JSON.stringify({ auths: { [HOST]: { auth } } }),
    "/etc/other.txt": "no certificate",
  };
  const flags = { "registry-ca": "ca.pem", "registry-config": "/etc/auth.json" };
  const { access } = await openRegistryOf(
    contextOf({ flags, files, env: { PWD: "/etc", HTTPS_PROXY: "http://proxy:3128" } }),
  );
  assert.equal(access.plainHttp, false);
  assert.ok(access.credentials?.kind === "password" && access.credentials.username === "robot");
  assert.deepEqual(opened[0], { ca: files["/etc/ca.pem"], proxy: { https: "http://proxy:3128" } });
  for (const path of ["/etc/other.txt", "/etc/none.pem"]) {
    await assert.rejects(registryAccess(contextOf({ flags: { "registry-ca": path }, files })), {
      code: "config/invalid",
    });
  }
});

test("a credentials file that was named must be there; the usual places need not", async () => {
  const { contextOf } = world();
  await assert.rejects(registryAccess(contextOf({ flags: { "registry-config": "/etc/none.json" } })), {
    code: "config/invalid",
    message: /"\/etc\/none\.json": there is no such file/,
  });
  assert.equal((await registryAccess(contextOf({ env: { HOME: "/home/x" } }))).credentials, undefined);
});

test("a login that a helper keeps is told when the registry denies access", async () => {
  const { contextOf } = world();
  const files = { "/etc/auth.json": JSON.stringify({ credsStore: "desktop" }) };
  const context = contextOf({ flags: { "registry-config": "/etc/auth.json" }, files });
  const denied = { ...context.deps, transports: { open: () => async () => new Response(null, { status: 403 }) } };
  const { client } = await openRegistryOf({ ...context, deps: denied });
  await assert.rejects(client.tags("a/b"), {
    code: "oci/forbidden",
    hint: /docker-credential-desktop, which is not run/,
  });
});

test("loopback is spoken to without TLS, other hosts only when told", async () => {
  const { contextOf } = world();
  const plainTo = async (flags: Readonly<Record<string, FlagValue>>) =>
    (await registryAccess(contextOf({ flags }))).plainHttp;
  assert.equal(await plainTo({ registry: "127.0.0.1:5000" }), true);
  assert.equal(await plainTo({ registry: "registry.test" }), false);
  assert.equal(await plainTo({ registry: "registry.test", "plain-http": true }), true);
});

test("images of others are asked for where the registry has them, and told where it has not; inspect lists them", async () => {
  const { store, said, run } = world();
  buildSampleRelease(store, { registry: HOST, version: "1.0.3", channels: ["stable"], additional: "mirrored" });
  await run("resolve", { flags: { "plain-http": true } });
  assert.match(said.text, /image \S+\/fluxcd\/helm-controller +[0-9a-f]{12} +\S+ k?B +registry\.test:5000\/fluxcd\//);
  assert.match(said.text, /elsewhere, not asked for here: docker\.io\/library\/busybox:1\.37@sha256:[0-9a-f]{64}/);
  assert.ok(!said.text.includes("not there"), said.text);
  await run("inspect", { flags: { "plain-http": true } });
  assert.match(
    said.text,
    /also pulled:\n(?: {2}\S+ +[0-9a-f]{12}\n)* {2}docker\.io\/ankane\/pgvector:v0\.5\.1 +[0-9a-f]{12}/,
  );
  buildSampleRelease(store, { registry: HOST, version: "1.0.4", channels: ["stable"] });
  await run("inspect", { flags: { "plain-http": true } });
  assert.match(said.text, /it does not say which images Flux and its charts need$/);
});
