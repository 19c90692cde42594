/** What k3s is told of the registry: of the usual one nothing, of one of the house its scheme, CA, login and what it mirrors. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { Secret } from "../core/secret.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import { registryFiles } from "./k3s-registries.ts";

const FILE = "/etc/rancher/k3s/registries.yaml";
const CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const USUAL = { place: { registry: "ghcr.io", base: "nine-minds" } };
const HOUSE = { place: { registry: "harbor.example:5443", base: "alga" } };

const documentOf = (access: RegistryAccess): unknown => parse(registryFiles(access)[FILE] ?? "null");

describe("registryFiles", () => {
  it("has none for the publisher's registry without a login", () => {
    assert.deepEqual(registryFiles(USUAL), {});
  });
  it("names a mirror of the house, its CA and its login, and where it keeps images of others", () => {
    const access = {
      ...HOUSE,
      ca: CA,
      credentials: { kind: "password", username: "puller", password: new Secret("p:w'1") },
    } as const;
    const endpoint = ["https://harbor.example:5443"];
    const other = (host: string) => ({ endpoint, rewrite: { "^(.*)$": `alga/images/${host}/$1` } });
    assert.deepEqual(documentOf(access), {
      mirrors: {
        "harbor.example:5443": { endpoint },
        "docker.io": other("docker.io"),
        "quay.io": other("quay.io"),
        "registry.k8s.io": other("registry.k8s.io"),
      },
      configs: {
        "harbor.example:5443": {
          auth: { username: "puller", password: "p:w'1" },
          tls: { ca_file: "/etc/rancher/k3s/alga-appliance-registry-ca.pem" },
        },
      },
    });
    assert.equal(registryFiles(access)["/etc/rancher/k3s/alga-appliance-registry-ca.pem"], CA);
  });
  it("gives a login of the publisher's registry, and mirrors nobody else by it", () => {
    const credentials = { kind: "password", username: "me", password: new Secret("x") } as const;
    assert.deepEqual(documentOf({ ...USUAL, credentials }), {
      mirrors: { "ghcr.io": { endpoint: ["https://ghcr.io"] } },
      configs: { "ghcr.io": { auth: { username: "me", password: "x" } } },
    });
  });
  it("says plain HTTP by the scheme", () => {
    const text = registryFiles({ place: { registry: "10.0.0.5:5000", base: "nine-minds" }, plainHttp: true })[FILE];
    assert.match(text ?? "", /http:\/\/10\.0\.0\.5:5000/);
  });
  it("passes a refresh token on, and keeps a bearer token that containerd has no field for", () => {
    const token = new Secret("t0ken");
    assert.match(
      registryFiles({ ...USUAL, credentials: { kind: "identity", token } })[FILE] ?? "",
      /identity_token: t0ken/,
    );
    assert.deepEqual(registryFiles({ ...USUAL, credentials: { kind: "bearer", token } }), {});
  });
});
