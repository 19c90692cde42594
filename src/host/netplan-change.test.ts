/** A change of the network: kept when confirmed, undone in every other case, also when whoever began it is dead or the box was. */
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
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { commandContext } from "../../test/support/command-context.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Exec } from "../core/ports.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { consolePaths } from "./console-paths.ts";
import { confirmNetwork, pendingNetworkChange, tryNetwork, undoExpiredNetwork, undoNetwork } from "./netplan-change.ts";
import { networkCommands } from "./netplan-command.ts";

const PATHS = statePaths("/box");
const OURS = "/box/etc/netplan/90-alga-appliance.yaml";
const INSTALLER = "/box/etc/netplan/50-cloud-init.yaml";
const FIXED = "network: {version: 2, ethernets: {eth0: {addresses: [192.0.2.5/24]}}}\n";
const EDITS = [{ path: INSTALLER, text: "network: {version: 2, ethernets: {eth0: {}}}\n" }];
const CHANGE = { interface: "eth0", text: "# new\n", edits: EDITS, withinMs: 120_000 };
const LINKS =
  '[{"ifname":"lo","addr_info":[]},{"ifname":"eth0","addr_info":[{"local":"192.0.2.5","prefixlen":24,"scope":"global"}]}]';

/** A box whose netplan takes the files that lie there when it is told to apply; `dieAt` ends it before that many effects. */
function world(given: { readonly refuses?: string } = {}) {
  const files = createMemoryFiles();
  files.garble(INSTALLER, FIXED);
  const box = {
    bootId: "boot-1",
    uptimeMs: 10_000,
    effects: 0,
    dieAt: Number.POSITIVE_INFINITY,
    inForce: "",
    isSandboxed: false,
  };
  const ran: string[] = [];
  const onDisk = (): string =>
    JSON.stringify(
      [...files.snapshot()].filter(([path]) => path.startsWith("/box/etc/netplan/") && path.endsWith(".yaml")).sort(),
    );
  box.inForce = onDisk();
  const live = (): void => {
    box.effects += 1;
    if (box.effects > box.dieAt) throw new Error("killed");
  };
  const exec: Exec = async (argv) => {
    const line = argv.join(" ");
    ran.push(line);
    if (line === "ip -j address show") return { code: 0, stdout: LINKS, stderr: "", truncated: false };
    if (line.startsWith("ip "))
      return {
        code: 0,
        stdout: '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"}]',
        stderr: "",
        truncated: false,
      };
    live();
    if (given.refuses === line && onDisk().includes("# new"))
      return { code: 1, stdout: "", stderr: "Invalid YAML", truncated: false };
    // As in the unit of the bootstrap, which may write nothing below /sys.
    if (line === "netplan apply" && box.isSandboxed)
      return { code: 1, stdout: "", stderr: "Failed to write 'change': Read-only file system", truncated: false };
    if (line.endsWith("netplan apply")) box.inForce = onDisk();
    return { code: 0, stdout: "", stderr: "", truncated: false };
  };
  const mortal =
    <A extends readonly unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      live();
      return work(...args);
    };
  const machine = { bootId: async () => box.bootId, uptimeMs: async () => box.uptimeMs } as Deps["machine"];
  const deps = {
    ...{ exec, machine, log: SILENT_LOG },
    files: {
      ...files,
      write: mortal(files.write),
      create: mortal(files.create),
      rename: mortal(files.rename),
      remove: mortal(files.remove),
    },
    network: { nameServers: async () => ["192.0.2.53"] } as Partial<Deps["network"]> as Deps["network"],
    clock: {
      now: () => box.uptimeMs,
      monotonic: () => box.uptimeMs,
      sleep: async (ms: number) => {
        box.uptimeMs += ms;
      },
      after: () => () => {},
    },
  };
  const scope = { deps, paths: PATHS, signal: new AbortController().signal };
  return { files, box, ran, deps, scope, onDisk, before: onDisk() };
}

