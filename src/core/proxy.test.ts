import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isApplianceError } from "./errors.ts";
import { chooseProxy, isExcluded, proxyAuthorization } from "./proxy.ts";

describe("isExcluded()", () => {
  for (const [url, rules, expected] of [
    ["https://ghcr.io/", "", false],
    ["https://ghcr.io/", "*", true],
    ["https://ghcr.io/", "ghcr.io", true],
    ["https://pkg.ghcr.io/", "ghcr.io", true],
    ["https://pkg.ghcr.io/", ".ghcr.io", true],
    ["https://pkg.ghcr.io/", "*.ghcr.io", true],
    ["https://notghcr.io/", "ghcr.io", false],
    ["https://ghcr.io./", "ghcr.io", true],
    ["https://GHCR.io/", "other.test, ghcr.IO", true],
    ["https://ghcr.io/", "ghcr.io:443", true],
    ["https://ghcr.io:8443/", "ghcr.io:443", false],
    ["http://ghcr.io/", "ghcr.io:80", true],
    ["https://10.1.2.3/", "10.0.0.0/8", true],
    ["https://11.1.2.3/", "10.0.0.0/8", false],
    ["https://10.1.2.3/", "10.1.2.3", true],
    ["https://10.1.2.3:6443/", "10.1.2.3:6443", true],
    ["https://[fd00::1]/", "fd00::/8", true],
    ["https://[fd00::1]:5000/", "[fd00::1]:5000", true],
    ["https://name.test/", "10.0.0.0/8", false],
    ["https://10.1.2.3/", "10.0.0.0/99", false],
    ["https://10.1.2.3/", "10.0.0.0/", false],
    ["http://127.0.0.1:5000/", "", true],
    ["http://localhost/", "", true],
    ["http://[::1]/", "", true],
  ] as const) {
    it(`${url} under "${rules}" is ${expected ? "direct" : "proxied"}`, () => {
      assert.equal(isExcluded(new URL(url), rules), expected);
    });
  }
});

describe("chooseProxy()", () => {
  it("takes the proxy of the scheme, with http:// when none is written", () => {
    const settings = { https: "secure.test:3128", http: "http://plain.test:8080" };
    assert.equal(chooseProxy(new URL("https://ghcr.io/"), settings)?.href, "http://secure.test:3128/");
    assert.equal(chooseProxy(new URL("http://ghcr.io/"), settings)?.host, "plain.test:8080");
    assert.equal(chooseProxy(new URL("https://ghcr.io/"), { http: "http://plain.test" }), undefined);
    assert.equal(chooseProxy(new URL("https://ghcr.io/"), undefined), undefined);
  });

  it("refuses a scheme that it does not speak, without showing the login", () => {
    assert.throws(
      () => chooseProxy(new URL("https://ghcr.io/"), { https: "socks5://user:s3cret@proxy.test" }),
      (e) => isApplianceError(e, "config/invalid") && !e.message.includes("s3cret"),
    );
  });
});

describe("proxyAuthorization()", () => {
  it("decodes the login of the URL", () => {
    const login = proxyAuthorization(new URL("http://us%40er:p%3Ass@proxy.test"));
    assert.equal(login, `Basic ${Buffer.from("us@er:p:ss").toString("base64")}`);
    assert.equal(proxyAuthorization(new URL("http://proxy.test")), undefined);
  });
  it("takes a percent sign that begins no byte as it stands", () => {
    const login = proxyAuthorization(new URL("http://user:100%@proxy.test"));
    assert.equal(login, `Basic ${Buffer.from("user:100%").toString("base64")}`);
  });
});
