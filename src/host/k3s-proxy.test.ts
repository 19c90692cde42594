/** What k3s is told of a proxy: variables that systemd and Go read, whatever stands in the settings. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { proxyEnvironment } from "./k3s-proxy.ts";

const BOX = ["192.0.2.10"];
const INSIDE = "localhost,127.0.0.0/8,::1,10.42.0.0/16,10.43.0.0/16,.svc,.cluster.local,192.0.2.10";

const variables = (text: string | undefined): Record<string, string> =>
  Object.fromEntries(
    (text ?? "")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const [, name = "", value = ""] = /^([A-Z_]+)="([^"\\\n]*)"$/.exec(line) ?? assert.fail(`no variable: ${line}`);
        return [name, value];
      }),
  );

describe("proxyEnvironment", () => {
  it("is none without a proxy, also where only exceptions are set", () => {
    assert.equal(proxyEnvironment(undefined, BOX), undefined);
    assert.equal(proxyEnvironment({ no: "10.0.0.0/8", https: " ", http: "" }, BOX), undefined);
  });
  it("names the proxies, and goes to the cluster and to the box itself without them", () => {
    const proxy = { https: "http://proxy.example:3128", http: "proxy.example:3129", no: ".corp.example, 10.0.0.0/8" };
    assert.deepEqual(variables(proxyEnvironment(proxy, BOX)), {
      HTTP_PROXY: "http://proxy.example:3129",
      HTTPS_PROXY: "http://proxy.example:3128",
      NO_PROXY: `${INSIDE},.corp.example,10.0.0.0/8`,
    });
  });
  it("names the one that is set, and no exception twice", () => {
    assert.deepEqual(variables(proxyEnvironment({ https: "https://[2001:db8::1]:3128/", no: "localhost .svc" }, BOX)), {
      HTTPS_PROXY: "https://[2001:db8::1]:3128",
      NO_PROXY: INSIDE,
    });
  });
  it("keeps a login whatever signs it has, and no proxy that is no address of one", () => {
    const { HTTPS_PROXY } = variables(proxyEnvironment({ https: "http://me:p%20w'$x\"y@proxy.example:1" }, BOX));
    assert.equal(HTTPS_PROXY, "http://me:p%20w'$x%22y@proxy.example:1");
    assert.equal(proxyEnvironment({ https: "socks5://proxy.example:1" }, BOX), undefined);
    assert.equal(proxyEnvironment({ https: "http://" }, BOX), undefined);
  });
  it("is never more than its variables, whatever was typed into the settings", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), fc.string(), (https, no, login) => {
        for (const proxy of [
          { https, no },
          { https: `http://${login}@proxy.example:3128`, no },
          { http: "http://proxy.example", no: `${no}\nLD_PRELOAD=/tmp/x` },
        ]) {
          const names = Object.keys(variables(proxyEnvironment(proxy, BOX)));
          assert.ok(names.every((name) => ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"].includes(name)));
        }
      }),
      { numRuns: 500 },
    );
  });
});
