/** `console setup` at a real pseudo-terminal against a rehearsed box: claimed, left by Ctrl-C, come back to, and installed to its end. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { statePaths } from "../../src/core/paths.ts";
import { startPlay } from "../rehearsal/play.ts";

const SCRIPT = "/usr/bin/script";
const skip = existsSync(SCRIPT) ? false : "no script of util-linux, which opens pseudo-terminals";
if (skip !== false) process.stdout.write(`skipped: console setup at a terminal: ${skip}\n`);

const ROOT = join(import.meta.dirname, "../..");
const [BOX_PASSWORD, ADMIN_PASSWORD] = ["Korrekt-Pferd-7", "Batterie-Heft-8"];
const CTRL_C = "\u0003";

type Turn = readonly [wanted: string, typed: string];

const folder = mkdtempSync(join(tmpdir(), "alga-console-setup-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the wizard at a terminal of 80 by 25 that shows ASCII, and types each answer once its question is there. */
function atTerminal(port: string, turns: readonly Turn[]): Promise<string> {
  const line =
    'trap : INT; stty cols 80 rows 25; "$RUNTIME" src/main.ts console setup --port "$PORT"; echo "code $?"; stty -a';
  const env = {
    ...process.env,
    ...{ RUNTIME: process.execPath, PORT: port, ALGA_APPLIANCE_ROOT: folder, SHELL: "/bin/sh", TERM: "dumb" },
    ...{ LC_ALL: "C", LANG: "C", LC_CTYPE: "C" },
  };
  const child = spawn(SCRIPT, ["-qec", line, "/dev/null"], { cwd: ROOT, env, stdio: ["pipe", "pipe", "inherit"] });
  const left = [...turns];
  return new Promise((resolve, reject) => {
    let screen = "";
    let answered = 0;
    child.on("error", reject);
    child.stdout.on("data", (chunk: Buffer) => {
      screen += chunk.toString("latin1");
      for (let next = left[0]; next !== undefined && screen.slice(answered).includes(next[0]); next = left[0]) {
        answered = screen.length;
        child.stdin.write(next[1]);
        left.shift();
      }
    });
    child.on("close", () => {
      if (left.length > 0) reject(new Error(`not asked: ${left[0]?.[0]}\n${screen}`));
      else resolve(screen);
    });
  });
}

test("a box that no browser reaches is set up at its terminal, also after Ctrl-C", {
  skip,
  timeout: 240_000,
}, async () => {
  const play = await startPlay({ speed: 300 });
  try {
    const paths = statePaths(folder);
    mkdirSync(dirname(paths.setupToken), { recursive: true });
    writeFileSync(paths.setupToken, `${play.announced.token}\n`, { mode: 0o600 });
    const port = new URL(play.announced.url).port;
    const first = await atTerminal(port, [
      ["Management password: ", `${BOX_PASSWORD}\r`],
      ["Management password, again: ", `${BOX_PASSWORD}\r`],
      ["Channel to follow", "\r"],
      ["A certain version", "\r"],
      ["Address people will open", "https://psa.example.com\r"],
      ["Name servers (", "\r"],
      ["Name of the organisation", "Exampel\u007f\u007fle Ltd\r"],
      ["First name", `Ada${CTRL_C}`],
    ]);
    assert.match(first, /code [1-9]/);
    const kept = readFileSync(join(paths.host, "console/setup-draft.json"), "utf8");
    assert.match(kept, /psa\.example\.com/);
    const second = await atTerminal(port, [
      ["Management password: ", "wrong\r"],
      ["Management password: ", `${BOX_PASSWORD}\r`],
      ["Channel to follow", "\r"],
      ["A certain version", "\r"],
      ["[https://psa.example.com]: ", "\r"],
      ["Name servers (", "\r"],
      ["Name of the organisation [", "\r"],
      ["First name", "Ada\r"],
      ["Last name", "Lovelace\r"],
      ["Email address", "ada\r"],
      ["Email address", "ada@example.com\r"],
      ["Password of the administrator: ", `${ADMIN_PASSWORD}\r`],
      ["Password of the administrator, again: ", `${ADMIN_PASSWORD}\r`],
      ["Edition (ee, ce)", "ce\r"],
      ["Begin? yes", "details\r"],
      ["more lines; Enter", "q\r"],
      ["Begin? yes", "yes\r"],
    ]);
    assert.match(second, /Write an email address such as admin@example\.com/);
    assert.match(second, /1\/\d+ Check the machine and the network/);
    assert.match(second, /Done\. People can log in at https:\/\/psa\.example\.com/);
    assert.match(second, /code 0/);
    for (const screen of [first, second]) {
      assert.ok(
        [BOX_PASSWORD, ADMIN_PASSWORD, String(play.announced.token)].every((secret) => !screen.includes(secret)),
        "a secret is shown",
      );
      assert.match(screen, / icanon /);
      assert.match(screen, / echo /);
      assert.match(screen, /^[\x08\r\n\x20-\x7e]*$/, "the screen shows more than ASCII");
      const wide = screen.split(/\r?\n/).filter((text) => text.length > 80 && !text.includes("]: "));
      assert.deepEqual(wide, []);
    }
    assert.ok(!existsSync(join(paths.host, "console/setup-draft.json")), "what was sent is kept by the control plane");
  } finally {
    await play.kill();
  }
});
