import assert from "node:assert/strict";
import { test } from "node:test";
import { ROUTE_REFERENCE } from "./route-reference.ts";

test("the reference has every promised route once, each with a sentence", () => {
  const promised = [
    "GET /healthz",
    "GET /readyz",
    "GET /api/status",
    "GET /metrics",
    "GET /",
    "GET /setup",
    "POST /api/session",
    "GET /api/session",
    "DELETE /api/session",
    "POST /api/session/claim",
    "GET /api/setup/config",
    "POST /api/setup/plan",
    "POST /api/setup",
    "GET /api/events",
    "GET /api/operations",
    "GET /api/operations/:id",
    "POST /api/operations/:id/resume",
    "POST /api/operations/:id/cancel",
  ];
  const rows = ROUTE_REFERENCE.map((row) => `${row.method} ${row.path}`);
  assert.deepEqual(
    promised.filter((row) => !rows.includes(row)),
    [],
  );
  assert.equal(new Set(rows).size, rows.length);
  for (const row of ROUTE_REFERENCE) assert.ok(row.summary.length > 8, `${row.path}: ${row.summary}`);
});

test("no route that changes something is open but login and claim", () => {
  const open = ROUTE_REFERENCE.filter((row) => row.method !== "GET" && row.access === "public");
  assert.deepEqual(
    open.map((row) => row.path),
    ["/api/session", "/api/session/claim"],
  );
});
