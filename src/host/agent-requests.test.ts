/** The closed list of the host agent: what is read, what is refused, and 100,000 requests of nobody's invention. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ApplianceError } from "../core/errors.ts";
import { JOURNAL_UNITS, readHostRequest } from "./agent-requests.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const read = (method: string, path: string, body = ""): unknown =>
  readHostRequest(method, new URL(path, "http://host-agent"), bytes(body));

describe("what may be asked", () => {
  const cases: readonly (readonly [string, string, string, unknown])[] = [
    ["GET", "/v1/health", "", { kind: "health" }],
    ["GET", "/v1/facts", "", { kind: "facts" }],
    ["GET", "/v1/images", "", { kind: "images" }],
    ["GET", "/v1/journal?unit=k3s", "", { kind: "journal", unit: "k3s", lines: 200 }],
    ["GET", "/v1/journal?unit=bootstrap&lines=50000", "", { kind: "journal", unit: "bootstrap", lines: 50_000 }],
    ["POST", "/v1/images/prune", "{}", { kind: "prune-images" }],
    ["POST", "/v1/control-plane/reapply", "", { kind: "reapply" }],
    ["POST", "/v1/control-plane/upgrade", "", { kind: "reapply" }],
    ["POST", "/v1/reboot", '{"consent":"box"}', { kind: "reboot", consent: "box" }],
  ];
  for (const [method, path, body, wanted] of cases)
    it(`${method} ${path}`, () => assert.deepEqual(read(method, path, body), wanted));
});

describe("what is refused", () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ["GET", "/", "", "http/not-found"],
    ["GET", "/v1/facts/", "", "http/not-found"],
    ["GET", "/v1/../v1/secrets", "", "http/not-found"],
    ["GET", "/v1/__proto__", "", "http/not-found"],
    ["DELETE", "/v1/facts", "", "http/method"],
    ["GET", "/v1/reboot", "", "http/method"],
    ["GET", "/v1/facts?verbose=1", "", "http/bad-request"],
    ["GET", "/v1/journal", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=ssh", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s.service", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=constructor", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&lines=0", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&lines=50001", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&lines=100000", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&lines=1e3", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&lines=--since", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&unit=bootstrap", "", "http/bad-request"],
    ["GET", "/v1/journal?unit=k3s&__proto__=1", "", "http/bad-request"],
    ["POST", "/v1/reboot", "", "http/bad-request"],
    ["POST", "/v1/reboot", '{"consent":""}', "http/bad-request"],
    ["POST", "/v1/reboot", '{"consent":"box","force":true}', "http/bad-request"],
    ["POST", "/v1/reboot", "null", "http/bad-request"],
    ["POST", "/v1/reboot", "reboot", "json/syntax"],
    ["POST", "/v1/reboot", '{"__proto__":{"consent":"box"}}', "json/unsafe-key"],
    ["POST", "/v1/images/prune", '{"all":true}', "http/bad-request"],
  ];
  for (const [method, path, body, code] of cases) {
    it(`${method} ${path} ${body}`, () => assert.throws(() => read(method, path, body), { code }));
  }
});

it("100,000 made-up requests are refused by name, or are one of the list with words of our own", {
  timeout: 120_000,
}, () => {
  const parts = [
    "v1",
    "facts",
    "journal",
    "images",
    "prune",
    "reboot",
    "control-plane",
    "reapply",
    "..",
    "%2e",
    "\u0000",
    "__proto__",
    "",
  ];
  const known = [
    "/v1/health",
    "/v1/facts",
    "/v1/images",
    "/v1/journal",
    "/v1/images/prune",
    "/v1/control-plane/reapply",
    "/v1/reboot",
  ];
  const path = fc.oneof(
    fc.constantFrom(...known),
    fc.array(fc.constantFrom(...parts), { maxLength: 5 }).map((words) => `/${words.join("/")}`),
    fc.webPath(),
    fc.string({ unit: "binary", maxLength: 60 }).map((text) => `/${encodeURIComponent(text.toWellFormed())}`),
  );
  const word = fc.oneof(
    fc.constantFrom("k3s", "bootstrap", "1", "2000", "--all", "$(id)", ";", "../x"),
    fc.string({ maxLength: 20 }),
  );
  const query = fc.array(fc.tuple(fc.constantFrom("unit", "lines", "x", "constructor"), word), { maxLength: 4 });
  const body = fc.oneof(
    fc.constant(""),
    fc.json({ maxDepth: 3 }),
    word.map((consent) => JSON.stringify({ consent })),
    fc.string({ unit: "binary", maxLength: 200 }),
  );
  const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "get", "");
  let taken = 0;
  fc.assert(
    fc.property(method, path, query, body, (verb, place, pairs, content) => {
      const url = new URL(`http://host-agent${place}?${new URLSearchParams(pairs)}`);
      try {
        const asked = readHostRequest(verb, url, bytes(content));
        taken += 1;
        if (asked.kind === "journal") {
          assert.ok(Object.hasOwn(JOURNAL_UNITS, asked.unit));
          assert.ok(Number.isInteger(asked.lines) && asked.lines > 0 && asked.lines <= 50_000);
        }
        if (asked.kind === "reboot") assert.ok(asked.consent.length > 0 && asked.consent.length <= 253);
      } catch (thrown) {
        assert.ok(thrown instanceof ApplianceError, String(thrown));
        assert.match(thrown.code, /^(?:http|json)\//);
      }
    }),
    { numRuns: 100_000 },
  );
  assert.ok(taken > 20, `only ${taken} of them were of the list: the test hardly looks at it`);
});
