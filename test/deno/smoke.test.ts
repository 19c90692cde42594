/** The same sources under Deno: they type-check, and `version`, `release resolve` and `serve` run. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { firstJsonLine, waitForOk } from "../support/process.ts";
import { openTestRegistry, type TestRegistry } from "../support/registry.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const DENO = join(ROOT, "node_modules/.bin/deno");
const RUN = ["run", "-A", "--no-check", "--quiet", "src/main.ts"];

describe("under Deno", () => {
  let registry: TestRegistry;
  let root: string;
  before(async () => {
    registry = await openTestRegistry();
    root = mkdtempSync(join(tmpdir(), "alga-deno-"));
  });
  after(async () => {
    await registry.close();
    rmSync(root, { recursive: true, force: true });
  });

  it("the sources type-check", () => {
    const result = spawnSync(DENO, ["check", "--quiet", "src/main.ts"], { cwd: ROOT, encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
  });

  it("version says which runtime runs", () => {
    const result = spawnSync(DENO, [...RUN, "version", "-o", "json"], { cwd: ROOT, encoding: "utf8" });
    assert.equal(result.status, 0, result.stderr);
    assert.match(JSON.parse(result.stdout).runtime, /^deno \d/);
  });

  it("release resolve finds the channel and checks what it pulls", async () => {
    const words = [
      "release",
      "resolve",
      "--registry",
      registry.host,
      "--repository",
      registry.base,
      "--channel",
      "stable",
      "-o",
      "json",
    ];
    const env = { ...process.env, ALGA_APPLIANCE_ROOT: root };
    const child = spawn(DENO, [...RUN, ...words], { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
    const shown = (await firstJsonLine(child, { whole: true })) as { digest: string };
    assert.equal(shown.digest, registry.digest);
  });

  it("serve answers /healthz and ends on SIGTERM", async () => {
    const env = { ...process.env, ALGA_APPLIANCE_ROOT: root };
    const child: ChildProcess = spawn(DENO, [...RUN, "serve", "--listen", "127.0.0.1", "--port", "0", "-o", "json"], {
      cwd: ROOT,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { url } = (await firstJsonLine(child)) as { url: string };
    assert.deepEqual(await (await waitForOk(`${url}/healthz`)).json(), { ok: true, mode: "setup" });
    child.kill("SIGTERM");
    assert.equal(await new Promise((done) => child.on("exit", done)), 0);
  });
});
