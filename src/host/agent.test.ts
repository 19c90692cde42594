/** What the host agent does with each request: which program with which words, for whom, and one change at a time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { realClock } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { statePaths } from "../core/paths.ts";
import type { Deps, Exec, ExecResult } from "../core/ports.ts";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { createHostAgent } from "./agent.ts";
import { chronyOffsetMs, type HostFacts, timesyncOffsetMs } from "./agent-facts.ts";

const POD = { pid: 1, uid: 10_001, gid: 10_001 };
const ENDED: ExecResult = { code: 0, stdout: "", stderr: "", truncated: false };

const SAYS: Readonly<Record<string, string>> = {
  "systemctl is-active k3s.service": "active\n",
  "k3s --version": "k3s version v1.36.3+k3s1 (abc)\ngo version go1.26\n",
  "k3s ctr images list -q": "b\na\n",
  "ip -j address show":
    '[{"ifname":"lo","addr_info":[{"local":"127.0.0.1","prefixlen":8,"scope":"host"}]},{"ifname":"eth0","addr_info":[{"local":"192.0.2.10","prefixlen":24,"scope":"global"}]}]',
  "ip -j -4 route show": '[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"}]',
  "ip -j -6 route show": "[]",
  "timedatectl show --property=NTPSynchronized --value": "yes\n",
  "timedatectl show-timesync --property=ServerName --value": "ntp.example.com\n",
  "timedatectl timesync-status":
    "       Server: 192.0.2.1 (ntp.example.com)\n       Offset: -1.015ms\n        Delay: 2ms\n",
  findmnt:
    '{"filesystems":[{"target":"/","source":"/dev/sda1","fstype":"ext4","size":100,"avail":40},{"target":"/mnt","source":"/dev/sda1[/x]","fstype":"ext4","size":100,"avail":40}]}',
  smartctl: '{"smart_status":{"passed":false}}',
  "k3s crictl images --output json": JSON.stringify({
    images: ["a", "b"].map((name) => ({ id: `sha256:${name.repeat(64)}`, repoTags: [`host/${name}:1`] })),
  }),
  "k3s crictl ps --all --output json": '{"containers":[]}',
  "journalctl --no-pager --output=short-iso --lines=5 --unit=k3s": "k3s: password=hunter2\n",
};

interface Given {
  readonly clock?: Deps["clock"];
  readonly exec?: (line: string, signal?: AbortSignal) => Partial<ExecResult> | Promise<Partial<ExecResult>>;
  readonly kept?: () => Promise<ReadonlySet<string>>;
}

function world(given: Given = {}) {
  const files = createMemoryFiles();
  files.garble("/etc/os-release", 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n');
  files.garble("/proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  const ran: string[] = [];
  const exec: Exec = async ([program, ...words], { onOutput, signal }) => {
    const line = [program.slice(program.lastIndexOf("/") + 1), ...words].join(" ");
    ran.push(line);
    const said = SAYS[line] ?? Object.entries(SAYS).find(([known]) => line.split(" ")[0] === known)?.[1] ?? "";
    const result = { ...ENDED, stdout: said, ...(await given.exec?.(line, signal)) };
    if (onOutput === undefined) return result;
    // In small pieces, which end anywhere.
    const bytes = new TextEncoder().encode(result.stdout);
    for (let at = 0; at < bytes.length; at += 7) await onOutput(bytes.subarray(at, at + 7));
    return { ...result, stdout: "" };
  };
  const machine = {
    hostName: async () => "box-7f3a",
    bootId: async () => "boot-1",
    uptimeMs: async () => 5,
    memory: async () => ({ totalBytes: 16, availableBytes: 8 }),
    cpuCount: () => 4,
  } as Deps["machine"];
  const network = { nameServers: async () => ["192.0.2.53"] } as Partial<Deps["network"]> as Deps["network"];
  const agent = createHostAgent(
    { clock: given.clock ?? realClock, machine, network, files, exec, log: SILENT_LOG },
    { paths: statePaths("/"), kept: given.kept ?? (async () => new Set(["host/b:1"])) },
  );
  const ask = (method: string, path: string, body?: string, identity: typeof POD | undefined = POD) => {
    const request = new Request(`http://host-agent${path}`, { method, ...(body === undefined ? {} : { body }) });
    return agent(request, identity === undefined ? {} : { identity });
  };
  return { ran, ask, agent };
}

/** A program that does not end before it is told to. */
function untilEnded(signal: AbortSignal | undefined, ended: () => void): Promise<Partial<ExecResult>> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener("abort", () => {
      ended();
      reject(signal.reason);
    });
  });
}

