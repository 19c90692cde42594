/** Bootstrap on a host in memory: its good day, its bad days with their causes, and killed before and after each of its effects. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOST_FILES } from "../../embed/manifests.ts";
import { ERROR_CODES } from "../../src/core/error-codes.ts";
import { ApplianceError, exitCodeOf } from "../../src/core/errors.ts";
import { statePaths } from "../../src/core/paths.ts";
import { Secret } from "../../src/core/secret.ts";
import { bootstrapOfBoot, runBootstrap } from "../../src/host/bootstrap.ts";
import { commands } from "../../src/host/bootstrap-command.ts";
import type { BootstrapDeps, BootstrapSettings } from "../../src/host/bootstrap-context.ts";
import { BOOTSTRAP_STEPS } from "../../src/host/bootstrap-steps.ts";
import { CONTROL_PLANE } from "../../src/host/control-plane-facts.ts";
import { readRecord, remember } from "../../src/host/control-plane-record.ts";
import { fieldAt, type KubeObject, listAt } from "../../src/kube/model.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { commandContext } from "../support/command-context.ts";
import { makeCertificate } from "../support/tls.ts";
import { createFakeBox } from "./fake-box.ts";
import { ARCHIVE, BAKED, createFakeHost, type FakeHost, runningImage } from "./fake-host.ts";
import { cutAt, watchMoments } from "./moments.ts";

const PATHS = statePaths("/");
const HOST_FOLDER = "/var/lib/alga-appliance-host";

function scene(): { readonly box: ReturnType<typeof createFakeBox>; readonly host: FakeHost } {
  const box = createFakeBox({ instant: true });
  return { box, host: createFakeHost(box) };
}

function boot(
  host: FakeHost,
  change: { deps?: BootstrapDeps; settings?: Partial<BootstrapSettings> } = {},
): Promise<OperationView> {
  const signal = new AbortController().signal;
  return runBootstrap({ deps: change.deps ?? host.deps(), settings: host.settings(change.settings) }, { signal });
}

const states = (view: OperationView): string[] => view.steps.map(({ id, state }) => `${id} ${state}`);
const ranWith = (host: FakeHost, ...words: string[]): number =>
  host.ran.filter((argv) => words.every((word) => argv.includes(word))).length;

describe("the good day", () => {
  it("brings an empty box to a control plane that answers, without a network", async () => {
    const { host } = scene();
    const view = await boot(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    assert.deepEqual(
      states(view),
      BOOTSTRAP_STEPS.map(({ id }) => `${id} done`),
    );
    assert.equal(await runningImage(host), BAKED);
    assert.equal((await readRecord(host.deps(), PATHS)).healthy?.image, BAKED);
    assert.match(host.files.snapshot().get(PATHS.setupToken) ?? "", /^\d{4}(-\d{4}){4}\n$/);
    assert.match(
      host.files.snapshot().get("/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml") ?? "",
      /local-storage\nwrite-kubeconfig-mode: "0600"/,
    );
    assert.equal(host.files.snapshot().get("/usr/local/bin/k3s"), "the program k3s");
  });
  it("does nothing again at the next boot, and puts right what drifted", async () => {
    const { box, host } = scene();
    await boot(host);
    box.boot();
    host.ran.length = 0;
    const view = await boot(host);
    assert.equal(view.state, "done");
    assert.equal(ranWith(host, "import"), 0, "an archive was imported twice");
    assert.equal(ranWith(host, "try-restart"), 0, "k3s was restarted for nothing");
    host.files.garble("/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml", "disable: []\n");
    host.files.garble("/usr/lib/systemd/system/alga.service", "[Service]\nUser=mallory\n");
    box.boot();
    await boot(host);
    assert.equal(ranWith(host, "try-restart", "k3s.service"), 1);
    assert.equal(host.files.snapshot().get("/usr/lib/systemd/system/alga.service"), "[Service]\n");
  });
  it("takes the command line away from a unit of an older box, because its flags hide the file", async () => {
    const { host } = scene();
    host.files.garble(
      "/etc/systemd/system/k3s.service",
      "[Service]\nExecStart=/usr/local/bin/k3s server --disable traefik\n",
    );
    await boot(host);
    const dropIn = host.files.snapshot().get("/etc/systemd/system/k3s.service.d/90-alga-appliance.conf") ?? "";
    assert.match(dropIn, /^ExecStart=\nExecStart=\/usr\/local\/bin\/k3s server$/m);
  });
  it("gives k3s the registry of the settings, closed to others, and puts right what drifted", async () => {
    const { box, host } = scene();
    const file = "/etc/rancher/k3s/registries.yaml";
    const registry = {
      place: { registry: "harbor.example", base: "alga" },
      credentials: { kind: "password", username: "puller", password: new Secret("pw-of-the-house") },
    } as const;
    const settings = { follows: async () => ({ registry, ref: { channel: "stable" } }) };
    host.files.garble(file, "mirrors: {of.the.operator: {}}\n");
    await boot(host, { settings });
    const written = host.files.snapshot().get(file) ?? "";
    assert.match(written, /password: pw-of-the-house/);
    assert.match(host.files.snapshot().get(`${file}.before-alga-appliance`) ?? "", /of\.the\.operator/);
    assert.equal((await host.files.stat(file))?.mode, 0o600);
    assert.ok(!JSON.stringify(host.ran).includes("pw-of-the-house"), "the password went into an argument");
    box.boot();
    host.ran.length = 0;
    await boot(host, { settings });
    assert.equal(ranWith(host, "try-restart"), 0, "k3s was restarted for nothing");
    host.files.garble(file, written.replace("harbor.example", "mallory.example"));
    box.boot();
    await boot(host, { settings });
    assert.equal(ranWith(host, "try-restart", "k3s.service"), 1);
    assert.equal(host.files.snapshot().get(file), written);
    const usual = { registry: { place: { registry: "ghcr.io", base: "nine-minds" } }, ref: { channel: "stable" } };
    box.boot();
    await boot(host, { settings: { follows: async () => usual } });
    assert.equal(host.files.snapshot().get(file), undefined, "the login stays although the settings have none");
  });
  it("leaves the registries as they are while the settings cannot be used", async () => {
    const { host } = scene();
    const follows = () => Promise.reject(new ApplianceError("config/invalid", "Cannot use registry CA: it is none"));
    assert.equal((await boot(host, { settings: { follows } })).state, "done");
    assert.equal(host.files.snapshot().get("/etc/rancher/k3s/registries.yaml"), undefined);
  });
  it("gives k3s the proxy of the settings, closed to others, and takes it away with them", async () => {
    const { box, host } = scene();
    const file = "/etc/rancher/k3s/alga-appliance-proxy.env";
    const dropIn = "/etc/systemd/system/k3s.service.d/91-alga-appliance-proxy.conf";
    const usual = { place: { registry: "ghcr.io", base: "nine-minds" } };
    const proxy = { https: "http://me:pw-of-the-house@proxy.example:3128", no: ".corp.example" };
    const follows = async () => ({ registry: { ...usual, proxy }, ref: { channel: "stable" } });
    const text = (path: string): string | undefined => host.files.snapshot().get(path);
    await boot(host, { settings: { follows } });
    assert.match(text(file) ?? "", /^HTTPS_PROXY="http:\/\/me:pw-of-the-house@proxy\.example:3128"$/m);
    assert.match(text(file) ?? "", /^NO_PROXY="localhost,.*10\.43\.0\.0\/16.*192\.0\.2\.10.*\.corp\.example"$/m);
    assert.equal((await host.files.stat(file))?.mode, 0o600);
    assert.match(text(dropIn) ?? "", new RegExp(`^EnvironmentFile=-${file}$`, "m"));
    assert.ok(!JSON.stringify(host.ran).includes("pw-of-the-house"), "the login went into an argument");
    assert.ok(!(text(dropIn) ?? "").includes("pw-of-the-house"), "the login is in a unit, which everybody reads");
    box.boot();
    host.ran.length = 0;
    const unplugged = { ...host.deps(), network: { ...host.deps().network, addresses: async () => [] } };
    await boot(host, { deps: unplugged, settings: { follows } });
    assert.equal(ranWith(host, "try-restart"), 0, "k3s was restarted because the box has no address yet");
    const wrong = () => Promise.reject(new ApplianceError("config/invalid", "Cannot use registry CA: it is none"));
    box.boot();
    await boot(host, { settings: { follows: wrong } });
    assert.match(text(file) ?? "", /HTTPS_PROXY/, "settings that cannot be used took the proxy away");
    box.boot();
    await boot(host, { settings: { follows: async () => ({ registry: usual, ref: { channel: "stable" } }) } });
    assert.deepEqual([text(file), text(dropIn)], [undefined, undefined]);
    assert.equal(ranWith(host, "try-restart", "k3s.service"), 1);
  });
  it("restarts k3s after all when it was killed between the files and the restart", async () => {
    const { host } = scene();
    await boot(host);
    host.files.garble("/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml", "disable: []\n");
    const deps = host.deps();
    const killed: BootstrapDeps["exec"] = async (argv, options) => {
      if (argv.includes("daemon-reload")) throw new ApplianceError("exec/timeout", "Cannot go on: it was killed here");
      return deps.exec(argv, options);
    };
    assert.equal((await boot(host, { deps: { ...deps, exec: killed } })).state, "blocked");
    host.ran.length = 0;
    assert.equal((await boot(host)).state, "done");
    assert.equal(ranWith(host, "try-restart", "k3s.service"), 1);
  });
  it("closes a kubeconfig that everybody can read", async () => {
    const { host } = scene();
    const deps = host.deps();
    const stat = async (path: string) => {
      const found = await host.files.stat(path);
      return found !== undefined && path.endsWith("k3s.yaml") ? { ...found, mode: 0o644 } : found;
    };
    await boot(host, { deps: { ...deps, files: { ...deps.files, stat } } });
    assert.deepEqual(
      host.ran.filter(([program]) => program === "chmod"),
      [["chmod", "0600", "/etc/rancher/k3s/k3s.yaml"]],
    );
  });
  it("makes no token for a box that is claimed, and never shows one to a program", async () => {
    const { host } = scene();
    host.files.garble(PATHS.adminCredential, "{}");
    await boot(host);
    assert.equal(host.files.snapshot().get(PATHS.setupToken), undefined);
    const other = scene().host;
    const logged: unknown[] = [];
    const note = (...said: readonly unknown[]): void => void logged.push(said);
    const log = { ...other.deps().log, debug: note, info: note, warn: note, error: note };
    const view = await boot(other, { deps: { ...other.deps(), log } });
    const token = other.files.snapshot().get(PATHS.setupToken)?.trim() ?? "none";
    for (const form of [token, token.replaceAll("-", "")]) {
      assert.ok(!JSON.stringify(other.ran).includes(form), "the token went into an argument");
      assert.ok(!JSON.stringify([view, logged]).includes(form), "the token was told or logged");
      for (const [path, text] of other.files.snapshot()) {
        if (path !== PATHS.setupToken) assert.ok(!text.includes(form), `the token lies in ${path}`);
      }
    }
  });
  it("takes back a change of the network that nobody confirmed before the box went down", async () => {
    const { host } = scene();
    const ours = "/etc/netplan/90-alga-appliance.yaml";
    const record = {
      interface: "eth0",
      bootId: "another",
      untilUptimeMs: 1e9,
      files: [{ path: ours, content: "# before\n" }],
    };
    host.files.garble(ours, "# lost\n");
    host.files.garble(
      "/var/lib/alga-appliance-host/console/network-undo.json",
      JSON.stringify({ schema: "alga.appliance.network-undo/v1", ...record }),
    );
    await boot(host);
    assert.equal(host.files.snapshot().get(ours), "# before\n");
    assert.equal(ranWith(host, "netplan", "apply"), 1);
    await boot(host);
    assert.equal(ranWith(host, "netplan", "apply"), 1);
  });
  it("makes a first login, once, and starts all the same where it cannot", async () => {
    const { host } = scene();
    const secrets = async () => (await boot(host)).steps.find(({ id }) => id === "secrets")?.detail;
    assert.match(
      (await secrets()) ?? "",
      /^The console shows the setup token; no first login: Cannot make the first login/,
    );
    host.files.garble("/etc/passwd", "alga-admin:x:998:998::/var/lib/alga-admin:/bin/bash\n");
    host.files.garble("/etc/shadow", "alga-admin:!*:20000::::::\n");
    assert.equal(await secrets(), "The console shows the setup token and the first login");
    assert.equal(ranWith(host, "chpasswd"), 1);
    const argv = host.ran.flat().join(" ");
    const made = host.files.snapshot().get("/run/alga-appliance-console/login")?.trim() ?? "";
    assert.match(made, /^[a-z]{16}$/);
    assert.ok(!argv.includes(made));
    await secrets();
    assert.equal(ranWith(host, "chpasswd"), 1);
  });
  it("imports again what containerd lost, and what the ISO brought anew", async () => {
    const { box, host } = scene();
    await boot(host);
    host.state.images.delete(BAKED);
    box.boot();
    host.ran.length = 0;
    await boot(host);
    assert.equal(ranWith(host, "import", ARCHIVE), 1);
    host.files.garble(ARCHIVE, "a newer control plane");
    box.boot();
    await boot(host);
    assert.equal(ranWith(host, "import", ARCHIVE), 2);
  });
  it("imports once what was there before and whose names containerd does not tell, and again when any is lost", async () => {
    const { box, host } = scene();
    const others = ["docker.io/rancher/mirrored-pause:3.6", "registry.test/b/shop:1"];
    for (const image of [BAKED, ...others]) host.state.images.add(image);
    const silent = (): BootstrapDeps => {
      const deps = host.deps();
      const exec: BootstrapDeps["exec"] = async (argv, options) => {
        const result = await deps.exec(argv, options);
        return argv.includes("import") ? { ...result, stdout: "Importing\telapsed: 1.2 s\n" } : result;
      };
      return { ...deps, exec };
    };
    const imports = async (): Promise<number> => {
      host.ran.length = 0;
      assert.equal((await boot(host, { deps: silent() })).state, "done");
      box.boot();
      return ranWith(host, "import");
    };
    assert.deepEqual([await imports(), await imports(), await imports()], [2, 0, 0]);
    host.state.images.delete(others[0] ?? "");
    assert.deepEqual([await imports(), await imports()], [1, 0]);
    assert.ok(host.state.images.has(others[0] ?? ""));
    host.state.images.delete("registry.test/b/shop:1");
    assert.deepEqual([await imports(), await imports()], [2, 0]);
  });
});

describe("bad days", () => {
  const blocked = async (prepare: (host: FakeHost) => void): Promise<NonNullable<OperationView["problem"]>> => {
    const { host } = scene();
    prepare(host);
    const view = await boot(host);
    assert.equal(view.state, "blocked");
    assert.ok(view.problem !== null);
    return view.problem;
  };
  const words: readonly (readonly [string, string, string])[] = [
    [
      "a port",
      'level=fatal msg="starting kubernetes: listen tcp 127.0.0.1:6444: bind: address already in use"',
      "host/port-taken",
    ],
    [
      "a disk",
      'level=error msg="write /var/lib/rancher/k3s/server/db/state.db: no space left on device"\nfatal: x509: certificate has expired',
      "host/disk-full",
    ],
    [
      "a clock",
      "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-21T00:00:00Z",
      "host/clock-wrong",
    ],
    [
      "old certificates",
      "x509: certificate has expired or is not yet valid: current time 2031-01-01T00:00:00Z is after 2030-01-01T00:00:00Z",
      "host/certificates-expired",
    ],
    [
      "control groups of the old version",
      'err="failed to run Kubelet: kubelet is configured to not run on a host using cgroup v1"',
      "host/no-cgroup",
    ],
    ["no control group", 'level=fatal msg="failed to find memory cgroup (v2)"', "host/no-cgroup"],
    [
      "no packet filter",
      "iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied",
      "host/no-nftables",
    ],
    [
      "no module of the packet filter",
      "modprobe: ERROR: could not insert 'nft_chain_nat'; iptables-restore: nf_tables: No such file or directory",
      "host/no-nftables",
    ],
    ["a damaged database", 'level=fatal msg="database disk image is malformed"', "host/datastore-damaged"],
    ["no address", 'level=fatal msg="unable to select an IP from default routes."', "host/no-address"],
    ["what nobody knows", 'level=fatal msg="the moon is full"', "host/k3s-not-ready"],
  ];
  for (const [name, said, code] of words) {
    it(`names ${name} as the cause when k3s does not come up`, async () => {
      const problem = await blocked(({ state }) => {
        state.k3sSays = `first line\n${said}\n`;
        state.k3s = "failed";
      });
      assert.equal(problem.code, code);
      assert.ok(said.includes(problem.evidence[0]?.text.split("\n").at(-1) ?? "nothing"), problem.evidence[0]?.text);
      assert.ok(problem.hint !== null && problem.hint !== "");
    });
  }
  it("says who holds the port of the control plane", async () => {
    const problem = await blocked(({ state }) => {
      state.foreign.set(8080, 'LISTEN 0 511 *:8080 *:* users:(("apache2",pid=812,fd=4))');
    });
    assert.deepEqual(
      [problem.code, problem.message],
      ["host/port-taken", 'Cannot use port "8080": "apache2" (process 812) listens there, a free port is wanted'],
    );
  });
  it("says who holds the port of the page over TLS, unless it is the control plane", async () => {
    const taken = ({ state }: FakeHost) =>
      void state.foreign.set(8443, 'LISTEN 0 511 *:8443 *:* users:(("caddy",pid=9,fd=4))');
    assert.match((await blocked(taken)).message, /"8443": "caddy" \(process 9\)/);
    const { host } = scene();
    await boot(host);
    taken(host);
    assert.equal((await boot(host)).state, "done");
  });
  it("does not take a k3s that starts beside it for a stranger on its port", async () => {
    const { host } = scene();
    host.state.k3s = "activating";
    host.state.foreign.set(6443, "");
    assert.equal((await boot(host)).state, "done");
  });
  it("says that a stranger holds the port of the API", async () => {
    const problem = await blocked(({ state }) => {
      state.foreign.set(6443, "");
    });
    assert.deepEqual([problem.code, /"6443": another program/.test(problem.message)], ["host/port-taken", true]);
  });
  it("says that the disk is full when containerd finds out first, and goes on there when there is room", async () => {
    const { host } = scene();
    const deps = host.deps();
    const exec: BootstrapDeps["exec"] = async (argv, options) =>
      argv.includes("import")
        ? { code: 1, stdout: "", stderr: "ctr: write /var/lib/x/ingest: no space left on device", truncated: false }
        : deps.exec(argv, options);
    const { state, problem, id } = await boot(host, { deps: { ...deps, exec } });
    assert.deepEqual([state, problem?.code], ["blocked", "host/disk-full"]);
    assert.match(problem?.evidence[0]?.text ?? "", /no space left/);
    const again = await boot(host);
    assert.deepEqual([again.id, again.state], [id, "done"]);
  });
  it("says that the settings cannot be used before anything is changed by others, and how they are mended", async () => {
    const { host } = scene();
    const settingsProblem = new ApplianceError("config/invalid", 'Cannot use settings file "/x": it is not YAML');
    const { state, problem, steps } = await boot(host, { settings: { settingsProblem } });
    assert.deepEqual([state, problem?.code, problem?.attempt], ["blocked", "config/invalid", 1]);
    assert.match(problem?.hint ?? "", /alga-appliance recover/);
    assert.equal(steps.find(({ id }) => id === "k3s-config")?.state, "pending");
    assert.equal(host.files.snapshot().get("/etc/rancher/k3s/config.yaml.d/90-alga-appliance.yaml"), undefined);
    assert.equal((await boot(host)).state, "done");
  });
  it("says that the disk is full before anything is started", async () => {
    const { host } = scene();
    host.state.freeBytes = 1e6;
    assert.equal((await boot(host)).problem?.code, "host/disk-full");
    assert.equal(ranWith(host, "start"), 0);
  });
  it("says that the kernel has no memory control group", async () => {
    assert.equal(
      (await blocked(({ files }) => files.garble("/sys/fs/cgroup/cgroup.controllers", "cpu io\n"))).code,
      "host/no-cgroup",
    );
  });
  it("takes a kernel with control groups of version 1 that counts memory, and none that does not", async () => {
    const { host } = scene();
    await host.files.remove("/sys/fs/cgroup/cgroup.controllers");
    assert.equal((await boot(host)).problem?.code, "host/no-cgroup");
    await host.files.makeDirectory("/sys/fs/cgroup/memory");
    assert.equal((await boot(host)).state, "done");
  });
  for (const [name, days, code] of [
    ["before the box was set up", -40, "host/clock-wrong"],
    ["after the end of its authority", 400, "host/certificates-expired"],
  ] as const) {
    it(`says that the clock stands ${name}, before anything is started`, async () => {
      const { box, host } = scene();
      const { cert } = makeCertificate({ commonName: "k3s-server-ca", days: 30 });
      host.files.garble("/var/lib/rancher/k3s/server/tls/server-ca.crt", cert);
      box.setWall(Date.now() + days * 86_400_000);
      const { state, problem } = await boot(host);
      assert.deepEqual([state, problem?.code], ["blocked", code]);
      assert.match(problem?.hint ?? "", /timedatectl/);
      assert.equal(ranWith(host, "start", "k3s.service"), 0);
      box.setWall(Date.now());
      assert.equal((await boot(host)).state, "done");
    });
  }
  it("is not stopped by an authority that nobody can read: k3s tells of it", async () => {
    const { host } = scene();
    host.files.garble("/var/lib/rancher/k3s/server/tls/server-ca.crt", "-----BEGIN CERTIFICATE-----\nx");
    assert.equal((await boot(host)).state, "done");
  });
  it("names certificates that expired while k3s ran by what its API says, where its journal says nothing", async () => {
    const { host } = scene();
    await boot(host);
    host.state.hangs = true;
    const seen: string[] = [];
    const stop = new AbortController();
    const onView = ({ step, problem }: OperationView): void => {
      if (step !== "k3s-ready" || problem === null) return;
      seen.push(problem.code);
      stop.abort();
    };
    const context = { deps: host.deps(), settings: host.settings() };
    await assert.rejects(runBootstrap(context, { signal: stop.signal, onView }));
    assert.deepEqual(seen, ["host/certificates-expired"]);
  });
  it("says that the payload is gone", async () => {
    const { host } = scene();
    const deps = host.deps();
    const list = async (path: string) => (path.startsWith("/opt/") ? [] : host.files.list(path));
    assert.equal(
      (await boot(host, { deps: { ...deps, files: { ...deps.files, list } } })).problem?.code,
      "host/no-images",
    );
  });
  it("does without the payload where containerd has all that it brought", async () => {
    const { box, host } = scene();
    await boot(host);
    const deps = host.deps();
    const list = async (path: string) => (path.startsWith("/opt/") ? [] : host.files.list(path));
    const gone = { deps: { ...deps, files: { ...deps.files, list } } };
    box.boot();
    const view = await boot(host, gone);
    assert.deepEqual([view.state, states(view).includes("images skipped")], ["done", true]);
    host.state.images.delete(BAKED);
    box.boot();
    const without = host.deps();
    const again = await boot(host, { deps: { ...without, files: { ...without.files, list } } });
    assert.equal(again.problem?.code, "host/no-images");
  });
  it("says at once that the box has no address, whatever k3s says", async () => {
    const { host } = scene();
    host.state.addresses = [];
    host.state.k3sSays = "";
    const seen: string[] = [];
    const stop = new AbortController();
    const onView = ({ step, problem }: OperationView): void => {
      if (step !== "k3s-ready") return;
      seen.push(problem?.code ?? "none");
      if (problem !== null || seen.length > 5) stop.abort();
    };
    const context = { deps: host.deps(), settings: host.settings() };
    await assert.rejects(runBootstrap(context, { signal: stop.signal, onView }));
    assert.equal(seen.at(-1), "host/no-address", seen.join(" "));
  });
  it("tells the console what ended it when not even the journal can be written, and takes that back", async () => {
    const { host } = scene();
    const deps = host.deps();
    const onDisk = (path: string): boolean => !path.startsWith("/run/");
    const full = async (path: string): Promise<never> => {
      throw new ApplianceError("file/disk-full", `Cannot write file "${path}": the disk is full, free space is wanted`);
    };
    const files = {
      ...deps.files,
      write: (...given: Parameters<typeof deps.files.write>) =>
        onDisk(given[0]) ? full(given[0]) : deps.files.write(...given),
      create: (...given: Parameters<typeof deps.files.create>) =>
        onDisk(given[0]) ? full(given[0]) : deps.files.create(...given),
      append: (path: string) => full(path),
      makeDirectory: (...given: Parameters<typeof deps.files.makeDirectory>) =>
        onDisk(given[0]) ? full(given[0]) : deps.files.makeDirectory(...given),
    };
    await assert.rejects(boot(host, { deps: { ...deps, files } as BootstrapDeps }), { code: "host/disk-full" });
    const told = await bootstrapOfBoot(host.deps(), PATHS);
    assert.deepEqual([told?.state, told?.problem?.code], ["blocked", "host/disk-full"]);
    assert.match(told?.problem?.hint ?? "", /^Make room on the disk/);
    assert.equal((await boot(host)).state, "done");
    assert.equal((await bootstrapOfBoot(host.deps(), PATHS))?.state, "done");
  });
  for (const [restarts, code, exit] of [
    [4, "host/port-taken", 5],
    [5, "host/given-up", 3],
  ] as const) {
    it(`ends with exit code ${exit} after ${restarts} starts by systemd that failed`, async () => {
      const { host } = scene();
      host.state.foreign.set(8080, "x");
      const deps = host.deps();
      const exec: BootstrapDeps["exec"] = async (argv, options) =>
        argv.includes("--property=NRestarts")
          ? { code: 0, stdout: `${restarts}\n`, stderr: "", truncated: false }
          : deps.exec(argv, options);
      const [command] = commands;
      const { context } = commandContext({ deps: { ...deps, exec }, env: { ALGA_APPLIANCE_ROOT: "/" } });
      const thrown = await command?.run(context).then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.ok(thrown instanceof ApplianceError);
      assert.deepEqual([thrown.code, exitCodeOf(thrown)], [code, exit]);
      assert.match(thrown.message, /Cannot use port "8080"/);
    });
  }
  it("ends with the banner, which says how the box is reached, and not with the token", async () => {
    const { host } = scene();
    const [command] = commands;
    const { context, said } = commandContext({ deps: host.deps(), env: { ALGA_APPLIANCE_ROOT: "/" } });
    assert.equal(await command?.run(context), 0);
    const token = host.files.snapshot().get(PATHS.setupToken)?.trim() ?? "none";
    assert.match(said.text, /Set up this appliance in a browser:\n https?:\/\/192\.0\.2\.10:8080\n/);
    assert.match(said.text, /The setup token is on the console of the box\./);
    assert.ok(![said.text, JSON.stringify(said.value), said.notices.join()].some((text) => text.includes(token)));
  });
  it("is done also where the banner cannot be told", async () => {
    const { host } = scene();
    const deps = host.deps();
    let isDone = false;
    const stat: typeof deps.files.stat = async (path, options) => {
      isDone ||= host.files.snapshot().get(`${HOST_FOLDER}/history.ndjson`)?.includes('"done"') ?? false;
      if (isDone && path === PATHS.adminCredential) throw new ApplianceError("file/unreadable", "Cannot read it: EIO");
      return deps.files.stat(path, options);
    };
    const [command] = commands;
    const made = commandContext({
      deps: { ...deps, files: { ...deps.files, stat } },
      env: { ALGA_APPLIANCE_ROOT: "/" },
    });
    assert.equal(await command?.run(made.context), 0);
    assert.ok(isDone && made.said.text === "", "the fault of this test was not met");
  });
  it("is told to stop by the exit code that it gives up with, and by no other", () => {
    const unit = HOST_FILES["/usr/lib/systemd/system/alga-appliance-bootstrap.service"] ?? "";
    assert.match(unit, /^RestartPreventExitStatus=3$/m);
    const others = Object.entries(ERROR_CODES).filter(([code, { exit }]) => exit === 3 && code !== "host/given-up");
    assert.deepEqual(others, []);
  });
  it("goes on at the step that failed when it is called again after mending, in the same boot", async () => {
    const { host } = scene();
    host.state.foreign.set(8080, "x");
    const first = await boot(host);
    host.state.foreign.clear();
    const second = await boot(host);
    assert.deepEqual([first.state, second.state, second.id], ["blocked", "done", first.id]);
  });
  it("begins anew after a reboot, whatever an older run left", async () => {
    const { box, host } = scene();
    host.state.foreign.set(8080, "x");
    const first = await boot(host);
    host.state.foreign.clear();
    box.boot();
    const second = await boot(host);
    assert.notEqual(second.id, first.id);
    assert.equal(second.state, "done");
  });
  it("is not stopped by a journal that a disk damaged", async () => {
    const { box, host } = scene();
    await boot(host);
    host.files.garble(`${HOST_FOLDER}/journal/0001-bootstrap.ndjson`, "\u0000\u0000 garbage\n");
    box.boot();
    assert.equal((await boot(host)).state, "done");
    assert.ok(host.files.snapshot().has(`${HOST_FOLDER}/journal/0001-bootstrap.ndjson.corrupt`));
  });
  it("keeps the journals of the last boots only", async () => {
    const { box, host } = scene();
    for (let boots = 0; boots < 33; boots += 1) {
      await boot(host);
      box.boot();
    }
    const journals = (await host.files.list(`${HOST_FOLDER}/journal`)).filter((name) => name.endsWith(".ndjson"));
    assert.ok(journals.length <= 31 && journals.at(-1) === "0033-bootstrap.ndjson", journals.join(" "));
  });
});

/** As an older kind of box has it: another selector, containers of its own, a role that may do everything. */
const older = async (host: FakeHost): Promise<void> => {
  const { namespace, name } = CONTROL_PLANE;
  const metadata = { name, namespace };
  const spec = {
    replicas: 1,
    selector: { matchLabels: { app: "older" } },
    template: {
      metadata: { labels: { app: "older" } },
      spec: {
        initContainers: [{ name: "fix-ownership", image: "busybox:1" }],
        containers: [{ name: "host-service", image: "ghcr.io/older:1" }],
      },
    },
  };
  await host.kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  await host.kube.create({ apiVersion: "apps/v1", kind: "Deployment", metadata, spec } as KubeObject);
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1" };
  const role = { name: "appliance-control-plane-setup-admin" };
  await host.kube.create({ ...rbac, kind: "ClusterRole", metadata: role, rules: [] } as KubeObject);
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", ...role };
  for (const one of ["setup-admin", "of-somebody"]) {
    const of = one === "setup-admin" ? roleRef : { ...roleRef, name: "view" };
    const subjects = [{ kind: "ServiceAccount", name, namespace }];
    await host.kube.create({
      ...rbac,
      kind: "ClusterRoleBinding",
      metadata: { name: one },
      roleRef: of,
      subjects,
    } as KubeObject);
  }
  host.state.images.add("ghcr.io/older:1");
};

