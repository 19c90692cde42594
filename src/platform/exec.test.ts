/** Programs of the host: arguments stay arguments, output is bounded, and nothing outlives its time. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { systemExec } from "./exec.ts";

const LONG_MS = 60_000;

it("hands every argument over as it is: there is no shell to read it", async () => {
  const odd = ["$(id)", "; echo no", "`id`", "a b", "*", "--"];
  const { stdout, code } = await systemExec(["printf", "%s\\n", ...odd], { timeoutMs: LONG_MS });
  assert.deepEqual([code, stdout], [0, `${odd.join("\n")}\n`]);
});

it("gives input on standard input, and an exit code as a result", async () => {
  const seen = await systemExec(["sh", "-c", "cat; echo no >&2; exit 7"], { timeoutMs: LONG_MS, input: "secret" });
  assert.deepEqual(seen, { code: 7, stdout: "secret", stderr: "no\n", truncated: false });
});

it("passes on nothing of this process's environment but PATH and HOME", async () => {
  process.env.ALGA_TEST_SECRET = "hidden";
  const { stdout } = await systemExec(["env"], { timeoutMs: LONG_MS });
  delete process.env.ALGA_TEST_SECRET;
  const names = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split("=")[0]);
  assert.deepEqual(names.sort(), ["HOME", "LC_ALL", "PATH"]);
});

it("keeps the beginning of what is told and the end of what went wrong", async () => {
  const script =
    "head -c 5000000 /dev/zero | tr '\\0' a; echo end; { head -c 5000000 /dev/zero | tr '\\0' b; echo why; } >&2";
  const seen = await systemExec(["sh", "-c", script], { timeoutMs: LONG_MS, maxBytes: 1024 });
  assert.deepEqual([seen.stdout.length, seen.stderr.length, seen.truncated], [1024, 1024, true]);
  assert.ok(seen.stdout.startsWith("aaa") && seen.stderr.endsWith("why\n"));
});

it("ends a program that does not end, with all it started", async () => {
  const script = "trap '' TERM; sleep 300 & echo $!; wait; sleep 300";
  const started = performance.now();
  await assert.rejects(systemExec(["sh", "-c", script], { timeoutMs: 200 }), { code: "exec/timeout" });
  assert.ok(performance.now() - started < 100_000, "it waited for the program");
});

it("does not wait for a child that left the group with the pipes in its hand", async () => {
  const script = "setsid sleep 20 & sleep 300";
  const started = performance.now();
  await assert.rejects(systemExec(["sh", "-c", script], { timeoutMs: 200 }), { code: "exec/timeout" });
  assert.ok(performance.now() - started < 15_000, "it waited for the child");
});

it("stops when its caller gives up, before and while it runs", async () => {
  const stop = new AbortController();
  const run = systemExec(["sleep", "300"], { timeoutMs: LONG_MS, signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(run);
  await assert.rejects(systemExec(["true"], { timeoutMs: LONG_MS, signal: stop.signal }));
});

it("says that a program is not there", async () => {
  await assert.rejects(systemExec(["alga-no-such-program"], { timeoutMs: LONG_MS }), {
    code: "exec/not-found",
    message: 'Cannot run "alga-no-such-program": it is not there, a program of the host is wanted',
  });
});

it("hands output on piece by piece, waits for who takes it, and stops at the bound", async () => {
  const taken: number[] = [];
  let working = 0;
  const onOutput = async (bytes: Uint8Array): Promise<void> => {
    working += 1;
    assert.equal(working, 1, "two pieces at once");
    taken.push(bytes.length);
    await new Promise((done) => setImmediate(done));
    working -= 1;
  };
  const argv = ["sh", "-c", "head -c 3000000 /dev/zero; echo why >&2; exit 3"] as const;
  const seen = await systemExec([...argv], { timeoutMs: LONG_MS, maxBytes: 2_000_000, onOutput });
  assert.deepEqual(seen, { code: 3, stdout: "", stderr: "why\n", truncated: true });
  assert.ok(taken.length > 1);
  assert.equal(
    taken.reduce((sum, size) => sum + size),
    2_000_000,
  );
});

it("ends a program whose output nobody takes any more, and one that waits for a taker beyond its time", async () => {
  const endless = ["sh", "-c", "while :; do echo line; done"] as const;
  const gone = async (): Promise<void> => {
    throw new Error("gone");
  };
  await assert.rejects(systemExec([...endless], { timeoutMs: LONG_MS, onOutput: gone }), /gone/);
  const never = (): Promise<void> => new Promise(() => {});
  await assert.rejects(systemExec([...endless], { timeoutMs: 300, onOutput: never }), { code: "exec/timeout" });
});