describe("facts", () => {
  it("are one document, with what the host says and nothing twice", async () => {
    const answer = await world().ask("GET", "/v1/facts");
    const facts = (await answer.json()) as HostFacts;
    const { observedAt, ...rest } = facts;
    assert.match(observedAt, /^\d{4}-/);
    assert.deepEqual(rest, {
      schema: "alga.appliance.host-facts/v1",
      os: { id: "ubuntu", version: "24.04", prettyName: "Ubuntu 24.04.1 LTS" },
      kernel: "6.8.0-45-generic",
      bootId: "boot-1",
      uptimeMs: 5,
      memory: { totalBytes: 16, availableBytes: 8 },
      cpuCount: 4,
      k3s: { version: "v1.36.3+k3s1", unit: "active" },
      addresses: [{ interface: "eth0", address: "192.0.2.10", prefix: 24 }],
      routes: [{ to: "default", via: "192.0.2.1", interface: "eth0" }],
      nameServers: ["192.0.2.53"],
      disks: [{ path: "/", device: "/dev/sda1", fileSystem: "ext4", totalBytes: 100, freeBytes: 40, smart: "failed" }],
      time: { synchronized: true, server: "ntp.example.com", offsetMs: -1.015 },
    });
  });
  it("leave out what a program does not tell, and stay a document", async () => {
    const { ask } = world({ exec: () => ({ code: 1, stdout: "<html>" }) });
    const facts = (await (await ask("GET", "/v1/facts")).json()) as HostFacts;
    assert.deepEqual([facts.addresses, facts.disks, facts.k3s], [[], [], { version: null, unit: "unknown" }]);
  });
  it("ask slow programs again only after minutes, and one that said nothing at once", async () => {
    let nowMs = 0;
    const clock = { ...realClock, monotonic: () => nowMs };
    const { ask, ran } = world({ clock, exec: (line) => (line.startsWith("timedatectl show ") ? { stdout: "" } : {}) });
    const count = (program: string): number => ran.filter((line) => line.startsWith(program)).length;
    for (; nowMs < 55_000; nowMs += 5_500) await ask("GET", "/v1/facts");
    assert.deepEqual(
      [count("findmnt"), count("smartctl"), count("k3s --version"), count("timedatectl show-timesync")],
      [10, 1, 1, 1],
    );
    assert.equal(count("timedatectl show "), 10);
    nowMs += 10 * 60_000;
    await ask("GET", "/v1/facts");
    assert.deepEqual([count("smartctl"), count("timedatectl show-timesync")], [2, 2]);
  });
  it("are gathered once for readers that ask at once after another", async () => {
    const { ask, ran } = world();
    await ask("GET", "/v1/facts");
    const programs = ran.length;
    await ask("GET", "/v1/facts");
    assert.equal(ran.length, programs);
  });
});

