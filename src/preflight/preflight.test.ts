import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { createMemoryFiles } from "../../test/crash/memory-files.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import type { Fetch, Network, PeerCertificate } from "../core/ports.ts";
import { createKube, type Kube } from "../kube/client.ts";
import { createApiServer, type Identity } from "../rehearsal/kubernetes/api-server.ts";
import type { PreflightContext } from "./check.ts";
import { assertPreflight, PREFLIGHT_CHECKS, REQUIREMENTS, runPreflight } from "./preflight.ts";

const HOST = "registry.example.com";
const NOW = Date.UTC(2026, 10, 21);
const CERTIFICATE: PeerCertificate = {
  subject: `CN=${HOST}`,
  issuer: "CN=Root",
  names: [HOST],
  validFromMs: NOW - 1e9,
  validToMs: NOW + 1e9,
  trusted: true,
};
const NETWORK: Network = {
  nameServers: async () => ["192.0.2.53"],
  resolve: async () => ["192.0.2.1"],
  addresses: async () => ["192.0.2.10"],
  isListening: async () => false,
  certificate: async () => CERTIFICATE,
};
const answering =
  (date: string): Fetch =>
  async () =>
    new Response("{}", { status: 200, headers: { date } });
const ROOT: Identity = { user: "root" };

interface Change {
  readonly network?: Partial<Network>;
  readonly registry?: Fetch;
  readonly access?: Partial<PreflightContext["registry"]>;
  readonly nameServers?: readonly string[];
  readonly cluster?: (kube: Kube) => Promise<void>;
  readonly identity?: Identity;
  readonly kube?: Partial<Kube>;
  readonly files?: Partial<PreflightContext["files"]>;
  readonly machine?: Partial<PreflightContext["machine"]>;
  readonly requirements?: Partial<PreflightContext["requirements"]>;
}

async function preflight(change: Change = {}) {
  const box = createFakeBox();
  const files = { ...createMemoryFiles(), ...change.files };
  const server = createApiServer(box, change.identity === undefined ? {} : { identity: change.identity });
  const connect = (fetch: Fetch): Kube =>
    createKube({ ...box, log: SILENT_LOG }, { server: "https://api:6443", fetch, headers: async () => ({}) });
  const admin = connect(server.as(ROOT));
  await admin.create({ apiVersion: "v1", kind: "Node", metadata: { name: "box" } });
  await setNode(admin, "True");
  await admin.create(storageClass("true"));
  await change.cluster?.(admin);
  const context: PreflightContext = {
    clock: box.clock,
    random: box.random,
    log: SILENT_LOG,
    files,
    machine: { ...box.machineOf(box.spawn()), ...change.machine },
    network: { ...NETWORK, ...change.network },
    transports: { open: () => change.registry ?? answering(new Date(NOW).toUTCString()) },
    kube: { ...connect(server.fetch), ...change.kube },
    registry: { place: { registry: HOST, base: "nine-minds" }, ...change.access },
    stateFolder: "/var/lib/alga-appliance",
    requirements: { ...REQUIREMENTS, ...change.requirements },
    nameServers: change.nameServers,
    find: () => Promise.reject(new Error("this box trusts nothing, so nothing is looked for")),
    answersAgainst: () => [],
  };
  return runPreflight(context, new AbortController().signal);
}

const storageClass = (isDefault: string) => ({
  apiVersion: "storage.k8s.io/v1",
  kind: "StorageClass",
  metadata: { name: "local-path", annotations: { "storageclass.kubernetes.io/is-default-class": isDefault } },
  provisioner: "rancher.io/local-path",
});
const NODE = { apiVersion: "v1", kind: "Node", name: "box" };
function setNode(kube: Kube, ready: string, more: readonly object[] = []) {
  const conditions = [
    { type: "Ready", status: ready, reason: "KubeletNotReady", message: "no network plugin" },
    ...more,
  ];
  return kube.patch(NODE, { status: { conditions } }, { subresource: "status" });
}
const refuse = (code: "net/dns" | "net/unreachable" | "kube/unreachable" | "file/disk-full") => async () => {
  throw new ApplianceError(code, "Cannot reach it: nobody is there");
};
const untrusted = (change: Partial<PeerCertificate>) => async () => ({ ...CERTIFICATE, trusted: false, ...change });

