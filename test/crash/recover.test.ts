/** Recover on a host in memory: each damage with what it is called and what becomes of it, and killed before and after each effect. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { SILENT_LOG } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import { runBootstrap } from "../../src/host/bootstrap.ts";
import type { BootstrapDeps } from "../../src/host/bootstrap-context.ts";
import { CONTROL_PLANE } from "../../src/host/control-plane-facts.ts";
import { remember } from "../../src/host/control-plane-record.ts";
import { diagnoseBox, runRecover } from "../../src/host/recover.ts";
import { reportOf, reportText } from "../../src/host/recover-report.ts";
import type { RecoverContext } from "../../src/host/recover-steps.ts";
import { createFileStore } from "../../src/operation/file-store.ts";
import { acquireLease } from "../../src/operation/lease.ts";
import type { OperationView } from "../../src/operation/model.ts";
import { lostDocuments, rebuildDocuments } from "../../src/setup/rebuild.ts";
import { makeCertificate } from "../support/tls.ts";
import { createFakeBox, type FakeBox } from "./fake-box.ts";
import {
  ARCHIVE,
  BAKED,
  createFakeHost,
  type FakeHost,
  KUBECONFIG,
  maskK3s,
  RECOVERED,
  runningImage,
} from "./fake-host.ts";
import { cutAt, watchMoments } from "./moments.ts";

const PATHS = statePaths("/");
const DIGEST = `sha256:${"ab".repeat(32)}`;
const NEXT = `registry.test/b/alga-appliance-control-plane@${DIGEST}`;
const BUNDLE = "/opt/alga-appliance/control-plane/bundle.json";
const HISTORY = `{"schema":"alga.appliance.history/v1","at":"2026-11-20T10:00:00.000Z","operationId":"0001-setup","kind":"setup","state":"done","startedAt":"2026-11-20T09:00:00.000Z","about":{}}`;
const JOURNAL = `{"kind":"planned","schema":"alga.appliance.journal/v1","operation":"setup","bootId":"boot-1","steps":[{"id":"a","title":"A"}],"plan":{},"seq":1,"at":"2026-11-20T09:00:00.000Z","uptimeMs":1}`;
const DONE = `{"kind":"finished","seq":2,"at":"2026-11-20T10:00:00.000Z","uptimeMs":2}`;

const RELEASE = {
  schema: "alga.appliance.installed/v1",
  channel: "stable",
  version: "1.0.3",
  digest: DIGEST,
  verifiedBy: "none",
  answersDigest: DIGEST,
  registry: "registry.test",
  repository: "b/alga-appliance-release",
  appUrl: "https://psa.example.com",
  installedAt: "2026-11-20T10:00:00.000Z",
};
const ANSWERS = {
  schema: "alga.appliance.answers/v1",
  submittedAt: "2026-11-20T09:00:00.000Z",
  answers: {
    channel: "stable",
    releaseRef: "",
    appHostname: "https://psa.example.com",
    dnsMode: "system",
    dnsServers: "",
    tenantName: "Example Ltd",
    adminFirstName: "Ada",
    adminLastName: "Lovelace",
    adminEmail: "ada@example.com",
    editionChoice: "ee",
  },
};
const secret = (data: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));

/** A box that is set up and claimed, on which all is well. */
async function settled(box = createFakeBox({ instant: true })) {
  const host = createFakeHost(box);
  host.files.garble(BUNDLE, JSON.stringify({ image: BAKED, version: "1.0.3" }));
  const signal = new AbortController().signal;
  const { state } = await runBootstrap({ deps: host.deps(), settings: host.settings() }, { signal });
  assert.equal(state, "done");
  const object = (apiVersion: string, kind: string, [namespace, name]: readonly [string, string], rest: object) =>
    host.kube.apply({ apiVersion, kind, metadata: { namespace, name }, ...rest });
  for (const name of ["alga-system", "msp"]) {
    await host.kube.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  const chosen = { releaseVersion: "1.0.3", selectedChannel: "stable", manifestDigest: DIGEST };
  await object("v1", "ConfigMap", ["alga-system", "appliance-release-selection"], {
    data: { ...chosen, registryHost: "registry.test", repository: "b/alga-appliance-release" },
  });
  await object("v1", "ConfigMap", ["alga-system", "appliance-values-alga-core"], {
    data: { "alga-core.single-node.yaml": 'appUrl: "https://psa.example.com"\n' },
  });
  await object("v1", "Secret", ["msp", "appliance-initial-tenant"], {
    data: secret({
      INITIAL_TENANT_NAME: "Example Ltd",
      INITIAL_ADMIN_FIRST_NAME: "Ada",
      INITIAL_ADMIN_LAST_NAME: "Lovelace",
      INITIAL_ADMIN_EMAIL: "ada@example.com",
    }),
  });
  await host.files.makeDirectory(PATHS.journal);
  host.files.garble(PATHS.release, JSON.stringify(RELEASE));
  host.files.garble(PATHS.answers, JSON.stringify(ANSWERS));
  host.files.garble(PATHS.adminCredential, '{"schema":"alga.appliance.credential/v1"}');
  host.files.garble(PATHS.history, `${HISTORY}\n`);
  host.files.garble(`${PATHS.journal}/0001-setup.ndjson`, `${JOURNAL}\n${DONE}\n`);
  await host.files.remove(PATHS.setupToken);
  host.ran.length = 0;
  return { box, host };
}

function contextOf(host: FakeHost, change: { deps?: BootstrapDeps; allowDowngrade?: boolean } = {}): RecoverContext {
  const deps = change.deps ?? host.deps();
  const { allowDowngrade = false } = change;
  return {
    deps,
    settings: host.settings({ allowDowngrade }),
    ownExecutable: "/media/stick/alga-appliance",
    rebuild: (kube, store, signal) => rebuildDocuments({ ...deps, log: SILENT_LOG, kube, store }, signal),
    makeOwnImage: async (path, { tag }) => {
      await deps.files.write(path, "an image of the executable");
      return { image: `localhost/alga-appliance-control-plane:${tag}`, version: "1.0.3" };
    },
  };
}

const forever = new AbortController().signal;
const look = (host: FakeHost) => {
  const context = contextOf(host);
  const store = createFileStore(context.deps, PATHS, { leaveDamaged: true });
  const lost = (kube: Parameters<RecoverContext["rebuild"]>[0], signal: AbortSignal) =>
    lostDocuments({ ...context.deps, kube, store }, signal);
  return diagnoseBox(context, { signal: forever, lost });
};

async function recover(host: FakeHost, change: Parameters<typeof contextOf>[1] = {}): Promise<OperationView> {
  const { findings } = await look(host);
  return runRecover(contextOf(host, change), { signal: forever, findings });
}

const asides = (host: FakeHost): string[] =>
  [...host.files.snapshot().keys()]
    .filter((path) => path.includes(".corrupt"))
    .map((path) => path.replace(/-2026.*/, ""));
const isThere = async (host: FakeHost, path: string): Promise<boolean> => (await host.files.stat(path)) !== undefined;

interface Damage {
  readonly name: string;
  readonly damage: (host: FakeHost) => void | Promise<void>;
  /** Codes of the findings, in their order. */
  readonly findings: readonly string[];
  /** What must be true afterwards beside the control plane that answers. */
  readonly after?: (host: FakeHost) => void | Promise<void>;
}

const SETUP_JOURNAL = `${PATHS.journal}/0001-setup.ndjson`;
const parsed = (host: FakeHost, path: string): { readonly version?: string; readonly answers?: object } =>
  JSON.parse(host.files.snapshot().get(path) ?? "null");

const DAMAGES: readonly Damage[] = [
  {
    name: "k3s was stopped",
    damage: ({ state }) => void Object.assign(state, { k3s: "inactive" }),
    findings: ["k3s-stopped"],
  },
  {
    name: "the executable was deleted",
    damage: async ({ files }) => {
      await files.remove("/usr/local/bin/alga-appliance");
      files.garble("/media/stick/alga-appliance", "the copy on a stick");
    },
    findings: ["executable-gone"],
    after: ({ files }) => assert.equal(files.snapshot().get("/usr/local/bin/alga-appliance"), "the copy on a stick"),
  },
  {
    name: "k3s runs and its certificates have expired meanwhile",
    damage: ({ state }) => void Object.assign(state, { hangs: true }),
    findings: ["kubernetes-silent"],
    after: (host) => {
      assert.deepEqual(asides(host), [], "a kubeconfig that is right was put aside");
      assert.equal(host.ran.filter((argv) => argv.includes("try-restart")).length, 1);
    },
  },
  {
    name: "k3s was masked",
    damage: (host) => {
      maskK3s(host);
      host.state.k3s = "inactive";
    },
    findings: ["k3s-stopped", "k3s-not-at-boot"],
    after: ({ state, files }) => {
      assert.equal(state.atBoot, "enabled");
      assert.match(files.snapshot().get("/etc/systemd/system/k3s.service") ?? "", /^ExecStart=\S+k3s server$/m);
    },
  },
  {
    name: "the kubeconfig names another cluster",
    damage: ({ files }) =>
      files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG.replace("127.0.0.1:6443", "cluster.example.com")),
    findings: ["kubeconfig"],
    after: (host) => {
      assert.deepEqual(asides(host), ["/etc/rancher/k3s/k3s.yaml.corrupt"]);
      assert.equal(host.files.snapshot().get("/etc/rancher/k3s/k3s.yaml"), KUBECONFIG);
    },
  },
  {
    name: "the kubeconfig is cut off",
    damage: ({ files }) => files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG.slice(0, 40)),
    findings: ["kubeconfig"],
  },
  {
    name: "the kubeconfig was deleted",
    damage: ({ files }) => files.remove("/etc/rancher/k3s/k3s.yaml"),
    findings: ["kubeconfig"],
  },
  {
    name: "the Deployment was deleted",
    damage: async ({ kube }) => void (await kube.delete(CONTROL_PLANE)),
    findings: ["control-plane-gone"],
  },
  {
    name: "the Deployment was scaled to nothing",
    damage: async ({ kube }) => void (await kube.patch(CONTROL_PLANE, { spec: { replicas: 0 } })),
    findings: ["control-plane-off"],
    after: async ({ kube }) =>
      assert.equal(((await kube.get(CONTROL_PLANE)) as { spec?: { replicas: number } })?.spec?.replicas, 1),
  },
  {
    name: "containerd lost the image",
    damage: ({ state }) => void state.images.delete(BAKED),
    findings: ["control-plane-image-gone"],
  },
  {
    name: "containerd lost the image and the payload is gone",
    damage: async ({ state, files }) => {
      state.images.clear();
      await files.remove(ARCHIVE);
    },
    findings: ["payload-gone", "control-plane-image-gone"],
    after: async (host) => {
      assert.equal(await runningImage(host), RECOVERED);
      assert.match(host.files.snapshot().get(BUNDLE) ?? "", /"1\.0\.3"/);
    },
  },
  {
    name: "containerd lost the image and the archive is cut off",
    damage: ({ state, files }) => {
      state.images.clear();
      files.garble(ARCHIVE, "cut off");
    },
    findings: ["control-plane-image-gone"],
    after: async (host) => {
      assert.equal(await runningImage(host), RECOVERED);
      assert.deepEqual(asides(host), [`${ARCHIVE}.corrupt`]);
    },
  },
  {
    name: "k3s is gone and the payload has it",
    damage: async ({ files, state }) => {
      await files.remove("/usr/local/bin/k3s");
      state.k3s = "inactive";
    },
    findings: ["k3s-gone", "k3s-stopped"],
    after: async (host) => assert.ok(await isThere(host, "/usr/local/bin/k3s")),
  },
  {
    name: "the state folder is gone",
    damage: async ({ files }) => {
      const inside = [...files.snapshot().keys()].filter((path) => path.startsWith(`${PATHS.state}/`));
      for (const path of inside) await files.remove(path);
      for (const folder of ["journal", "lease", "secrets"]) await files.remove(`${PATHS.state}/${folder}`);
      await files.remove(PATHS.state);
    },
    findings: ["state-folder", "document-lost", "document-lost"],
    after: (host) => {
      assert.equal(parsed(host, PATHS.release).version, "1.0.3");
      assert.deepEqual(parsed(host, PATHS.answers).answers, ANSWERS.answers);
      assert.match(host.files.snapshot().get(PATHS.setupToken) ?? "", /^\d{4}(-\d{4}){4}\n$/);
    },
  },
  {
    name: "a file lies where the state folder was",
    damage: async ({ files }) => {
      for (const path of [...files.snapshot().keys()].filter((one) => one.startsWith(`${PATHS.state}/`))) {
        await files.remove(path);
      }
      for (const folder of ["journal", "lease", "secrets"]) await files.remove(`${PATHS.state}/${folder}`);
      await files.remove(PATHS.state);
      files.garble(PATHS.state, "a file");
    },
    findings: ["state-folder", "document-lost", "document-lost"],
    after: (host) => assert.deepEqual(asides(host), [`${PATHS.state}.corrupt`]),
  },
  {
    name: "answers are cut off",
    damage: ({ files }) => files.garble(PATHS.answers, JSON.stringify(ANSWERS).slice(0, 90)),
    findings: ["state-file"],
    after: (host) => {
      assert.deepEqual(asides(host), [`${PATHS.answers}.corrupt`]);
      assert.deepEqual(parsed(host, PATHS.answers).answers, ANSWERS.answers);
    },
  },
  {
    name: "the disk wrote zeros over what is installed, and the history is gone",
    damage: async ({ files }) => {
      files.garble(PATHS.release, "\u0000".repeat(200));
      await files.remove(PATHS.history);
    },
    findings: ["state-file"],
    after: (host) => assert.equal(parsed(host, PATHS.release).version, "1.0.3"),
  },
  {
    name: "the management password's file is cut off",
    damage: ({ files }) => files.garble(PATHS.adminCredential, '{"schema":"alga.appl'),
    findings: ["credential-lost"],
    after: async (host) => {
      assert.match(host.files.snapshot().get(PATHS.setupToken) ?? "", /^\d{4}(-\d{4}){4}\n$/);
      assert.ok(!(await isThere(host, PATHS.adminCredential)));
    },
  },
  {
    name: "a journal line is torn",
    damage: ({ files }) => files.garble(SETUP_JOURNAL, `${JOURNAL}\n${DONE}\n{"kind":"step-`),
    findings: ["state-journal"],
    after: ({ files }) => assert.equal(files.snapshot().get(SETUP_JOURNAL), `${JOURNAL}\n${DONE}\n`),
  },
  {
    name: "a journal of a start is torn",
    damage: ({ files }) => {
      const path = `${PATHS.host}/journal/0001-bootstrap.ndjson`;
      files.garble(path, `${files.snapshot().get(path)}{"kind":"ste`);
    },
    findings: ["state-journal"],
    after: ({ files }) =>
      assert.match(files.snapshot().get(`${PATHS.host}/journal/0001-bootstrap.ndjson`) ?? "", /\}\n$/),
  },
  {
    name: "a journal holds strange lines",
    damage: ({ files }) => files.garble(SETUP_JOURNAL, `${JOURNAL}\nstrange\n${DONE}\n`),
    findings: ["state-journal"],
    after: ({ files }) => assert.equal(files.snapshot().get(SETUP_JOURNAL), `${JOURNAL}\n`),
  },
  {
    name: "a journal lost its first line",
    damage: ({ files }) => files.garble(SETUP_JOURNAL, `${DONE}\n`),
    findings: ["state-journal"],
    after: (host) => assert.deepEqual(asides(host), [`${SETUP_JOURNAL}.corrupt`]),
  },
  {
    name: "the history holds a strange line",
    damage: ({ files }) => files.garble(PATHS.history, `${HISTORY}\nstrange\n`),
    findings: ["state-journal"],
    after: (host) => {
      assert.equal(host.files.snapshot().get(PATHS.history), `${HISTORY}\n`);
      assert.deepEqual(asides(host), [`${PATHS.history}.corrupt`]);
    },
  },
  {
    name: "files belong to root",
    damage: ({ state }) => void Object.assign(state, { strangers: "0:0 answers.json\n0:0 journal\n" }),
    findings: ["state-owner"],
    after: ({ state }) => assert.equal(state.strangers, ""),
  },
  {
    name: "others can read the password's file",
    damage: ({ files }) =>
      files.write(PATHS.adminCredential, '{"schema":"alga.appliance.credential/v1"}', { mode: 0o644 }),
    findings: ["state-open"],
    after: async ({ files }) => assert.equal((await files.stat(PATHS.adminCredential))?.mode, 0o600),
  },
  {
    name: "others can read the key of the page's certificate",
    damage: async ({ files }) => {
      await files.makeDirectory(PATHS.tls);
      await files.write(`${PATHS.tls}/made.pem`, "a key", { mode: 0o640 });
    },
    findings: ["state-open"],
    after: async ({ files }) => assert.equal((await files.stat(`${PATHS.tls}/made.pem`))?.mode, 0o600),
  },
  {
    name: "the settings are no YAML",
    damage: ({ files }) => files.garble(PATHS.config, "registry:\n  host: registry.test\n port: 1: 2\n"),
    findings: ["settings-file"],
    after: (host) => {
      assert.deepEqual(asides(host), [`${PATHS.config}.corrupt`]);
      const { registry, channel } = parse(host.files.snapshot().get(PATHS.config) ?? "");
      assert.deepEqual([registry, channel], [{ host: "registry.test", repository: "b" }, "stable"]);
    },
  },
  {
    name: "the settings name one that there is not, and a port that is none",
    damage: ({ files }) =>
      files.garble(PATHS.config, "name: Box\nlisten: {port: 80x0}\nregistry: {hots: x, ca: /etc/ca.pem}\n"),
    findings: ["settings-file"],
    after: (host) => {
      const { name, listen, registry } = parse(host.files.snapshot().get(PATHS.config) ?? "");
      assert.deepEqual([name, listen], ["Box", undefined]);
      assert.deepEqual(registry, { host: "registry.test", repository: "b", ca: "/etc/ca.pem" });
    },
  },
  {
    name: "the disk does not give the settings, and what is installed is lost too",
    damage: async ({ files }) => {
      files.garble(PATHS.config, `name: ${"x".repeat(300_000)}\n`);
      await files.remove(PATHS.release);
      await files.remove(PATHS.history);
    },
    findings: ["settings-file", "document-lost"],
    after: (host) => {
      assert.deepEqual(asides(host), [`${PATHS.config}.corrupt`]);
      assert.equal(parse(host.files.snapshot().get(PATHS.config) ?? "").registry.host, "registry.test");
    },
  },
  {
    name: "the record of control planes is garbled",
    damage: ({ files }) => files.garble(`${PATHS.host}/control-plane.json`, "{"),
    findings: ["state-file"],
  },
  {
    name: "everything at once",
    damage: async (host) => {
      const { state, files, kube } = host;
      await kube.delete(CONTROL_PLANE);
      state.images.clear();
      maskK3s(host);
      Object.assign(state, { k3s: "inactive", strangers: "0:0 answers.json\n" });
      await files.remove(ARCHIVE);
      files.garble(PATHS.release, "");
      files.garble(PATHS.history, "");
      files.garble(PATHS.answers, "{");
      files.garble("/etc/rancher/k3s/k3s.yaml", "not yaml: [");
      files.garble(SETUP_JOURNAL, `${JOURNAL}\n{"ki`);
      files.garble(PATHS.config, "a: b: c\n");
    },
    findings: [
      "settings-file",
      "state-file",
      "state-file",
      "state-journal",
      "state-owner",
      "payload-gone",
      "k3s-stopped",
      "k3s-not-at-boot",
      "kubeconfig",
    ],
    after: (host) => {
      assert.equal(parsed(host, PATHS.release).version, "1.0.3");
      assert.deepEqual(parsed(host, PATHS.answers).answers, ANSWERS.answers);
    },
  },
];

