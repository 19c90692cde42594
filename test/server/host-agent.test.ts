/** The host agent over a real Unix socket: who gets in by the kernel's word, clients that stall, and a restart under load. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import type { Listening, Peer } from "../../src/cli/command.ts";
import { SILENT_LOG } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import type { Deps, Exec, ExecOptions } from "../../src/core/ports.ts";
import { createHostAgent } from "../../src/host/agent.ts";
import { systemExec } from "../../src/platform/exec.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { listen } from "../../src/platform/http-server.ts";
import { systemMachine } from "../../src/platform/machine.ts";
import { createMemoryFiles } from "../../src/rehearsal/memory-files.ts";
import { eventually } from "../support/eventually.ts";
import { ROOT } from "../support/executable.ts";
import { realClock } from "../support/kubernetes.ts";
import { exitOf, firstJsonLine } from "../support/process.ts";

const folder = mkdtempSync(join(tmpdir(), "alga-agent-"));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true, force: true }));

const deps = {
  clock: realClock,
  machine: systemMachine,
  network: { nameServers: async () => [] } as Partial<Deps["network"]> as Deps["network"],
  files: createMemoryFiles(),
  exec: async (argv: readonly string[], { onOutput }: ExecOptions) => {
    if (argv.includes("crictl") || argv.includes("list")) await realClock.sleep(500);
    const line = argv.includes("crictl") ? '{"images":[],"containers":[]}' : "x".repeat(999);
    // A program waits until each piece of what it says is taken.
    for (let at = 0; at < 200 && onOutput !== undefined; at += 1) await onOutput(new TextEncoder().encode(`${line}\n`));
    return { code: 0, stdout: onOutput === undefined ? line : "", stderr: "", truncated: false };
  },
  log: SILENT_LOG,
};

interface Started {
  readonly path: string;
  readonly listening: Listening;
  readonly peers: Peer[];
}

async function start(
  name: string,
  options: {
    readonly mode?: number;
    readonly headersTimeoutMs?: number;
    readonly requestTimeoutMs?: number;
    readonly stallTimeoutMs?: number;
    readonly exec?: Exec;
  } = {},
): Promise<Started> {
  const path = join(folder, name);
  const agent = createHostAgent(
    { ...deps, exec: options.exec ?? deps.exec },
    { paths: statePaths("/"), kept: async () => new Set() },
  );
  const peers: Peer[] = [];
  const listening = await listen({
    socketPath: path,
    socketMode: options.mode ?? 0o660,
    identify: true,
    limits: {
      maxConnections: 32,
      headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
      requestTimeoutMs: options.requestTimeoutMs ?? 10_000,
      stallTimeoutMs: options.stallTimeoutMs ?? 10_000,
    },
    handle: (request, peer) => {
      peers.push(peer);
      // This process stands for the control plane's.
      const identity = peer.identity?.uid === process.getuid?.() ? { pid: 1, uid: 10_001, gid: 10_001 } : peer.identity;
      return agent(request, identity === undefined ? {} : { identity });
    },
  });
  return { path, listening, peers };
}

const get = (path: string, address = "/v1/health"): Promise<Response> =>
  createTransports().open({ socketPath: path, idleTimeoutMs: 20_000 })(new Request(`http://host-agent${address}`));

/** Asks as another user, and answers the first line. */
function askAs(uid: number, gid: number, path: string): Promise<string> {
  const script =
    'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or do { print "no way in\\n"; exit }; print $s "GET /v1/health HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"; print scalar <$s>;';
  return new Promise((resolve, reject) => {
    const child = spawn("/usr/bin/perl", ["-MIO::Socket::UNIX", "-e", script, path], {
      uid,
      gid,
      cwd: "/",
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", () => resolve(said.trim()));
  });
}

describe("the socket", () => {
  it("is for its owner and group, and tells who connected", async () => {
    const { path, listening, peers } = await start("plain.sock");
    assert.equal(statSync(path).mode & 0o777, 0o660);
    assert.equal((await get(path)).status, 200);
    assert.deepEqual(
      [peers[0]?.identity?.uid, peers[0]?.identity?.pid, peers[0]?.address],
      [process.getuid?.(), process.pid, "unix"],
    );
    await listening.close(1_000);
    assert.ok(!existsSync(path));
  });

  const canBeOthers = process.getuid?.() === 0 && existsSync("/usr/bin/perl");
  const skip = canBeOthers ? false : "it needs root and perl";
  it("lets the control plane's user in and no other, also when everybody may open the file", { skip }, async () => {
    const { path, listening } = await start("open.sock", { mode: 0o666 });
    assert.match(await askAs(10_001, 10_001, path), /^HTTP\/1\.1 200 /);
    assert.match(await askAs(1_234, 10_001, path), /^HTTP\/1\.1 401 /);
    assert.match(await askAs(65_534, 65_534, path), /^HTTP\/1\.1 401 /);
    await listening.close(1_000);
  });
  it("is no way in for others by its mode", { skip }, async () => {
    const { path, listening } = await start("closed.sock");
    assert.equal(await askAs(65_534, 65_534, path), "no way in");
    await listening.close(1_000);
  });
});

describe("clients that stall", () => {
  it("lose their connection, and others are answered meanwhile and afterwards", { timeout: 60_000 }, async () => {
    const { path, listening } = await start("stall.sock", { headersTimeoutMs: 1_000 });
    const sockets: Socket[] = [];
    let ended = 0;
    for (let at = 0; at < 12; at += 1) {
      const socket = connect(path);
      socket.on("error", () => {});
      socket.on("close", () => {
        ended += 1;
      });
      if (at % 2 === 0) socket.write("GET /v1/health HTTP/1.1\r\nHost: a\r\nX-");
      sockets.push(socket);
    }
    assert.equal((await get(path)).status, 200);
    await eventually("all of them are ended", () => ended === 12);
    assert.equal((await get(path)).status, 200);
    await listening.close(1_000);
    for (const socket of sockets) socket.destroy();
  });
});

describe("clients that send what is no request", () => {
  it("lose their connection, and the next one is answered", { timeout: 60_000 }, async () => {
    const { path, listening } = await start("noise.sock", { headersTimeoutMs: 2_000 });
    const send = (bytes: Uint8Array): Promise<string> =>
      new Promise((resolve) => {
        let said = "";
        const socket = connect(path, () => socket.end(bytes));
        socket.on("error", () => {});
        socket.setEncoding("latin1").on("data", (text: string) => {
          said += text;
        });
        socket.on("close", () => resolve(said));
      });
    const known = [
      "GET /v1/health HTTP/1.1",
      "POST /v1/reboot HTTP/1.1",
      "Host: a",
      "Content-Length: 9",
      "{}",
      "",
      "\0",
    ];
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(fc.oneof(fc.constantFrom(...known), fc.string({ maxLength: 20 })), { maxLength: 8 })
        .map((lines) => new TextEncoder().encode(lines.join("\r\n"))),
    );
    await fc.assert(
      fc.asyncProperty(noise, async (bytes) => {
        assert.match(await send(bytes), /^(?:$|HTTP\/1\.1 [245]\d\d )/);
      }),
      { numRuns: 300, seed: 7 },
    );
    assert.equal((await get(path)).status, 200);
    await listening.close(1_000);
  });
});

describe("clients that take no answer", () => {
  it("lose their connection, the program ends, and their turn is free again", { timeout: 60_000 }, async () => {
    let running = 0;
    const exec: Exec = async (_argv, { onOutput, signal }) => {
      running += 1;
      const ended = new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
      const piece = new TextEncoder().encode(`${"x".repeat(999)}\n`.repeat(64));
      // What nobody reads, the kernel holds a little of; then this waits.
      while (signal?.aborted !== true) await Promise.race([onOutput?.(piece), ended]);
      running -= 1;
      throw signal.reason;
    };
    const { path, listening } = await start("deaf.sock", { stallTimeoutMs: 500, exec });
    const deaf = Array.from({ length: 8 }, () => {
      const socket = connect(path);
      socket.on("error", () => {});
      socket.pause();
      socket.write("GET /v1/journal?unit=k3s HTTP/1.1\r\nHost: a\r\n\r\n");
      return socket;
    });
    await eventually("eight journals are read", () => running === 8);
    assert.equal((await get(path)).status, 503, "a ninth reader waits for nobody");
    await eventually("their programs have ended", () => running === 0);
    await eventually("their turns are free", async () => (await get(path)).status === 200);
    for (const socket of deaf) socket.destroy();
    await listening.close(1_000);
  });
});

describe("answers that take their time", () => {
  it("are no stalled clients, with a body and without", async () => {
    const { path, listening } = await start("slow.sock", { headersTimeoutMs: 300, requestTimeoutMs: 300 });
    assert.equal((await get(path, "/v1/images")).status, 200);
    const post = new Request("http://host-agent/v1/images/prune", { method: "POST", body: "{}" });
    assert.equal((await createTransports().open({ socketPath: path })(post)).status, 200);
    await listening.close(1_000);
  });
  it("are not begun for a body that does not come", async () => {
    const { path, listening } = await start("half.sock", { headersTimeoutMs: 300, requestTimeoutMs: 300 });
    let isEnded = false;
    const socket = connect(path);
    socket.on("error", () => {});
    socket.on("close", () => {
      isEnded = true;
    });
    socket.write(
      "POST /v1/reboot HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{",
    );
    await eventually("the connection is ended", () => isEnded);
    assert.equal((await get(path)).status, 200);
    await listening.close(1_000);
  });
});

describe("a journal of a real program", () => {
  const path = process.env.PATH;
  after(() => {
    process.env.PATH = path;
  });

  it("is read as it comes, and the program ends with its reader", { timeout: 60_000 }, async () => {
    const bin = mkdtempSync(join(folder, "bin-"));
    const pidFile = join(bin, "pid");
    writeFileSync(
      join(bin, "journalctl"),
      `#!/bin/sh\necho $$ > '${pidFile}'\nwhile :; do echo 'line password=hunter2'; done\n`,
      {
        mode: 0o755,
      },
    );
    process.env.PATH = `${bin}:${path}`;
    const { path: socket, listening } = await start("journal.sock", { exec: systemExec });
    const isAlive = (): boolean => {
      try {
        process.kill(Number(readFileSync(pidFile, "utf8")), 0);
        return true;
      } catch {
        return false;
      }
    };
    const answer = await get(socket, "/v1/journal?unit=k3s&lines=50000");
    const reader = answer.body?.getReader();
    let seen = "";
    while (seen.length < 300_000) seen += new TextDecoder().decode((await reader?.read())?.value);
    assert.match(seen, /^(?:line password=\S+\n)+/);
    assert.ok(!seen.includes("hunter2"));
    assert.ok(isAlive(), "it waits for its reader");
    await reader?.cancel();
    await eventually("the program has ended", () => !isAlive());
    assert.equal((await get(socket)).status, 200);
    await listening.close(1_000);
  });
});

describe("a restart under load", () => {
  it("gives whole answers or none, and answers again at the same place", { timeout: 60_000 }, async () => {
    let { listening, path } = await start("restart.sock");
    const lengths = new Set<number>();
    let refused = 0;
    let answered = 0;
    let going = true;
    const client = async (): Promise<void> => {
      while (going) {
        try {
          const answer = await get(path, "/v1/journal?unit=k3s");
          const text = await answer.text();
          if (answer.status === 200) lengths.add(text.length);
          answered += 1;
        } catch {
          refused += 1;
        }
        await realClock.sleep(1);
      }
    };
    const clients = Array.from({ length: 4 }, client);
    for (let restarts = 0; restarts < 5; restarts += 1) {
      const before = answered;
      await eventually("clients are answered", () => answered > before + 5);
      await listening.close(1_000);
      ({ listening, path } = await start("restart.sock"));
    }
    const before = answered;
    await eventually("clients are answered", () => answered > before + 5);
    going = false;
    await Promise.all(clients);
    await listening.close(1_000);
    assert.deepEqual([...lengths], [200_000], `half an answer was taken for a whole one (${refused} refused)`);
  });
});

describe("the agent's own process", () => {
  const skip = process.getuid?.() === 0 ? false : "it answers root and the control plane alone";
  it("that is killed under load comes again at the same place, and nobody took half an answer", {
    skip,
    timeout: 120_000,
  }, async () => {
    const root = mkdtempSync(join(folder, "box-"));
    const path = statePaths(root).hostAgentSocket;
    mkdirSync(dirname(path), { recursive: true });
    const run = async (): Promise<ChildProcess> => {
      const child = spawn(process.execPath, [join(ROOT, "src/main.ts"), "host-agent", "-o", "json"], {
        env: { PATH: process.env.PATH ?? "", HOME: root, ALGA_APPLIANCE_ROOT: root },
        stdio: ["ignore", "pipe", "ignore"],
      });
      assert.deepEqual(await firstJsonLine(child), { socket: path });
      return child;
    };
    let [answered, broken, going] = [0, 0, true];
    const schemas = new Set<unknown>();
    const client = async (): Promise<void> => {
      while (going) {
        try {
          const answer = await get(path, "/v1/facts");
          const facts = (await answer.json()) as { schema?: string };
          if (answer.status === 200) schemas.add(facts.schema);
          answered += 1;
        } catch {
          broken += 1;
        }
        await realClock.sleep(1);
      }
    };
    let child = await run();
    const clients = Array.from({ length: 4 }, client);
    for (const signal of ["SIGKILL", "SIGTERM", "SIGKILL"] as const) {
      const before = answered;
      await eventually("clients are answered", () => answered > before + 5);
      child.kill(signal);
      await exitOf(child);
      assert.equal(
        existsSync(path),
        signal === "SIGKILL",
        "a killed one leaves its socket, one that is stopped takes it along",
      );
      child = await run();
    }
    const before = answered;
    await eventually("clients are answered", () => answered > before + 5);
    assert.equal(statSync(path).mode & 0o777, 0o660);
    going = false;
    await Promise.all(clients);
    child.kill("SIGTERM");
    assert.equal(await exitOf(child), 0);
    assert.deepEqual([...schemas], ["alga.appliance.host-facts/v1"]);
    assert.ok(broken > 0, "nobody noticed that it was away");
  });
});
