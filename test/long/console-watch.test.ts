/** `console watch` as its unit runs it, at a real pseudo-terminal: from the start to the claim, a frame for each change and no more. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { digestOf } from "../../src/core/digest.ts";
import { statePaths } from "../../src/core/paths.ts";
import { consolePaths } from "../../src/host/console-paths.ts";

const SCRIPT = "/usr/bin/script";
const skip = existsSync(SCRIPT) ? false : "no script of util-linux, which opens pseudo-terminals";
if (skip !== false) process.stdout.write(`skipped: console watch at a terminal: ${skip}\n`);

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = "0421-7734-9012-5568-1203";
const PASSWORD = "bcdefghijknoprst";
const CLEAR = "\u001b[H\u001b[J";

const folder = mkdtempSync(join(tmpdir(), "alga-console-watch-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
}

/** A box on its first boot: a token, an account with the password that was made, and nothing that answers yet. */
function firstBoot(): ReturnType<typeof statePaths> {
  const paths = statePaths(folder);
  const { credential, login } = consolePaths(paths);
  put(paths.setupToken, `${TOKEN}\n`);
  put(join(folder, "etc/passwd"), "alga-admin:x:998:998::/:/bin/bash\n");
  put(join(folder, "etc/shadow"), "alga-admin:$6$made:0::::::\n");
  put(login, `${PASSWORD}\n`);
  const record = {
    user: "alga-admin",
    state: "set",
    before: digestOf("!*"),
    made: digestOf("$6$made"),
    bootId: "b",
    shownUptimeMs: null,
  };
  put(credential, JSON.stringify({ schema: "alga.appliance.console-credential/v1", ...record }));
  return paths;
}

/** The screen as a terminal of 80 by 25 holds it: frames, each from a clearing to the next. */
function watchAt(port: number): {
  readonly child: ChildProcess;
  readonly frames: () => readonly string[];
  readonly errors: () => string;
} {
  const line = `stty cols 80 rows 25; exec "$RUNTIME" src/main.ts console watch --token --login --write --charset utf8 2>"$ERRORS"`;
  const env = {
    ...process.env,
    ...{
      RUNTIME: process.execPath,
      ERRORS: join(folder, "errors"),
      ALGA_APPLIANCE_ROOT: folder,
      ALGA_APPLIANCE_PORT: String(port),
    },
    ...{ ALGA_APPLIANCE_NAME: "box-7f3a", SHELL: "/bin/sh", TERM: "linux", NO_COLOR: "1" },
  };
  const child = spawn(SCRIPT, ["-qfec", line, "/dev/null"], { cwd: ROOT, env, stdio: ["pipe", "pipe", "inherit"] });
  const decoder = new TextDecoder();
  let screen = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    screen += decoder.decode(chunk, { stream: true });
  });
  return {
    child,
    frames: () => screen.split(CLEAR).slice(1),
    errors: () => (existsSync(env.ERRORS) ? readFileSync(env.ERRORS, "utf8") : ""),
  };
}

test("the screen of a first boot shows what changes when it changes", { skip, timeout: 180_000 }, async () => {
  const paths = firstBoot();
  const server = createServer((_request, answer) => answer.end('{"ok":true,"mode":"setup"}'));
  // The port is known and nothing answers on it yet.
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((done) => server.close(done));
  const { child, frames, errors } = watchAt(port);
  const ended = new Promise((done) => child.once("close", done));
  const until = async (what: RegExp): Promise<string> => {
    for (let looks = 0; looks < 1_000; looks += 1) {
      // The code stands beside the text.
      const last = (frames().at(-1) ?? "")
        .replaceAll(/[\u2580-\u2588]+/g, " ")
        .replaceAll(/\s+/g, " ")
        .trim();
      if (what.test(last)) return last;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`never shown: ${what}\n${frames().join("\n--\n")}\n${errors()}`);
  };
  try {
    const starting = await until(/The box starts\. .* not shown again\.$/);
    assert.match(starting, /as alga-admin with bcde fghi jkno prst/);
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    const unclaimed = await until(/Set up this appliance .* not shown again\.$/);
    assert.ok(unclaimed.includes(TOKEN));
    put(join(folder, "etc/shadow"), "alga-admin:$6$chosen:20779::::::\n");
    const loggedIn = await until(/Set up this appliance .* Log in on this machine: Alt\+F2$/);
    assert.ok(!/bcde|alga-admin/.test(loggedIn), "a login that was used stays on the screen");
    assert.equal(frames().length, 3, "a frame for each change, and no more");
    for (const frame of frames()) {
      const lines = frame.trimEnd().split(/\r?\n/);
      assert.ok(lines.length <= 24 && lines.every((text) => text.length <= 80), "it fits a VGA console");
    }
    const { credential, login } = consolePaths(paths);
    assert.equal(JSON.parse(readFileSync(credential, "utf8")).state, "shown");
    assert.ok(!existsSync(login), "the password lies in memory after it was used");
    const issue = readFileSync(join(folder, "run/issue.d/alga-appliance.issue"), "utf8");
    assert.ok(!issue.includes(TOKEN) && !issue.includes("bcde"));
    assert.ok(![TOKEN, PASSWORD].some((secret) => errors().includes(secret)));
  } finally {
    child.kill("SIGTERM");
    await ended;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});
