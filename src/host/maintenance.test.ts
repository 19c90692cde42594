/** Starts and ends of a box as its host notes them: clean, by the mark or by the journal; unclean; changes beneath; damaged notes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { NO_NETWORK } from "../../test/crash/no-network.ts";
import { commandContext } from "../../test/support/command-context.ts";
import { wtmpOf } from "../../test/support/wtmp.ts";
import { SILENT_LOG } from "../core/log.ts";
import { MAX_BOOTS, maintenanceSchema } from "../core/maintenance.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Exec } from "../core/ports.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { createHostAgent } from "./agent.ts";
import { noteBoot, noteShutdown, readMaintenance, tryNoteBoot } from "./maintenance.ts";
import { commands } from "./maintenance-command.ts";

const PATHS = statePaths("/");
const PATH = "/var/lib/alga-appliance-host/maintenance.json";
const signal = new AbortController().signal;

/** A box that is booted again and again; ids as the kernel gives them. */
function scene() {
  const box = createFakeBox({ instant: true });
  const files = createMemoryFiles(() => box.clock.now());
  files.garble("/etc/os-release", 'PRETTY_NAME="Ubuntu 26.04 LTS"\nID=ubuntu\n');
  files.garble("/proc/sys/kernel/osrelease", "6.17.0-8-generic\n");
  const state = { boots: 1, running: "running", k3s: "v1.36.3+k3s1", journal: "" };
  const exec: Exec = async ([program = "", ...words]) => {
    const said =
      program === "systemctl"
        ? state.running
        : words[0] === "--version"
          ? `k3s version ${state.k3s} (x)`
          : state.journal;
    return { code: 0, stdout: `${said}\n`, stderr: "", truncated: false };
  };
  const machine = {
    ...box.machineOf(box.spawn()),
    bootId: async () => `00000000-0000-4000-8000-${String(state.boots).padStart(12, "0")}`,
  };
  const deps = { clock: box.clock, machine, files, exec, log: SILENT_LOG };
  return {
    files,
    state,
    deps,
    boot: async (version = "1.0.3") => {
      await box.clock.sleep(60_000);
      await noteBoot(deps, { paths: PATHS, appliance: version, signal });
    },
    read: async () => {
      const found = await readMaintenance(deps, PATHS);
      assert.ok(found !== undefined);
      return maintenanceSchema.parse(found);
    },
  };
}

describe("ends", () => {
  it("tells a shutdown by its mark, and a power cut by the lack of one", async () => {
    const { state, deps, boot, read } = scene();
    await boot();
    state.running = "stopping";
    assert.equal(await noteShutdown(deps, { paths: PATHS, signal }), true);
    state.boots = 2;
    await boot();
    state.boots = 3;
    await boot();
    const { boots, uncleanShutdowns } = await read();
    assert.deepEqual(
      boots.map(({ end }) => end),
      ["clean", "unclean", "running"],
    );
    assert.equal(uncleanShutdowns, 1);
    assert.equal(boots[1]?.endedAt, null);
  });
  it("marks nothing while the box goes on, and takes a mark back when the box went on after all", async () => {
    const { state, deps, boot, read } = scene();
    await boot();
    assert.equal(await noteShutdown(deps, { paths: PATHS, signal }), false);
    assert.equal((await read()).boots[0]?.end, "running");
    state.running = "stopping";
    await noteShutdown(deps, { paths: PATHS, signal });
    await boot();
    assert.deepEqual(
      (await read()).boots.map(({ end, endedAt }) => [end, endedAt]),
      [["running", null]],
    );
  });
  it("believes the journal of the boot where the mark is missing, and takes the time of the end from it", async () => {
    const { state, boot, read } = scene();
    await boot();
    state.boots = 2;
    state.journal = '{"__REALTIME_TIMESTAMP":"1795219200000000","MESSAGE":"Journal stopped"}';
    await boot();
    assert.deepEqual((await read()).boots[0]?.end, "clean");
    state.boots = 3;
    state.journal = '{"__REALTIME_TIMESTAMP":"1795219200000000","MESSAGE":"usb 1-1: new device"}';
    await boot();
    const [, second] = (await read()).boots;
    assert.deepEqual([second?.end, second?.endedAt], ["unclean", "2026-11-21T00:00:00.000Z"]);
    state.boots = 4;
    state.journal = '{"__REALTIME_TIMESTAMP":"x","MESSAGE":[1]}';
    await boot();
    assert.deepEqual((await read()).boots[2]?.end, "unclean");
  });
});

