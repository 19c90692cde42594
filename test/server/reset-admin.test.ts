/** `host reset-admin` beside a control plane that runs: what the lost password opened is shut at once, and the box can be claimed again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expandAlias } from "../../src/cli/nouns.ts";
import { ApplianceError } from "../../src/core/errors.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import type { Exec, Files } from "../../src/core/ports.ts";
import { commands } from "../../src/host/command.ts";
import { readMaintenance } from "../../src/host/maintenance.ts";
import { commandContext } from "../support/command-context.ts";
import { claim, PASSWORD, PATHS, startServer, type TestServer } from "./harness.ts";

const NEXT = "Another-Horse-7";

/** The command on the host, over the files of the server's box. */
function hostOf(server: TestServer, change: { readonly files?: Files; readonly user?: string } = {}) {
  const { box } = server;
  const files = change.files ?? server.files;
  const exec: Exec = async ([program]) => ({
    code: 0,
    stdout: program === "id" ? `${change.user ?? "0"}\n` : "",
    stderr: "",
    truncated: false,
  });
  const deps = { files, exec, clock: box.clock, machine: box.machineOf(box.spawn()), random: box.random };
  return async (flags: Readonly<Record<string, boolean>>, askLine?: () => Promise<string>) => {
    const command = commands.find(({ path }) => path.join(" ") === "host reset-admin");
    const asked = askLine === undefined ? {} : { askLine };
    const { context, said } = commandContext({ deps, flags, env: { ALGA_APPLIANCE_ROOT: "/" }, ...asked });
    await command?.run(context);
    return `${JSON.stringify(said.value)}${said.text}${said.notices.join()}`;
  };
}

const tokenOf = ({ files }: TestServer): string => files.snapshot().get(PATHS.setupToken)?.trim() ?? "";
const changesOf = async ({ files, box }: TestServer): Promise<readonly string[]> =>
  ((await readMaintenance({ files, clock: box.clock, log: SILENT_LOG }, PATHS))?.changes ?? []).map(
    ({ what, from, to }) => `${what}: ${from} -> ${to}`,
  );

describe("a management password that is lost", () => {
  it("is taken away with every session, and the token of the console claims the box again", async () => {
    const server = await startServer();
    const cookie = await claim(server);
    server.files.garble(PATHS.answers, "{}");
    const said = await hostOf(server)({ yes: true });
    const token = tokenOf(server);
    assert.match(token, /^\d{4}(-\d{4}){4}$/);
    assert.ok(!said.includes(token), "the token was told");
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
    const login = (password: string) => server.call("POST", "/api/session", { body: { password } });
    assert.notEqual((await login(PASSWORD)).status, 200);
    const claimed = await server.call("POST", "/api/session/claim", { body: { token, password: NEXT } });
    assert.equal(claimed.status, 200);
    assert.equal((await login(NEXT)).status, 200);
    assert.equal((await login(PASSWORD)).status, 401);
    assert.equal(server.files.snapshot().get(PATHS.answers), "{}", "what is installed is not as it was");
  });
  it("leaves a trace that the pod cannot reach, and that holds no secret", async () => {
    const server = await startServer();
    await claim(server);
    await hostOf(server)({ yes: true });
    assert.deepEqual(await changesOf(server), ["access: management password -> new setup token"]);
    const record = server.files.snapshot().get("/var/lib/alga-appliance-host/maintenance.json") ?? "";
    assert.ok(!record.includes(tokenOf(server)));
  });
  it("stays where root does not say yes, and where nobody can be asked", async () => {
    const server = await startServer();
    const cookie = await claim(server);
    await assert.rejects(hostOf(server)({}), { code: "cli/usage" });
    await assert.rejects(
      hostOf(server)({}, async () => "no"),
      { code: "internal/aborted" },
    );
    await assert.rejects(hostOf(server, { user: "1000" })({ yes: true }), { code: "host/not-root" });
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 200);
    assert.deepEqual([tokenOf(server), await changesOf(server)], ["", []]);
    await hostOf(server)({}, async () => "yes");
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
  });
  it("killed before any of its effects, the next call ends it", async () => {
    for (let effects = 0; ; effects += 1) {
      const server = await startServer();
      await claim(server);
      let left = effects;
      const mortal =
        <A extends readonly unknown[], R>(effect: (...given: A) => Promise<R>) =>
        async (...given: A): Promise<R> => {
          if (left === 0) throw new ApplianceError("internal/aborted", "Cannot go on: it was killed here");
          left -= 1;
          return await effect(...given);
        };
      const { files } = server;
      const dying = {
        ...files,
        write: mortal(files.write),
        create: mortal(files.create),
        remove: mortal(files.remove),
      };
      const died = await hostOf(server, { files: dying })({ yes: true }).then(
        () => false,
        () => true,
      );
      await hostOf(server)({ yes: true });
      assert.match(tokenOf(server), /^\d{4}(-\d{4}){4}$/, `after ${effects} effects`);
      assert.equal(server.files.snapshot().has(PATHS.adminCredential), false);
      if (!died) return;
    }
  });
  it("is none on a box that nobody has claimed: its token stays", async () => {
    const server = await startServer();
    const before = tokenOf(server);
    assert.match(await hostOf(server)({}), /Nobody has claimed the box/);
    assert.deepEqual([tokenOf(server), await changesOf(server)], [before, []]);
  });
  it("is not looked for on a machine that is no appliance", async () => {
    const server = await startServer();
    const nowhere: Files = { ...server.files, stat: async () => undefined };
    await assert.rejects(hostOf(server, { files: nowhere })({ yes: true }), { code: "session/not-claimed" });
  });
  it("is taken away under the old name of the command, which asks nobody", () =>
    assert.deepEqual(expandAlias("alga-appliance-reset-admin", []), ["host", "reset-admin", "--yes"]));
});
