// The network of the box changed by the real netplan, for a time: kept, or as before again by the process, by the timer of systemd
// when the process was killed, or by the next start when the power was cut.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { BOX, inBox, powerCut } from "../../scripts/lab/box.ts";
import { until } from "../../scripts/lab/daemon.ts";
import { NETWORK } from "../../scripts/lab/places.ts";
import { bootUnitsBox, UNITS_BOX } from "../../scripts/lab/units-box.ts";
import { appliance, begins, endOf, saidBy, signals, typed } from "./inside.ts";

const SECONDS = 300;
const FOLDER = join(BOX.tree, "etc/netplan");
const INTERFACE = "host0";
/** Another of the box, in the same file. */
const BRIDGE = "office0";
const BEHIND = "10.79.0";
const TIMER = "alga-appliance-network-undo.timer";
/** Beside the box's own in the lab's network. */
const SECOND = "10.77.0.3";
const OTHER = "10.77.0.4";
const REST = ["--gateway", NETWORK.host, "--dns", NETWORK.host];

/** Makes of the tree a box whose network an installer has set by netplan. */
export function layNetplan(): void {
  const ethernet = {
    addresses: [`${NETWORK.box}/${NETWORK.prefix}`],
    routes: [{ to: "default", via: NETWORK.host }],
    nameservers: { addresses: [NETWORK.host] },
    "link-local": [],
  };
  mkdirSync(FOLDER, { recursive: true });
  const bridges = { [BRIDGE]: { interfaces: [], addresses: [`${BEHIND}.1/24`], "link-local": [] } };
  const text = stringify({ network: { version: 2, ethernets: { [INTERFACE]: ethernet }, bridges } });
  writeFileSync(join(FOLDER, "50-cloud-init.yaml"), text, { mode: 0o600 });
  renameSync(UNITS_BOX.network, `${UNITS_BOX.network}.out`);
}

/** What the files say, and what netplan makes of them. */
function settings(): { readonly files: Readonly<Record<string, string>>; readonly told: string } {
  const files = Object.fromEntries(
    readdirSync(FOLDER)
      .sort()
      .map((name) => [name, readFileSync(join(FOLDER, name), "utf8")]),
  );
  return { files, told: typed("netplan get") };
}

/** The command shows what the box has; what is wrong is refused before a file is written. */
export async function isRefused(): Promise<void> {
  const shown = appliance("console", "network");
  for (const line of [/^address +10\.77\.0\.2\/24 \(host0\)$/m, /^route +default via 10\.77\.0\.1 \(host0\)$/m])
    assert.match(shown.text, line);
  const before = settings();
  assert.match(before.told, /10\.77\.0\.2\/24/);
  for (const wrong of [
    ["--address", `${OTHER}/24`, "--gateway", "10.78.0.1"],
    ["--address", "10.43.0.7/24"],
    ["--address", OTHER],
    ["--address", "10.77.0.255/24"],
    ["--address", `${OTHER}/24`, "--dns", "router"],
    ["--address", `${OTHER}/24`, "--interface", "eth9"],
    ["--address", `${OTHER}/24`, "--dhcp"],
    ["--address", `${OTHER}/24`, "--within", "1s"],
  ]) {
    const { code, text } = appliance("console", "network", "set", ...wrong);
    assert.equal(code, 2, `${wrong.join(" ")}: ${text}`);
    assert.match(text, /Cannot .+ is wanted/);
  }
  assert.deepEqual(settings(), before, "something was written");
  assert.ok(!hasRecord(), "something waits");
}

/** Confirmed from another login than the one that set it. */
export async function isConfirmed(): Promise<void> {
  const both = ["--address", `${NETWORK.box}/24`, "--address", `${SECOND}/24`];
  begins("network-kept", "console", "network", "set", ...both, ...REST, "--within", "10m");
  await until("the page at its second address", SECONDS, () => answers(SECOND));
  await until("a change that waits", SECONDS, () =>
    /waits .+ to be confirmed/.test(appliance("console", "network").text),
  );
  assert.ok(typed("systemctl list-timers --all --no-legend").includes(TIMER), "no timer would undo it");
  const busy = appliance("console", "network", "set", "--dhcp");
  assert.match(busy.text, /another change waits to be confirmed/);
  assert.equal(appliance("console", "network", "confirm").code, 0);
  await until("the end of the command", SECONDS, () => endOf("network-kept") !== undefined);
  assert.equal(endOf("network-kept"), "success", saidBy("network-kept"));
  assert.ok(!typed("systemctl list-timers --all --no-legend").includes(TIMER), "the timer would undo it");
  const { files, told } = settings();
  const kept = ["50-cloud-init.yaml", "50-cloud-init.yaml.alga-before", "90-alga-appliance.yaml"];
  assert.deepEqual(Object.keys(files), kept);
  for (const address of [NETWORK.box, SECOND, `${BEHIND}.1`]) assert.equal(told.split(`${address}/24`).length, 2, told);
  assert.equal(appliance("console", "network", "confirm").code === 0, false, "it was confirmed twice");
}