describe("each damage", () => {
  for (const { name, damage, findings, after } of DAMAGES) {
    it(`${name}: ${findings.join(", ")}`, async () => {
      const { host } = await settled();
      assert.deepEqual((await look(host)).findings, [], "something was wrong before");
      const secrets = [...host.files.snapshot()].length;
      await damage(host);
      const before = await look(host);
      assert.deepEqual(
        before.findings.map(({ code }) => code),
        findings,
      );
      for (const { title, cause, mend, evidence } of before.findings) {
        assert.ok(title !== "" && cause !== "" && mend !== null && evidence.length > 0, title);
      }
      const view = await recover(host);
      assert.equal(view.state, "done", JSON.stringify(view.problem));
      const left = await look(host);
      assert.deepEqual(left.findings, [], "something is wrong still");
      assert.ok(left.seen.controlPlane.answers);
      await after?.(host);
      assert.ok(secrets > 0);
    });
  }
});

const AUTHORITY = "/var/lib/rancher/k3s/server/tls/server-ca.crt";
const DAY_MS = 86_400_000;

describe("what recover cannot mend", () => {
  for (const [name, damage, code, problem] of [
    [
      "a full disk",
      ({ state }: FakeHost) => void Object.assign(state, { freeBytes: 1e6 }),
      "disk-full",
      "host/disk-full",
    ],
    [
      "a kernel without memory control groups",
      ({ files }: FakeHost) => files.garble("/sys/fs/cgroup/cgroup.controllers", "cpu io\n"),
      "no-cgroup",
      "host/no-cgroup",
    ],
    [
      "an authority that has ended",
      ({ files }: FakeHost, box: FakeBox) => {
        files.garble(AUTHORITY, makeCertificate({ commonName: "k3s-server-ca", days: 30 }).cert);
        box.setWall(Date.now() + 400 * DAY_MS);
      },
      "authority-ended",
      "host/certificates-expired",
    ],
    [
      "a clock before the box was set up",
      ({ files }: FakeHost, box: FakeBox) => {
        files.garble(AUTHORITY, makeCertificate({ commonName: "k3s-server-ca" }).cert);
        box.setWall(Date.now() - 400 * DAY_MS);
      },
      "clock-wrong",
      "host/clock-wrong",
    ],
  ] as const) {
    it(`names ${name} before it does anything, and goes on when that is mended`, async () => {
      const { host, box } = await settled();
      host.state.k3s = "inactive";
      const [right, rightMs] = [host.copy().files, box.clock.now()];
      damage(host, box);
      const { findings } = await look(host);
      assert.deepEqual([findings[0]?.code, findings[0]?.mend], [code, null]);
      assert.match(findings[0]?.next ?? "", /; then run recover again\.$/);
      const stopped = await recover(host);
      assert.deepEqual([stopped.state, stopped.problem?.code], ["blocked", problem]);
      assert.equal(host.state.k3s, "inactive");
      host.state.freeBytes = 50e9;
      box.setWall(rightMs);
      for (const path of ["/sys/fs/cgroup/cgroup.controllers", AUTHORITY]) {
        const text = right.snapshot().get(path);
        if (text === undefined) await host.files.remove(path);
        else host.files.garble(path, text);
      }
      const end = await recover(host);
      assert.deepEqual([end.state, end.id], ["done", stopped.id]);
    });
  }
  it("names a box without a network first, mends the rest, and tells what is left to do", async () => {
    const { host } = await settled();
    await host.kube.delete(CONTROL_PLANE);
    host.state.addresses = [];
    const before = await look(host);
    assert.deepEqual(
      before.findings.map(({ code, mend }) => [code, mend === null]),
      [
        ["no-network", true],
        ["control-plane-gone", false],
      ],
    );
    const view = await recover(host);
    assert.equal(view.state, "done", JSON.stringify(view.problem));
    const after = await look(host);
    assert.deepEqual(
      after.findings.map(({ code }) => code),
      ["no-network"],
    );
    assert.ok(after.seen.controlPlane.answers);
    const { next } = reportOf(view, { before: before.findings, after, claimed: true, port: 8080, addresses: [] });
    assert.match(next, /^Plug it in, or set an address: alga-appliance console network set/);
  });
});

