/** The shared vocabulary: tables and properties. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readBody } from "./body.ts";
import { withDeadline } from "./deadline.ts";
import { createDigester, digestOf, digestOfValue, parseDigest, shortDigest } from "./digest.ts";
import { humanDuration, parseDuration } from "./duration.ts";
import { ApplianceError, ERROR_CODES, exitCodeOf, httpStatusOf, publicError } from "./errors.ts";
import { problem } from "./http.ts";
import { canonicalJson, parseJson } from "./json.ts";
import { createLog, formatJsonLine, formatTextLine, type LogRecord } from "./log.ts";
import { humanBytes } from "./quantity.ts";
import { isSecretField, redactText, redactValue } from "./redact.ts";
import { backoffMs, retry, retryAfterMs } from "./retry.ts";
import { isSameSecret, Secret } from "./secret.ts";

const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (thrown) {
    return thrown instanceof ApplianceError ? thrown.code : String(thrown);
  }
};

describe("errors", () => {
  it("follow one table: every code has an area, a status, an exit code and a sentence", () => {
    for (const [code, meaning] of Object.entries(ERROR_CODES)) {
      assert.match(code, /^[a-z]+\/[a-z0-9-]+$/);
      assert.ok(meaning.status >= 400 && meaning.status < 600, code);
      assert.match(meaning.about, /^[A-Z].*[^.]$/, code);
    }
  });
  it("show neither the cause nor a foreign message", () => {
    const error = new ApplianceError("oci/not-found", "Cannot pull", {
      cause: new Error("password=hunter2"),
      hint: "go",
    });
    assert.deepEqual(publicError(error), { code: "oci/not-found", message: "Cannot pull", hint: "go" });
    assert.equal(JSON.stringify(publicError(new Error("password=hunter2"))).includes("hunter2"), false);
    assert.equal(httpStatusOf(new Error("x")), 500);
    assert.equal(exitCodeOf(new ApplianceError("operation/busy", "x")), 5);
  });
  it("become problem JSON with one entry per field", async () => {
    const errors = [{ field: "adminEmail", code: "email", detail: "Write name@example.com" }];
    const answer = problem(new ApplianceError("setup/invalid-answers", "Cannot set up", { details: { errors } }));
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get("content-type"), "application/problem+json; charset=utf-8");
    const body = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(body.errors, errors);
    assert.equal(body.code, "setup/invalid-answers");
  });
});

describe("parseJson()", () => {
  const what = "test document";
  it("agrees with JSON.parse on every document without traps", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        if (text.includes("__proto__")) return;
        assert.deepEqual(parseJson(text, { what }), JSON.parse(text));
      }),
    );
  });
  const cases: readonly [string, string | Uint8Array, string][] = [
    ["nothing", "", "json/syntax"],
    ["HTML", "<html></html>", "json/syntax"],
    ["trailing text", "{} x", "json/syntax"],
    ["duplicate keys", '{"a":1,"a":2}', "json/duplicate-key"],
    ["duplicate keys by escape", '{"a":1,"\\u0061":2}', "json/duplicate-key"],
    ["duplicate keys far below", '[{"x":{"a":1,"b":{"a":1},"a":2}}]', "json/duplicate-key"],
    ["prototype key", '{"__proto__":{"admin":true}}', "json/unsafe-key"],
    ["prototype key by escape", '{"\\u005f_proto__":1}', "json/unsafe-key"],
    ["nesting", "[".repeat(100_000), "json/too-deep"],
    ["bytes that are not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), "json/not-utf8"],
  ];
  for (const [name, text, code] of cases)
    it(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => parseJson(text, { what })),
        code,
      ));
  it("refuses more bytes than its bound before reading them", () => {
    assert.equal(
      codeOf(() => parseJson(`"${"x".repeat(100)}"`, { what, maxBytes: 50 })),
      "json/too-large",
    );
  });
  it("lets a key stand again in another object, and braces inside strings", () => {
    assert.deepEqual(parseJson('[{"a":"}{\\"a\\":"},{"a":2}]', { what }), [{ a: '}{"a":' }, { a: 2 }]);
  });
});

describe("digests", () => {
  it("are the same streamed and whole, and independent of key order", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), (parts) => {
        const digester = createDigester();
        for (const part of parts) digester.update(part);
        assert.equal(digester.digest(), digestOf(Buffer.concat(parts)));
      }),
    );
    assert.equal(digestOfValue({ a: 1, b: [{ d: 1, c: 2 }] }), digestOfValue({ b: [{ c: 2, d: 1 }], a: 1 }));
    assert.equal(canonicalJson({ b: 1, a: null }), '{"a":null,"b":1}');
  });
  it("of nothing is the known value", () => {
    assert.equal(digestOf(""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert.equal(shortDigest(digestOf("")), "e3b0c44298fc");
  });
  for (const text of [
    "",
    "sha256:",
    `sha512:${"a".repeat(128)}`,
    `sha256:${"A".repeat(64)}`,
    `sha256:${"a".repeat(65)}`,
    `x sha256:${"a".repeat(64)}`,
  ]) {
    it(`refuse "${text.slice(0, 20)}"`, () =>
      assert.equal(
        codeOf(() => parseDigest(text)),
        "oci/bad-digest",
      ));
  }
});

describe("durations and quantities", () => {
  it("are the sum of their parts", () => {
    const part = (max: number) => fc.integer({ min: 0, max });
    fc.assert(
      fc.property(part(400), part(59), part(59), part(999), (h, m, s, ms) =>
        assert.equal(parseDuration(`${h}h${m}m${s}s${ms}ms`), ((h * 60 + m) * 60 + s) * 1_000 + ms),
      ),
    );
  });
  it("are words for people", () => {
    assert.deepEqual([0, 59_000, 60_000, 264_000, 7_500_000, 3 * 86_400_000].map(humanDuration), [
      "0 s",
      "59 s",
      "1 min",
      "4 min 24 s",
      "2 h 5 min",
      "3 days",
    ]);
    assert.deepEqual([512, 1_900_000_000, 84_000_000, 999_600].map(humanBytes), ["512 B", "1.9 GB", "84 MB", "1 MB"]);
  });
  for (const text of ["", "10", "m", "-1s", "1 h"])
    it(`refuse duration "${text}"`, () =>
      assert.equal(
        codeOf(() => parseDuration(text)),
        "config/invalid",
      ));
});

describe("redaction", () => {
  const leaks: readonly string[] = [
    "Authorization: Bearer abcdef123456",
    "https://robot:hunter2hunter2@registry.example/v2/",
    "GET /setup?token=1234-5678-9012-3456-7890 HTTP/1.1",
    '{"licenseKey":"aaa.bbb.ccc","adminPassword":"with \\" quote and space"}',
    "password=hunter2hunter2",
    "INSTALL_CODE: K7QPM2RX",
    "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib3gifQ.c2lnbmF0dXJl",
  ];
  const secrets = [
    "abcdef123456",
    "hunter2",
    "1234-5678",
    "aaa.bbb.ccc",
    "quote and space",
    "K7QPM2RX",
    "MIIabc",
    "c2lnbmF0dXJl",
  ];
  for (const text of leaks) {
    it(`hides the secret of: ${text.slice(0, 32).replaceAll("\n", " ")}`, () => {
      const masked = redactText(text);
      assert.deepEqual(
        secrets.filter((secret) => masked.includes(secret)),
        [],
      );
      assert.equal(redactText(masked), masked);
    });
  }
  it("goes by field name at any depth and leaves names alone that only look secret", () => {
    assert.deepEqual(redactValue({ a: [{ adminPassword: "x", tokenSecret: "plaintext" }], n: 1 }), {
      a: [{ adminPassword: "[redacted]", tokenSecret: "plaintext" }],
      n: 1,
    });
    assert.equal(isSecretField("secretName"), false);
  });
  it("keeps ordinary sentences", () => {
    const text = "Pod msp/alga-core-sebastian-7d9c waits for image registry.example/base/app:62cdce38";
    assert.equal(redactText(text), text);
  });
});

describe("Secret", () => {
  it("prints itself nowhere", () => {
    const secret = new Secret("hunter2");
    assert.equal(`${secret} ${JSON.stringify({ secret })}`.includes("hunter2"), false);
    assert.equal(secret.reveal(), "hunter2");
  });
  it("is compared whole", () => {
    assert.deepEqual(
      ["hunter2", "hunter", "hunter22", "Hunter2", ""].map((given) => isSameSecret(given, "hunter2")),
      [true, false, false, false, false],
    );
  });
});

describe("log", () => {
  it("redacts fields, names causes and drops what is below its level", () => {
    const records: LogRecord[] = [];
    const log = createLog({ now: () => 0, level: "info", write: (record) => void records.push(record) }).with({
      room: "oci",
    });
    log.debug("unseen");
    log.warn("request failed", {
      token: "hunter2",
      error: new ApplianceError("net/dns", "Cannot resolve", { cause: new Error("ENOTFOUND") }),
    });
    assert.equal(records.length, 1);
    const line = formatJsonLine(records[0] as LogRecord);
    assert.equal(line.includes("hunter2"), false);
    assert.match(line, /net\/dns.*ENOTFOUND/);
    assert.match(formatTextLine(records[0] as LogRecord), /^00:00:00.000 WARN {2}request failed room=oci/);
  });
});

describe("retry()", () => {
  const policy = { attempts: 4, baseMs: 100, maxMs: 1_000 };
  const timed = () => {
    const waits: number[] = [];
    const clock = {
      now: () => 0,
      monotonic: () => 0,
      sleep: async (ms: number) => void waits.push(ms),
      after: () => () => {},
    };
    const random = { bytes: (n: number) => new Uint8Array(n), uuid: () => "", fraction: () => 1 };
    return { waits, deps: { clock, random } };
  };
  it("tries again for a network cause and gives the last failure", async () => {
    const { waits, deps } = timed();
    const fail = () => Promise.reject(new ApplianceError("net/reset", "x"));
    await assert.rejects(retry(fail, deps, { policy }), { code: "net/reset" });
    assert.deepEqual(waits, [100, 200, 400]);
  });
  it("does not try again for a final cause", async () => {
    const { waits, deps } = timed();
    await assert.rejects(retry(() => Promise.reject(new ApplianceError("oci/digest-mismatch", "x")), deps, { policy }));
    assert.deepEqual(waits, []);
  });
  it("waits as long as the other side asks, within a bound", async () => {
    const { waits, deps } = timed();
    const fail = (ms: number) => () =>
      Promise.reject(new ApplianceError("oci/rate-limited", "x", { details: { retryAfterMs: ms } }));
    await assert.rejects(retry(fail(3_000), deps, { policy: { ...policy, attempts: 2 } }));
    await assert.rejects(retry(fail(3_600_000), deps, { policy: { ...policy, attempts: 2 } }));
    assert.deepEqual(waits, [3_000, 4_000]);
  });
  it("bounds every delay", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, f) =>
        assert.ok(backoffMs(policy, n, f) <= 1_000),
      ),
    );
  });
});

describe("retryAfterMs()", () => {
  const asked = (headers: Record<string, string>, nowMs?: number) => retryAfterMs(new Response("", { headers }), nowMs);
  it("reads seconds, and a date by the answer's own clock before ours", () => {
    const at = "Sat, 21 Nov 2026 10:00:30 GMT";
    const date = "Sat, 21 Nov 2026 10:00:00 GMT";
    assert.equal(asked({ "retry-after": "7" }), 7_000);
    assert.equal(asked({ "retry-after": at, date }, Date.UTC(2020, 0, 1)), 30_000);
    assert.equal(asked({ "retry-after": at }, Date.UTC(2026, 10, 21, 10, 0, 20)), 10_000);
    assert.equal(asked({ "retry-after": at }, Date.UTC(2027, 0, 1)), 0);
  });
  it("takes nothing else", () => {
    assert.deepEqual(
      ["-1", "1e9", "9999999", "soon", ""].map((text) => asked({ "retry-after": text }, 0)),
      Array.from({ length: 5 }, () => undefined),
    );
    assert.equal(asked({}), undefined);
    assert.equal(asked({ "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT" }), undefined);
  });
});

describe("readBody()", () => {
  const tooLarge = (): Error => new ApplianceError("http/too-large", "x");
  const endless = (): { readonly body: ReadableStream<Uint8Array>; readonly cancelled: () => boolean } => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel: () => {
        cancelled = true;
      },
    });
    return { body, cancelled: () => cancelled };
  };
  it("gives all bytes up to the bound", async () => {
    assert.equal((await readBody(null, { maxBytes: 0, tooLarge })).length, 0);
    assert.equal((await readBody(new Response("12345").body, { maxBytes: 5, tooLarge })).length, 5);
    await assert.rejects(readBody(new Response("123456").body, { maxBytes: 5, tooLarge }), { code: "http/too-large" });
  });
  it("cancels what is longer than the bound", async () => {
    const { body, cancelled } = endless();
    await assert.rejects(readBody(body, { maxBytes: 1_000, tooLarge }), { code: "http/too-large" });
    assert.ok(cancelled());
  });
  it("ends and cancels when its signal fires", async () => {
    const stop = new AbortController();
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      cancel: () => {
        cancelled = true;
      },
    });
    const reading = readBody(body, { maxBytes: 10, tooLarge, signal: stop.signal });
    stop.abort();
    assert.equal((await reading).length, 0);
    assert.ok(cancelled);
  });
});

describe("withDeadline()", () => {
  it("gives up on work that ignores its signal", async () => {
    const after = (_ms: number, call: () => void) => {
      queueMicrotask(call);
      return () => {};
    };
    const clock = { after };
    const work = () => new Promise<never>(() => {});
    await assert.rejects(withDeadline(clock, 5_000, { what: "the answer", work }), { code: "internal/timeout" });
  });
});