test("on a good machine every check is told, and none fails", async () => {
  const { checks } = await preflight();
  assert.deepEqual(
    checks.filter((check) => check.state !== "ok"),
    [],
  );
  assert.equal(checks.length, PREFLIGHT_CHECKS.length);
  assert.ok(checks.length >= 18);
  assert.ok(checks.every((check) => check.evidence.length > 0 || check.code === "network/proxy"));
});

const FAILURES: readonly {
  readonly name: string;
  readonly change: Change;
  readonly codes: readonly string[];
  readonly text: RegExp;
}[] = [
  {
    name: "no address",
    change: { network: { addresses: async () => [] } },
    codes: ["network/no-address"],
    text: /Plug in/,
  },
  {
    name: "no resolver",
    change: { network: { nameServers: async () => [] } },
    codes: ["network/no-resolver"],
    text: /resolv\.conf.*custom DNS/s,
  },
  {
    name: "an unknown name",
    change: { network: { resolve: refuse("net/dns") } },
    codes: ["network/registry-name"],
    text: /192\.0\.2\.53.*registry\.example\.com cannot be resolved/s,
  },
  {
    name: "a silent registry",
    change: { registry: refuse("net/unreachable") },
    codes: ["network/registry-unreachable"],
    text: /registry registry\.example\.com\/nine-minds/,
  },
  {
    name: "an unknown authority",
    change: { network: { certificate: untrusted({ problem: "self-signed certificate" }) } },
    codes: ["network/registry-certificate"],
    text: /self-signed certificate.*--registry-ca/s,
  },
  {
    name: "an expired certificate",
    change: { network: { certificate: untrusted({ validToMs: NOW - 1 }) } },
    codes: ["network/registry-certificate"],
    text: /clock.*timedatectl/s,
  },
  {
    name: "a wrong clock",
    change: { registry: answering("Sat, 21 Nov 2026 02:00:00 GMT") },
    codes: ["host/clock-skew"],
    text: /2 h behind/,
  },
  {
    name: "a proxy that is none",
    change: { access: { proxy: { https: "proxy:3128" } } },
    codes: ["network/proxy"],
    text: /http:\/\/proxy\.example\.com:3128/,
  },
  {
    name: "a full disk",
    change: { files: { space: async () => ({ freeBytes: 0.4e9, totalBytes: 118e9 }) } },
    codes: ["host/disk-space"],
    text: /400 MB are free, 20 GB are wanted/,
  },
  {
    name: "a disk that takes nothing",
    change: { files: { write: refuse("file/disk-full") } },
    codes: ["host/state-unwritable"],
    text: /does not stay/,
  },
  {
    name: "little memory",
    change: { machine: { memory: async () => ({ totalBytes: 2e9, availableBytes: 1e9 }) } },
    codes: ["host/memory"],
    text: /2 GB of memory/,
  },
  { name: "one processor", change: { machine: { cpuCount: () => 1 } }, codes: ["host/cpu"], text: /1 processor,/ },
  {
    name: "a taken port",
    change: { network: { isListening: async (port) => port === 3000 } },
    codes: ["host/port-in-use"],
    text: /ss -ltnp 'sport = :3000'/,
  },
  {
    name: "a silent cluster",
    change: {
      kube: {
        version: refuse("kube/unreachable"),
        list: refuse("kube/unreachable"),
        canI: refuse("kube/unreachable"),
        get: refuse("kube/unreachable"),
      },
    },
    codes: ["kube/unreachable"],
    text: /https:\/\/api:6443/,
  },
  {
    name: "an old cluster",
    change: { requirements: { kubernetes: { min: 90, max: 91 } } },
    codes: ["kube/unsupported-version"],
    text: /1\.90 to 1\.91/,
  },
  {
    name: "a new cluster",
    change: { requirements: { kubernetes: { min: 1, max: 2 } } },
    codes: ["kube/unsupported-version"],
    text: /1\.1 to 1\.2/,
  },
  {
    name: "a node that is not ready",
    change: { cluster: async (kube) => void (await setNode(kube, "False")) },
    codes: ["kube/node-not-ready"],
    text: /no network plugin/,
  },
  {
    name: "a node under pressure",
    change: {
      cluster: async (kube) =>
        void (await setNode(kube, "True", [{ type: "DiskPressure", status: "True", reason: "x", message: "" }])),
    },
    codes: ["kube/node-not-ready"],
    text: /DiskPressure/,
  },
  {
    name: "no node",
    change: { cluster: async (kube) => void (await kube.delete(NODE)) },
    codes: ["kube/node-not-ready"],
    text: /has no node/,
  },
];
for (const { name, change, codes, text } of FAILURES) {
  test(`${name} fails ${codes.join(" and ")}, with cause, evidence and next step`, async () => {
    const { checks } = await preflight(change);
    const failed = checks.filter((check) => check.state === "failed");
    assert.deepEqual(
      failed.map((check) => check.code),
      codes,
    );
    assert.match(JSON.stringify(failed), text);
    for (const check of failed) assert.ok(check.cause.endsWith(".") && check.next !== null, JSON.stringify(check));
  });
}

