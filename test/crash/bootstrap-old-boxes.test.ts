/** What older appliances got wrong at their first start, or left on the disk for the next executable: each is looked for by name. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ApplianceError } from "../../src/core/errors.ts";
import { statePaths } from "../../src/core/paths.ts";
import { runBootstrap } from "../../src/host/bootstrap.ts";
import { commands } from "../../src/host/bootstrap-command.ts";
import type { BootstrapDeps } from "../../src/host/bootstrap-context.ts";
import { BOOTSTRAP_STEPS } from "../../src/host/bootstrap-steps.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { commandContext } from "../support/command-context.ts";
import { createFakeBox, type FakeBox } from "./fake-box.ts";
import { createFakeHost, type FakeHost } from "./fake-host.ts";

const PATHS = statePaths("/");
const MINUTE_MS = 60_000;
const NODE = { apiVersion: "v1", kind: "Node", name: "box" };

function scene(): { readonly box: FakeBox; readonly host: FakeHost } {
  const box = createFakeBox({ instant: true });
  return { box, host: createFakeHost(box) };
}

function boot(host: FakeHost, given: { deps?: BootstrapDeps; onView?: (view: OperationView) => void } = {}) {
  const { deps = host.deps(), onView } = given;
  const signal = new AbortController().signal;
  const options = { signal, ...(onView === undefined ? {} : { onView }) };
  return runBootstrap({ deps, settings: host.settings() }, options);
}

/** Does something once so much time of the box has passed. */
function after(deps: BootstrapDeps, ms: number, work: () => Promise<void>): BootstrapDeps {
  const fromMs = deps.clock.monotonic();
  let isDone = false;
  const sleep: BootstrapDeps["clock"]["sleep"] = async (...given) => {
    await deps.clock.sleep(...given);
    if (isDone || deps.clock.monotonic() - fromMs < ms) return;
    isDone = true;
    await work();
  };
  return { ...deps, clock: { ...deps.clock, sleep } };
}

const ready = (host: FakeHost, status: "True" | "False"): Promise<unknown> =>
  host.kube.patch(
    NODE,
    {
      status: { conditions: [{ type: "Ready", status, reason: "KubeletReady", message: "container runtime is down" }] },
    },
    { subresource: "status" },
  );

describe("a first start that takes its time", () => {
  it("is waited for longer than the three minutes after which older ones failed for good", async () => {
    // The clock of this box fires no budgets: that it is long enough stands in the table.
    const budgetMs = BOOTSTRAP_STEPS.find(({ id }) => id === "k3s-ready")?.budgetMs ?? 0;
    assert.ok(budgetMs > 10 * MINUTE_MS, String(budgetMs));
    const { host } = scene();
    const deps = host.deps();
    const start = ["systemctl", "start", "--no-block", "k3s.service"] as const;
    const exec: BootstrapDeps["exec"] = async (argv, options) =>
      argv.join() === start.join()
        ? { code: 0, stdout: "", stderr: "", truncated: false }
        : await deps.exec(argv, options);
    const late = after({ ...deps, exec }, 10 * MINUTE_MS, async () => {
      await deps.exec(start, { timeoutMs: 1_000 });
    });
    const view = await boot(host, { deps: late });
    assert.equal(view.state, "done", JSON.stringify(view.problem));
  });
  for (const [name, prepare, mend] of [
    ["whose node is not ready", (host: FakeHost) => ready(host, "False"), (host: FakeHost) => ready(host, "True")],
    [
      "whose node has not joined",
      (host: FakeHost) => host.kube.delete(NODE),
      async (host: FakeHost) => {
        await host.kube.apply({ apiVersion: "v1", kind: "Node", metadata: { name: "box" } });
        await ready(host, "True");
      },
    ],
  ] as const) {
    it(`${name} is not taken for one that is up because its API answers`, async () => {
      const { host } = scene();
      const deps = host.deps();
      const exec: BootstrapDeps["exec"] = async (argv, options) => {
        const said = await deps.exec(argv, options);
        if (argv.includes("start") && argv.includes("k3s.service")) await prepare(host);
        return said;
      };
      let isUp = false;
      const seen: string[] = [];
      const onView = ({ step, steps }: OperationView): void => {
        if (step === "k3s-ready") seen.push(steps.find(({ id }) => id === step)?.detail ?? "");
        if (steps.find(({ id }) => id === "k3s-ready")?.state === "done") assert.ok(isUp, "it went on too early");
      };
      const later = after({ ...deps, exec }, 2 * MINUTE_MS, async () => {
        await mend(host);
        isUp = true;
      });
      assert.equal((await boot(host, { deps: later, onView })).state, "done");
      assert.ok(isUp);
      assert.ok(
        seen.some((line) => /its node (?:is not ready|has not joined)/.test(line)),
        seen.join(),
      );
    });
  }
  it("tries a step that failed again in the same start, later each time", async () => {
    const { host } = scene();
    const deps = host.deps();
    const tried: number[] = [];
    const exec: BootstrapDeps["exec"] = async (argv, options) => {
      if (!argv.includes("import")) return await deps.exec(argv, options);
      tried.push(deps.clock.monotonic());
      if (tried.length <= 3) throw new ApplianceError("exec/failed", "Cannot import: containerd is starting");
      return await deps.exec(argv, options);
    };
    const view = await boot(host, { deps: { ...deps, exec } });
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    const [first = 0, second = 0, third = 0, fourth = 0] = tried;
    assert.ok(second > first && third - second > second - first && fourth - third > third - second, tried.join());
  });
});

