/** The inventory over a recorded situation, and its HTTP edge with a hostile pod and a hostile log. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parse } from "yaml";
import type { Route } from "../core/http.ts";
import type { LogOptions, PodRef } from "../kube/calls.ts";
import { eventFacts } from "./facts.ts";
import { foldInventory, type Inventory } from "./inventory.ts";
import { inventoryRoutes, type LogTail } from "./inventory-routes.ts";
import { readSituation } from "./situations/situation.ts";
import { createView, type PodFacts } from "./view.ts";

const read = (name: string): string => readFileSync(new URL(`./situations/${name}.yaml`, import.meta.url), "utf8");
const healthy: unknown = parse(read("healthy"));

function inventoryOf(name: string): Inventory {
  const { observations, nowMs } = readSituation(read(name), () => healthy);
  return foldInventory(createView(observations, nowMs));
}

/** Escapes that draw over a terminal, a mark that turns the reading direction, markup. */
const HOSTILE = "a\u001b[2Jb\u202ec<img src=x onerror=alert(1)>";

describe("foldInventory()", () => {
  it("lists the pods of the product with their containers, by name", () => {
    const { pods, left } = inventoryOf("healthy");
    const names = pods.map(({ namespace, name }) => `${namespace}/${name}`);
    assert.deepEqual(names, [...names].sort());
    const core = pods.find(({ component }) => component === "alga-core");
    assert.equal(core?.ready, true, JSON.stringify(names));
    assert.deepEqual(new Set(core?.containers.map(({ state }) => state)), new Set(["running"]));
    assert.deepEqual(left, { pods: 0, events: 0 });
  });

  it("tells why a container does not run, and how often it was started again", () => {
    const { pods } = inventoryOf("database-crashes");
    const broken = pods.filter(({ ready }) => !ready);
    assert.ok(broken.some(({ restarts }) => restarts > 0) && broken.length > 0);
    const reasons = broken.flatMap(({ containers }) => containers.map(({ reason }) => reason));
    assert.ok(reasons.includes("CrashLoopBackOff"), reasons.join());
  });

  it("counts nothing as running on a node that has gone silent", () => {
    const { observations, nowMs } = readSituation(read("healthy"), () => healthy);
    const { pods, events } = createView(observations, nowMs);
    const silent = pods.map((pod): PodFacts => ({ ...pod, silent: true }));
    assert.ok(foldInventory({ pods: silent, events }).pods.every(({ ready }) => !ready));
  });

  it("is bounded, and says how much it leaves out", () => {
    const { observations, nowMs } = readSituation(read("healthy"), () => healthy);
    const [pod] = createView(observations, nowMs).pods;
    assert.ok(pod !== undefined);
    const pods = Array.from({ length: 5_000 }, (_, index) => ({ ...pod, name: `pod-${index}` }));
    const event = eventFacts({ apiVersion: "v1", kind: "Event", metadata: { name: "e" }, message: "x".repeat(9_000) });
    const events = Array.from({ length: 50_000 }, () => event);
    const found = foldInventory({ pods, events });
    assert.deepEqual(found.left, { pods: 4_500, events: 49_000 });
    assert.ok(JSON.stringify(found).length < 1_500_000, `${JSON.stringify(found).length} characters`);
  });

  it("makes names and messages harmless", () => {
    const { observations, nowMs } = readSituation(read("healthy"), () => healthy);
    const [pod] = createView(observations, nowMs).pods;
    assert.ok(pod !== undefined);
    const event = eventFacts({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "e" },
      involvedObject: { kind: "Pod", namespace: "msp", name: HOSTILE },
      message: `${HOSTILE} password=hunter2`,
    });
    const told = JSON.stringify(foldInventory({ pods: [{ ...pod, name: HOSTILE }], events: [event] }));
    assert.doesNotMatch(told, /\u001b|\u202e|\\u001b|hunter2/);
  });
});

describe("GET /api/pods/:namespace/:pod/log", () => {
  const asked: { ref: PodRef; options: LogOptions }[] = [];
  const edgeOf = (text: string): readonly Route[] =>
    inventoryRoutes(
      {
        status: { inventory: () => inventoryOf("healthy") },
        kube: {
          logs: async (ref, options) => {
            asked.push({ ref, options });
            return text;
          },
          follow: () => assert.fail("nobody follows here"),
        },
        deps: { clock: { after: () => () => {} } as never },
      },
      () => assert.fail("nobody follows here"),
    );
  const ask = async (text: string, path: string): Promise<LogTail> => {
    const route = edgeOf(text).find((one) => one.path.endsWith("/log"));
    const url = new URL(`http://box${path}`);
    const [, , , namespace = "", pod = ""] = url.pathname.split("/");
    const call = { request: new Request(url), url, params: { namespace, pod }, peer: "127.0.0.1", body: undefined };
    const response = await route?.handle({ ...call, signal: new AbortController().signal });
    return (await response?.json()) as LogTail;
  };
  const [pod] = inventoryOf("healthy").pods.filter(({ component }) => component === "alga-core");
  const path = `/api/pods/${pod?.namespace}/${pod?.name}/log`;

  it("gives the end of the log, redacted, without characters that steer a screen", async () => {
    const tail = await ask(`first\n${HOSTILE}\nAuthorization: Bearer abcdef0123456789\n`, `${path}?lines=2`);
    assert.equal(tail.lines.length, 2);
    assert.equal(tail.cut, true);
    assert.doesNotMatch(tail.lines.join("\n"), /\u001b|\u202e|abcdef0123456789/);
    assert.match(tail.lines[0] ?? "", /<img src=x/);
    assert.deepEqual(asked.at(-1)?.options.tailLines, 2);
  });

  it("masks a private key of many lines, also one whose beginning was cut off", async () => {
    const body = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "BKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"];
    const end = "-----END PRIVATE KEY-----";
    const tail = await ask(["before", "-----BEGIN PRIVATE KEY-----", ...body, end, "after"].join("\n"), path);
    assert.doesNotMatch(tail.lines.join("\n"), /MIIE|BKcw/);
    assert.deepEqual([tail.lines[0], tail.lines.at(-1)], ["before", "after"]);
    const cut = await ask([...body, end, "after"].join("\n"), path);
    assert.deepEqual(cut.lines, ["[redacted]", "[redacted]", "[redacted]", "after"]);
  });

  it("holds the number and the length of lines, whatever is asked for", async () => {
    await ask("", `${path}?lines=999999999`);
    assert.equal(asked.at(-1)?.options.tailLines, 2_000);
    await ask("", `${path}?lines=-4`);
    assert.equal(asked.at(-1)?.options.tailLines, 500);
    const long = await ask("y".repeat(100_000), path);
    assert.equal(long.lines[0]?.length, 4_096);
    assert.deepEqual((await ask("", path)).lines, []);
  });

  it("knows no pod beside the product's, and no container beside the pod's", async () => {
    await assert.rejects(ask("", "/api/pods/kube-public/secrets/log"), { code: "http/not-found" });
    await assert.rejects(ask("", `${path}?container=sidecar`), { code: "http/not-found" });
  });
});