describe("a change", () => {
  it("is in force at once, with a timer and a record first, and what others gave the interface is put aside", async () => {
    const { files, box, ran, scope } = world();
    await tryNetwork(scope, CHANGE);
    assert.deepEqual(ran, [
      "netplan info",
      "systemd-run --quiet --collect --unit=alga-appliance-network-undo --on-active=125s /usr/local/bin/alga-appliance console network undo",
      "netplan generate",
      "netplan apply",
    ]);
    assert.ok(box.inForce.includes("# new") && !box.inForce.includes("192.0.2.5"));
    assert.equal((await files.stat(OURS))?.mode, 0o600);
    assert.equal(files.snapshot().get(`${INSTALLER}.alga-before`), FIXED);
  });
  it("stays when it is confirmed", async () => {
    const { box, scope, ran } = world();
    await tryNetwork(scope, CHANGE);
    await confirmNetwork(scope);
    assert.equal(ran.at(-1), "systemctl stop alga-appliance-network-undo.timer");
    box.uptimeMs += 1_000_000;
    await undoExpiredNetwork(scope);
    assert.equal(await undoNetwork(scope), undefined);
    assert.ok(box.inForce.includes("# new"));
    await assert.rejects(confirmNetwork(scope), { code: "host/network-busy" });
  });
  it("is undone when its time is over, not before, and in another boot at once", async () => {
    const late = world();
    await tryNetwork(late.scope, CHANGE);
    late.box.uptimeMs += CHANGE.withinMs - 1;
    await undoExpiredNetwork(late.scope);
    assert.ok(late.box.inForce.includes("# new"));
    late.box.uptimeMs += 1;
    await assert.rejects(confirmNetwork(late.scope), { code: "host/network-busy" });
    await undoExpiredNetwork(late.scope);
    assert.deepEqual([late.box.inForce, late.onDisk()], [late.before, late.before]);
    const booted = world();
    await tryNetwork(booted.scope, CHANGE);
    Object.assign(booted.box, { bootId: "boot-2", uptimeMs: 5, isSandboxed: true });
    await undoExpiredNetwork(booted.scope);
    assert.equal(booted.box.inForce, booted.before);
    assert.equal(await pendingNetworkChange(booted.scope), undefined);
  });
  it("puts the former file of ours back, not only others'", async () => {
    const { box, scope, onDisk } = world();
    await tryNetwork(scope, { ...CHANGE, text: "# first\n" });
    await confirmNetwork(scope);
    const before = onDisk();
    await tryNetwork(scope, CHANGE);
    await assert.rejects(tryNetwork(scope, CHANGE), { code: "host/network-busy" });
    assert.equal(await undoNetwork(scope), "eth0");
    assert.deepEqual([box.inForce, onDisk()], [before, before]);
  });
  it("is begun anew where an old one has run out of time", async () => {
    const { box, scope } = world();
    await tryNetwork(scope, { ...CHANGE, text: "# lost\n" });
    box.uptimeMs += CHANGE.withinMs;
    await tryNetwork(scope, CHANGE);
    await undoNetwork(scope);
    assert.ok(!box.inForce.includes("# lost") && box.inForce.includes("192.0.2.5"));
  });
  it("is refused on a box without netplan, before a file is written", async () => {
    const { scope, files } = world();
    const before = [...files.snapshot()];
    const exec: Exec = async (argv) => {
      throw new ApplianceError(
        "exec/not-found",
        `Cannot run "${argv[0]}": it is absent, a program of the host is wanted`,
      );
    };
    const change = tryNetwork({ ...scope, deps: { ...scope.deps, exec } }, CHANGE);
    await assert.rejects(change, { code: "exec/not-found", message: /this box has no netplan/ });
    assert.deepEqual([...files.snapshot()], before);
  });
  for (const refuses of ["netplan generate", "netplan apply"]) {
    it(`that ${refuses} refuses leaves everything as it was`, async () => {
      const { box, scope, before, onDisk } = world({ refuses });
      await assert.rejects(tryNetwork(scope, CHANGE), { code: "exec/failed", message: /Invalid YAML/ });
      assert.deepEqual([box.inForce, onDisk()], [before, before]);
      assert.equal(await pendingNetworkChange(scope), undefined);
    });
  }
  it("killed before any of its effects, the next boot has the former network, also when the undo is killed too", async () => {
    const whole = world();
    await tryNetwork(whole.scope, CHANGE);
    assert.ok(whole.box.effects >= 6);
    for (let dieAt = 0; dieAt <= whole.box.effects; dieAt += 1) {
      for (let undoDies = 0; undoDies < 5; undoDies += 1) {
        const { box, scope, before, onDisk } = world();
        box.dieAt = dieAt;
        await tryNetwork(scope, CHANGE).catch((thrown: Error) => assert.match(thrown.message, /killed/));
        Object.assign(box, { bootId: "boot-2", uptimeMs: 5, inForce: onDisk(), dieAt: box.effects + undoDies });
        await undoExpiredNetwork(scope).catch((thrown: Error) => assert.match(thrown.message, /killed/));
        Object.assign(box, { bootId: "boot-3", inForce: onDisk(), dieAt: Number.POSITIVE_INFINITY });
        await undoExpiredNetwork(scope);
        assert.deepEqual([box.inForce, onDisk()], [before, before], `dead at ${dieAt}, then at ${undoDies}`);
        assert.equal(await pendingNetworkChange(scope), undefined);
      }
    }
  });
  it("whose record is damaged is told, and stops no start", async () => {
    const { files, scope } = world();
    files.garble(consolePaths(PATHS).networkUndo, "{");
    await assert.rejects(undoNetwork(scope), { code: "file/corrupt" });
    await undoExpiredNetwork(scope);
  });
});

