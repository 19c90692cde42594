/** The login probe against everything that may answer at an address. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { realClock } from "../../test/support/kubernetes.ts";
import { ApplianceError, type ErrorCode } from "../core/errors.ts";
import type { Fetch } from "../core/ports.ts";
import { isLoginPage } from "./login-page.ts";
import { probeLogin } from "./login-probe.ts";

const FORM = '<html><title>Sign in</title><form><input name=p type="password"></form></html>';
const html = (body: string, status = 200): Response =>
  new Response(body, { status, headers: { "content-type": "text/html; charset=utf-8" } });
const to = (location: string, status = 302): Response => new Response(null, { status, headers: { location } });
const failing =
  (code: ErrorCode): Fetch =>
  async () => {
    throw new ApplianceError(code, "Cannot reach it");
  };

/** Answers by path; what is not there is 404. */
const site =
  (pages: Readonly<Record<string, () => Response>>): Fetch =>
  async (request) => {
    const url = new URL(request.url);
    return (pages[request.url] ?? pages[url.pathname] ?? (() => html("not found", 404)))();
  };

const CASES: readonly (readonly [string, Fetch, string])[] = [
  ["the page itself", site({ "/": () => html(FORM) }), "login-page"],
  ["a redirect to it", site({ "/": () => to("/auth/signin?x=1"), "/auth/signin": () => html(FORM) }), "login-page"],
  [
    "a redirect to https of the same host",
    site({ "http://app.example/": () => to("https://app.example/in"), "/in": () => html(FORM) }),
    "login-page",
  ],
  [
    "a redirect to the public name, seen from inside",
    site({ "http://app.example/": () => to("https://psa.example.com/in"), "http://app.example/in": () => html(FORM) }),
    "login-page",
  ],
  ["a circle", site({ "/": () => to("/a"), "/a": () => to("/") }), "redirect-loop"],
  ["a way without end", async (request) => to(`${new URL(request.url).pathname}x`), "redirect-loop"],
  ["another site", site({ "/": () => to("https://evil.example/") }), "foreign-redirect"],
  ["another scheme", site({ "/": () => to("javascript:alert(1)") }), "foreign-redirect"],
  ["a redirect without an address", site({ "/": () => new Response(null, { status: 302 }) }), "wrong-page"],
  ["a page of another server", site({ "/": () => html("<title>Welcome to nginx!</title>") }), "wrong-page"],
  ["the word only in a script", site({ "/": () => html(`<script>x='${FORM}'</script>`) }), "wrong-page"],
  ["the word only in a comment", site({ "/": () => html(`<!-- ${FORM} -->`) }), "wrong-page"],
  ["JSON", site({ "/": () => Response.json({ ok: true }) }), "wrong-page"],
  ["500", site({ "/": () => html("", 500) }), "server-error"],
  ["503", site({ "/": () => html("starting", 503) }), "server-error"],
  ["404", site({}), "client-error"],
  ["a refusal", failing("net/unreachable"), "refused"],
  ["no such name", failing("net/dns"), "no-such-name"],
  ["silence", failing("net/timeout"), "no-answer"],
  ["a certificate that is not trusted", failing("net/tls"), "certificate"],
  ["a broken connection", failing("net/reset"), "broken"],
  ["something that is not HTTP", failing("net/malformed"), "broken"],
];

describe("the login probe", () => {
  for (const [what, fetch, outcome] of CASES) {
    test(`${what}: ${outcome}`, async () => {
      const answer = await probeLogin({ clock: realClock, fetch }, "http://app.example/", {
        aliases: ["psa.example.com"],
      });
      assert.equal(answer.outcome, outcome, JSON.stringify(answer));
      assert.ok(answer.text.length > 0 && !JSON.stringify(answer).includes("x=1"), "evidence without a query");
    });
  }

  test("says no-answer when nothing comes in time", async () => {
    const silent: Fetch = () => new Promise(() => {});
    const answer = await probeLogin({ clock: realClock, fetch: silent }, "http://app.example/", { timeoutMs: 20 });
    assert.equal(answer.outcome, "no-answer");
  });

  test("reads half a megabyte of a page that does not end", async () => {
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536).fill(97));
      },
    });
    const endless: Fetch = async () => new Response(body, { headers: { "content-type": "text/html" } });
    const answer = await probeLogin({ clock: realClock, fetch: endless }, "http://app.example/");
    assert.equal(answer.outcome, "wrong-page");
    assert.ok(sent <= 1_048_576, `${sent} bytes were sent`);
  });

  test("stops when it is told to", async () => {
    const silent: Fetch = () => new Promise(() => {});
    const stop = AbortSignal.timeout(10);
    await assert.rejects(probeLogin({ clock: realClock, fetch: silent }, "http://app.example/", { signal: stop }));
  });

  test("reads the certificate of an https address, also when it is not trusted", async () => {
    const facts = { subject: "a", issuer: "b", names: ["a"], validFromMs: 1, validToMs: 2, trusted: false };
    const network = { certificate: async () => facts };
    const answer = await probeLogin({ clock: realClock, fetch: failing("net/tls"), network }, "https://app.example/");
    assert.deepEqual([answer.outcome, answer.certificate], ["certificate", facts]);
  });

  test("a marker is enough where the form is drawn in the browser", () => {
    assert.equal(isLoginPage("<div id=msp-signin></div>", { marker: "msp-signin" }), true);
    assert.equal(isLoginPage("<div id=msp-signin></div>"), false);
  });

  test("a hostile page costs no time", () => {
    const startedMs = performance.now();
    assert.equal(isLoginPage("<input ".repeat(70_000)), false);
    assert.equal(isLoginPage("<script".repeat(70_000)), false);
    assert.equal(isLoginPage("<!--".repeat(120_000)), false);
    assert.ok(performance.now() - startedMs < 2_000);
  });
});
