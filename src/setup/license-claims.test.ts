/** What a license key says of itself, and the wrapper by which a script gets it on standard input and nowhere else. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { licenseFacts } from "./license-claims.ts";
import { STDIN_WRAPPER } from "./license-key-steps.ts";

const NOW_MS = Date.parse("2026-11-21T00:00:00Z");
const keyOf = (claims: unknown): string => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
const NOTHING = { edition: null, expiresAt: null, perpetual: false, state: "unknown" };

for (const [claims, wanted] of [
  [
    { exp: NOW_MS / 1_000 + 60, edition: "pro" },
    { edition: "pro", expiresAt: "2026-11-21T00:01:00.000Z", state: "active" },
  ],
  [{ exp: NOW_MS / 1_000 - 60 }, { expiresAt: "2026-11-20T23:59:00.000Z", state: "expired" }],
  [
    { exp: 4_102_444_800, tier: "premium" },
    { edition: "premium", perpetual: true, state: "active" },
  ],
  [{ exp: 4_102_444_799 }, { expiresAt: "2099-12-31T23:59:59.000Z", state: "active" }],
  [{ exp: "soon" }, {}],
  [{ exp: -1 }, {}],
  [{ exp: 1e300 }, {}],
  [["not", "claims"], {}],
] as const) {
  test(`a key with ${JSON.stringify(claims)} says ${JSON.stringify(wanted)}`, () => {
    assert.deepEqual(licenseFacts(keyOf(claims), NOW_MS), { ...NOTHING, ...wanted });
  });
}

test("what is no key says nothing", () => {
  for (const key of ["", "a", "a.b", "a.b.c", "a.####.c", `a.${"x".repeat(40_000)}.c`]) {
    assert.deepEqual(licenseFacts(key, NOW_MS), NOTHING);
  }
});

test("the script reads the request on standard input, does not find it in its environment, and its end is the job's", () => {
  const folder = mkdtempSync(join(tmpdir(), "alga-wrapper-"));
  try {
    const script = join(folder, "script.mjs");
    writeFileSync(
      script,
      `let text = ""; for await (const part of process.stdin) text += part;
       console.log(JSON.stringify({ ok: true, text, left: process.env.LICENSE_REQUEST ?? null }));
       process.exitCode = 7;`,
    );
    const request = JSON.stringify({ licenseKey: "a.b.c" });
    const { status, stdout, stderr } = spawnSync("node", ["-e", STDIN_WRAPPER, script], {
      env: { PATH: process.env.PATH, LICENSE_REQUEST: request },
      encoding: "utf8",
    });
    assert.deepEqual([status, JSON.parse(stdout)], [7, { ok: true, text: request, left: null }], stderr);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
