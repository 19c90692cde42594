/**
 * Recover as a real process on a real disk: the state of a box whose disk is mounted in a rescue system, damaged, killed with SIGKILL
 * while a program of the host runs, and begun again. The programs that need root are scripts that write down what they were asked.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { exitOf } from "../support/process.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "alga-recover-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const PLANNED = `{"kind":"planned","schema":"alga.appliance.journal/v1","operation":"setup","bootId":"b","steps":[{"id":"a","title":"A"}],"plan":{},"seq":1,"at":"2026-11-20T09:00:00.000Z","uptimeMs":1}`;

/** A box's disk under a root of its own, and programs that say what they were asked. */
function scene(name: string) {
  const root = join(folder, name);
  const state = join(root, "var/lib/alga-appliance");
  const programs = join(root, "programs");
  for (const path of [join(state, "journal"), programs]) mkdirSync(path, { recursive: true });
  writeFileSync(join(state, "answers.json"), '{"schema":"alga.appliance.ans', { mode: 0o600 });
  writeFileSync(join(state, "name.json"), "\u0000".repeat(64), { mode: 0o600 });
  writeFileSync(join(state, "sessions.json"), '{"schema":"alga.appliance.sessions/v1"}', { mode: 0o644 });
  chmodSync(join(state, "sessions.json"), 0o644);
  mkdirSync(join(root, "etc/alga-appliance"), { recursive: true });
  writeFileSync(join(root, "etc/alga-appliance/config.yaml"), "name: Box of the shop\nregistyr: {host: x}\n", {
    mode: 0o640,
  });
  writeFileSync(join(state, "journal/0001-setup.ndjson"), `${PLANNED}\n{"kind":"step-`, { mode: 0o600 });
  const program = (file: string, text: string): void =>
    writeFileSync(join(programs, file), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  program("find", ":");
  program("chown", `echo "$@" >> ${root}/asked; while [ -e ${root}/hold ]; do sleep 0.05; done`);
  const run = (...words: string[]): { readonly child: ChildProcess; readonly said: () => string } => {
    const env = { PATH: `${programs}:${process.env.PATH}`, HOME: root, ALGA_APPLIANCE_ROOT: root };
    const child = spawn(process.execPath, [MAIN, ...words], { env, cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (piece: Buffer) => (text += piece.toString()));
    return { child, said: () => text };
  };
  const asides = (): readonly string[] =>
    readdirSync(state)
      .filter((file) => file.includes(".corrupt-"))
      .map((file) => file.replace(/\.corrupt-.*/, ""));
  return { root, state, run, asides };
}

it("says what is wrong and touches nothing, then puts it right, killed in between", { timeout: 120_000 }, async () => {
  const { root, state, run, asides } = scene("box");
  const look = run("recover", "plan", "-o", "json");
  assert.equal(await exitOf(look.child), 0, look.said());
  const { findings } = JSON.parse(look.said()) as { readonly findings: readonly { readonly code: string }[] };
  assert.deepEqual(
    findings.map(({ code }) => code),
    ["settings-file", "state-file", "state-file", "state-journal", "state-open"],
  );
  assert.deepEqual(asides(), []);

  writeFileSync(join(root, "hold"), "");
  const first = run("recover", "--yes");
  await eventually("a program of the host runs", () => existsSync(join(root, "asked")), 60_000);
  first.child.kill("SIGKILL");
  await exitOf(first.child);
  rmSync(join(root, "hold"));

  const second = run("recover", "--yes", "-o", "json");
  assert.equal(await exitOf(second.child), 0, second.said());
  assert.deepEqual(asides().toSorted(), ["answers.json", "name.json"]);
  assert.equal(readFileSync(join(state, "journal/0001-setup.ndjson"), "utf8"), `${PLANNED}\n`);
  assert.match(readFileSync(join(root, "asked"), "utf8"), /^--no-dereference --recursive 10001:10001 \S+/m);
  const config = join(root, "etc/alga-appliance/config.yaml");
  assert.match(readFileSync(config, "utf8"), /^# Written by .*\nname: Box of the shop\n$/);
  assert.equal(statSync(config).mode & 0o777, 0o640);
  const kept = readdirSync(join(root, "etc/alga-appliance")).filter((file) => file !== "config.yaml");
  assert.ok(kept.length === 1 && /^config\.yaml\.corrupt-[\w-]+$/.test(kept[0] ?? ""), kept.join(" "));
  assert.match(readFileSync(join(root, "etc/alga-appliance", kept[0] ?? ""), "utf8"), /^registyr: /m);
  const left = run("recover", "plan");
  assert.equal(await exitOf(left.child), 0);
  assert.match(left.said(), /Nothing is wrong that can be seen/);
});

it("lets the screen of the box be drawn although its settings cannot be used, and everything else say so", {
  timeout: 60_000,
}, async () => {
  const { run } = scene("screen");
  const banner = run("console", "banner", "--charset", "ascii");
  assert.equal(await exitOf(banner.child), 0, banner.said());
  const settings = run("doctor", "--settings");
  assert.equal(await exitOf(settings.child), 3);
  assert.match(settings.said(), /^Cannot use settings file .*: what stands without it is shown$/m);
  assert.match(settings.said(), /^registry\.host +ghcr\.io/m);
  const status = run("status");
  assert.equal(await exitOf(status.child), 2);
  assert.match(status.said(), /Cannot use settings file "\S+config\.yaml": there is no setting "registyr\.host"/);
});

it("wants --yes where nobody can be asked", { timeout: 60_000 }, async () => {
  const { run, asides } = scene("asks");
  const { child, said } = run("recover");
  assert.equal(await exitOf(child), 2);
  assert.match(said(), /--yes is wanted/);
  assert.deepEqual(asides(), []);
});
