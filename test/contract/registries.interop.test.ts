/** k3s' file of registries as Rancher's own parser reads it, and what containerd is then told. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { Secret } from "../../src/core/secret.ts";
import { registryFiles } from "../../src/host/k3s-registries.ts";
import { describeWithTools, tryTool } from "../support/real-tools.ts";

const FILE = "/etc/rancher/k3s/registries.yaml";
const CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

describeWithTools(["registries"], "registries.yaml, read by Rancher's parser", () => {
  it("names the registry of the house with its CA and its login, whatever letters these have", async () => {
    const folder = mkdtempSync(join(tmpdir(), "alga-registries-"));
    try {
      const text = registryFiles({
        place: { registry: "harbor.example:5443", base: "alga" },
        ca: CA,
        credentials: { kind: "password", username: "pull: #er", password: new Secret("p'w\":\\{}% ") },
      })[FILE];
      const path = join(folder, "registries.yaml");
      writeFileSync(path, text ?? "");
      const { code, stderr } = await tryTool("registries", [path, join(folder, "certs.d")]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(readdirSync(join(folder, "certs.d")).sort(), [
        "docker.io",
        "harbor.example:5443",
        "quay.io",
        "registry.k8s.io",
      ]);
      const hosts = readFileSync(join(folder, "certs.d/harbor.example:5443/hosts.toml"), "utf8");
      assert.match(hosts, /^\[host\."https:\/\/harbor\.example:5443"\]$/m);
      assert.match(hosts, /^ {2}ca = "\/etc\/rancher\/k3s\/alga-appliance-registry-ca\.pem"$/m);
      const login = /"Basic ([^"]+)"/.exec(hosts)?.[1] ?? "";
      assert.equal(Buffer.from(login, "base64").toString("utf8"), "pull: #er:p'w\":\\{}% ");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  it("would be refused if it were no such file: the check can fail", async () => {
    const folder = mkdtempSync(join(tmpdir(), "alga-registries-"));
    try {
      const path = join(folder, "registries.yaml");
      writeFileSync(path, "mirrors: [this, is, a, list]\n");
      assert.notEqual((await tryTool("registries", [path, join(folder, "certs.d")])).code, 0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
