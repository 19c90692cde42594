/** `host init-token` and `host token rotate`: who gets a token, and that nobody sees it. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { statePaths } from "../core/paths.ts";
import type { Exec } from "../core/ports.ts";
import { systemRandom } from "../platform/random.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./command.ts";

const PATHS = statePaths("/box");

function world() {
  const files = createMemoryFiles();
  const ran: string[][] = [];
  const exec: Exec = async (argv) => {
    ran.push([...argv]);
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const run = async (...words: string[]) => {
    const command = commands.find(({ path }) => path.join(" ") === `host ${words.join(" ")}`);
    assert.ok(command !== undefined);
    const { context, said } = commandContext({ deps: { files, exec, random: systemRandom } });
    await command.run(context);
    return JSON.stringify(said);
  };
  const token = (): string => files.snapshot().get(PATHS.setupToken)?.trim() ?? "";
  return { files, ran, run, token };
}

it("makes a token once, tells its file and nothing of it", async () => {
  const { run, token } = world();
  const said = await run("init-token");
  const first = token();
  assert.match(first, /^\d{4}(-\d{4}){4}$/);
  assert.ok(!said.includes(first));
  await run("init-token");
  assert.equal(token(), first);
});

it("replaces the token, gives it to the control plane, and shows it to nobody", async () => {
  const { run, token, ran } = world();
  await run("init-token");
  const first = token();
  const said = await run("token", "rotate");
  assert.notEqual(token(), first);
  assert.ok(!`${said}${JSON.stringify(ran)}`.includes(token()), "the token was told");
  assert.deepEqual(ran, [["systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/alga-appliance.conf"]]);
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
