import assert from "node:assert/strict";
import { test } from "node:test";
import { ApplianceError } from "../core/errors.ts";
import type { Files } from "../core/ports.ts";
import { findKubeAccess } from "./config.ts";
import { loadKubeconfig } from "./kubeconfig.ts";

/** Files of a table; only reading is used. */
function filesOf(table: Record<string, string>): Files {
  const refuse = (): never => assert.fail("only reading is expected");
  return {
    read: async (path) => (table[path] === undefined ? undefined : Buffer.from(table[path])),
    stat: async (path) =>
      table[path] === undefined ? undefined : { kind: "file", sizeBytes: 1, mode: 0o600, modifiedMs: 0 },
    write: refuse,
    create: refuse,
    stage: refuse,
    resume: refuse,
    openRead: refuse,
    append: refuse,
    truncate: refuse,
    remove: refuse,
    rename: refuse,
    list: refuse,
    makeDirectory: refuse,
    space: refuse,
  };
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

function kubeconfig(cluster: string, user: string): string {
  return `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u, namespace: msp}}]
clusters: [{name: k, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
`;
}

const CLUSTER = `server: "https://10.0.0.1:6443/", certificate-authority-data: ${base64("CA")}`;

test("takes data of a kubeconfig", async () => {
  const user = `client-certificate-data: ${base64("CERT")}, client-key-data: ${base64("KEY")}`;
  const access = await loadKubeconfig({ files: filesOf({ "/k": kubeconfig(CLUSTER, user) }) }, "/k");
  assert.equal(access.server, "https://10.0.0.1:6443");
  assert.deepEqual(access.transport, { ca: "CA", onlyCa: true, cert: "CERT", key: "KEY", idleTimeoutMs: 0 });
  assert.deepEqual([access.namespace, await access.headers()], ["msp", {}]);
});

test("takes files relative to the kubeconfig, and reads the token file for every request", async () => {
  const cluster = `server: "https://h:6443", certificate-authority: ca.pem, tls-server-name: kubernetes`;
  const table: Record<string, string> = {
    "/etc/k": kubeconfig(cluster, "tokenFile: t/token"),
    "/etc/ca.pem": "CA",
    "/etc/t/token": "one\n",
  };
  const access = await loadKubeconfig({ files: filesOf(table) }, "/etc/k");
  assert.deepEqual([access.transport.ca, access.transport.serverName], ["CA", "kubernetes"]);
  assert.deepEqual(await access.headers(), { authorization: "Bearer one" });
  table["/etc/t/token"] = "two";
  assert.deepEqual(await access.headers(), { authorization: "Bearer two" });
});

const REFUSED: readonly (readonly [name: string, text: string, why: RegExp])[] = [
  [
    "a switched-off check",
    kubeconfig(`${CLUSTER}, insecure-skip-tls-verify: true`, ""),
    /insecure-skip-tls-verify is set/,
  ],
  ["a program", kubeconfig(CLUSTER, "exec: {command: aws}"), /runs a program \(exec\)/],
  ["an auth provider", kubeconfig(CLUSTER, "auth-provider: {name: gcp}"), /runs a program \(auth-provider\)/],
  ["a password", kubeconfig(CLUSTER, "username: a, password: b"), /its user has "username"/],
  ["a key without certificate", kubeconfig(CLUSTER, `client-key-data: ${base64("K")}`), /only one of/],
  ["no TLS", kubeconfig('server: "http://10.0.0.1:8080"', ""), /without TLS/],
  ["no TLS to a name like loopback", kubeconfig('server: "http://127.example.com"', ""), /without TLS/],
  ["another scheme", kubeconfig('server: "ftp://x"', ""), /https address is wanted/],
  ["a missing file", kubeconfig('server: "https://h", certificate-authority: ca.pem', ""), /\/ca\.pem does not exist/],
  ["an unknown context", kubeconfig(CLUSTER, "").replace("current-context: c", "current-context: d"), /no entry "d"/],
  ["what is no YAML", "a: [", /not YAML/],
];

for (const [name, text, why] of REFUSED) {
  test(`refuses ${name} with kube/config`, async () => {
    await assert.rejects(loadKubeconfig({ files: filesOf({ "/k": text }) }, "/k"), (thrown: unknown) => {
      assert.ok(thrown instanceof ApplianceError);
      assert.equal(thrown.code, "kube/config");
      assert.match(thrown.message, why);
      return true;
    });
  });
}

test("plain HTTP is taken on loopback", async () => {
  const files = filesOf({ "/k": kubeconfig('server: "http://127.0.0.1:8001"', "") });
  assert.equal((await loadKubeconfig({ files }, "/k")).server, "http://127.0.0.1:8001");
});

test("a token does not show itself", async () => {
  const access = await loadKubeconfig({ files: filesOf({ "/k": kubeconfig(CLUSTER, "token: hunter22") }) }, "/k");
  assert.ok(!JSON.stringify(access).includes("hunter22"));
  assert.deepEqual(await access.headers(), { authorization: "Bearer hunter22" });
});

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

test("a flag wins over KUBECONFIG, which wins over the service account", async () => {
  const table = {
    "/flag": kubeconfig(CLUSTER.replace("10.0.0.1", "flag"), ""),
    "/env": kubeconfig(CLUSTER.replace("10.0.0.1", "env"), ""),
    [`${ACCOUNT}/ca.crt`]: "CA",
    [`${ACCOUNT}/token`]: "t",
    [`${ACCOUNT}/namespace`]: "alga-appliance-control-plane\n",
  };
  const deps = { files: filesOf(table) };
  const environment = { KUBECONFIG: "/env", KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  assert.equal((await findKubeAccess(deps, { kubeconfig: "/flag", environment })).server, "https://flag:6443");
  assert.equal((await findKubeAccess(deps, { environment })).server, "https://env:6443");
  const pod = await findKubeAccess(deps, { environment: { ...environment, KUBECONFIG: undefined } });
  assert.deepEqual([pod.server, pod.namespace], ["https://[fd00::1]:6443", "alga-appliance-control-plane"]);
  assert.deepEqual(await pod.headers(), { authorization: "Bearer t" });
});

test("falls back to k3s' kubeconfig and to the one of the home folder", async () => {
  const text = kubeconfig(CLUSTER, "");
  const k3s = await findKubeAccess(
    { files: filesOf({ "/etc/rancher/k3s/k3s.yaml": text }) },
    { environment: { HOME: "/root" } },
  );
  assert.equal(k3s.origin, "/etc/rancher/k3s/k3s.yaml");
  const home = await findKubeAccess(
    { files: filesOf({ "/root/.kube/config": text }) },
    { environment: { HOME: "/root" } },
  );
  assert.equal(home.origin, "/root/.kube/config");
  await assert.rejects(
    findKubeAccess({ files: filesOf({}) }, { environment: {} }),
    /no file is there and this is no pod/,
  );
});