describe("a machine that is no box", () => {
  it("without k3s and without a payload is told so, and Kubernetes is not waited for", async () => {
    const { host } = scene();
    const deps = host.deps();
    const isThere = (path: string): boolean => !path.endsWith("/bin/k3s");
    const stat: BootstrapDeps["files"]["stat"] = async (path, options) =>
      isThere(path) ? await deps.files.stat(path, options) : undefined;
    const openRead: BootstrapDeps["files"]["openRead"] = async (path) =>
      isThere(path) ? await deps.files.openRead(path) : undefined;
    const view = await boot(host, { deps: { ...deps, files: { ...deps.files, stat, openRead } } });
    assert.deepEqual([view.state, view.problem?.code, view.step], ["blocked", "host/no-k3s", "checks"]);
    assert.ok(!host.ran.some((argv) => argv.includes("k3s.service")), "k3s was started");
  });
  it("without systemd is refused before anything is written", async () => {
    const { host } = scene();
    const before = new Map(host.files.snapshot());
    const deps = host.deps();
    const stat: BootstrapDeps["files"]["stat"] = async (path, options) =>
      path.startsWith("/run/systemd") ? undefined : await deps.files.stat(path, options);
    const [command] = commands;
    const env = { ALGA_APPLIANCE_ROOT: "/" };
    const { context } = commandContext({ deps: { ...deps, files: { ...deps.files, stat } }, env });
    await assert.rejects(async () => await command?.run(context), { code: "host/no-systemd" });
    assert.deepEqual(new Map(host.files.snapshot()), before);
  });
  it("is nobody's but root's to start", async () => {
    const { host } = scene();
    const deps = host.deps();
    const exec: BootstrapDeps["exec"] = async (argv, options) =>
      argv[0] === "id" ? { code: 0, stdout: "1000\n", stderr: "", truncated: false } : await deps.exec(argv, options);
    const [command] = commands;
    const { context } = commandContext({ deps: { ...deps, exec }, env: { ALGA_APPLIANCE_ROOT: "/" } });
    await assert.rejects(async () => await command?.run(context), { code: "host/not-root", message: /as user "1000"/ });
    assert.equal(host.files.snapshot().get(PATHS.setupToken), undefined);
  });
});

describe("what an older appliance left", () => {
  it("is a file of k3s that says the same in another way: it goes, and k3s starts anew", async () => {
    const { host } = scene();
    await boot(host);
    const old = "/etc/rancher/k3s/config.yaml.d/20-alga-local-storage.yaml";
    host.files.garble(old, "disable+:\n  - local-storage\n");
    host.ran.length = 0;
    await boot(host);
    assert.equal(host.files.snapshot().get(old), undefined);
    assert.equal(host.ran.filter((argv) => argv.includes("try-restart")).length, 1);
  });
  it("is no unit of ours with flags: what k3s is told stands in its file alone", async () => {
    const { host } = scene();
    await boot(host);
    const units = [...host.files.snapshot()].filter(([path]) => path.includes("/k3s.service"));
    assert.ok(units.length > 0);
    for (const [path, text] of units) assert.doesNotMatch(text, /k3s server +\S/, path);
  });
});

describe("the setup token", () => {
  it("that somebody has read from the screen stays true over the next starts", async () => {
    const { box, host } = scene();
    await boot(host);
    const token = host.files.snapshot().get(PATHS.setupToken);
    for (let boots = 0; boots < 3; boots += 1) {
      box.boot();
      await boot(host);
    }
    assert.equal(host.files.snapshot().get(PATHS.setupToken), token);
  });
});

describe("bootstrap --dry-run", () => {
  it("prints the steps in their order, and could touch nothing", async () => {
    const [command] = commands;
    const { context, said } = commandContext({ deps: {}, flags: { "dry-run": true } });
    assert.equal(await command?.run(context), 0);
    const places = BOOTSTRAP_STEPS.map(({ title }) => said.text.indexOf(title));
    assert.ok(
      places.every((place, index) => place > (places[index - 1] ?? -1)),
      said.text,
    );
  });
});
