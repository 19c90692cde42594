import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { createKeeper, httpServer, rawServer } from "../../test/support/sockets.ts";
import { makeCertificates } from "../../test/support/tls.ts";
import { isApplianceError } from "../core/errors.ts";
import { parseResolvConf, reachableAddresses, systemNetwork } from "./network.ts";

const certificates = makeCertificates();
const { keep, closeAll } = createKeeper();
after(closeAll);

describe("parseResolvConf()", () => {
  it("takes the name servers in order and nothing else", () => {
    const text =
      "# nameserver 1.1.1.1\nsearch x\nnameserver 10.0.0.53\n nameserver fe80::1%eth0\nnameserver bad\noptions ndots:5\n";
    assert.deepEqual(parseResolvConf(text), ["10.0.0.53", "fe80::1%eth0"]);
    assert.deepEqual(parseResolvConf(""), []);
  });
});

describe("reachableAddresses()", () => {
  it("leaves out loopback, link-local and container networks, and puts IPv4 first", () => {
    const address = (text: string, internal = false) => ({
      address: text,
      internal,
      netmask: "",
      mac: "",
      cidr: null,
      ...(text.includes(":") ? { family: "IPv6" as const, scopeid: 0 } : { family: "IPv4" as const }),
    });
    assert.deepEqual(
      reachableAddresses({
        lo: [address("127.0.0.1", true)],
        eth0: [address("fd00::5"), address("fe80::5"), address("192.168.1.5")],
        cni0: [address("10.42.0.1")],
        "br-12ab": [address("172.18.0.1")],
        eth1: [address("169.254.3.4"), address("10.1.2.3")],
      }),
      ["192.168.1.5", "10.1.2.3", "fd00::5"],
    );
  });
});

describe("systemNetwork", () => {
  it("resolves this machine and says why another name has no address", async () => {
    assert.ok((await systemNetwork.resolve("localhost")).includes("127.0.0.1"));
    await assert.rejects(systemNetwork.resolve("does-not-exist.invalid"), (e) => isApplianceError(e, "net/dns"));
    await assert.rejects(
      systemNetwork.resolve("registry.test", { servers: ["127.0.0.1:9"], timeoutMs: 300 }),
      (e) => isApplianceError(e, "net/dns") && e.message.includes("127.0.0.1:9"),
    );
    await assert.rejects(systemNetwork.resolve("registry.test", { servers: ["not an address"] }), (e) =>
      isApplianceError(e, "config/invalid"),
    );
  });

  it("tells whether a port is taken", async () => {
    const server = await keep(rawServer(() => {}));
    assert.equal(await systemNetwork.isListening(server.port), true);
    await server.close();
    assert.equal(await systemNetwork.isListening(server.port), false);
  });

  it("reads a certificate that is trusted, not trusted, or over", async () => {
    const good = await keep(httpServer((_request, response) => response.end(), certificates.server));
    const trusted = await systemNetwork.certificate("localhost", good.port, { ca: certificates.ca });
    assert.equal(trusted.trusted, true);
    assert.equal(trusted.subject, "CN=server.test");
    assert.equal(trusted.issuer, "CN=Test CA");
    assert.deepEqual(trusted.names.slice(0, 3), ["localhost", "registry.test", "127.0.0.1"]);
    assert.ok(trusted.validFromMs < Date.now() && trusted.validToMs > Date.now());
    const stranger = await systemNetwork.certificate("localhost", good.port);
    assert.deepEqual([stranger.trusted, typeof stranger.problem], [false, "string"]);
    const old = await keep(httpServer((_request, response) => response.end(), certificates.expired));
    const expired = await systemNetwork.certificate("localhost", old.port, { ca: certificates.ca });
    assert.deepEqual([expired.trusted, expired.problem], [false, "CERT_HAS_EXPIRED"]);
  });

  it("tells a server that is silent, speaks no TLS, or is not there", async () => {
    const silent = await keep(rawServer(() => {}));
    await assert.rejects(systemNetwork.certificate("localhost", silent.port, { timeoutMs: 200 }), (e) =>
      isApplianceError(e, "net/timeout"),
    );
    const plain = await keep(rawServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    await assert.rejects(systemNetwork.certificate("localhost", plain.port), (e) => isApplianceError(e, "net/tls"));
    await silent.close();
    await assert.rejects(systemNetwork.certificate("localhost", silent.port), (e) =>
      isApplianceError(e, "net/unreachable"),
    );
  });
});
