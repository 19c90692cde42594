import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isForbiddenHost, isLoopbackHost } from "./hosts.ts";

describe("isLoopbackHost()", () => {
  it("knows this machine in every spelling", () => {
    for (const host of [
      "localhost",
      "LOCALHOST:5000",
      "x.localhost",
      "127.0.0.1",
      "127.9.9.9:5000",
      "0x7f.1",
      "2130706433",
      "[::1]",
      "[::1]:5000",
      "[::ffff:127.0.0.1]",
      "localhost.",
      "::1",
      "::ffff:127.0.0.1",
    ]) {
      assert.ok(isLoopbackHost(host), host);
    }
    for (const host of [
      "ghcr.io",
      "128.0.0.1",
      "127.0.0.1.example.com",
      "127.example.com",
      "::ffff:10.0.0.1",
      "[::2]",
      "localhost.example.com",
      "10.0.0.1",
    ]) {
      assert.ok(!isLoopbackHost(host), host);
    }
  });
});

describe("isForbiddenHost()", () => {
  it("knows link-local, metadata, unspecified and multicast addresses", () => {
    for (const host of [
      "169.254.169.254",
      "169.254.169.254:80",
      "0xa9fea9fe",
      "[::ffff:169.254.169.254]",
      "[fe80::1]",
      "[febf::1]:443",
      "0.0.0.0",
      "[::]",
      "224.0.0.1",
      "255.255.255.255",
      "[ff02::1]",
      "[fd00:ec2::254]",
      "metadata.google.internal",
    ]) {
      assert.ok(isForbiddenHost(host), host);
    }
    for (const host of ["ghcr.io", "10.0.0.5", "192.168.1.1:5000", "[fd00::1]", "170.254.1.1", "127.0.0.1"]) {
      assert.ok(!isForbiddenHost(host), host);
    }
  });
});
