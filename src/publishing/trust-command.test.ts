/** The verbs of trust as a publisher and a box type them, one after the other, over a registry in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext, newSaid } from "../../test/support/command-context.ts";
import { DAY, rolled, START } from "../../test/support/trust.ts";
import type { FlagValue } from "../cli/command.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { commands } from "./commands.ts";

const HOST = "registry.test:5000";
const REFERENCE = `${HOST}/nine-minds/alga-appliance-release`;

interface Typed {
  readonly flags?: Readonly<Record<string, FlagValue>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Typed at the terminal, in this order. Absent: there is no terminal. */
  readonly typed?: readonly string[];
  /** Gets the questions that were asked. */
  readonly asked?: string[];
}

function world() {
  const { fetch, store } = createRegistryServer();
  const files = createMemoryFiles();
  const said = newSaid();
  const random = rolled("verbs");
  const clock = {
    nowMs: START,
    now: () => clock.nowMs,
    monotonic: () => 0,
    sleep: async () => {},
    after: () => () => {},
  };
  const deps = { clock, random, files, transports: { open: () => fetch } };
  const run = (words: string, typed: Typed = {}): Promise<number> => {
    const command = commands.find(({ path }) => path.slice(1).join(" ") === words);
    assert.ok(command !== undefined, words);
    const flags = { "plain-http": true, ...(typed.args === undefined ? { registry: HOST } : {}), ...typed.flags };
    const env = { PWD: "/desk", ALGA_APPLIANCE_KEY_PASSPHRASE: "", ...typed.env };
    const { typed: answers, asked = [], ...rest } = typed;
    const askHidden = async (question: string): Promise<string> => answers?.[asked.push(question) - 1] ?? "";
    const terminal = answers === undefined ? {} : { askHidden };
    return command.run(commandContext({ ...rest, ...terminal, flags, env, deps, said }).context);
  };
  const sample = (version: string, channels: readonly string[]) =>
    buildSampleRelease(store, { registry: HOST, version, imageTag: version, channels, pinned: true });
  return { store, files, said, clock, run, sample };
}

async function withKeys() {
  const all = world();
  for (const name of ["root-a", "root-b", "release", "online"])
    await all.run("keygen", { flags: { out: "keys", name, open: true } });
  const roles = {
    "root-key": ["keys/root-a.pub", "keys/root-b.pub"],
    threshold: "2",
    "targets-key": ["keys/release.pub"],
    "online-key": ["keys/online.pub"],
  };
  const everyKey = ["root-a", "root-b", "release", "online"].map((name) => `keys/${name}.key`);
  const publishing = { root: "root.json", key: ["keys/release.key", "keys/online.key"] };
  return { ...all, roles, everyKey, publishing };
}

const textOf = async (files: ReturnType<typeof createMemoryFiles>, path: string): Promise<string> =>
  new TextDecoder().decode(await files.read(path, { maxBytes: 100_000 }));

