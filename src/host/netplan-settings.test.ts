/** What may be set of the network, what is refused and why, and the netplan file. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { isInside, overlaps, parseIp, parseNetwork } from "../core/ip.ts";
import { checkNetworkSettings, INTERFACE, type NetworkSettings, netplanText } from "./netplan-settings.ts";

const OTHERS = [{ interface: "eth1", address: "198.51.100.7", prefix: 24 }];
const fixed = (change: Partial<Extract<NetworkSettings, { mode: "static" }>> = {}): NetworkSettings => ({
  ...{ mode: "static", addresses: ["192.0.2.10/24"], gateways: ["192.0.2.1"], dns: ["192.0.2.53"] },
  ...change,
});

describe("settings that are taken", () => {
  const taken: readonly (readonly [string, NetworkSettings])[] = [
    ["an address with router and name server", fixed()],
    ["no router: a network of its own", fixed({ gateways: [], dns: [] })],
    [
      "both families",
      fixed({ addresses: ["192.0.2.10/24", "2001:db8::10/64"], gateways: ["192.0.2.1", "2001:db8::1"] }),
    ],
    ["a router by its link-local address", fixed({ addresses: ["2001:db8::10/64"], gateways: ["fe80::1"] })],
    ["two machines on a line", fixed({ addresses: ["192.0.2.0/31"], gateways: ["192.0.2.1"] })],
    ["whatever the network gives", { mode: "dhcp" }],
  ];
  for (const [name, settings] of taken) it(name, () => checkNetworkSettings(settings, OTHERS));
});

describe("settings that are refused", () => {
  const refused: readonly (readonly [string, NetworkSettings, RegExp])[] = [
    ["no address", fixed({ addresses: [] }), /prefix such as 192\.0\.2\.10\/24/],
    ["no prefix", fixed({ addresses: ["192.0.2.10"] }), /with its prefix/],
    ["a prefix that is none", fixed({ addresses: ["192.0.2.10/33"] }), /with its prefix/],
    ["the whole internet", fixed({ addresses: ["192.0.2.10/0"] }), /with its prefix/],
    ["a leading zero", fixed({ addresses: ["192.0.2.010/24"] }), /with its prefix/],
    ["YAML", fixed({ addresses: ["192.0.2.10/24]\n  dhcp4: true"] }), /with its prefix/],
    ["the address of the network", fixed({ addresses: ["192.0.2.0/24"] }), /between the first and the last/],
    ["the broadcast address", fixed({ addresses: ["192.0.2.255/24"] }), /between the first and the last/],
    ["loopback", fixed({ addresses: ["127.0.0.2/8"], gateways: [] }), /machines of a network/],
    ["multicast", fixed({ addresses: ["224.0.0.5/24"], gateways: [] }), /machines of a network/],
    ["link-local", fixed({ addresses: ["fe80::5/64"], gateways: [] }), /machines of a network/],
    ["the pods' network", fixed({ addresses: ["10.42.7.1/24"], gateways: [] }), /apart from those of the cluster/],
    [
      "a network around the services'",
      fixed({ addresses: ["10.1.2.3/8"], gateways: [] }),
      /apart from those of the cluster/,
    ],
    [
      "the network of another interface",
      fixed({ addresses: ["198.51.100.9/25"], gateways: [] }),
      /interface eth1 has not/,
    ],
    ["a router elsewhere", fixed({ gateways: ["198.51.100.1"] }), /same network as --address/],
    ["a router that is the box", fixed({ gateways: ["192.0.2.10"] }), /another than the box's own/],
    ["a router that is a network", fixed({ gateways: ["192.0.2.0"] }), /another than the box's own/],
    ["a router of a word", fixed({ gateways: ["router"] }), /IP address such as/],
    ["a name server of a word", fixed({ dns: ["dns.example.com"] }), /IP address such as/],
    ["more than a box needs", fixed({ dns: Array.from({ length: 5 }, () => "192.0.2.53") }), /at most 4/],
  ];
  for (const [name, settings, why] of refused) {
    it(name, () =>
      assert.throws(() => checkNetworkSettings(settings, OTHERS), { code: "host/network-invalid", message: why }),
    );
  }
});

describe("addresses as numbers", () => {
  it("are read as the standard library reads them", () => {
    const part = fc.constantFrom("0", "1", "9", "10", "255", "256", "01", "", "a");
    const group = fc.constantFrom("0", "1", "db8", "ffff", "10000", "", "g");
    const v4 = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join("."));
    const v6 = fc.array(group, { minLength: 1, maxLength: 10 }).map((groups) => groups.join(":"));
    fc.assert(
      fc.property(fc.oneof(v4, v6, fc.ipV4(), fc.ipV6()), (text) => {
        // An IPv6 address that ends as an IPv4 one is nobody's on a network.
        const isMixed = text.includes(":") && text.includes(".");
        assert.equal(parseIp(text)?.family ?? 0, isMixed ? 0 : isIP(text), text);
      }),
      { numRuns: 3_000 },
    );
  });
  it("lie in their networks, and networks overlap both ways", () => {
    const network = (text: string) => parseNetwork(text) ?? assert.fail(text);
    const ip = (text: string) => parseIp(text) ?? assert.fail(text);
    assert.ok(isInside(ip("192.0.2.255"), network("192.0.2.10/24")));
    assert.ok(!isInside(ip("192.0.3.0"), network("192.0.2.10/24")));
    assert.ok(isInside(ip("2001:db8::1"), network("2001:db8:0:0:ffff::/64")));
    assert.ok(!isInside(ip("::1"), network("0.0.0.0/0")), "families do not mix");
    for (const [a, b, same] of [
      ["10.0.0.0/8", "10.42.0.0/16", true],
      ["10.42.0.0/16", "10.43.0.0/16", false],
    ] as const) {
      assert.deepEqual([overlaps(network(a), network(b)), overlaps(network(b), network(a))], [same, same]);
    }
  });
});

const ETH0 = { kind: "ethernets", id: "eth0" };

describe("the netplan file", () => {
  it("says what was set, and nothing is left open", () => {
    assert.equal(
      netplanText(ETH0, fixed()),
      `# Written by: alga-appliance console network set. Change it by the same command.
network:
  version: 2
  ethernets:
    eth0:
      dhcp4: false
      dhcp6: false
      addresses:
        - 192.0.2.10/24
      routes:
        - to: default
          via: 192.0.2.1
      nameservers:
        addresses:
          - 192.0.2.53
`,
    );
    assert.deepEqual(parse(netplanText(ETH0, { mode: "dhcp" })), {
      network: { version: 2, ethernets: { eth0: { dhcp4: true, dhcp6: true, "accept-ra": true } } },
    });
  });
  it("goes on to say what it said of other interfaces", () => {
    const kept = { ethernets: { eth1: { dhcp4: true } }, bridges: { br0: { addresses: ["198.51.100.1/24"] } } };
    const dhcp = { dhcp4: true, dhcp6: true, "accept-ra": true };
    assert.deepEqual(parse(netplanText(ETH0, { mode: "dhcp" }, kept)).network, {
      version: 2,
      ethernets: { eth1: { dhcp4: true }, eth0: dhcp },
      bridges: { br0: { addresses: ["198.51.100.1/24"] } },
    });
  });
  it("holds no name but an interface's", () => {
    for (const name of ["eth0", "enp3s0f1", "bond0.12"]) assert.match(name, INTERFACE);
    for (const name of ["", "../x", "a b", "eth0:\n", "-o", "averyverylongname"]) assert.doesNotMatch(name, INTERFACE);
  });
});