describe("the clock", () => {
  const spans: readonly (readonly [string, number | null])[] = [
    ["       Offset: +12us", 0.012],
    ["       Offset: -1.015ms", -1.015],
    ["       Offset: +1min 2.500000s", 62_500],
    ["       Offset: -2d 3h", -183_600_000],
    ["       Offset: 5ms", null],
    ["       Offset: +$(id)", null],
    ["", null],
  ];
  for (const [text, ms] of spans)
    it(`by timesyncd: ${text.trim()}`, () => assert.equal(timesyncOffsetMs(`Server: x\n${text}\nDelay: 1ms`), ms));
  const chrony: readonly (readonly [string, number | null])[] = [
    ["0.000012345 seconds slow of NTP time", 0.012],
    ["62.500000000 seconds fast of NTP time", -62_500],
    ["62.5 seconds", null],
  ];
  for (const [text, ms] of chrony)
    it(`by chrony: ${text}`, () =>
      assert.equal(
        chronyOffsetMs(`Ref time (UTC)  : Sat Nov 21\nSystem time     : ${text}\nLast offset     : +0.1 seconds`),
        ms,
      ));
  it("is asked of chrony where timesyncd does not keep it", async () => {
    const { ask } = world({
      exec: (line) => {
        if (line === "timedatectl timesync-status") return { code: 1, stdout: "" };
        return line === "chronyc -n tracking"
          ? { stdout: "System time     : 1.500000000 seconds slow of NTP time\n" }
          : {};
      },
    });
    const facts = (await (await ask("GET", "/v1/facts")).json()) as HostFacts;
    assert.equal(facts.time.offsetMs, 1_500);
  });
});

describe("a journal", () => {
  const KEY = [
    "-----BEGIN PRIVATE KEY-----",
    ...Array.from({ length: 4 }, () => "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"),
    "-----END PRIVATE KEY-----",
  ];
  const textOf = async (stdout: string): Promise<string> =>
    (await world({ exec: () => ({ stdout }) }).ask("GET", "/v1/journal?unit=k3s&lines=50000")).text();

  it("comes whole and in order, however it is cut into pieces", async () => {
    const lines = Array.from({ length: 1_000 }, (_one, at) => `line ${at} \u00fc\u20ac`);
    assert.equal(await textOf(`${lines.join("\n")}\n`), `${lines.join("\n")}\n`);
    assert.equal(await textOf(""), "");
    assert.equal(await textOf("no end of line"), "no end of line\n");
  });
  it("shows no key that lies in it, before it, or far behind its beginning", async () => {
    const far = Array.from({ length: 500 }, (_one, at) => `line ${at}`);
    for (const lines of [KEY.slice(2), [...far, ...KEY, "after"], ["before", ...KEY.slice(0, 3)]]) {
      const text = await textOf(lines.join("\n"));
      assert.ok(!text.includes("MIIEvQ"), text.slice(-400));
      assert.equal(text.split("\n").length - 1, lines.length);
    }
  });
  it("of one endless line comes in pieces", async () => {
    const text = await textOf(`${"x".repeat(200_000)}\nnext\n`);
    assert.ok(text.replaceAll("\n", "").startsWith("x".repeat(200_000)) && text.endsWith("next\n"));
  });
  it("is cut at its bound, and says so", async () => {
    const { ask } = world({ exec: () => ({ stdout: "line\n", truncated: true }) });
    assert.match(await (await ask("GET", "/v1/journal?unit=k3s")).text(), /^line\n\[cut after 16777216 bytes\]\n$/);
  });
  it("that ends badly after some of it breaks off, so that nobody takes it for the whole", async () => {
    const { ask } = world({ exec: () => ({ code: 1, stdout: "line\n".repeat(300), stderr: "journal is corrupt" }) });
    const answer = await ask("GET", "/v1/journal?unit=k3s");
    await assert.rejects(answer.text());
  });
  it("gives its turn back when the reader goes away", async () => {
    const { ask } = world({
      exec: (line) => (line.startsWith("journalctl") ? { stdout: "line\n".repeat(1_000) } : {}),
    });
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask("GET", "/v1/journal?unit=k3s")));
      assert.ok(answers.every(({ status }) => status === 200));
      assert.equal((await ask("GET", "/v1/health")).status, 503, "eight are read");
      for (const answer of answers) await answer.body?.cancel();
    }
    assert.equal((await ask("GET", "/v1/health")).status, 200);
  });
});