describe("what must not be lost", () => {
  it("never goes to an older control plane, and says how to have one all the same", async () => {
    const { host } = await settled();
    await host.kube.patch(CONTROL_PLANE, {
      metadata: { annotations: { "appliance.alga/control-plane-version": "2.0.0" } },
      spec: { template: { spec: { containers: [{ name: "control-plane", image: NEXT }] } } },
    });
    await remember(host.deps(), { image: NEXT, version: "2.0.0" }, { paths: PATHS, as: "healthy" });
    assert.deepEqual(
      (await look(host)).findings.map(({ code }) => code),
      ["control-plane-image-gone"],
    );
    const view = await recover(host);
    assert.equal(view.state, "blocked");
    assert.equal(await runningImage(host), NEXT);
    const again = await recover(host, { allowDowngrade: true });
    assert.deepEqual([again.state, again.id], ["done", view.id], JSON.stringify(again.problem));
    assert.equal(await runningImage(host), BAKED);
  });
  it("goes back to the last healthy one when the one that runs is gone", async () => {
    const { host } = await settled();
    host.state.images.add(NEXT);
    await remember(host.deps(), { image: NEXT, version: "2.0.0" }, { paths: PATHS, as: "healthy" });
    await host.kube.delete(CONTROL_PLANE);
    assert.equal((await recover(host)).state, "done");
    assert.equal(await runningImage(host), NEXT);
  });
  it("never writes into the cluster that a strange kubeconfig names", async () => {
    const { host } = await settled();
    host.files.garble("/etc/rancher/k3s/k3s.yaml", KUBECONFIG.replace("127.0.0.1:6443", "cluster.example.com"));
    const asked: string[] = [];
    const deps = host.deps();
    const open: BootstrapDeps["transports"]["open"] = (options) => {
      const fetch = deps.transports.open(options);
      return (request) => {
        asked.push(new URL(request.url).host);
        return fetch(request);
      };
    };
    const { findings } = await look(host);
    await runRecover(contextOf(host, { deps: { ...deps, transports: { open } } }), { signal: forever, findings });
    assert.deepEqual([...new Set(asked)].sort(), ["127.0.0.1:6443", "127.0.0.1:8080"]);
  });
  it("takes no setup token away and makes none on a claimed box", async () => {
    const { host } = await settled();
    host.state.k3s = "inactive";
    const before = host.files.snapshot().get(PATHS.adminCredential);
    await recover(host);
    assert.equal(host.files.snapshot().get(PATHS.adminCredential), before);
    assert.equal(host.files.snapshot().get(PATHS.setupToken), undefined);
  });
  it("changes nothing on a box on which nothing is wrong, and leaves its pod alone", async () => {
    const { host } = await settled();
    const before = new Map(host.files.snapshot());
    const view = await recover(host);
    assert.equal(view.steps.find(({ id }) => id === "pod")?.state, "skipped");
    const changed = [...host.files.snapshot()]
      .filter(([path, text]) => before.get(path) !== text)
      .map(([path]) => path);
    assert.ok(
      changed.every((path) => /\/(?:journal|lease|history\.ndjson|maintenance\.json|control-plane\.json)/.test(path)),
      changed.join(" "),
    );
  });
});

