/** Netplan files of others as installers and people write them: what an interface is called there, and what must leave them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { createMemoryFiles } from "../rehearsal/memory-files.ts";
import { readNetplanFiles } from "./netplan-files.ts";

const FOLDER = "/box/etc/netplan";

function read(files: Readonly<Record<string, string>>, name = "eth0", interfaces: readonly string[] = ["lo", name]) {
  const disk = createMemoryFiles();
  disk.garble(`/box/sys/class/net/${name}/address`, "52:54:00:aa:bb:cc\n");
  for (const [file, text] of Object.entries(files)) disk.garble(`${FOLDER}/${file}`, text);
  return readNetplanFiles(disk, { root: "/box", name, interfaces });
}

/** The files as they are read afterwards. */
async function after(text: string, name?: string, interfaces?: readonly string[]) {
  const { definition, edits } = await read({ "50-cloud-init.yaml": text }, name, interfaces);
  return { ...definition, file: edits[0] === undefined ? undefined : parse(edits[0].text).network };
}

describe("what netplan calls an interface", () => {
  it("is its name where no file speaks of it, and our own file counts for nothing", async () => {
    assert.deepEqual(await read({}), { definition: { kind: "ethernets", id: "eth0" }, edits: [], kept: {} });
    const ours = {
      "90-alga-appliance.yaml": "network: {vlans: {eth0: {addresses: [192.0.2.9/24]}}}\n",
      "notes.txt": "{",
    };
    assert.deepEqual(await read(ours), { definition: { kind: "ethernets", id: "eth0" }, edits: [], kept: {} });
  });
  it("is said beside what our own file says of others", async () => {
    const ours = "network: {version: 2, ethernets: {eth0: {dhcp4: true}, eth1: {dhcp4: true}}, bridges: {br0: {}}}\n";
    const { kept } = await read({ "90-alga-appliance.yaml": ours });
    assert.deepEqual(kept, { ethernets: { eth1: { dhcp4: true } }, bridges: { br0: {} } });
  });
  for (const [how, words] of [
    ["by its card", '{match: {macaddress: "52:54:00:AA:BB:CC"}, dhcp4: true}'],
    ["by its card, with a name that is given", '{match: {macaddress: "52:54:00:aa:bb:cc"}, set-name: eth0}'],
    ["by a pattern", '{match: {name: "e*"}, dhcp4: true}'],
    ["by a pattern with a set of signs", '{match: {name: "[!w]th?"}}'],
  ] as const) {
    it(`is the name of a definition that finds it ${how}`, async () => {
      assert.equal((await after(`network: {ethernets: {lan: ${words}}}\n`)).id, "lan");
    });
  }
  for (const words of [
    '{match: {macaddress: "52:54:00:00:00:01"}}',
    '{match: {name: "w*"}}',
    '{match: {name: "[e"}}',
    "{set-name: eth1}",
  ]) {
    it(`is not that of one that finds another: ${words}`, async () => {
      assert.equal((await after(`network: {ethernets: {lan: ${words}}}\n`)).id, "eth0");
    });
  }
  it("is refused where a pattern gives the same to others", async () => {
    const text = 'network: {ethernets: {all: {match: {name: "e*"}, dhcp4: true}}}\n';
    await assert.rejects(after(text, "eth0", ["lo", "eth0", "eth1"]), {
      code: "host/network-invalid",
      message: /50-cloud-init\.yaml" gives them one definition \("all"\), and "eth1" is one of them/,
    });
  });
});

describe("files of others", () => {
  it("lose the addresses of this interface, and nothing else", async () => {
    const text = `# Made by the installer
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0: # the office
      dhcp4: false
      mtu: 9000
      addresses: [192.0.2.5/24]
      gateway4: 192.0.2.1
      routes: [{to: default, via: 192.0.2.1}]
      nameservers: {addresses: [192.0.2.53], search: [corp.example]}
    eth1:
      addresses: [198.51.100.5/24]
`;
    const { edits } = await read({ "50-cloud-init.yaml": text });
    assert.deepEqual(edits, [
      {
        path: `${FOLDER}/50-cloud-init.yaml`,
        text: `# Made by the installer
network:
  version: 2
  renderer: networkd
  ethernets:
    eth0:
      # the office
      dhcp4: false
      mtu: 9000
    eth1:
      addresses: [ 198.51.100.5/24 ]
`,
      },
    ]);
  });
  it("keep what a bond is made of, and it stays one", async () => {
    const bond = "{interfaces: [eth0, eth1], parameters: {mode: 802.3ad}, addresses: [192.0.2.5/24]}";
    assert.deepEqual(await after(`network: {ethernets: {eth0: {}, eth1: {}}, bonds: {bond0: ${bond}}}\n`, "bond0"), {
      kind: "bonds",
      id: "bond0",
      file: {
        ethernets: { eth0: {}, eth1: {} },
        bonds: { bond0: { interfaces: ["eth0", "eth1"], parameters: { mode: "802.3ad" } } },
      },
    });
  });
  it("keep the number and the card of a VLAN, and what is on the card itself", async () => {
    const text =
      "network: {ethernets: {eth0: {addresses: [192.0.2.5/24]}}, vlans: {office: {id: 10, link: eth0, addresses: [198.51.100.5/24]}}}\n";
    assert.deepEqual(await after(text, "office"), {
      kind: "vlans",
      id: "office",
      file: { ethernets: { eth0: { addresses: ["192.0.2.5/24"] } }, vlans: { office: { id: 10, link: "eth0" } } },
    });
  });
  it("are edited wherever they speak of it, and left alone where they only say how it asks", async () => {
    const { edits } = await read({
      "10-a.yaml": "network: {ethernets: {eth0: {addresses: [192.0.2.5/24]}}}\n",
      "20-b.yaml": "network: {ethernets: {eth0: {dhcp4: true}}}\n",
      "30-c.yaml": "network: {ethernets: {eth0: {nameservers: {addresses: [192.0.2.53]}}}}\n",
    });
    assert.deepEqual(
      edits.map(({ path }) => path.slice(FOLDER.length + 1)),
      ["10-a.yaml", "30-c.yaml"],
    );
  });
  it("that nobody can read are told before anything is touched", async () => {
    await assert.rejects(read({ "50-broken.yaml": "network: {ethernets: [\n" }), {
      code: "host/network-invalid",
      message: /50-broken\.yaml": it is no YAML/,
    });
    for (const text of [
      "network: {ethernets: {eth0: {addresses: &a [192.0.2.5/24]}, eth1: {addresses: *a}}}\n",
      "network: {ethernets: *none}\n",
    ]) {
      await assert.rejects(read({ "50-alias.yaml": text }), { code: "host/network-invalid" });
    }
    const none = ["", "network:\n", "network: []\n", "- 1\n", "network: {ethernets: {eth0: }}\n"];
    for (const text of none) assert.deepEqual((await read({ "50-odd.yaml": text })).edits, []);
  });
});