const SET = { address: ["192.0.2.10/24"], gateway: ["192.0.2.1"], dns: ["192.0.2.53"] };

async function command(
  scene: ReturnType<typeof world>,
  verb: string,
  flags: Readonly<Record<string, string | boolean | readonly string[]>>,
  askLine?: (question: string) => Promise<string>,
) {
  const found = networkCommands.find(({ path }) => path.join(" ") === `console network${verb}`);
  assert.ok(found !== undefined);
  const { context, said } = commandContext({ deps: scene.deps, flags, ...(askLine === undefined ? {} : { askLine }) });
  return { code: await found.run(context), said };
}

describe("console network", () => {
  it("shows what is in force, and that a change waits", async () => {
    const scene = world();
    assert.match(
      (await command(scene, "", {})).said.text,
      /address +192\.0\.2\.5\/24 \(eth0\)\nroute +default via 192\.0\.2\.1/,
    );
    await tryNetwork(scene.scope, CHANGE);
    assert.match((await command(scene, "", {})).said.text, /A change of eth0 waits 2 min to be confirmed/);
  });
  it("set keeps what is confirmed by yes, or from another login", async () => {
    const here = world();
    assert.equal((await command(here, " set", SET, async () => "yes")).code, 0);
    assert.ok(here.box.inForce.includes("192.0.2.10/24"));
    const there = world();
    const sleep = there.deps.clock.sleep;
    there.deps.clock.sleep = async (ms: number) => {
      await sleep(ms);
      if (there.box.uptimeMs > 30_000) await command(there, " confirm", {}).catch(() => {});
    };
    // The terminal went away with the old address.
    assert.equal((await command(there, " set", SET, () => Promise.reject(new Error("gone")))).code, 0);
    assert.ok(there.box.inForce.includes("192.0.2.10/24"));
  });
  it("set undoes what nobody confirms in time, and what somebody does not want", async () => {
    const silent = world();
    const { code, said } = await command(silent, " set", { ...SET, within: "30s" }, () => new Promise(() => {}));
    assert.deepEqual([code === 0, silent.box.inForce], [false, silent.before]);
    assert.match(said.text, /former settings again/);
    assert.match(said.notices.join("\n"), /again in 30 s/);
    const unwanted = world();
    await command(unwanted, " set", SET, async () => "no");
    assert.equal(unwanted.box.inForce, unwanted.before);
    assert.ok(unwanted.box.uptimeMs < 20_000, "at once");
  });
  it("set undoes it for a yes that comes too late", async () => {
    const scene = world();
    const late = Promise.withResolvers<string>();
    const sleep = scene.deps.clock.sleep;
    scene.deps.clock.sleep = async (ms: number) => {
      await sleep(ms);
      if (scene.box.uptimeMs >= 40_000) late.resolve("yes");
    };
    await command(scene, " set", { ...SET, within: "30s" }, () => late.promise);
    assert.equal(scene.box.inForce, scene.before);
    assert.equal(await pendingNetworkChange(scene.scope), undefined);
  });
  it("set tells a dry run, and refuses before anything is touched", async () => {
    const scene = world();
    const { text } = (await command(scene, " set", { ...SET, "dry-run": true })).said;
    assert.match(
      text,
      /^# Its addresses are taken out of \/box\/etc\/netplan\/50-cloud-init\.yaml\n[\s\S]*192\.0\.2\.10\/24/,
    );
    const wrong: readonly (readonly [Readonly<Record<string, string | boolean | readonly string[]>>, string])[] = [
      [{}, "cli/usage"],
      [{ ...SET, dhcp: true }, "cli/usage"],
      [{ ...SET, within: "1s" }, "cli/usage"],
      [{ ...SET, interface: "eth9" }, "host/network-invalid"],
      [{ ...SET, interface: "../eth0" }, "host/network-invalid"],
      [{ ...SET, gateway: ["198.51.100.1"] }, "host/network-invalid"],
    ];
    for (const [flags, code] of wrong) await assert.rejects(command(scene, " set", flags), { code });
    assert.equal(scene.box.effects, 0);
  });
});

