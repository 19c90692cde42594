/** The HTTP edge: the document with its tag, metrics for who may read them, and the part of readiness. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import type { RouteRequest } from "../core/http.ts";
import { foldStatus } from "./fold.ts";
import { writeMetrics } from "./metrics.ts";
import { type ApplianceStatus, applianceStatusSchema } from "./model.ts";
import { statusReadiness, statusRoutes } from "./routes.ts";
import { readSituation } from "./situations/situation.ts";

const read = (name: string): string => readFileSync(new URL(`./situations/${name}.yaml`, import.meta.url), "utf8");
const healthy: unknown = parse(read("healthy"));
const statusOf = (name: string): ApplianceStatus => {
  const { observations, nowMs } = readSituation(read(name), () => healthy);
  return { ...foldStatus(observations, nowMs), generation: 7 };
};

function call(
  path: string,
  options: { status?: ApplianceStatus; tag?: string; peer?: string; session?: boolean } = {},
) {
  const hasSession = async (): Promise<boolean> => options.session === true;
  const routes = statusRoutes({ current: () => options.status ?? statusOf("healthy") }, { hasSession });
  const route = routes.find((one) => one.path === path);
  assert.ok(route !== undefined);
  const url = new URL(path, "http://box");
  const headers = options.tag === undefined ? {} : { "if-none-match": options.tag };
  const request: RouteRequest = {
    request: new Request(url, { headers }),
    url,
    params: {},
    peer: options.peer ?? "192.0.2.9",
    signal: new AbortController().signal,
    body: undefined,
  };
  return route.handle(request);
}

describe("GET /api/status", () => {
  test("gives the document with a tag, and 304 for the same news", async () => {
    const first = await call("/api/status");
    const tag = first.headers.get("etag") ?? "";
    assert.equal(first.status, 200);
    assert.equal(applianceStatusSchema.parse(await first.json()).summary.message, "Everything works");
    const later = { ...statusOf("healthy"), observedAt: "2026-11-21T09:00:05.000Z" };
    const same = await call("/api/status", { tag: `"other", ${tag}`, status: later });
    assert.deepEqual([same.status, same.headers.get("etag"), await same.text()], [304, tag, ""]);
  });

  test("gives another tag for other news", async () => {
    const tag = (await call("/api/status")).headers.get("etag") ?? "";
    const other = await call("/api/status", { tag, status: statusOf("image-missing") });
    assert.equal(other.status, 200);
    assert.notEqual(other.headers.get("etag"), tag);
  });
});

describe("GET /metrics", () => {
  test("answers loopback and sessions, and nobody else", async () => {
    const codes = await Promise.all(
      [
        { peer: "127.0.0.1" },
        { peer: "::1" },
        { peer: "::ffff:127.0.0.1" },
        { session: true },
        {},
        { peer: "128.0.0.1" },
      ].map(async (given) => (await call("/metrics", given)).status),
    );
    assert.deepEqual(codes, [200, 200, 200, 200, 401, 401]);
  });

  test("is Prometheus text: names, help and type once, states as 0 and 1", () => {
    const text = writeMetrics(statusOf("update-blocked"));
    const lines = text.trimEnd().split("\n");
    const families = lines.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]);
    assert.equal(new Set(families).size, families.length);
    for (const line of lines.filter((one) => !one.startsWith("#"))) {
      assert.match(
        line,
        /^[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.]+(e\+\d+)?$/,
      );
      assert.ok(families.includes(line.split(/[ {]/)[0]), line);
    }
    assert.ok(lines.includes('alga_appliance_tier_state{tier="login",state="ready"} 1'));
    assert.ok(lines.includes('alga_appliance_tier_state{tier="full",state="failed"} 1'));
    assert.ok(lines.includes('alga_appliance_operation_state{kind="update",state="blocked"} 1'));
    assert.ok(lines.includes('alga_appliance_check_state{code="operation/blocked",state="failed"} 1'));
  });

  test("escapes what others wrote", () => {
    const status = statusOf("healthy");
    const hostile = { ...status, appliance: { ...status.appliance, version: 'a"b\\c\nd' } };
    assert.ok(writeMetrics(hostile).includes('version="a\\"b\\\\c\\nd"'));
  });
});

test("readiness names Kubernetes and nothing else", () => {
  assert.deepEqual(statusReadiness({ current: () => statusOf("healthy") }), []);
  assert.deepEqual(statusReadiness({ current: () => statusOf("image-missing") }), []);
  assert.deepEqual(statusReadiness({ current: () => statusOf("kube-just-gone") }), ["Kubernetes does not answer."]);
});
