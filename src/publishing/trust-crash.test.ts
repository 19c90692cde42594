/**
 * The ceremonies of root, killed before every write to the disk and to the registry, and typed again an hour later: what boxes
 * see is what was before or what is wanted, and the second time ends as an undisturbed one.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandContext, newSaid } from "../../test/support/command-context.ts";
import { rolled, START } from "../../test/support/trust.ts";
import type { FlagValue } from "../cli/command.ts";
import { isApplianceError } from "../core/errors.ts";
import type { Fetch, Files } from "../core/ports.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { createMemoryStore, type RegistryStore } from "../oci/store.ts";
import { createMemoryFiles, type MemoryFiles } from "../rehearsal/memory-files.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";
import { readMetadata } from "../trust/metadata.ts";
import { commands } from "./commands.ts";

const HOST = "registry.test:5000";
const TRUST = "nine-minds/alga-appliance-trust";
const HOUR = 3_600_000;
const BOX = "/box/etc/alga-appliance";

interface Typed {
  readonly args?: readonly string[];
  readonly flags: Readonly<Record<string, FlagValue>>;
}

/** A desk, a registry and a box, as they are at one moment. */
interface World {
  readonly store: RegistryStore;
  readonly files: MemoryFiles;
  readonly nowMs: number;
}

/** Writes that are left to a process; where there are none, it dies before the next and everything hangs. */
interface Life {
  left: number;
  readonly die: () => void;
}

function newWorld(): World {
  return { store: createMemoryStore(), files: createMemoryFiles(), nowMs: START };
}

function copyOf({ store, files, nowMs }: World): World {
  const copy = createMemoryStore();
  for (const repository of store.repositories()) {
    for (const { bytes } of store.blobs(repository)) copy.putBlob(repository, bytes);
    for (const { bytes, mediaType, digest } of store.manifests(repository))
      copy.putManifest(repository, digest, bytes, mediaType);
    for (const tag of store.tags(repository) ?? []) {
      const digest = store.manifest(repository, tag)?.digest;
      if (digest !== undefined) copy.tag(repository, tag, digest);
    }
  }
  return { store: copy, files: files.copy(), nowMs };
}

const IMMORTAL: Life = { left: Number.POSITIVE_INFINITY, die: () => {} };

async function type(world: World, words: string, typed: Typed, life = IMMORTAL) {
  const said = newSaid();
  const counted = <T>(work: () => Promise<T>): Promise<T> => {
    if (life.left > 0) {
      life.left -= 1;
      return work();
    }
    life.die();
    return new Promise<T>(() => {});
  };
  const server = createRegistryServer({ store: world.store });
  const fetch: Fetch = (request) =>
    request.method === "GET" || request.method === "HEAD"
      ? server.fetch(request)
      : counted(async () => server.fetch(request));
  const files: Files = {
    ...world.files,
    write: (path, content, options) => counted(() => world.files.write(path, content, options)),
    create: (path, content, options) => counted(() => world.files.create(path, content, options)),
  };
  const clock = { now: () => world.nowMs, monotonic: () => 0, sleep: async () => {}, after: () => () => {} };
  const deps = {
    clock,
    random: rolled(`${words} ${world.nowMs} ${JSON.stringify(typed)}`),
    files,
    transports: { open: () => fetch },
  };
  const flags = { "plain-http": true, registry: HOST, ...typed.flags };
  const command = commands.find(({ path }) => path.slice(1).join(" ") === words);
  assert.ok(command !== undefined, words);
  const { context } = commandContext({ args: typed.args ?? [], flags, env: { PWD: "/desk" }, deps, said });
  return { code: await command.run(context), said };
}

/** What a box with the first root says that stable is: a digest, or the code of its refusal. */
async function seen(world: World): Promise<string> {
  try {
    const { said } = await type(world, "resolve", { flags: {} });
    return (said.value as { digest: string }).digest;
  } catch (thrown) {
    if (isApplianceError(thrown)) return thrown.code;
    throw thrown;
  }
}

const pub = (name: string): string => `keys/${name}.pub`;
const key = (name: string): string => `keys/${name}.key`;
const ROLES = {
  "root-key": [pub("root-a"), pub("root-b")],
  threshold: "2",
  "targets-key": [pub("release")],
  "online-key": [pub("online")],
};
const FIRST_KEYS = ["root-a", "root-b", "release", "online"].map(key);
const NEXT_ROLES = { ...ROLES, "root-key": [pub("root-a"), pub("root-c")], "online-key": [pub("online-2")] };

async function withKeys(): Promise<World> {
  const world = newWorld();
  for (const name of ["root-a", "root-b", "root-c", "release", "online", "online-2"])
    await type(world, "keygen", { flags: { out: "keys", name, open: true } });
  buildSampleRelease(world.store, { registry: HOST, version: "1.0.3", channels: ["stable"], pinned: true });
  return world;
}

const promotes = (world: World, root: string, online: string) =>
  type(world, "promote", { flags: { root, key: [key("release"), key(online)], version: "1.0.3", to: "stable" } });

async function withChannel(): Promise<World> {
  const world = await withKeys();
  await type(world, "trust init", { flags: { ...ROLES, key: FIRST_KEYS } });
  await promotes(world, "root.json", "online");
  await giveRoot(world);
  await seen(world);
  return world;
}

async function giveRoot({ files }: World): Promise<void> {
  await files.makeDirectory(BOX);
  await files.write(`${BOX}/root.json`, (await files.read("/desk/root.json", { maxBytes: 100_000 })) ?? "");
}

