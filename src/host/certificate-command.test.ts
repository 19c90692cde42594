/** `host certificate`: shown, replaced by the operator's own, and given back; nothing of a key is told. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { makeCertificate } from "../../test/support/tls.ts";
import type { FlagValue } from "../cli/command.ts";
import { certificateFiles, readBoxCertificate } from "../core/certificate.ts";
import { statePaths } from "../core/paths.ts";
import type { Exec } from "../core/ports.ts";
import { systemClock } from "../platform/clock.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { commands } from "./certificate-command.ts";

const PATHS = statePaths("/box");
const FILES = certificateFiles(PATHS);

function world() {
  const files = createMemoryFiles();
  const ran: string[][] = [];
  const exec: Exec = async (argv) => {
    ran.push([...argv]);
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const run = async (verb: "" | "use" | "reset", flags: Readonly<Record<string, FlagValue>> = {}): Promise<string> => {
    const command = commands.find(({ path }) => path.join(" ") === `host certificate ${verb}`.trim());
    assert.ok(command !== undefined);
    const { context, said } = commandContext({ deps: { files, exec, clock: systemClock }, flags });
    await command.run(context);
    return JSON.stringify(said);
  };
  return { files, ran, run };
}

const made = makeCertificate({ commonName: "made", names: ["box-7", "192.0.2.7"] });
const own = makeCertificate({ commonName: "own", names: ["box.example"] });

it("says that there is none before the first start", async () => {
  await assert.rejects(world().run(""), { code: "certificate/missing" });
});

it("shows fingerprint, names and end, and nothing of the key", async () => {
  const { files, run } = world();
  files.garble(FILES.made, `${made.cert}${made.key}`);
  const said = await run("");
  const found = await readBoxCertificate(files, PATHS);
  assert.ok(said.includes(found?.fingerprint ?? "-") && said.includes("192.0.2.7"));
  assert.ok(!said.includes("PRIVATE"));
});

it("takes an own one from two files or from one, gives it to the control plane, and goes back", async () => {
  const { files, run, ran } = world();
  files.garble(FILES.made, `${made.cert}${made.key}`);
  files.garble("/stick/box.pem", own.cert);
  files.garble("/stick/box.key", own.key);
  files.garble("/stick/both.pem", `${own.key}${own.cert}`);
  for (const flags of [{ certificate: "/stick/box.pem", key: "/stick/box.key" }, { certificate: "/stick/both.pem" }]) {
    const said = await run("use", flags);
    assert.ok(!said.includes("PRIVATE"));
    assert.equal((await readBoxCertificate(files, PATHS))?.origin, "own");
    assert.equal((await files.stat(FILES.own))?.mode, 0o600);
  }
  assert.deepEqual(ran.slice(0, 2), [
    ["chown", "--no-dereference", "10001:10001", PATHS.tls],
    ["chown", "--no-dereference", "10001:10001", FILES.own],
  ]);
  for (let again = 0; again < 2; again += 1) {
    await run("reset");
    assert.equal((await readBoxCertificate(files, PATHS))?.origin, "made");
  }
});

it("changes nothing for what cannot be used", async () => {
  const { files, run } = world();
  files.garble(FILES.own, `${own.cert}${own.key}`);
  files.garble("/stick/box.pem", own.cert);
  files.garble("/stick/other.key", made.key);
  const before = files.snapshot().get(FILES.own);
  await assert.rejects(run("use", { certificate: "/stick/box.pem", key: "/stick/other.key" }), {
    code: "certificate/invalid",
  });
  await assert.rejects(run("use", { certificate: "/stick/box.pem" }), { code: "certificate/invalid" });
  const over = makeCertificate({ commonName: "own", names: ["box.example"], days: -1 });
  files.garble("/stick/over.pem", `${over.cert}${over.key}`);
  await assert.rejects(run("use", { certificate: "/stick/over.pem" }), {
    code: "certificate/invalid",
    message: /it ended on \d{4}-\d\d-\d\d, one that is valid now is wanted/,
  });
  await assert.rejects(run("use", { certificate: "/stick/none.pem" }), { code: "cli/usage" });
  await assert.rejects(run("use"), { code: "cli/usage" });
  assert.equal(files.snapshot().get(FILES.own), before);
});

it("does not write where a link of the control plane leads", async () => {
  const { files, run } = world();
  files.garble("/stick/both.pem", `${own.key}${own.cert}`);
  const stat = files.stat.bind(files);
  files.stat = async (path, options) =>
    path === PATHS.tls ? { kind: "other", sizeBytes: 0, mode: 0o777, modifiedMs: 0 } : stat(path, options);
  await assert.rejects(run("use", { certificate: "/stick/both.pem" }), { code: "file/unwritable" });
});

it("takes one of the future, because the clock of a new box may be behind, and says so", async () => {
  const { files, run } = world();
  const later = makeCertificate({ commonName: "own", names: ["box.example"], beginsInDays: 2 });
  files.garble("/stick/later.pem", `${later.cert}${later.key}`);
  assert.match(await run("use", { certificate: "/stick/later.pem" }), /not valid yet/);
});
