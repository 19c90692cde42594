import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { systemMachine as machine, parseMemory, parseStart, parseUptime } from "./machine.ts";

test("this boot, this machine and this process have an identity", async () => {
  assert.match(await machine.bootId(), /^[0-9a-f-]{36}$/);
  const first = await machine.uptimeMs();
  assert.ok(first > 0 && (await machine.uptimeMs()) >= first);
  const me = await machine.self();
  assert.equal(me.pid, process.pid);
  assert.match(me.startTicks, /^\d+$/);
  assert.match(me.pidNamespace, /^pid:\[\d+\]$/);
  assert.equal(await machine.processStart(me.pid), me.startTicks);
  assert.ok(machine.cpuCount() >= 1);
  assert.ok((await machine.hostName()).length > 0);
  const memory = await machine.memory();
  assert.ok(memory.totalBytes > memory.availableBytes && memory.availableBytes > 0);
});

test("a process has a start time while it lives, and none afterwards", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  assert.match((await machine.processStart(pid)) ?? "", /^\d+$/);
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(await machine.processStart(pid), undefined);
  assert.equal(await machine.processStart(0), undefined);
  assert.equal(await machine.processStart(2 ** 40), undefined);
});

test("a name with spaces and parentheses does not shift the fields, and a zombie has ended", () => {
  const rest = (state: string): string => `${state} ${Array.from({ length: 18 }, (_, n) => n).join(" ")} 4711 0`;
  assert.equal(parseStart(`12 (odd) name (x) ${rest("S")}`), "4711");
  assert.equal(parseStart(`12 (odd) ${rest("Z")}`), undefined);
  assert.equal(parseStart("nonsense"), undefined);
});

test("facts of another form are refused", () => {
  assert.equal(parseUptime("12.34 99.00\n"), 12_340);
  assert.throws(() => parseUptime("soon"));
  assert.deepEqual(parseMemory("MemTotal:   10 kB\nMemAvailable:    4 kB\n"), {
    totalBytes: 10_240,
    availableBytes: 4_096,
  });
  assert.throws(() => parseMemory("MemTotal: 10 kB\n"));
});
