/** Credentials against a real API server: kubeconfig files with tokens, token files, client certificates, and wrong ones. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKube, type Kube } from "../../src/kube/client.ts";
import { findKubeAccess, openConnection } from "../../src/kube/config.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemFiles } from "../../src/platform/files.ts";
import type { RealKube } from "../support/kube-apiserver.ts";
import { kubeDeps } from "../support/kubernetes.ts";
import { makeCertificates } from "../support/tls.ts";
import { failureOf } from "./kubernetes-suite.ts";

const data = (text: string): string => Buffer.from(text).toString("base64");

interface Written {
  readonly ca: string;
  readonly user: Record<string, string>;
}

/** Opens a client by a kubeconfig in a folder of its own. */
async function clientBy(real: RealKube, folder: string, written: Written): Promise<Kube> {
  const path = join(folder, "kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
    clusters: [{ name: "k", cluster: { server: real.server, "certificate-authority-data": data(written.ca) } }],
    users: [{ name: "u", user: written.user }],
  };
  writeFileSync(path, JSON.stringify(config));
  const access = await findKubeAccess({ files: systemFiles }, { kubeconfig: path, environment: {} });
  return createKube(kubeDeps, openConnection(createTransports(), access));
}

/** All the ways in, and the ways that must stay shut. */
export async function checkCredentials(real: RealKube): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "alga-kubeconfig-"));
  const { ca, client } = real.certificates;
  const by = (written: Written): Promise<Kube> => clientBy(real, folder, written);
  const secrets = { apiVersion: "v1", kind: "Secret", namespace: "default" };
  try {
    await (await by({ ca, user: { token: real.adminToken } })).list(secrets);
    const token = join(folder, "token");
    writeFileSync(token, "wrong");
    const rotating = await by({ ca, user: { tokenFile: "token" } });
    assert.equal((await failureOf(rotating.list(secrets))).code, "kube/unauthorized");
    writeFileSync(token, real.adminToken);
    await rotating.list(secrets);
    const user = { "client-certificate-data": data(client.cert), "client-key-data": data(client.key) };
    const denied = await failureOf((await by({ ca, user })).list(secrets));
    assert.equal(denied.code, "kube/forbidden", "the certificate is known, its user has no rules");
    assert.equal((await failureOf((await by({ ca, user: {} })).list(secrets))).code, "kube/forbidden", "anonymous");
    const others = makeCertificates().ca;
    const untrusted = await failureOf((await by({ ca: others, user: { token: real.adminToken } })).list(secrets));
    assert.equal(untrusted.code, "kube/untrusted");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
