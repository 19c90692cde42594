/** The first login: how strong it is, when it is made, that a crash anywhere loses nothing, and that the system's own programs set it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { digestOf } from "../core/digest.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Exec } from "../core/ports.ts";
import { systemExec } from "../platform/exec.ts";
import { systemFiles } from "../platform/files.ts";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./command.ts";
import { consolePaths } from "./console-paths.ts";
import { CONSOLE_USER, type CredentialFacts, judgeCredential, newConsolePassword, personOf } from "./credential.ts";
import { ensureConsoleCredential } from "./credential-make.ts";
import { consoleLogin, markLoginShown } from "./credential-show.ts";

const PATHS = statePaths("/");
const PLACES = consolePaths(PATHS);
const signal = new AbortController().signal;
const PASSWD = `root:x:0:0::/root:/bin/bash\n${CONSOLE_USER}:x:998:998::/var/lib/${CONSOLE_USER}:/bin/bash\n`;
const SHADOW = `root:*:1::::::\n${CONSOLE_USER}:!*:20000::::::\n`;
const DAY_MS = 24 * 60 * 60_000;

const hashed = (password: string): string => `$6$${createHash("sha256").update(password).digest("hex")}`;

/** A box with accounts, whose programs do to them what chpasswd and chage do; `dieAt` ends it before that many effects. */
function world() {
  const files = createMemoryFiles();
  files.garble("/etc/passwd", PASSWD);
  files.garble("/etc/shadow", SHADOW);
  const box = { bootId: "boot-1", uptimeMs: 5_000, effects: 0, dieAt: Number.POSITIVE_INFINITY };
  const argv: string[] = [];
  const live = (): void => {
    box.effects += 1;
    if (box.effects > box.dieAt) throw new Error("killed");
  };
  const field = (index: number): string | undefined =>
    files
      .snapshot()
      .get("/etc/shadow")
      ?.split("\n")
      .find((line) => line.startsWith(`${CONSOLE_USER}:`))
      ?.split(":")[index];
  const setFields = (hash: string, day: string): void =>
    files.garble("/etc/shadow", `root:*:1::::::\n${CONSOLE_USER}:${hash}:${day}::::::\n`);
  const exec: Exec = async ([...words], { input = "" }) => {
    argv.push(words.join(" "));
    live();
    if (words[0] === "chpasswd") setFields(hashed(input.trim().slice(CONSOLE_USER.length + 1)), "20778");
    if (words[0] === "chage") setFields(field(1) ?? "", "0");
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const mortal: Deps["files"] = {
    ...files,
    write: async (path, content, options) => {
      live();
      await files.write(path, content, options);
    },
    create: async (path, content, options) => {
      live();
      return files.create(path, content, options);
    },
  };
  const machine = { bootId: async () => box.bootId, uptimeMs: async () => box.uptimeMs } as Deps["machine"];
  const deps = { files: mortal, exec, random: systemRandom, machine, log: SILENT_LOG };
  return {
    ...{ files, box, argv, deps, field, setFields },
    make: () => ensureConsoleCredential({ deps, paths: PATHS, signal }),
    screen: () => consoleLogin(deps, PATHS),
    shown: () => markLoginShown(deps, PATHS),
    reboot: async () => {
      await files.remove(PLACES.login);
      Object.assign(box, { bootId: `${box.bootId}+`, uptimeMs: 1_000 });
    },
  };
}

describe("the password", () => {
  it("has at least 66 bits in letters that are typed alike, and is never the same twice", () => {
    const all = Array.from({ length: 2_000 }, () => newConsolePassword(systemRandom).reveal());
    assert.equal(new Set(all).size, all.length);
    const letters = new Set(all.join(""));
    for (const one of all) assert.equal(one.length, 16);
    assert.ok(!/[^a-z]|[aqwzyml]/.test([...letters].join("")), "a letter that lies elsewhere, or looks like another");
    assert.ok(16 * Math.log2(letters.size) >= 66, `${letters.size} letters`);
  });
  it("uses no byte that would make some letters likelier", () => {
    const draws = [new Uint8Array(16).fill(255), new Uint8Array(16).fill(246)];
    const random = { bytes: () => draws.shift() ?? new Uint8Array(16).fill(18) };
    assert.equal(
      newConsolePassword(random).reveal(),
      "x".repeat(16),
      "247 and above are drawn again, 246 is the last letter",
    );
  });
});

describe("when it is made", () => {
  const own = digestOf("own");
  const record = {
    schema: "alga.appliance.console-credential/v1",
    user: CONSOLE_USER,
    before: digestOf("!*"),
    shownUptimeMs: null,
  } as const;
  const none: CredentialFacts = {
    record: undefined,
    hash: "!*",
    bootId: "b",
    plainHere: false,
    claimed: false,
    hasPerson: false,
  };
  const set = { ...record, state: "set", made: own, bootId: "b" } as const;
  const cases: readonly (readonly [string, Partial<CredentialFacts>, string])[] = [
    ["on a fresh box", {}, "make"],
    ["an account that is locked in another word", { hash: "!!" }, "make"],
    ["not on a claimed box", { claimed: true }, "not-needed"],
    ["not where a person can log in", { hasPerson: true }, "not-needed"],
    ["not over a password of others", { hash: "$6$theirs" }, "taken"],
    ["not over a password that was locked on purpose", { hash: "!$6$theirs" }, "taken"],
    ["not over an empty password", { hash: "" }, "taken"],
    ["again after a crash", { record: { ...set, state: "making", made: null } }, "make"],
    [
      "again after a crash, also when the box was claimed since",
      { record: { ...set, state: "making", made: null }, claimed: true },
      "make",
    ],
    ["not while it waits for the screen", { record: set, hash: "own", plainHere: true }, "waiting"],
    ["again when the box went down before anybody saw it", { record: { ...set, bootId: "a" }, hash: "own" }, "make"],
    ["not when it was used", { record: set, hash: "$6$theirs" }, "used"],
    ["not when it was shown", { record: { ...set, state: "shown" }, hash: "own" }, "shown"],
    ["not when nobody knows any more", { record: "damaged", hash: "!*" }, "shown"],
  ];
  for (const [name, facts, verdict] of cases)
    it(name, () => assert.equal(judgeCredential({ ...none, ...facts }), verdict));

  it("a person is an account with a shell and a password, no service and not ours", () => {
    const row = (name: string, uid: number, shell: string, hash: string) => ({ name, uid, shell, hash });
    const nobody = [
      row("root", 0, "/bin/bash", "$6$x"),
      row("sshd", 1_000, "/usr/sbin/nologin", "$6$x"),
      row("nobody", 65_534, "/bin/sh", "$6$x"),
      row("locked", 1_001, "/bin/bash", "!"),
      row(CONSOLE_USER, 1_002, "/bin/bash", "$6$x"),
    ];
    assert.equal(personOf(nobody), undefined);
    assert.equal(personOf([...nobody, row("ada", 1_003, "/bin/bash", "$y$x")])?.name, "ada");
  });
});

describe("the first login", () => {
  it("is set by standard input, expires at once, and stands on the screen", async () => {
    const { make, screen, argv, field, files } = world();
    assert.equal(await make(), "waiting");
    const login = await screen();
    assert.ok(login !== null);
    assert.deepEqual([field(1), field(2)], [hashed(login.password), "0"]);
    assert.deepEqual(argv, ["chpasswd --crypt-method SHA512", `chage --lastday 0 ${CONSOLE_USER}`]);
    assert.ok(!argv.join("").includes(login.password));
    for (const [path, text] of files.snapshot())
      assert.ok(path === PLACES.login || !text.includes(login.password), path);
    assert.equal((await files.stat(PLACES.login))?.mode, 0o600);
    assert.equal(await make(), "waiting");
    assert.deepEqual(await screen(), login, "a second call makes no other");
  });
  it("is never shown again in another boot, and never made again", async () => {
    const { make, screen, shown, reboot, field } = world();
    await make();
    await shown();
    const before = field(1);
    assert.notEqual(await screen(), null, "until it is used, in this boot");
    await reboot();
    assert.equal(await make(), "shown");
    assert.deepEqual([await screen(), field(1)], [null, before]);
  });
  it("leaves the screen and the memory when it was used, and after a day", async () => {
    const used = world();
    await used.make();
    await used.shown();
    used.setFields("$y$of-its-owner", "20779");
    assert.equal(await used.screen(), null);
    assert.equal(await used.files.stat(PLACES.login), undefined);
    assert.equal(await used.make(), "shown");
    const old = world();
    await old.make();
    await old.shown();
    old.box.uptimeMs += DAY_MS - 1;
    assert.notEqual(await old.screen(), null);
    old.box.uptimeMs += 1;
    assert.equal(await old.screen(), null);
    assert.equal(await old.files.stat(PLACES.login), undefined);
  });
  it("is not shown before it is set", async () => {
    const { make, box, screen, files } = world();
    box.dieAt = 2;
    await assert.rejects(make(), /killed/);
    assert.notEqual(await files.stat(PLACES.login), undefined);
    assert.equal(await screen(), null);
  });
  for (const how of ["in the same boot", "after a reboot"]) {
    it(`killed before any of its effects, the next call ${how} ends it`, async () => {
      const whole = world();
      await whole.make();
      assert.ok(whole.box.effects >= 5, `${whole.box.effects} effects`);
      for (let dieAt = 0; dieAt < whole.box.effects; dieAt += 1) {
        const { make, box, screen, reboot, field } = world();
        box.dieAt = dieAt;
        await assert.rejects(make(), /killed/, `before effect ${dieAt + 1}`);
        box.dieAt = Number.POSITIVE_INFINITY;
        if (how === "after a reboot") await reboot();
        assert.equal(await make(), "waiting", `after effect ${dieAt}`);
        assert.deepEqual([field(1), field(2)], [hashed((await screen())?.password ?? ""), "0"]);
      }
    });
  }
  it("is one also when two make it at once", async () => {
    const { make, screen, field } = world();
    assert.deepEqual(await Promise.all([make(), make()]), ["waiting", "waiting"]);
    assert.equal(field(1), hashed((await screen())?.password ?? ""));
  });
  it("wants its account", async () => {
    const { make, files } = world();
    files.garble("/etc/shadow", "root:*:1::::::\n");
    await assert.rejects(make(), { code: "host/no-account" });
  });
});

/** A tree with accounts, for programs that take another root. */
function tree(): string {
  const root = mkdtempSync(join(tmpdir(), "alga-login-"));
  mkdirSync(join(root, "etc"));
  for (const [name, text] of Object.entries({ passwd: PASSWD, shadow: SHADOW, group: "root:x:0:\n" })) {
    writeFileSync(join(root, "etc", name), text, { mode: 0o600 });
  }
  return root;
}

/** Why the system's programs cannot be tried here: they change their root, which not every container allows. */
function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync("/usr/sbin/chpasswd") || !existsSync("/usr/bin/chage")) return "no chpasswd or chage";
  const root = tree();
  const { status } = spawnSync("/usr/bin/chage", ["--root", root, "--list", CONSOLE_USER], { stdio: "ignore" });
  rmSync(root, { recursive: true, force: true });
  return status === 0 ? undefined : "chage cannot work in another root here";
}

