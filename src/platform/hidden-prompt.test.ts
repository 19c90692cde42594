/** A hidden question: on a real pseudo-terminal with the whole executable, and over a stream that can do what none does. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, test } from "node:test";
import { openSigningKey } from "../trust/keys.ts";
import { hiddenPrompt } from "./hidden-prompt.ts";

const PASSPHRASE = "Korrekt-Pferd-ü-7";
const CTRL_C = "\u0003";

/** A terminal in memory that remembers in which mode it is. */
function terminal() {
  const input = Object.assign(new EventEmitter(), {
    isRaw: false,
    setRawMode: (raw: boolean) => Object.assign(input, { isRaw: raw }),
    resume: () => input,
    pause: () => input,
  });
  const ends = new EventEmitter();
  const stop = new AbortController();
  const shown: string[] = [];
  const ask = hiddenPrompt({ input, ends, signal: stop.signal, show: (text) => void shown.push(text) });
  const atRest = (): boolean => {
    const listeners = [input, ends].flatMap((one) => one.eventNames().map((name) => one.listenerCount(name)));
    return !input.isRaw && listeners.every((count) => count === 0);
  };
  return { input, ends, stop, shown, ask, atRest, type: (text: string) => input.emit("data", Buffer.from(text)) };
}

describe("a hidden question", () => {
  it("takes keys as a person types them, shows the question alone, and puts the terminal back", async () => {
    const { ask, type, input, shown, atRest } = terminal();
    const answer = ask("Passphrase");
    assert.ok(input.isRaw);
    for (const key of ["w", "\u0015", "a", "b", "\u007f", "\u001b[A", "\u001bOP", "\t", "c \r"]) type(key);
    assert.equal(await answer, "ac ");
    assert.deepEqual([shown.join(""), atRest()], ["Passphrase: \n", true]);
  });

  it("joins a character that arrives in two pieces, and takes it back as one", async () => {
    const { ask, input } = terminal();
    const answer = ask("Passphrase");
    for (const byte of Buffer.from("aü€")) input.emit("data", Buffer.from([byte]));
    input.emit("data", Buffer.from("\u007f\n"));
    assert.equal(await answer, "aü");
  });

  it("gives what was pasted beyond a line to the next question", async () => {
    const { ask, type } = terminal();
    const first = ask("Passphrase");
    type("one\ntwo\nthr");
    assert.deepEqual([await first, await ask("Again")], ["one", "two"]);
    const third = ask("Third");
    type("ee\n");
    assert.equal(await third, "three");
  });

  it("puts the terminal back whatever ends the question", async () => {
    type Scene = ReturnType<typeof terminal>;
    const ways: readonly (readonly [string, (scene: Scene) => void, string])[] = [
      ["Ctrl-C", ({ type }) => type(`half${CTRL_C}`), "internal/aborted"],
      ["SIGHUP", ({ ends }) => ends.emit("SIGHUP"), "internal/aborted"],
      ["SIGTERM", ({ stop }) => stop.abort(Object.assign(new Error("SIGTERM"), { code: "signal" })), "signal"],
      ["the terminal goes away", ({ input }) => input.emit("end"), "internal/aborted"],
      ["reading fails", ({ input }) => input.emit("error", new Error("EIO")), "internal/aborted"],
      ["an endless answer", ({ type }) => type("x".repeat(5_000)), "file/too-large"],
    ];
    for (const [name, end, code] of ways) {
      const scene = terminal();
      const answer = assert.rejects(scene.ask("Passphrase"), { code }, name);
      end(scene);
      await answer;
      assert.ok(scene.atRest(), name);
      assert.ok(!scene.shown.join("").includes("half"), name);
    }
  });

  it("puts the terminal back when the process ends while it asks, and asks nothing once it is told to end", async () => {
    const { ask, ends, input, stop, shown } = terminal();
    const answer = assert.rejects(ask("Passphrase"));
    ends.emit("exit");
    assert.equal(input.isRaw, false);
    stop.abort();
    await answer;
    shown.length = 0;
    await assert.rejects(ask("Passphrase"));
    assert.deepEqual([shown, input.isRaw], [[], false]);
  });
});

const SCRIPT = "/usr/bin/script";
const skip = existsSync(SCRIPT) ? false : "no script of util-linux, which opens pseudo-terminals";
const folder = mkdtempSync(join(tmpdir(), "alga-prompt-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs keygen at a pseudo-terminal; types an answer each time a question is there. Answers all that the screen showed. */
function atTerminal(out: string, answers: readonly (readonly [RegExp, string])[]): Promise<string> {
  const line = '"$RUNTIME" "$MAIN" release keygen --out "$OUT"; echo "code $?"; stty -a';
  const env = {
    ...process.env,
    RUNTIME: process.execPath,
    MAIN: join(import.meta.dirname, "../main.ts"),
    OUT: out,
    SHELL: "/bin/sh",
    ALGA_APPLIANCE_KEY_PASSPHRASE: "",
  };
  const child = spawn(SCRIPT, ["-qec", line, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] });
  const left = [...answers];
  return new Promise((resolve, reject) => {
    let screen = "";
    child.on("error", reject);
    child.stdout.on("data", (chunk: Buffer) => {
      screen += chunk.toString();
      if (left[0]?.[0].test(screen) === true) child.stdin.write(left.shift()?.[1] ?? "");
    });
    child.on("close", () => resolve(screen));
  });
}

test("at a terminal keygen asks twice, echoes nothing, seals the key, and leaves the terminal as it was", {
  skip,
}, async () => {
  const out = join(folder, "typed");
  const screen = await atTerminal(out, [
    [/Passphrase of the new key: /, `${PASSPHRASE}\r`],
    [/The same again: /, `${PASSPHRASE}\r`],
  ]);
  assert.match(screen, /code 0/);
  for (const part of [PASSPHRASE, "Korrekt", "Pferd"])
    assert.ok(!screen.includes(part), "the screen shows the passphrase");
  assert.match(screen, / icanon /);
  assert.match(screen, / echo /);
  assert.ok(openSigningKey(readFileSync(join(out, "release.key"), "utf8"), PASSPHRASE).id.length > 0);
});

test("at a terminal two passphrases that differ, and Ctrl-C, make no key and leave the terminal as it was", {
  skip,
}, async () => {
  const out = join(folder, "none");
  const first = /Passphrase of the new key: /;
  const differs = await atTerminal(out, [
    [first, `${PASSPHRASE}\r`],
    [/The same again: /, "another\r"],
  ]);
  assert.match(differs, /two passphrases differ/);
  const cancelled = await atTerminal(out, [[first, `Korrekt${CTRL_C}`]]);
  for (const screen of [differs, cancelled]) {
    assert.match(screen, /code [1-9]/);
    assert.match(screen, / icanon /);
    assert.match(screen, / echo /);
    assert.ok(!screen.includes("Korrekt"));
  }
  assert.ok(!existsSync(out) || readdirSync(out).length === 0);
});