describe("two of us, and bad disks", () => {
  it("waits for the control plane's operation instead of writing beside it", async () => {
    const { box, host } = await settled();
    const pod = host.deps(box.spawn("pid:[2]"));
    const store = createFileStore(pod, PATHS);
    const held = await acquireLease({ ...pod, store });
    assert.ok(held !== undefined);
    const holding = setInterval(
      () =>
        void store.readLease().then(async (lease) => {
          if (lease !== undefined && !lease.released)
            await store.writeLease({ ...lease, renewedUptimeMs: await pod.machine.uptimeMs() });
        }),
      0,
    );
    host.files.garble(PATHS.answers, "{");
    try {
      const view = await recover(host);
      assert.deepEqual([view.state, view.problem?.code], ["blocked", "operation/busy"]);
      assert.equal(host.files.snapshot().get(PATHS.answers), "{");
    } finally {
      clearInterval(holding);
      await held.release();
    }
    assert.equal((await recover(host)).state, "done");
  });
  it("closes what a bootstrap of this boot left, and a bootstrap closes what a recover left", async () => {
    const { box, host } = await settled();
    host.state.foreign.set(8080, 'LISTEN 0 511 *:8080 *:* users:(("apache2",pid=812,fd=4))');
    host.state.bad.add(BAKED);
    const blocked = await recover(host);
    assert.equal(blocked.problem?.code, "host/port-taken");
    host.state.foreign.clear();
    host.state.bad.clear();
    const booted = await runBootstrap({ deps: host.deps(), settings: host.settings() }, { signal: forever });
    assert.deepEqual([booted.kind, booted.state], ["bootstrap", "done"]);
    box.boot();
    assert.equal((await recover(host)).state, "done");
  });
  it("goes on without a journal where the disk takes none", async () => {
    const { host } = await settled();
    host.state.k3s = "inactive";
    const deps = host.deps();
    const full = async (path: string): Promise<never> => {
      throw Object.assign(
        new (await import("../../src/core/errors.ts")).ApplianceError(
          "file/disk-full",
          `Cannot write file "${path}": full`,
        ),
      );
    };
    const write: BootstrapDeps["files"]["write"] = async (path, content, options) =>
      path.startsWith(PATHS.host) ? full(path) : deps.files.write(path, content, options);
    const told: string[] = [];
    const context = contextOf(host, { deps: { ...deps, files: { ...deps.files, write } } });
    const view = await runRecover(context, {
      signal: forever,
      findings: [],
      onNoJournal: (why) => void told.push(why),
    });
    assert.equal(told.length, 1);
    // It remembers at its end which control plane was healthy; that alone cannot be written.
    assert.deepEqual([view.step, view.problem?.code ?? "file/disk-full"], ["handover", "file/disk-full"]);
    assert.ok((await look(host)).seen.controlPlane.answers);
  });
  it("tells what works and what does not, with the next step", async () => {
    const { host } = await settled();
    host.state.k3s = "inactive";
    const before = await look(host);
    const view = await recover(host);
    const about = { before: before.findings, claimed: true, port: 8080, addresses: ["192.0.2.10"] };
    const good = reportText(reportOf(view, { ...about, after: await look(host) }));
    assert.match(good, /The control plane answers: localhost\/alga-appliance-control-plane:baked, version 1\.0\.3/);
    assert.match(good, /Next: Open http:\/\/192\.0\.2\.10:8080 and log in\.$/);
    host.state.k3s = "failed";
    host.state.k3sSays = "no space left on device";
    const bad = await recover(host);
    const text = reportText(reportOf(bad, { ...about, after: await look(host) }));
    assert.match(text, /Kubernetes does not run/);
    assert.match(text, /Next: Make room on the disk/);
  });
});