interface Ceremony {
  readonly name: string;
  readonly prepare: () => Promise<World>;
  readonly words: string;
  readonly typed: Typed;
  /** Version of the root that it publishes, and the file for the boxes. */
  readonly version: number;
  readonly out: string;
  /** The key that signs snapshot and timestamp afterwards. */
  readonly online: string;
  /** What a box may say in between, beside what was before and what is wanted. */
  readonly between: readonly string[];
}

const CEREMONIES: readonly Ceremony[] = [
  {
    name: "release trust init",
    prepare: withKeys,
    words: "trust init",
    typed: { flags: { ...ROLES, key: FIRST_KEYS } },
    version: 1,
    out: "root.json",
    online: "online",
    between: [],
  },
  {
    name: "release trust finish of a first root",
    prepare: async () => {
      const world = await withKeys();
      const unfinished = { ...ROLES, key: [key("root-a")], unfinished: "begun.json" };
      await type(world, "trust init", { flags: unfinished });
      await type(world, "trust sign", { args: ["begun.json"], flags: { key: [key("root-b")] } });
      return world;
    },
    words: "trust finish",
    typed: { args: ["begun.json"], flags: { key: [key("release"), key("online")] } },
    version: 1,
    out: "root.json",
    online: "online",
    between: [],
  },
  {
    name: "release trust rotate by old and new keys",
    prepare: withChannel,
    words: "trust rotate",
    typed: {
      flags: {
        ...NEXT_ROLES,
        root: "root.json",
        out: "root-2.json",
        key: [...FIRST_KEYS, key("root-c"), key("online-2")],
      },
    },
    version: 2,
    out: "root-2.json",
    online: "online-2",
    between: [],
  },
  {
    name: "release trust finish of a next root without the old online key",
    prepare: async () => {
      const world = await withChannel();
      const unfinished = { ...NEXT_ROLES, root: "root.json", key: [key("root-a")], unfinished: "next.json" };
      await type(world, "trust rotate", { flags: unfinished });
      const signs = { root: "root.json", key: [key("root-b"), key("root-c")] };
      await type(world, "trust sign", { args: ["next.json"], flags: signs });
      return world;
    },
    words: "trust finish",
    typed: {
      args: ["next.json"],
      flags: { root: "root.json", out: "root-2.json", key: [key("release"), key("online-2")] },
    },
    version: 2,
    out: "root-2.json",
    online: "online-2",
    // Nobody can sign for both roots: boxes refuse until the second write.
    between: ["trust/threshold"],
  },
];

/** Runs until the process dies or ends; tells which. */
async function dies(world: World, { words, typed }: Ceremony, left: number): Promise<boolean> {
  return new Promise((done, failed) => {
    const life = { left, die: () => done(true) };
    type(world, words, typed, life).then(() => done(false), failed);
  });
}

async function checkEnd(world: World, ceremony: Ceremony): Promise<void> {
  const { version, out, online } = ceremony;
  const written = await world.files.read(`/desk/${out}`, { maxBytes: 100_000 });
  assert.ok(written !== undefined, "root for the boxes is written");
  assert.equal(readMetadata("root", written).signed.version, version);
  const manifest = JSON.parse(new TextDecoder().decode(world.store.manifest(TRUST, `${version}.root`)?.bytes));
  assert.deepEqual(world.store.blob(TRUST, manifest.layers[0].digest), written, "the registry has the same root");
  assert.equal(world.store.manifest(TRUST, `${version + 1}.root`), undefined, "one root more than was wanted");
  if ((await world.files.stat(`${BOX}/root.json`)) === undefined) await giveRoot(world);
  await promotes(world, out, online);
  assert.match(await seen(world), /^sha256:/);
}

describe("a ceremony of root that is killed", () => {
  for (const ceremony of CEREMONIES) {
    it(`${ceremony.name}: before any write, and typed again, ends as if nothing had been`, async () => {
      const start = await ceremony.prepare();
      const before = await seen(copyOf(start));
      const whole = copyOf(start);
      await type(whole, ceremony.words, ceremony.typed);
      const after = await seen(copyOf(whole));
      let deaths = 0;
      for (;;) {
        const world = copyOf(start);
        const isDead = await dies(world, ceremony, deaths);
        const between = await seen(world);
        const allowed = [before, after, ...(isDead ? ceremony.between : [])];
        assert.ok(
          allowed.includes(between),
          `after ${deaths} writes a box says ${between}, not ${allowed.join(" or ")}`,
        );
        const later = { ...world, nowMs: world.nowMs + HOUR };
        assert.equal((await type(later, ceremony.words, ceremony.typed)).code, 0, `after ${deaths} writes`);
        assert.equal(await seen(later), after, `after ${deaths} writes`);
        await checkEnd(later, ceremony);
        if (!isDead) break;
        deaths += 1;
      }
      assert.ok(deaths > 5, `it was killed at ${deaths} places only`);
    });
  }

  it("release trust sign: the file has the signatures of before or the new one beside them", async () => {
    const world = await withKeys();
    await type(world, "trust init", { flags: { ...ROLES, key: [key("root-a")], unfinished: "begun.json" } });
    const sign: Typed = { args: ["begun.json"], flags: { key: [key("root-b")] } };
    const signatures = async (): Promise<number> => {
      const bytes = await world.files.read("/desk/begun.json", { maxBytes: 100_000 });
      return Object.keys(readMetadata("root", bytes ?? new Uint8Array()).signatures).length;
    };
    await new Promise<void>((died, failed) => {
      type(world, "trust sign", sign, { left: 0, die: died }).then(() => failed(new Error("it did not die")), failed);
    });
    assert.equal(await signatures(), 1);
    assert.equal((await type(world, "trust sign", sign)).code, 0);
    assert.equal(await signatures(), 2);
    assert.equal((await type(world, "trust sign", sign)).code, 0);
    assert.equal(await signatures(), 2, "a key signs once");
  });
});