const skip = whyNot();
if (skip !== undefined) process.stdout.write(`skipped: the first login by the system's own programs: ${skip}\n`);

describe("host init-admin-credential", () => {
  it("sets it by the system's own chpasswd and chage, tells nothing of it, and does it once", { skip }, async () => {
    const root = tree();
    try {
      const machine = { bootId: async () => "boot-1", uptimeMs: async () => 5 } as Deps["machine"];
      const deps = { files: systemFiles, exec: systemExec, random: systemRandom, machine, log: SILENT_LOG };
      const command = commands.find(({ path }) => path[1] === "init-admin-credential");
      const { context, said } = commandContext({ deps, env: { ALGA_APPLIANCE_ROOT: root } });
      await command?.run(context);
      const login = await consoleLogin(deps, statePaths(root));
      assert.ok(login !== null && !JSON.stringify(said).includes(login.password));
      assert.deepEqual(said.value, { user: CONSOLE_USER, state: "waiting" });
      const shadow = (): string => readFileSync(join(root, "etc/shadow"), "utf8");
      const [, hash = "", day] = shadow().split("\n")[1]?.split(":") ?? [];
      assert.match(hash, /^\$6\$[./\w]{8,}\$[./\w]{86}$/);
      assert.equal(day, "0", "its first login must choose another one");
      const before = shadow();
      await command?.run(context);
      assert.equal(shadow(), before);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});
