/** `host init-token` and `host token rotate`: who gets a token, that nobody sees it, and that it leaves a trace. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { commandContext } from "../../test/support/command-context.ts";
import { ApplianceError } from "../core/errors.ts";
import { statePaths } from "../core/paths.ts";
import type { Exec } from "../core/ports.ts";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./command.ts";

const PATHS = statePaths("/box");
const box = createFakeBox();
const BOX = { clock: box.clock, machine: box.machineOf(box.spawn()) };

function world() {
  const files = createMemoryFiles();
  const ran: string[][] = [];
  const exec: Exec = async (argv) => {
    ran.push([...argv]);
    if (argv.includes("list"))
      return { code: 0, stdout: ran.length > 1 ? "old\nnew\n" : "old\n", stderr: "", truncated: false };
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const args: string[] = [];
  const run = async (...words: string[]) => {
    const command = commands.find(({ path }) => path.join(" ") === `host ${words.join(" ")}`);
    assert.ok(command !== undefined);
    const { clock, machine } = BOX;
    const { context, said } = commandContext({ deps: { files, exec, random: systemRandom, clock, machine }, args });
    await command.run(context);
    return JSON.stringify(said);
  };
  const token = (): string => files.snapshot().get(PATHS.setupToken)?.trim() ?? "";
  return { files, ran, run, token, args };
}

it("makes a token once, gives it to the control plane, tells its file and nothing of it", async () => {
  const { run, token, ran } = world();
  const said = await run("init-token");
  const first = token();
  assert.match(first, /^\d{4}(-\d{4}){4}$/);
  assert.ok(!said.includes(first));
  const given = ["chown", "--no-dereference", "10001:10001", PATHS.setupToken];
  assert.deepEqual(ran, [given]);
  await run("init-token");
  assert.equal(token(), first);
  assert.deepEqual(ran, [given, given], "one that was left root's is put right");
});

it("replaces the token, gives it to the control plane, and shows it to nobody", async () => {
  const { run, token, ran, files } = world();
  await run("init-token");
  const first = token();
  ran.length = 0;
  const said = await run("token", "rotate");
  assert.notEqual(token(), first);
  assert.ok(!`${said}${JSON.stringify(ran)}`.includes(token()), "the token was told");
  assert.deepEqual(ran.at(-1), ["chown", "--no-dereference", "10001:10001", PATHS.setupToken]);
  assert.equal((await files.stat(PATHS.setupToken))?.mode, 0o600);
});

it("notes in root's own folder that another token was given out, before it is so", async () => {
  const { run, token, files } = world();
  await run("init-token");
  const first = token();
  const write = files.write.bind(files);
  files.write = async (path, ...given) => {
    if (!path.startsWith(PATHS.host)) return await write(path, ...given);
    assert.equal(token(), first, "it was replaced before it was noted");
    throw new ApplianceError("file/disk-full", "Cannot write: the disk is full");
  };
  await assert.rejects(run("token", "rotate"), { code: "file/disk-full" });
  assert.equal(token(), first);
  files.write = write;
  await run("token", "rotate");
  const record = files.snapshot().get(`${PATHS.host}/maintenance.json`) ?? "";
  assert.match(record, /"what": "access",\s+"from": "setup token",\s+"to": "new setup token"/);
  assert.ok(!record.includes(token()));
});

it("makes none for a claimed box, also when the claim comes in between", async () => {
  const { run, files, token } = world();
  await run("init-token");
  const write = files.write.bind(files);
  files.write = async (path, content, options) => {
    files.garble(PATHS.adminCredential, "{}");
    await write(path, content, options);
  };
  await assert.rejects(run("token", "rotate"), { code: "session/already-claimed" });
  assert.equal(token(), "");
  await assert.rejects(run("token", "rotate"), { code: "session/already-claimed" });
  await run("init-token");
  assert.equal(token(), "");
});

it("imports archives by their whole paths, and tells which images came", async () => {
  const { run, files, ran, args } = world();
  files.garble("/media/usb/$(id).tar", "tar");
  args.push("/media/usb/$(id).tar");
  assert.match(await run("image", "import"), /"images":\["new"\]/);
  assert.deepEqual(ran[1], ["/box/usr/local/bin/k3s", "ctr", "images", "import", "/media/usb/$(id).tar"]);
});

it("imports nothing when one of the archives is not there", async () => {
  const { run, ran, args } = world();
  args.push("/media/usb/none.tar");
  await assert.rejects(run("image", "import"), { code: "cli/usage" });
  assert.deepEqual(ran, []);
});