describe("before the first note", () => {
  it("stand the boots that the system itself recorded, once, and again when the notes were lost", async () => {
    const { files, state, deps, boot, read } = scene();
    const day = (number: number): number => deps.clock.now() - number * 86_400_000;
    await files.makeDirectory("/var/log");
    await files.write(
      "/var/log/wtmp",
      wtmpOf([
        { kind: 2, user: "reboot", atMs: day(9) },
        { kind: 1, user: "shutdown", atMs: day(8) },
        { kind: 2, user: "reboot", atMs: day(7) },
      ]),
    );
    await boot();
    const ends = async (): Promise<string[]> => (await read()).boots.map(({ end }) => end);
    assert.deepEqual(await ends(), ["clean", "unclean", "running"]);
    assert.equal((await read()).uncleanShutdowns, 1);
    state.boots = 2;
    await boot();
    assert.deepEqual(await ends(), ["clean", "unclean", "unclean", "running"]);
    files.garble(PATH, "{");
    state.boots = 3;
    await boot();
    assert.deepEqual(await ends(), ["clean", "unclean", "running"]);
  });
});

describe("what changed", () => {
  it("notes system, kernel, k3s and appliance when they change, and not what does not answer", async () => {
    const { files, state, boot, read } = scene();
    await boot();
    files.garble("/proc/sys/kernel/osrelease", "6.17.0-9-generic\n");
    state.boots = 2;
    await boot("1.0.4");
    state.k3s = "";
    state.boots = 3;
    await boot("1.0.4");
    const { changes, system } = await read();
    assert.deepEqual(
      changes.map(({ what, from, to }) => `${what}: ${from} -> ${to}`),
      ["kernel: 6.17.0-8-generic -> 6.17.0-9-generic", "appliance: 1.0.3 -> 1.0.4"],
    );
    assert.equal(system.os, "Ubuntu 26.04 LTS");
  });
  it("keeps the last starts only", async () => {
    const { state, boot, read } = scene();
    for (state.boots = 1; state.boots <= MAX_BOOTS + 20; state.boots += 1) await boot();
    const { boots } = await read();
    assert.equal(boots.length, MAX_BOOTS);
    assert.match(boots.at(-1)?.bootId ?? "", /120$/);
  });
});

it("is told by the host agent to root and the control plane, and by the command", async () => {
  const { deps, boot } = scene();
  const agent = createHostAgent({ ...deps, network: NO_NETWORK }, { paths: PATHS, kept: async () => new Set() });
  const ask = (uid: number) =>
    agent(new Request("http://host-agent/v1/maintenance"), { identity: { pid: 1, uid, gid: uid } });
  assert.equal((await ask(10_001)).status, 404);
  await boot();
  assert.equal(maintenanceSchema.parse(await (await ask(10_001)).json()).boots.length, 1);
  assert.notEqual((await ask(1_000)).status, 200);
  const { context, said } = commandContext({ deps: deps as Partial<Deps>, env: { ALGA_APPLIANCE_ROOT: "/" } });
  await commands.find(({ path }) => path.join(" ") === "host maintenance")?.run(context);
  assert.match(said.text, /Ubuntu 26\.04 LTS, kernel 6\.17\.0-8-generic\nk3s {7}v1\.36\.3\+k3s1\n/);
  assert.match(said.text, /Starts \(all ended as they should\):\n {2}\S+ {2}runs/);
});

describe("bad disks", () => {
  it("puts damaged notes aside and begins anew; who only reads leaves them", async () => {
    const { files, deps, boot, read } = scene();
    await boot();
    files.garble(PATH, '{"schema":"alga.appl');
    assert.equal(await readMaintenance(deps, PATHS), undefined);
    assert.ok(files.snapshot().has(PATH));
    await boot();
    assert.equal((await read()).boots.length, 1);
    assert.ok([...files.snapshot().keys()].some((path) => path.startsWith(`${PATH}.corrupt-`)));
  });
  it("does not keep a box from starting when the notes cannot be written", async () => {
    const { deps } = scene();
    const { ApplianceError } = await import("../core/errors.ts");
    const write = async (): Promise<never> => {
      throw new ApplianceError("file/disk-full", "Cannot write file: full");
    };
    await tryNoteBoot({ ...deps, files: { ...deps.files, write } }, { paths: PATHS, appliance: "1.0.3", signal });
    assert.equal(await readMaintenance(deps, PATHS), undefined);
  });
});