/** Programs of the host as real child processes: they write down how they were called, and netplan what it was to apply. */
const PROGRAMS: Readonly<Record<string, string>> = {
  netplan: 'cat "$ALGA_APPLIANCE_ROOT"/etc/netplan/*.yaml > "$LOG/in-force" && echo "netplan $*" >> "$LOG/ran"',
  ip: `case "$*" in *address*) echo '${LINKS}';; *) echo '[{"dst":"default","dev":"eth0"}]';; esac`,
  systemctl: 'echo "systemctl $*" >> "$LOG/ran"',
  "systemd-run": 'echo "systemd-run $*" >> "$LOG/ran"',
};

describe("the executable with a netplan of its own", () => {
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  function host() {
    const folder = mkdtempSync(join(tmpdir(), "alga-netplan-"));
    folders.push(folder);
    const root = join(folder, "root");
    for (const name of ["bin", "log", "root/etc/netplan"]) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(root, "etc/netplan/50-cloud-init.yaml"), FIXED);
    for (const [name, script] of Object.entries(PROGRAMS)) {
      writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, "bin", name), 0o755);
    }
    const log = join(folder, "log");
    const env = {
      ...process.env,
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      LOG: log,
      ALGA_APPLIANCE_ROOT: root,
    };
    // The port gives programs a path and no more, so the fakes carry the rest themselves.
    for (const name of Object.keys(PROGRAMS)) {
      const path = join(folder, "bin", name);
      const text = readFileSync(path, "utf8").replace(
        "#!/bin/sh\n",
        `#!/bin/sh\nLOG='${log}' ALGA_APPLIANCE_ROOT='${root}'\n`,
      );
      writeFileSync(path, text);
    }
    const start = (...words: string[]): ChildProcess =>
      spawn(process.execPath, [join(import.meta.dirname, "../main.ts"), "console", "network", ...words], {
        env,
        stdio: "ignore",
      });
    const run = (...words: string[]): Promise<number | null> =>
      new Promise((done) => start(...words).once("close", done));
    const read = (name: string): string => (existsSync(join(log, name)) ? readFileSync(join(log, name), "utf8") : "");
    return { root, start, run, inForce: () => read("in-force"), ran: () => read("ran") };
  }

  const words = ["set", "--address", "192.0.2.10/24", "--gateway", "192.0.2.1"];

  async function until(holds: () => boolean): Promise<void> {
    for (let looks = 0; !holds(); looks += 1) {
      assert.ok(looks < 1_200, "it did not come about in a minute");
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  it("changes, is confirmed by another process, and keeps it", { timeout: 120_000 }, async () => {
    const { start, run, inForce, ran, root } = host();
    const setting = start(...words);
    const ended = new Promise((done) => setting.once("close", done));
    await until(() => inForce().includes("192.0.2.10/24"));
    await until(() => ran().includes("netplan apply"));
    assert.equal(await run("confirm"), 0);
    assert.equal(await ended, 0);
    assert.deepEqual(readdirSync(join(root, "etc/netplan")).sort(), [
      "50-cloud-init.yaml",
      "50-cloud-init.yaml.alga-before",
      "90-alga-appliance.yaml",
    ]);
    assert.ok(!inForce().includes("192.0.2.5/24"), "the former address is in force too");
    assert.match(ran(), /systemctl stop alga-appliance-network-undo\.timer/);
  });
  it("is killed while it waits: what the timer runs puts the former network back", { timeout: 120_000 }, async () => {
    const { start, run, inForce, ran, root } = host();
    const setting = start(...words);
    const ended = new Promise((done) => setting.once("close", done));
    await until(() => ran().includes("netplan apply"));
    setting.kill("SIGKILL");
    await ended;
    assert.ok(inForce().includes("192.0.2.10/24"));
    const timer = /systemd-run .* \/usr\/local\/bin\/alga-appliance console network (undo)/.exec(ran())?.[1];
    assert.equal(await run(timer ?? ""), 0);
    assert.equal(inForce(), FIXED);
    assert.deepEqual(readdirSync(join(root, "etc/netplan")).sort(), ["50-cloud-init.yaml"]);
  });
  it("is stopped by a signal while it waits, and puts the former network back itself", {
    timeout: 120_000,
  }, async () => {
    const { start, inForce, ran } = host();
    const setting = start(...words);
    const ended = new Promise((done) => setting.once("close", done));
    await until(() => ran().includes("netplan apply"));
    setting.kill("SIGTERM");
    assert.notEqual(await ended, 0);
    assert.equal(inForce(), FIXED);
  });
});