/** Who is bound to a role that a box of an older kind had. */
const bindings = async (host: FakeHost): Promise<string[]> =>
  (await host.kube.list({ apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRoleBinding" })).items
    .map(({ metadata }) => metadata.name)
    .filter((one) => ["setup-admin", "of-somebody"].includes(one));

describe("control planes", () => {
  const NEXT = "registry.test/b/alga-appliance-control-plane@sha256:next";
  it("goes back to the last healthy one when the one that is applied does not answer, and remembers it", async () => {
    const { box, host } = scene();
    await boot(host);
    await host.kube.patch(
      CONTROL_PLANE,
      [{ op: "replace", path: "/spec/template/spec/containers/0/image", value: NEXT }],
      { type: "json" },
    );
    host.state.images.add(NEXT);
    host.state.bad.add(NEXT);
    box.boot();
    const view = await boot(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    assert.equal(await runningImage(host), BAKED);
    const record = await readRecord(host.deps(), PATHS);
    assert.deepEqual([record.healthy?.image, record.failed.map(({ image }) => image)], [BAKED, [NEXT]]);
  });
  it("never goes from a newer one to the baked one because the registry is away", async () => {
    const { host } = scene();
    await remember(host.deps(), { image: NEXT, version: "2.0.0" }, { paths: PATHS, as: "healthy" });
    host.state.images.add(NEXT);
    assert.equal((await boot(host)).state, "done");
    assert.equal(await runningImage(host), NEXT);
  });
  it("takes the place of an older kind of Deployment with another selector, keeps that one, and says so", async () => {
    const { box, host } = scene();
    host.state.k3s = "active";
    await older(host);
    host.state.k3s = "inactive";
    const view = await boot(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    assert.equal(await runningImage(host), BAKED);
    const live = await host.kube.get(CONTROL_PLANE);
    assert.deepEqual(fieldAt(live, "spec", "selector"), { matchLabels: { app: "cp" } });
    assert.deepEqual(listAt(live, "spec", "template", "spec", "initContainers"), []);
    assert.deepEqual(await bindings(host), ["of-somebody"]);
    const { replaced } = await readRecord(host.deps(), PATHS);
    assert.deepEqual(
      replaced.map(({ image, why }) => [image, why]),
      [["ghcr.io/older:1", "it had another selector, which cannot be changed"]],
    );
    assert.match(host.files.snapshot().get(`${HOST_FOLDER}/control-plane-replaced.json`) ?? "", /"fix-ownership"/);
    assert.match(
      view.steps.find(({ id }) => id === "control-plane")?.detail ?? "",
      /ghcr\.io\/older:1\) was replaced: /,
    );
    const { uid } = live?.metadata ?? {};
    box.boot();
    await boot(host);
    assert.equal((await host.kube.get(CONTROL_PLANE))?.metadata.uid, uid, "it was replaced once more");
  });
  it("waits for the pods of the older one, and takes nothing away that the API would not let ours follow", async () => {
    const { host } = scene();
    await boot(host);
    await host.kube.delete(CONTROL_PLANE);
    await older(host);
    const before = (await host.kube.get(CONTROL_PLANE))?.metadata.uid;
    const manifests = {
      "all.yaml": (host.settings().manifests["all.yaml"] ?? "").replace("{app: cp}", "{app: other}"),
    };
    const refused = await boot(host, { settings: { manifests } });
    assert.deepEqual([refused.state, refused.problem?.code], ["blocked", "kube/invalid"]);
    assert.equal((await host.kube.get(CONTROL_PLANE))?.metadata.uid, before);
    // Its pod holds the deletion, as a foreground deletion does.
    await host.kube.patch(CONTROL_PLANE, { metadata: { finalizers: ["test/pod-still-there"] } });
    const told: string[] = [];
    const signal = new AbortController().signal;
    const onView = ({ steps }: OperationView): void => {
      const { detail = null } = steps.find(({ id }) => id === "control-plane") ?? {};
      if (detail?.startsWith("Waits for the pods") !== true || told.length > 0) return;
      told.push(detail);
      void host.kube.patch(CONTROL_PLANE, { metadata: { finalizers: null } });
    };
    const end = await runBootstrap({ deps: host.deps(), settings: host.settings() }, { signal, onView });
    assert.deepEqual([end.state, told.length], ["done", 1], JSON.stringify(end.problem));
  });
  it("takes a container away that somebody has put beside ours", async () => {
    const { box, host } = scene();
    await boot(host);
    const add = { op: "add", path: "/spec/template/spec/containers/-", value: { name: "shell", image: "busybox:1" } };
    await host.kube.patch(CONTROL_PLANE, [add], { type: "json" });
    box.boot();
    assert.equal((await boot(host)).state, "done");
    const live = await host.kube.get(CONTROL_PLANE);
    assert.equal(listAt(live, "spec", "template", "spec", "containers").length, 1);
    const [first] = (await readRecord(host.deps(), PATHS)).replaced;
    assert.match(first?.why ?? "", /other containers \(shell\)/);
  });
  it("says what its pods say when none becomes healthy", async () => {
    const { host } = scene();
    host.state.bad.add(BAKED);
    const { namespace } = CONTROL_PLANE;
    const metadata = {
      name: "appliance-control-plane-x",
      namespace,
      labels: { "app.kubernetes.io/name": CONTROL_PLANE.name },
    };
    await host.kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    await host.kube.create({
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: { containers: [{ name: "control-plane", image: BAKED }] },
    } as KubeObject);
    const waiting = { reason: "CrashLoopBackOff", message: "back-off 10s restarting failed container" };
    const terminated = { exitCode: 1, message: "Cannot read /etc/machine-id: it is a folder" };
    const containerStatuses = [
      {
        name: "control-plane",
        state: { waiting },
        lastState: { terminated },
        ready: false,
        restartCount: 1,
        image: BAKED,
        imageID: "",
      },
    ];
    await host.kube.patch(
      { apiVersion: "v1", kind: "Pod", name: metadata.name, namespace },
      { status: { containerStatuses } },
      { subresource: "status" },
    );
    const { problem } = await boot(host);
    assert.equal(problem?.code, "host/control-plane-unhealthy");
    assert.match(problem?.hint ?? "", /k3s kubectl -n alga-appliance-control-plane logs/);
    assert.deepEqual(problem?.evidence, [
      { ref: "Pod appliance-control-plane-x", text: "Cannot read /etc/machine-id: it is a folder" },
    ]);
  });
});

for (const [name, prepare] of [
  ["an empty box", async () => {}],
  ["a box of an older kind", older],
] as const) {
  it(`killed before and after each of its effects on ${name}, comes to the same end as one that was not`, {
    timeout: 120_000,
  }, async () => {
    const { box, host } = scene();
    await prepare(host);
    const { deps, moments } = watchMoments(host, { stateFolder: HOST_FOLDER, after: true });
    assert.equal((await boot(host, { deps })).state, "done");
    assert.ok(moments.length > 80, `only ${moments.length} moments were seen`);
    const calm = await remains(host);
    for (const [index, moment] of moments.entries()) {
      cutAt(moment, index, box);
      const view = await boot(moment.world);
      assert.equal(view.state, "done", `killed ${moment.name}: ${JSON.stringify(view.problem)}`);
      assert.deepEqual(await remains(moment.world), calm, `killed ${moment.name}`);
    }
  });
}

/** What a bootstrap leaves on a box, without what differs from run to run. */
async function remains(host: FakeHost): Promise<unknown> {
  const files = [...host.files.snapshot()].filter(
    ([path]) => !/journal|lease|history|maintenance|setup-token|\.tmp$/.test(path),
  );
  const text = files.map(([path, content]) => `${path}: ${content.replaceAll(/"(?:at|modifiedMs)": [^\n,]+/g, "")}`);
  return {
    files: text.sort(),
    image: await runningImage(host),
    images: [...host.state.images].sort(),
    bindings: await bindings(host),
    token: /^\d{4}(-\d{4}){4}\n$/.test(host.files.snapshot().get(PATHS.setupToken) ?? ""),
  };
}
