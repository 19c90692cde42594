/** The engine over the in-memory Kubernetes API: what it sees, how fast it says it, and that it recovers. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { eventually } from "../../test/support/eventually.ts";
import { kubeDeps, kubeOver, memoryKube, realClock } from "../../test/support/kubernetes.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Fetch, Network } from "../core/ports.ts";
import type { KubeObject } from "../kube/model.ts";
import type { OperationView } from "../operation/model.ts";
import type { ApplianceStatus } from "./model.ts";
import type { InstalledRelease } from "./observation.ts";
import { type BoxFacts, createStatusEngine, type StatusEngine, type StatusSources } from "./observer.ts";

const BOX: BoxFacts = {
  appliance: { id: "a", name: "box", version: "1.0.3", addresses: ["192.0.2.1"], rehearsal: false },
  claimed: true,
  installed: null,
  bootstrap: null,
  urls: { login: null, setup: null },
};
const RUNNING: OperationView = {
  id: "0001-setup",
  kind: "setup",
  state: "running",
  step: "login",
  steps: [],
  progress: { done: 0, total: 0, unit: "steps" },
  startedAt: "2026-11-21T08:40:00Z",
  endedAt: null,
  problem: null,
};
const engines: StatusEngine[] = [];
after(() => {
  for (const engine of engines) engine.stop();
});

const network: Network = {
  nameServers: async () => [],
  resolve: async () => ["192.0.2.1"],
  addresses: async () => ["192.0.2.1"],
  isListening: async () => false,
  certificate: async () => Promise.reject(new ApplianceError("net/tls", "Cannot read it")),
};
const refused: Fetch = async () => {
  throw new ApplianceError("net/unreachable", "Cannot reach it: connection refused");
};

function start(given: Partial<StatusSources> & { kube?: StatusSources["kube"] }): StatusEngine {
  const engine = createStatusEngine(
    { ...kubeDeps, network },
    {
      box: async () => BOX,
      login: { inside: refused, outside: refused },
      ...given,
    },
  );
  engines.push(engine);
  return engine;
}

const NODE: KubeObject = { apiVersion: "v1", kind: "Node", metadata: { name: "box" }, spec: {} };
const ready = (status: string): object => ({
  status: {
    conditions: [
      {
        type: "Ready",
        status,
        reason: "KubeletReady",
        message: "said",
        lastTransitionTime: "2026-11-21T08:41:00Z",
        lastHeartbeatTime: "2026-11-21T08:41:00Z",
      },
    ],
  },
});
const check = (status: ApplianceStatus, code: string) => status.checks.find((one) => one.code === code);

describe("the status engine", () => {
  test("sees the cluster, follows it, and counts generations by change only", async () => {
    const { kube } = memoryKube();
    await kube.create(NODE);
    await kube.patch({ ...NODE, name: "box" }, ready("True"), { subresource: "status" });
    const engine = start({ kube });
    const first = await engine.observe();
    assert.equal(check(first, "node/not-ready")?.state, "ok");
    assert.equal(first.tiers.platform.reason, "Not installed yet");
    assert.equal(first.summary.message, "Ready to be set up");
    const heard: ApplianceStatus[] = [];
    engine.subscribe((status) => heard.push(status));
    const { generation } = engine.current();
    await realClock.sleep(2_600);
    assert.equal(engine.current().generation, generation, "time alone is no change");
    await kube.patch({ ...NODE, name: "box" }, ready("Unknown"), { subresource: "status" });
    await eventually("the silent node is said", () => check(engine.current(), "node/silent")?.state === "failed");
    assert.equal(engine.current().generation, generation + heard.length);
    assert.equal(engine.current().summary.message, "Setup cannot start: node box has stopped reporting");
  });

  test("says that Kubernetes is down, keeps what it knew, and recovers by itself", async () => {
    const { server } = memoryKube();
    let isDown = false;
    const kube = kubeOver(async (request) => (isDown ? refused(request) : server.fetch(request)));
    await kube.create(NODE);
    await kube.patch({ ...NODE, name: "box" }, ready("True"), { subresource: "status" });
    const engine = start({ kube });
    await engine.observe();
    assert.equal(check(engine.current(), "kube/unreachable")?.state, "ok");
    isDown = true;
    await eventually("it is said", () => check(engine.current(), "kube/unreachable")?.state === "failed");
    assert.equal(check(engine.current(), "node/none")?.state, "ok", "the node is still known");
    assert.equal(engine.current().tiers.platform.state, "unknown");
    isDown = false;
    await eventually("it recovers", () => check(engine.current(), "kube/unreachable")?.state === "ok");
  });

  test("says so when the API is silent, not only when it refuses", async () => {
    const silent = kubeOver(() => new Promise(() => {}));
    const engine = start({ kube: silent });
    await eventually("it is said", () => check(engine.current(), "kube/unreachable")?.state === "failed");
    assert.equal(check(engine.current(), "node/none")?.state, "unknown", "what was never read is not empty");
  });

  test("an operation that ends is told at once, with the release that it installed", async () => {
    let operation = { ...RUNNING };
    let calls: (() => void)[] = [];
    let release: InstalledRelease | null = null;
    const engine = start({
      kube: memoryKube().kube,
      operations: {
        current: () => operation,
        subscribe: (call) => {
          calls.push(call);
          return () => {
            calls = [];
          };
        },
      },
      box: async () => ({ ...BOX, installed: release }),
    });
    assert.equal((await engine.observe()).phase, "installing");
    release = { channel: "stable", version: "1.0.3", digest: "sha256:aa", verifiedBy: "none" };
    assert.equal((await engine.observe()).release?.version, "1.0.3", "who observes has read the box anew");
    const heard: string[] = [];
    engine.subscribe((status) => heard.push(status.phase));
    operation = { ...RUNNING, state: "done", step: null, endedAt: "2026-11-21T08:50:00Z" };
    for (const call of calls) call();
    const { phase, operation: shown } = engine.current();
    assert.deepEqual([phase, shown?.state, heard], ["running", "done", ["running"]]);
  });

  test("a setup that is done has installed something, also while its release cannot be read", async () => {
    const operation = { ...RUNNING, state: "done", step: null, endedAt: "2026-11-21T08:50:00Z" } as const;
    const engine = start({ operations: { current: () => operation, subscribe: () => () => {} } });
    assert.equal(engine.current().phase, "running");
  });

  test("an older answer of the box does not replace a newer one", async () => {
    const old = Promise.withResolvers<string>();
    let asked = 0;
    const engine = start({
      kube: memoryKube().kube,
      box: async () => {
        asked += 1;
        const name = asked === 1 ? await old.promise : `answer ${asked}`;
        return { ...BOX, appliance: { ...BOX.appliance, name } };
      },
    });
    await eventually("it is asked", () => asked === 1);
    const observed = engine.observe();
    await eventually("it is asked again", () => asked === 2);
    old.resolve("answer 1");
    assert.equal((await observed).appliance.name, "answer 2");
  });

  test("tells what it knows when the box cannot be read", async () => {
    let isBroken = false;
    const engine = start({
      kube: memoryKube().kube,
      box: async () => {
        if (isBroken) throw new ApplianceError("file/unreadable", "Cannot read it: the disk is broken");
        return BOX;
      },
    });
    assert.equal((await engine.observe()).appliance.name, "box");
    isBroken = true;
    assert.equal((await engine.observe()).appliance.name, "box");
  });

  test("works without a cluster", async () => {
    const engine = start({ kubeProblem: "Cannot use Kubernetes configuration: no file is there" });
    const status = await engine.observe();
    assert.equal(status.summary.message, "Setup cannot start: no Kubernetes is known here");
    assert.match(check(status, "kube/unreachable")?.cause ?? "", /no file is there/);
  });

  test("asks the login page when the application is there, and remembers the tenant that was created", async () => {
    const { kube } = memoryKube();
    for (const name of ["msp"]) await kube.create({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
    const container = [{ name: "main", image: "app:1" }];
    const labels = { app: "a" };
    const template = { metadata: { labels }, spec: { containers: container } };
    const application = { apiVersion: "apps/v1", kind: "Deployment", namespace: "msp", name: "alga-core-sebastian" };
    await kube.create({
      ...application,
      metadata: { name: application.name, namespace: "msp" },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
    await kube.create({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: application.name, namespace: "msp" },
      spec: { ports: [{ port: 3000 }], selector: labels },
    });
    const job = { apiVersion: "batch/v1", kind: "Job", namespace: "msp", name: "alga-core-sebastian-bootstrap" };
    await kube.create({
      ...job,
      metadata: { name: job.name, namespace: "msp" },
      spec: { template: { spec: { restartPolicy: "Never", containers: container } } },
    });
    const complete = [{ type: "Complete", status: "True", lastTransitionTime: "2026-11-21T08:41:00Z" }];
    await kube.patch(job, { status: { succeeded: 1, conditions: complete } }, { subresource: "status" });
    const asked: string[] = [];
    const remembered: string[] = [];
    const inside: Fetch = async (request) => {
      asked.push(request.url);
      return new Response('<input type="password">', { headers: { "content-type": "text/html" } });
    };
    const engine = start({
      kube,
      login: { inside, outside: refused },
      rememberBootstrap: (record) => remembered.push(record.job),
    });
    await eventually("the page is asked", () => asked.length > 0);
    assert.match(asked[0] ?? "", /^http:\/\/[a-z0-9.-]+:3000\/$/);
    assert.deepEqual(remembered, ["alga-core-sebastian-bootstrap"]);
    await kube.delete(job);
    await realClock.sleep(600);
    assert.equal(engine.current().tiers.bootstrap.state, "ready", "the job is gone, the tenant is not");
    const status = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1 };
    await kube.patch(application, { status }, { subresource: "status" });
    await eventually("people can log in", () => engine.current().tiers.login.state === "ready");
  });
});