describe("release keygen", () => {
  it("writes a sealed private key for its owner alone and a public one, says neither, and overwrites nothing", async () => {
    const { run, files, said } = world();
    const env = { ALGA_APPLIANCE_KEY_PASSPHRASE: "correct horse" };
    assert.equal(await run("keygen", { flags: { out: "keys" }, env }), 0);
    const [stat, text] = [await files.stat("/desk/keys/release.key"), await textOf(files, "/desk/keys/release.key")];
    assert.equal(stat?.mode, 0o600);
    assert.match(text, /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    assert.match(await textOf(files, "/desk/keys/release.pub"), /^-----BEGIN PUBLIC KEY-----/);
    assert.ok(
      !JSON.stringify(said).includes(text.split("\n")[1] ?? "?") && !JSON.stringify(said).includes("correct horse"),
    );
    await assert.rejects(run("keygen", { flags: { out: "keys" }, env }), { code: "trust/key-exists" });
    assert.equal(await textOf(files, "/desk/keys/release.key"), text);
  });

  it("leaves a key open only when that is said", async () => {
    const { run, files } = world();
    await assert.rejects(run("keygen", { flags: { out: "keys" } }), { code: "trust/passphrase" });
    assert.equal(await run("keygen", { flags: { out: "keys", open: true, type: "ecdsa-p256" } }), 0);
    assert.match(await textOf(files, "/desk/keys/release.key"), /^-----BEGIN PRIVATE KEY-----/);
  });
});

describe("a passphrase at the terminal", () => {
  const hint = /ALGA_APPLIANCE_KEY_PASSPHRASE/;

  it("seals a new key when it is typed twice alike; otherwise no key is written", async () => {
    const { run, files } = world();
    const flags = { out: "keys" };
    await assert.rejects(run("keygen", { flags, typed: ["one", "two"] }), {
      code: "trust/passphrase",
      message: /differ/,
    });
    await assert.rejects(run("keygen", { flags, typed: [""] }), { code: "trust/passphrase", hint });
    assert.deepEqual(await files.list("/desk/keys"), []);
    const asked: string[] = [];
    assert.equal(await run("keygen", { flags, asked, typed: ["one", "one"] }), 0);
    assert.deepEqual(asked, ["Passphrase of the new key", "The same again"]);
    assert.match(await textOf(files, "/desk/keys/release.key"), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  });

  it("opens each sealed key by its own; open keys and a passphrase that is given ask nothing", async () => {
    const { run, sample } = world();
    const { digest } = sample("1.0.3", ["stable"]);
    const make = (name: string, more: Typed) => run("keygen", { ...more, flags: { out: "keys", name, ...more.flags } });
    await make("a", { typed: ["secret a", "secret a"] });
    await make("b", { typed: ["secret b", "secret b"] });
    await make("open", { flags: { open: true }, typed: [] });
    const sign = (names: readonly string[], more: Typed) =>
      run("sign", {
        ...more,
        args: [`${REFERENCE}@${digest}`],
        flags: { key: names.map((name) => `keys/${name}.key`) },
      });
    const asked: string[] = [];
    assert.equal(await sign(["a", "open", "b"], { asked, typed: ["secret a", "secret b"] }), 0);
    assert.deepEqual(asked, ["Passphrase of keys/a.key", "Passphrase of keys/b.key"]);
    const unasked: string[] = [];
    await sign(["a"], { asked: unasked, typed: [], env: { ALGA_APPLIANCE_KEY_PASSPHRASE: "secret a" } });
    assert.deepEqual(unasked, []);
    await assert.rejects(sign(["a"], { typed: ["secret b"] }), { code: "trust/passphrase", hint });
    await assert.rejects(sign(["a"], {}), { code: "trust/passphrase", hint });
  });
});

describe("release sign and release verify", () => {
  it("sign by a key from a file or a variable, and verify by a key that was given or lies on the box", async () => {
    const { run, said, sample, files } = await withKeys();
    const { digest } = sample("1.0.3", ["stable"]);
    const args = [`${REFERENCE}:1.0.3`];
    const trusted = { "trusted-key": ["keys/release.pub"] };
    await assert.rejects(run("verify", { args }), { code: "cli/usage" });
    await assert.rejects(run("verify", { args, flags: trusted }), { code: "trust/unsigned" });
    const env = { SIGNING_KEY: await textOf(files, "/desk/keys/release.key") };
    assert.equal(await run("sign", { args, env, flags: { key: ["env://SIGNING_KEY"] } }), 0);
    assert.equal(await run("verify", { args, flags: trusted }), 0);
    assert.match(said.text, new RegExp(`^verified by [0-9a-f]{64}\n${digest}$`));
    await assert.rejects(run("verify", { args, flags: { "trusted-key": ["keys/online.pub"] } }), {
      code: "trust/untrusted-signature",
    });
    await files.makeDirectory("/box/etc/alga-appliance/trusted-keys");
    await files.write(
      "/box/etc/alga-appliance/trusted-keys/publisher.pem",
      await textOf(files, "/desk/keys/release.pub"),
    );
    assert.equal(await run("verify", { args }), 0);
    const sealed = { flags: { "passphrase-stdin": true }, stdin: "correct horse\n" };
    await run("keygen", { ...sealed, flags: { ...sealed.flags, out: "keys", name: "sealed" } });
    const by = { args, flags: { key: ["keys/sealed.key"] } };
    await assert.rejects(run("sign", by), { code: "trust/passphrase" });
    await assert.rejects(run("sign", { ...by, env: { ALGA_APPLIANCE_KEY_PASSPHRASE: "other" } }), {
      code: "trust/passphrase",
    });
    assert.equal(await run("sign", { ...by, ...sealed, flags: { ...by.flags, ...sealed.flags } }), 0);
  });

  it("a box with a key resolves what is signed and refuses what is not, unless the settings take it", async () => {
    const { run, said, sample, files } = await withKeys();
    sample("1.0.3", ["stable"]);
    await files.makeDirectory("/box/etc/alga-appliance/trusted-keys");
    await files.write(
      "/box/etc/alga-appliance/trusted-keys/publisher.pem",
      await textOf(files, "/desk/keys/release.pub"),
    );
    await assert.rejects(run("resolve"), { code: "trust/unsigned" });
    assert.equal(await run("resolve", { flags: { "allow-unsigned": true } }), 0);
    assert.equal((said.value as { verifiedBy: string }).verifiedBy, "none");
    await run("sign", { args: [`${REFERENCE}:1.0.3`], flags: { key: ["keys/release.key"] } });
    assert.equal(await run("resolve"), 0);
    assert.match((said.value as { verifiedBy: string }).verifiedBy, /^[0-9a-f]{64}$/);
    await files.write("/box/etc/alga-appliance/trusted-keys/other.pem", "no key");
    await assert.rejects(run("resolve"), { code: "trust/bad-key", message: /other\.pem/ });
  });
});

describe("release trust", () => {
  it("begins, promotes, refreshes and rotates; a box with root follows all of it", async () => {
    const { run, said, sample, files, clock, store, roles, everyKey, publishing } = await withKeys();
    const [old, next] = [sample("1.0.3", ["stable"]), sample("1.0.4", ["nightly"])];
    assert.equal(await run("trust init", { flags: { ...roles, key: everyKey } }), 0);
    assert.match(said.text, /^root 1 begun, good until 2028-11-20T00:00:00Z\n2 of 2 keys/);
    await assert.rejects(run("trust init", { flags: { ...roles, threshold: "1", key: everyKey } }), {
      code: "oci/tag-taken",
    });
    await files.makeDirectory("/box/etc/alga-appliance");
    await files.write("/box/etc/alga-appliance/root.json", await textOf(files, "/desk/root.json"));

    await assert.rejects(run("resolve"), { code: "trust/unknown-release" });
    // A tag that is where it should be already gets its signed metadata all the same.
    assert.equal(await run("promote", { flags: { ...publishing, version: "1.0.3", to: "stable" } }), 0);
    assert.equal(await run("resolve"), 0);
    assert.equal((said.value as { digest: string }).digest, old.digest);
    assert.equal(await run("promote", { flags: { ...publishing, from: "nightly", to: "stable" } }), 0);
    assert.equal(await run("resolve"), 0);
    assert.equal((said.value as { digest: string }).digest, next.digest);
    // Without the keys of the metadata nothing moves, not the tag either.
    store.tag("nine-minds/alga-appliance-release", "stable", old.digest);
    const thief = { ...publishing, key: ["keys/online.key"] };
    await assert.rejects(run("promote", { flags: { ...thief, version: "1.0.4", to: "beta" } }), {
      code: "trust/threshold",
    });
    assert.equal(store.manifest("nine-minds/alga-appliance-release", "beta"), undefined);
    assert.equal(await run("resolve"), 0);
    assert.equal((said.value as { digest: string }).digest, next.digest);

    clock.nowMs = START + 31 * DAY;
    await assert.rejects(run("resolve"), { code: "trust/expired", message: /timestamp metadata: it expired 24 h ago/ });
    assert.equal(await run("resolve", { flags: { "accept-expired": "2026-12-31T00:00:00Z" } }), 0);
    await assert.rejects(run("resolve", { flags: { "accept-expired": "soon" } }), { code: "config/invalid" });
    assert.equal(await run("trust refresh", { flags: { root: "root.json", key: ["keys/online.key"] } }), 0);
    assert.match(said.text, /timestamp 4, good until 2027-01-21T00:00:00Z[\s\S]*channel stable is 1\.0\.4/);
    assert.equal(await run("resolve"), 0);

    await run("keygen", { flags: { out: "keys", name: "root-c", open: true } });
    const changed = {
      ...roles,
      "root-key": ["keys/root-a.pub", "keys/root-c.pub"],
      root: "root.json",
      out: "root-2.json",
    };
    await assert.rejects(run("trust rotate", { flags: { ...changed, key: everyKey } }), { code: "trust/threshold" });
    assert.equal(await run("trust rotate", { flags: { ...changed, key: [...everyKey, "keys/root-c.key"] } }), 0);
    assert.match(said.text, /^root 2 rotated/);
    assert.equal(await run("resolve"), 0);
  });
});

describe("a root whose keys lie on several machines", () => {
  it("collects signatures one by one, refuses to be published before, and then is a root like any other", async () => {
    const { run, said, sample, files, clock, roles, publishing } = await withKeys();
    sample("1.0.3", ["stable"]);
    const online = { key: ["keys/release.key", "keys/online.key"] };
    const [args, next] = [["begun.json"], ["next.json"]];
    const sign = (key: string, more: object = {}, file = args) =>
      run("trust sign", { args: file, flags: { key: [`keys/${key}.key`], ...more } });
    const finish = (more: object, file = args) =>
      run("trust finish", { args: file, flags: { registry: HOST, ...online, ...more } });
    const lacking = () => (said.value as { lacking: { root: number; count: number; keys: string[] }[] }).lacking;

    await run("trust init", { flags: { ...roles, key: ["keys/root-a.key"], unfinished: "begun.json" } });
    assert.match(said.text, /is not published[\s\S]*lacks 1 of the keys of root 1: [0-9a-f]{64}\n/);
    assert.equal(await files.stat("/desk/root.json"), undefined);
    await assert.rejects(finish({}), { code: "trust/threshold", message: /lacks 1 of the keys of root 1/ });
    await assert.rejects(sign("online"), { code: "trust/bad-key" });
    await sign("root-a");
    assert.deepEqual(
      lacking().map(({ root, count, keys }) => [root, count, keys.length]),
      [[1, 1, 1]],
    );
    const begun = await textOf(files, "/desk/begun.json");
    await files.write("/desk/begun.json", begun.replace('"threshold":2', '"threshold":1'));
    await assert.rejects(finish({}), { code: "trust/threshold" }, "signatures are of the content, not of the file");
    await files.write("/desk/begun.json", begun);
    await sign("root-b");
    assert.deepEqual(lacking(), []);
    await assert.rejects(finish({ key: ["keys/online.key"] }), { code: "trust/threshold" });
    assert.equal(await finish({}), 0);
    assert.equal(await finish({}), 0, "a second time it is the same root");
    assert.match(said.text, /^root 1 begun/);
    await files.makeDirectory("/box/etc/alga-appliance");
    await files.write("/box/etc/alga-appliance/root.json", await textOf(files, "/desk/root.json"));
    assert.equal(await run("promote", { flags: { ...publishing, version: "1.0.3", to: "stable" } }), 0);
    assert.equal(await run("resolve"), 0);
    clock.nowMs += DAY;
    assert.equal(await finish({}), 0, "typed again when channels were promoted");
    assert.equal(await run("resolve"), 0, "the channel is still there");

    await run("keygen", { flags: { out: "keys", name: "root-c", open: true } });
    const changed = { ...roles, "root-key": ["keys/root-a.pub", "keys/root-c.pub"], root: "root.json" };
    await run("trust rotate", { flags: { ...changed, key: ["keys/root-a.key"], unfinished: "next.json" } });
    assert.deepEqual(
      lacking().map(({ root, count }) => [root, count]),
      [
        [1, 1],
        [2, 1],
      ],
    );
    await sign("root-c", {}, next);
    const out = { root: "root.json", out: "root-2.json" };
    await assert.rejects(finish(out, next), { code: "trust/threshold", message: /keys of root 1/ });
    await assert.rejects(sign("root-b", {}, next), { code: "trust/bad-key" });
    await sign("root-b", { root: "root.json" }, next);
    assert.deepEqual(lacking(), []);
    assert.equal(await finish(out, next), 0);
    assert.match(said.text, /^root 2 rotated/);
    assert.equal(await run("resolve"), 0);
    assert.equal(await finish(out, next), 0, "a second time it is the same root");
    const other = (await textOf(files, "/desk/next.json")).replace('"version":2', '"version":4');
    await files.write("/desk/other.json", other);
    await assert.rejects(finish(out, ["other.json"]), { code: "trust/lost-race" });
    await assert.rejects(sign("root-a", { root: "root-2.json" }, next), { code: "trust/bad-metadata" });
    await assert.rejects(sign("root-a", {}, ["none.json"]), { code: "trust/bad-metadata" });
  });
});