const ALLOWED = { groups: ["*"], resources: ["nodes", "storageclasses", "pods"], verbs: ["get", "list", "watch"] };
test("each missing permission is named, and storage without a default class needs one", async () => {
  const identity: Identity = { user: "limited", rules: [ALLOWED] };
  const noDefault = async (kube: Kube): Promise<void> => {
    await kube.delete({ apiVersion: "storage.k8s.io/v1", kind: "StorageClass", name: "local-path" });
  };
  const { checks } = await preflight({ identity, cluster: noDefault });
  const failed = checks.filter((check) => check.state === "failed");
  assert.deepEqual(
    failed.map((check) => check.code),
    ["kube/permissions", "storage/no-class"],
  );
  const missing = failed[0]?.evidence.map((evidence) => evidence.text) ?? [];
  assert.ok(missing.includes("not allowed: create secrets in namespace msp"), missing.join("\n"));
  assert.ok(missing.includes("not allowed: patch ocirepositories.source.toolkit.fluxcd.io in namespace flux-system"));
  assert.ok(!missing.some((rule) => rule.includes("nodes")));
});

test("a proxy or plain HTTP leaves names and certificates to the connection", async () => {
  const network = { resolve: refuse("net/dns"), certificate: refuse("net/unreachable") };
  const proxied = await preflight({ network, access: { proxy: { https: "http://proxy.example.com:3128" } } });
  assert.ok(proxied.checks.every((check) => check.state === "ok"));
  const plain = await preflight({ network: { certificate: refuse("net/unreachable") }, access: { plainHttp: true } });
  assert.ok(plain.checks.every((check) => check.state === "ok"));
});

test("all failures show at once; the first leads, and answers to correct are named", async () => {
  const result = await preflight({
    network: { nameServers: async () => [], resolve: refuse("net/dns") },
    machine: { cpuCount: () => 1 },
  });
  assert.throws(
    () => assertPreflight(result),
    (thrown) => {
      assert.ok(isApplianceError(thrown, "setup/preflight-failed"));
      assert.match(thrown.message, /^No name server is set: .*\(and 2 more of \d+ checks failed\)$/);
      assert.equal(thrown.details.retrySafe, false);
      assert.deepEqual(thrown.details.fields, ["dnsMode", "dnsServers"]);
      const refs = (thrown.details.evidence as { ref: string }[]).map(({ ref }) => ref);
      assert.deepEqual(refs, ["network/no-resolver", "network/registry-name", "host/cpu"]);
      return true;
    },
  );
});