it("killed before and after each of its effects, comes to the same end as one that was not", {
  timeout: 120_000,
}, async () => {
  const { box, host } = await settled();
  await (DAMAGES.at(-1)?.damage(host) ?? Promise.reject(new Error("there is no damage")));
  // After one effect and before the next the world is the same.
  const { deps, moments } = watchMoments(host, { stateFolder: PATHS.host });
  const { findings } = await look(host);
  assert.equal((await runRecover(contextOf(host, { deps }), { signal: forever, findings })).state, "done");
  assert.ok(moments.length > 60, `only ${moments.length} moments were seen`);
  const calm = await remains(host);
  for (const [index, moment] of moments.entries()) {
    cutAt(moment, index, box);
    const view = await recover(moment.world);
    assert.equal(view.state, "done", `killed ${moment.name}: ${JSON.stringify(view.problem)}`);
    assert.deepEqual(await remains(moment.world), calm, `killed ${moment.name}`);
  }
});

/** What a recover leaves, without what differs from run to run. */
async function remains(host: FakeHost): Promise<unknown> {
  const files = [...host.files.snapshot()].filter(
    ([path]) =>
      !/alga-appliance-host\/(?:journal|history|maintenance)|\/lease\/|setup-token|\.corrupt|\.tmp$/.test(path),
  );
  const text = files.map(
    ([path, content]) => `${path}: ${content.replaceAll(/"(?:at|modifiedMs|submittedAt)": ?[^\n,]+/g, "")}`,
  );
  // A damaged file is never lost, however often recover was killed.
  return {
    files: text.sort(),
    kept: [...new Set(asides(host))].filter((path) => !path.startsWith(`${PATHS.host}/`)).sort(),
    image: await runningImage(host),
    images: [...host.state.images].sort(),
  };
}