describe("who may ask", () => {
  for (const [who, identity, status] of [
    ["root", { pid: 1, uid: 0, gid: 0 }, 200],
    ["the control plane", POD, 200],
    ["somebody of its group", { pid: 1, uid: 1_000, gid: 10_001 }, 401],
    ["nobody", { pid: 1, uid: 65_534, gid: 65_534 }, 401],
  ] as const) {
    it(`${who}: ${status}`, async () =>
      assert.equal((await world().ask("GET", "/v1/health", undefined, identity)).status, status));
  }
  it("one of whom the kernel says nothing: 401, before a byte of the request is read", async () => {
    const { agent, ran } = world();
    assert.equal((await agent(new Request("http://host-agent/v1/facts"), {})).status, 401);
    assert.deepEqual(ran, []);
  });
});

describe("requests", () => {
  it("for a journal run one program with words of our own, and tell no secret", async () => {
    const { ask, ran } = world();
    const answer = await ask("GET", "/v1/journal?unit=k3s&lines=5");
    const text = await answer.text();
    assert.deepEqual(ran, ["journalctl --no-pager --output=short-iso --lines=5 --unit=k3s"]);
    assert.ok(!/hunter2/.test(text), text);
  });
  it("for images give their names", async () => {
    assert.deepEqual(await (await world().ask("GET", "/v1/images")).json(), { images: ["a", "b"] });
  });
  it("that change the host are answered 202 and run what they say", async () => {
    const { ask, ran } = world();
    assert.equal((await ask("POST", "/v1/control-plane/reapply")).status, 202);
    assert.equal((await ask("POST", "/v1/reboot", '{"consent":"box-7f3a"}')).status, 202);
    assert.deepEqual(ran, [
      "systemctl restart --no-block alga-appliance-bootstrap.service",
      "systemctl reboot --no-block",
    ]);
  });
  it("to prune images remove what nothing needs, and tell what it was", async () => {
    const { ask, ran } = world();
    const answer = await ask("POST", "/v1/images/prune");
    assert.deepEqual([answer.status, await answer.json()], [200, { ok: true, removed: ["host/a:1"] }]);
    assert.deepEqual(ran, [
      "k3s crictl images --output json",
      "k3s crictl ps --all --output json",
      `k3s crictl rmi sha256:${"a".repeat(64)}`,
    ]);
  });
  it("to prune images remove none where nobody can tell which a way back needs", async () => {
    const { ask, ran } = world({ kept: () => Promise.reject(new ApplianceError("file/corrupt", "Cannot read")) });
    assert.equal((await ask("POST", "/v1/images/prune")).status, 500);
    assert.deepEqual(ran, []);
  });
  it("that take too long are ended after a minute, and give their turn back", async () => {
    const box = createFakeBox();
    const clock = box.clock;
    const ended: string[] = [];
    const { ask } = world({ clock, exec: (line, signal) => untilEnded(signal, () => ended.push(line)) });
    for (const [method, path] of [
      ["GET", "/v1/images"],
      ["POST", "/v1/images/prune"],
      ["POST", "/v1/control-plane/reapply"],
    ] as const) {
      const answer = ask(method, path);
      for (let turn = 0; turn < 5; turn += 1) await new Promise((done) => setImmediate(done));
      await box.pass(59_000);
      assert.equal(ended.length, 0, "it was ended early");
      await box.pass(1_000);
      assert.equal((await answer).status, 504);
      assert.equal(ended.splice(0).length, 1);
    }
  });
  it("to reboot want the name of the box", async () => {
    const { ask, ran } = world();
    assert.equal((await ask("POST", "/v1/reboot", '{"consent":"yes"}')).status, 400);
    assert.deepEqual(ran, []);
  });
  it("that change the host come one after another: a second one is told to wait", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { ask } = world({ exec: (line) => (line.includes("prune") ? held.then(() => ({})) : {}) });
    const first = ask("POST", "/v1/images/prune");
    const second = await ask("POST", "/v1/control-plane/reapply");
    assert.equal(second.status, 409);
    release();
    assert.equal((await first).status, 200);
    assert.equal((await ask("POST", "/v1/control-plane/reapply")).status, 202);
  });
  it("that read are eight at a time", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { ask } = world({ exec: (line) => (line.startsWith("journalctl") ? held.then(() => ({})) : {}) });
    const all = Array.from({ length: 12 }, () => ask("GET", "/v1/journal?unit=k3s"));
    const early = await Promise.all(all.slice(8));
    assert.deepEqual(
      early.map(({ status }) => status),
      [503, 503, 503, 503],
    );
    release();
    assert.ok((await Promise.all(all.slice(0, 8))).every(({ status }) => status === 200));
  });
  it("of programs that fail are told with their last words", async () => {
    const { ask } = world({ exec: () => ({ code: 3, stderr: "Unit not found" }) });
    const answer = await ask("POST", "/v1/control-plane/reapply");
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /Unit not found/);
  });
  it("with a body that is too large are refused", async () => {
    const { ask } = world();
    assert.equal((await ask("POST", "/v1/reboot", JSON.stringify({ consent: "x".repeat(5_000) }))).status, 413);
  });
});

