/** The look at names: which are asked for, and how a dead name server differs from a name that is not there. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createFakeBox } from "../../test/crash/fake-box.ts";
import { ApplianceError } from "../core/errors.ts";
import { createDnsWatch } from "./dns-watch.ts";

function watch(answer: (name: string) => readonly string[]) {
  const asked: string[] = [];
  const { clock, pass } = createFakeBox();
  const network = {
    nameServers: async () => ["192.0.2.53"],
    resolve: async (name: string) => {
      asked.push(name);
      return answer(name);
    },
  };
  return { asked, pass, dns: createDnsWatch(clock, network) };
}

function refusal(reason: string): never {
  throw new ApplianceError("net/dns", "Cannot resolve it", { details: { reason } });
}

describe("createDnsWatch()", () => {
  it("asks for names, and not for addresses or this machine", async () => {
    const { asked, dns } = watch(() => ["192.0.2.7"]);
    for (const [registry, login] of [
      ["192.0.2.1:5000", "http://192.0.2.1:8080"],
      ["[2001:db8::1]:5000", "https://[2001:db8::1]"],
      ["localhost:5000", null],
      [null, "not an address"],
    ] as const) {
      await dns.look({ registry, login });
      assert.equal(dns.current(), null, `${registry} ${login}`);
    }
    await dns.look({ registry: "registry.example:5000", login: "https://psa.example.com/x" });
    assert.deepEqual(asked, ["registry.example", "psa.example.com"]);
    assert.deepEqual(
      dns.current()?.answers.map(({ use, state }) => [use, state]),
      [
        ["registry", "resolves"],
        ["login", "resolves"],
      ],
    );
  });

  it("tells a server that does not answer from a name that is not there, and since when", async () => {
    let reason = "EAI_AGAIN";
    const { dns, pass } = watch(() => refusal(reason));
    const look = async () => {
      await dns.look({ registry: "registry.example", login: null });
      return dns.current()?.answers[0];
    };
    const first = await look();
    await pass(30_000);
    const second = await look();
    assert.deepEqual([second?.state, second?.sinceMs], ["no-answer", first?.sinceMs]);
    reason = "ENOTFOUND";
    const third = await look();
    assert.equal(third?.state, "no-such-name");
    assert.ok((third?.sinceMs ?? 0) > (first?.sinceMs ?? 0));
  });

  it("bounds what a hostile name server answers", async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
    const { dns } = watch(() => many);
    await dns.look({ registry: "registry.example", login: null });
    assert.equal(dns.current()?.answers[0]?.addresses.length, 8);
  });
});