/** Another interface than that of the default route, of another kind, and told of in the same file. */
export async function isConfirmedElsewhere(): Promise<void> {
  const before = settings().told;
  const wanted = ["--interface", BRIDGE, "--address", `${BEHIND}.9/24`];
  begins("network-bridge", "console", "network", "set", ...wanted, "--within", "10m");
  await until("the bridge's other address", SECONDS, () =>
    typed(`ip -br address show ${BRIDGE}`).includes(`${BEHIND}.9/24`),
  );
  assert.equal(appliance("console", "network", "confirm").code, 0);
  await until("the end of the command", SECONDS, () => endOf("network-bridge") !== undefined);
  assert.equal(endOf("network-bridge"), "success", saidBy("network-bridge"));
  const addresses = (text: string) => [...text.matchAll(/"(10\.[\d.]+)\/24"/g)].map((found) => found[1]).sort();
  const expected = addresses(before).map((one) => (one === `${BEHIND}.1` ? `${BEHIND}.9` : one));
  assert.deepEqual(addresses(settings().told), expected, settings().told);
}

/** Moves the box to another address alone, and answers what was there before when it has moved. */
async function moves(name: string, within: string): Promise<ReturnType<typeof settings>> {
  const before = settings();
  begins(name, "console", "network", "set", "--address", `${OTHER}/24`, ...REST, "--within", within);
  await until("the page at another address", SECONDS, () => answers(OTHER));
  assert.ok(hasRecord(), "nothing says how it was before");
  return before;
}

async function isAsBefore(before: ReturnType<typeof settings>): Promise<void> {
  await until("the page at its former address", SECONDS, () => answers(NETWORK.box));
  await until("nothing that waits", SECONDS, () => !hasRecord());
  assert.deepEqual(settings(), before);
  await until("no other address", SECONDS, () => !appliance("console", "network").text.includes(OTHER));
  assert.ok(!typed("systemctl list-timers --all --no-legend").includes(TIMER), "a timer is left");
}

/** The process that waits undoes it itself. */
export async function isUndone(): Promise<void> {
  const before = await moves("network-late", "15s");
  await isAsBefore(before);
  await until("the end of the command", SECONDS, () => endOf("network-late") !== undefined);
  assert.equal(endOf("network-late"), "exit-code 1");
  assert.match(saidBy("network-late"), /Nobody confirmed it: host0 has its former settings again/);
}

/** The process is killed: the timer of systemd undoes it. */
export async function isUndoneByTimer(): Promise<void> {
  const before = await moves("network-killed", "15s");
  signals("network-killed", "KILL");
  await isAsBefore(before);
  assert.equal(endOf("network-killed"), "signal 9");
  assert.match(saidBy("alga-appliance-network-undo"), /host0 has its former settings again/);
}

/** The power is cut: the next start undoes it, before anybody needs the network. */
export async function isUndoneByTheNextStart(): Promise<void> {
  const before = await moves("network-dark", "15m");
  await powerCut();
  await bootUnitsBox();
  await isAsBefore(before);
  assert.match(
    typed("journalctl --no-pager -o cat -b -u alga-appliance-bootstrap"),
    /network settings that nobody confirmed are undone/,
  );
}

function hasRecord(): boolean {
  return inBox(["test", "-e", "/var/lib/alga-appliance-host/console/network-undo.json"]).code === 0;
}

async function answers(address: string): Promise<boolean> {
  const answer = await fetch(`http://${address}:8080/healthz`, { signal: AbortSignal.timeout(2_000) });
  return answer.ok;
}