it("whatever is asked, programs get words of our own alone", async () => {
  const { ask, ran } = world({ kept: async () => new Set() });
  const odd = fc.oneof(
    fc.constantFrom("$(id)", "--all", ";reboot", "k3s", "box-7f3a", "../../x", "5", "50000"),
    fc.string(),
  );
  const path = fc.constantFrom(
    ...["health", "facts", "images", "maintenance", "journal", "images/prune", "control-plane/reapply", "reboot"],
  );
  const asked = fc.tuple(fc.constantFrom("GET", "POST"), path, fc.constantFrom("unit", "lines", "x"), odd);
  await fc.assert(
    fc.asyncProperty(asked, odd, async ([method, place, name, value], consent) => {
      const query = place === "journal" ? `?unit=time&${new URLSearchParams([[name, value]])}` : "";
      const body = method === "POST" ? JSON.stringify(place === "reboot" ? { consent } : {}) : undefined;
      const answer = await ask(method, `/v1/${place}${query}`, body);
      await answer.body?.cancel();
    }),
    { numRuns: 2_000, seed: 7 },
  );
  const own = new Set(Object.keys(SAYS).filter((line) => line.includes(" ") && !line.startsWith("journalctl")));
  const strange = ran.filter(
    (line) =>
      !own.has(line) &&
      !OWN_WORDS.has(line) &&
      !/^journalctl --no-pager --output=short-iso --lines=\d+ --unit=systemd-timesyncd$/.test(line),
  );
  assert.deepEqual([...new Set(strange)], []);
  assert.ok(ran.some((line) => line.startsWith("journalctl")) && ran.includes("systemctl reboot --no-block"));
});

/** What is run beside the words of `SAYS`. */
const OWN_WORDS: ReadonlySet<string> = new Set([
  "systemctl restart --no-block alga-appliance-bootstrap.service",
  "systemctl reboot --no-block",
  "smartctl --json --health --nocheck=standby /dev/sda1",
  "findmnt --json --bytes --real --list --types ext4,xfs,btrfs,ext3,f2fs --output TARGET,SOURCE,FSTYPE,SIZE,AVAIL",
  "chronyc -n tracking",
  ...["a", "b"].map((name) => `k3s crictl rmi sha256:${name.repeat(64)}`),
  `k3s crictl rmi sha256:${"a".repeat(64)} sha256:${"b".repeat(64)}`,
]);
