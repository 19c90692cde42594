/** The executable as a stranger meets it: in an empty folder, without an environment, beside hostile files. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { sharedExecutable } from "../support/executable.ts";
import { exitOf, firstJsonLine, openUpload, waitForOk } from "../support/process.ts";

describe("the executable", () => {
  let executable: string;
  let folder: string;
  before(() => {
    executable = sharedExecutable();
    folder = mkdtempSync(join(tmpdir(), "alga-empty-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  // Commands that keep something keep it in the folder; nothing else is in the environment.
  const run = (...words: string[]) =>
    spawnSync(executable, words, {
      cwd: folder,
      env: { ALGA_APPLIANCE_ROOT: folder },
      encoding: "utf8",
      timeout: 30_000,
    });

  it("says its version, revision and target", () => {
    const shown = JSON.parse(run("version", "-o", "json").stdout);
    assert.match(shown.version, /^\d+\.\d+\.\d+/);
    assert.match(shown.revision, /^[0-9a-f]{12}$/);
    assert.match(shown.runtime, /^bun \d/);
    assert.match(shown.target, /^linux-(x64|arm64)$/);
    assert.match(run("--version").stdout, /^alga-appliance \d/);
  });

  it("shows help for every noun with exit 0", () => {
    const overview = run("--help");
    assert.equal(overview.status, 0);
    const nouns = [...overview.stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, noun]) => noun ?? "");
    assert.ok(nouns.length >= 6, overview.stdout);
    for (const noun of nouns) {
      const help = run(noun, "--help");
      assert.equal(help.status, 0, noun);
      assert.match(help.stdout, /^Usage: alga-appliance /m, noun);
    }
  });

  const exits: readonly [string[], number][] = [
    [["no-such-noun"], 2],
    [["status", "--no-such-flag"], 2],
    [["release", "resolve", "--registry", "127.0.0.1:1", "--timeout", "2s"], 1],
    [["setup", "run", "--answers", "/nonexistent"], 2],
    [["completion", "tcsh"], 2],
  ];
  for (const [words, code] of exits) {
    it(`ends with ${code}: ${words.join(" ")}`, () => {
      const result = run(...words);
      assert.equal(result.status, code, `${result.stdout}${result.stderr}`);
      assert.match(result.stderr, /^Cannot /m);
      assert.doesNotMatch(result.stderr, /\n\s+at /);
    });
  }

  it("ends with 3 and shows the cause where there is no appliance to see", () => {
    const result = run("status", "--kubeconfig", "/nonexistent", "-o", "json");
    assert.equal(result.status, 3, result.stderr);
    assert.match(result.stdout, /the file \/nonexistent does not exist/);
    assert.equal(JSON.parse(result.stdout).summary.state, "unknown");
  });

  it("prints an error as one JSON document with -o json", () => {
    const { error } = JSON.parse(run("no-such-noun", "-o", "json").stdout);
    assert.equal(error.code, "cli/usage");
  });

  it("runs nothing of the folder it is started in", () => {
    writeFileSync(join(folder, "trap.js"), 'console.log("TRAPPED"); process.exit(66);');
    writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./trap.js"]\n');
    writeFileSync(join(folder, ".env"), "ALGA_APPLIANCE_REGISTRY_HOST=evil.example\n");
    const result = run("doctor", "--settings", "-o", "json");
    assert.equal(result.status, 0, result.stderr);
    assert.doesNotMatch(result.stdout, /TRAPPED|evil\.example/);
  });

  it("answers under its other names", () => {
    const calledAs = (name: string, ...words: string[]) => {
      const link = join(folder, name);
      symlinkSync(executable, link);
      const direct = spawnSync(link, words, { encoding: "utf8", env: {} });
      const found = spawnSync(name, words, { encoding: "utf8", env: { PATH: folder } });
      assert.equal(found.stdout + found.stderr, direct.stdout + direct.stderr, "by path and by name alike");
      return direct.stdout + direct.stderr;
    };
    assert.match(calledAs("appliance", "version"), /^alga-appliance \d/);
    assert.match(calledAs("alga-control-plane-reapply", "--help"), /alga-appliance recover/);
    assert.match(calledAs("something-else", "version"), /^alga-appliance \d/);
  });

  it("ends quietly when its reader is gone", () => {
    const script = 'exec 3> >(:); sleep 0.2; "$0" completion bash >&3; echo "ended $?"';
    const result = spawnSync("bash", ["-c", script, executable], { encoding: "utf8", timeout: 30_000 });
    assert.equal(result.stdout, "ended 0\n");
    assert.equal(result.stderr, "");
  });

  it("serves, answers /healthz, and on SIGTERM lets a request end and goes with 0", async () => {
    const env = { ALGA_APPLIANCE_ROOT: folder };
    const child = spawn(executable, ["serve", "--listen", "127.0.0.1", "--port", "0", "-o", "json"], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { url } = (await firstJsonLine(child)) as { url: string };
    assert.equal((await (await waitForOk(`${url}/healthz`)).json()).ok, true);
    const upload = await openUpload(`${url}/api/session`, JSON.stringify({ token: "not-the-token" }));
    child.kill("SIGTERM");
    await untilRefused(url);
    assert.match(await upload.finish(), /^HTTP\/1\.1 4\d\d [\s\S]*application\/problem\+json/);
    assert.equal(await exitOf(child), 0);
  });

  it("rehearses: prints one line with everything a script needs, and leads to the wizard", async () => {
    const child = spawn(executable, ["rehearse", "--port", "0", "-o", "json"], {
      cwd: folder,
      env: {},
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = (await firstJsonLine(child)) as Record<string, string>;
    for (const key of ["url", "setupUrl", "token", "registry", "kubernetes", "stateDir"])
      assert.equal(typeof line[key], "string", key);
    const answer = await fetch(line.setupUrl ?? "", { redirect: "manual" });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), "/setup");
    const cookie = answer.headers.get("set-cookie") ?? "";
    assert.match(cookie, /HttpOnly/);
    assert.match(cookie, /SameSite=/);
    const page = await fetch(`${line.url}/setup`);
    assert.match(await page.text(), /<!doctype html>/i);
    child.kill("SIGTERM");
    assert.equal(await exitOf(child), 0);
  });
});

/** Waits until new connections are refused. */
async function untilRefused(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const answer = await fetch(`${url}/healthz`, { headers: { connection: "close" } }).catch(() => undefined);
    if (answer === undefined) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.fail("it still takes requests");
}
