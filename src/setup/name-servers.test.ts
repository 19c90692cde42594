/** What the address step of the wizard is told of each name server and of the name that people will type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Network } from "../core/ports.ts";
import type { RegistryAccess } from "../release/registry-access.ts";
import { askNameServers } from "./name-servers.ts";
import { validateNameQuestion } from "./validate.ts";

const REGISTRY = { place: { registry: "ghcr.io", base: "nine-minds" } } as RegistryAccess;
const KNOWN: Readonly<Record<string, string>> = { "ghcr.io": "192.0.2.1", "psa.example.com": "192.0.2.10" };
/** What goes wrong at a server, by its address; the clock moves by what each takes. */
const BROKEN: Readonly<Record<string, string>> = { "192.0.2.66": "ETIMEOUT", "192.0.2.67": "EREFUSED" };

function scene(registry: RegistryAccess = REGISTRY) {
  let nowMs = 0;
  const asked: string[] = [];
  const network = {
    nameServers: async () => ["192.0.2.53"],
    addresses: async () => ["192.0.2.10"],
    resolve: async (name: string, { servers = [] }: { servers?: readonly string[] } = {}) => {
      asked.push(`${name} of ${servers.join(" ")}`);
      nowMs += 3;
      const broken = servers.length === 1 ? BROKEN[servers[0] ?? ""] : undefined;
      const found = KNOWN[name];
      if (broken === undefined && found !== undefined) return [found];
      throw new ApplianceError("net/dns", `Cannot resolve "${name}": no`, {
        details: { reason: broken ?? "ENOTFOUND" },
      });
    },
  } as Partial<Network> as Network;
  const clock = { ...createFakeBox().clock, monotonic: () => nowMs };
  return {
    asked,
    ask: (answers: object) => askNameServers({ clock, network, registry }, validateNameQuestion(answers)),
  };
}

test("each server is asked by itself for the registry, and says how long it took", async () => {
  const { ask, asked } = scene();
  const servers = "192.0.2.53, 192.0.2.66 192.0.2.67";
  const report = await ask({ dnsMode: "custom", dnsServers: servers });
  assert.deepEqual(
    report.servers.map(({ address, state }) => [address, state]),
    [
      ["192.0.2.53", "works"],
      ["192.0.2.66", "no-answer"],
      ["192.0.2.67", "refused"],
    ],
  );
  assert.ok(report.servers.every(({ tookMs }) => tookMs >= 3));
  assert.deepEqual([report.question, report.application], ["ghcr.io", null]);
  assert.equal(asked.length, 3);
});

test("the system's servers are those of the system", async () => {
  const { ask } = scene();
  for (const answers of [{}, { dnsMode: "system", dnsServers: "not used" }]) {
    const { servers } = await ask(answers);
    assert.deepEqual(
      servers.map(({ address }) => address),
      ["192.0.2.53"],
    );
  }
});

test("the name of the application is looked up, and whether it leads here", async () => {
  const { ask } = scene();
  const known = await ask({ appHostname: "psa.example.com" });
  assert.deepEqual(known.application, {
    name: "psa.example.com",
    state: "works",
    addresses: ["192.0.2.10"],
    leadsHere: true,
    suggestion: null,
  });
  assert.equal((await ask({ appHostname: "http://192.0.2.10:3000" })).application, null);
  const elsewhere = (await ask({ appHostname: "ghcr.io" })).application;
  assert.deepEqual([elsewhere?.state, elsewhere?.leadsHere], ["works", false]);
});

test("a slip of the finger is named when the right name is known, and only then", async () => {
  const { ask } = scene();
  const slip = (await ask({ appHostname: "psa.example.con" })).application;
  assert.deepEqual([slip?.state, slip?.suggestion], ["no-such-name", "psa.example.com"]);
  assert.equal((await ask({ appHostname: "psa.nobody.con" })).application?.suggestion, null);
  assert.equal((await ask({ appHostname: "psa.example.org" })).application?.suggestion, null);
});

test("behind a proxy, and for a registry without a name, it is enough that a server answers", async () => {
  for (const access of [
    { ...REGISTRY, proxy: { https: "http://proxy:3128" } },
    { place: { registry: "127.0.0.1:5000", base: "a" }, plainHttp: true },
  ]) {
    const { ask, asked } = scene(access as RegistryAccess);
    const report = await ask({ dnsMode: "custom", dnsServers: "192.0.2.53,192.0.2.66" });
    assert.equal(report.question, null);
    assert.deepEqual(
      report.servers.map(({ state }) => state),
      ["works", "no-answer"],
    );
    assert.match(asked[0] ?? "", /^name-server-check\.invalid of/);
  }
});

test("what is no address is refused by its field", async () => {
  const fieldsOf = (answers: unknown): string => {
    try {
      validateNameQuestion(answers);
      return "none";
    } catch (thrown) {
      assert.ok(isApplianceError(thrown, "setup/invalid-answers"));
      return (thrown.details.errors as { field: string }[]).map(({ field }) => field).join(" ");
    }
  };
  assert.equal(fieldsOf({ dnsMode: "custom", dnsServers: "dns.example.com" }), "dnsServers");
  assert.equal(fieldsOf({ dnsMode: "custom" }), "dnsServers");
  assert.equal(fieldsOf({ dnsMode: "other", appHostname: "http://a b/" }), "dnsMode appHostname");
  assert.equal(fieldsOf("text"), "answers");
  assert.equal(fieldsOf({ adminEmail: "nobody" }), "none");
});
