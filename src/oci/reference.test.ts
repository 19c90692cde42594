import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isApplianceError } from "../core/errors.ts";
import { isRegistryHost, parseReference, type Reference } from "./reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

function written({ registry, repository, tag, digest }: Reference): string {
  return `oci://${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}

describe("parseReference()", () => {
  for (const [text, registry, repository, tag, digest] of [
    [
      "ghcr.io/nine-minds/alga-appliance-release:stable",
      "ghcr.io",
      "nine-minds/alga-appliance-release",
      "stable",
      undefined,
    ],
    ["oci://registry/repo:v1", "registry", "repo", "v1", undefined],
    ["localhost/repo", "localhost", "repo", undefined, undefined],
    ["127.0.0.1:5000/a/b/c__d", "127.0.0.1:5000", "a/b/c__d", undefined, undefined],
    ["[::1]:5000/a", "[::1]:5000", "a", undefined, undefined],
    [`GHCR.io/a:t@${DIGEST}`, "ghcr.io", "a", "t", DIGEST],
    [`nine-minds/a@${DIGEST}`, "mirror.test:443", "nine-minds/a", undefined, DIGEST],
  ] as const) {
    it(`reads ${text}`, () => {
      const reference = parseReference(text, { registry: "mirror.test:443" });
      assert.deepEqual(
        [reference.registry, reference.repository, reference.tag, reference.digest],
        [registry, repository, tag, digest],
      );
      assert.deepEqual(parseReference(written(reference)), reference);
    });
  }

  for (const text of [
    "",
    "repo",
    "ghcr.io/",
    "ghcr.io/Upper",
    "ghcr.io/a/../b",
    "ghcr.io/a//b",
    "ghcr.io/a?b=c",
    "ghcr.io/a b",
    "ghcr.io/a:",
    "ghcr.io/a:-x",
    `ghcr.io/a:${"x".repeat(129)}`,
    `ghcr.io/${"a".repeat(256)}`,
    "ghcr.io:0/a",
    "ghcr.io:70000/a",
    "user:pass@ghcr.io/a",
    "https://ghcr.io/a",
    "-bad.test/a",
    "oci://[::1/a",
  ]) {
    it(`refuses "${text.slice(0, 40)}"`, () => {
      assert.throws(
        () => parseReference(text),
        (e) => isApplianceError(e, "oci/bad-reference", "oci/bad-digest"),
      );
    });
  }

  it("refuses another digest algorithm by its own code", () => {
    assert.throws(
      () => parseReference(`ghcr.io/a@sha512:${"a".repeat(128)}`),
      (e) => isApplianceError(e, "oci/bad-digest"),
    );
  });
});

describe("isRegistryHost()", () => {
  it("accepts hosts with ports and nothing that could change a URL", () => {
    for (const host of ["ghcr.io", "a.b-c.test:8443", "127.0.0.1", "[fe80::1]:5000"])
      assert.ok(isRegistryHost(host), host);
    for (const host of ["", "a/b", "a@b", "a#b", "a?b", "a..b", "a_b", "a:b", "http://a"])
      assert.ok(!isRegistryHost(host), host);
  });
});
