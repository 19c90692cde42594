/** Claim, login, logout: every way in, and every way that must stay shut. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ApplianceError } from "../../src/core/errors.ts";
import { claim, claimed, cookieOf, PASSWORD, PATHS, problemOf, startServer, TOKEN } from "./harness.ts";

const HOUR_MS = 3_600_000;

describe("claim", () => {
  it("sets the password with the token, logs in and removes the token", async () => {
    const server = await startServer();
    const cookie = await claim(server);
    assert.equal(server.files.snapshot().has(PATHS.setupToken), false);
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 200);
    const stored = server.files.snapshot().get(PATHS.adminCredential) ?? "";
    assert.equal(JSON.parse(stored).algorithm, "scrypt");
    assert.equal(stored.includes(PASSWORD), false);
  });

  it("takes the token typed without hyphens and with spaces", async () => {
    const server = await startServer();
    const body = { token: ` ${TOKEN.replaceAll("-", " ")} `, password: PASSWORD };
    assert.equal((await server.call("POST", "/api/session/claim", { body })).status, 200);
  });

  it("refuses a wrong token, and a box without a token", async () => {
    const server = await startServer();
    const body = { token: "0000-0000-0000-0000-0000", password: PASSWORD };
    const wrong = await server.call("POST", "/api/session/claim", { body });
    assert.equal(wrong.status, 401);
    assert.equal((await problemOf(wrong)).code, "session/wrong-token");
    await server.files.remove(PATHS.setupToken);
    for (const token of ["", " ", "undefined"]) {
      const answer = await server.call("POST", "/api/session/claim", { body: { token, password: PASSWORD } });
      assert.ok(answer.status === 401 || answer.status === 400, `${JSON.stringify(token)}: ${answer.status}`);
    }
    assert.equal(server.files.snapshot().has(PATHS.adminCredential), false);
  });

  it("names every broken rule of a weak password and keeps the token", async () => {
    const server = await startServer();
    const answer = await server.call("POST", "/api/session/claim", { body: { token: TOKEN, password: "short" } });
    assert.equal(answer.status, 400);
    const problem = await problemOf(answer);
    assert.equal(problem.code, "session/weak-password");
    assert.deepEqual(
      (problem.errors as { code: string }[]).map((error) => error.code),
      ["too-short", "no-upper", "no-digit", "no-sign"],
    );
    assert.equal(JSON.stringify(problem).includes('"short"'), false);
    assert.equal(server.files.snapshot().has(PATHS.setupToken), true);
  });

  it("happens once: a second claim is refused, also at the same moment", async () => {
    const server = await startServer();
    const bodies = ["First-Pass-1", "Second-Pass-2", "Third-Pass-3"].map((password) => ({ token: TOKEN, password }));
    const answers = await Promise.all(bodies.map((body) => server.call("POST", "/api/session/claim", { body })));
    assert.deepEqual(answers.map((answer) => answer.status).sort(), [200, 409, 409]);
    const late = await server.call("POST", "/api/session/claim", { body: { token: TOKEN, password: PASSWORD } });
    assert.equal((await problemOf(late)).code, "session/already-claimed");
  });

  it("is safe against a crash between credential and token: the token opens nothing and the next start removes it", async () => {
    const server = await startServer();
    await claimed(server);
    server.files.garble(PATHS.setupToken, `${TOKEN}\n`);
    const answer = await server.call("POST", "/api/session", { body: { token: TOKEN } });
    assert.equal((await problemOf(answer)).code, "session/already-claimed");
    await server.restart();
    assert.equal(server.files.snapshot().has(PATHS.setupToken), false);
  });

  it("keeps the token when the credential cannot be written, and works once the disk has room", async () => {
    let full = true;
    const wrap = (files: Parameters<NonNullable<Parameters<typeof startServer>[1]>["wrap"] & object>[0]) => ({
      ...files,
      create: async (...args: Parameters<typeof files.create>) => {
        if (full) throw new ApplianceError("file/disk-full", "Cannot write: the disk has no room");
        return await files.create(...args);
      },
    });
    const server = await startServer({}, { wrap });
    const body = { token: TOKEN, password: PASSWORD };
    assert.equal((await server.call("POST", "/api/session/claim", { body })).status, 507);
    assert.equal(server.files.snapshot().has(PATHS.setupToken), true);
    full = false;
    assert.equal((await server.call("POST", "/api/session/claim", { body })).status, 200);
  });
});

describe("claim session", () => {
  it("comes from the setup link, leaves no token in the address, and sets the password without typing it again", async () => {
    const server = await startServer();
    const link = await server.call("GET", `/setup?token=${TOKEN}`, { origin: false });
    assert.equal(link.status, 303);
    assert.equal(link.headers.get("location"), "/setup");
    const cookie = cookieOf(link);
    const view = await (await server.call("GET", "/api/session", { cookie })).json();
    assert.deepEqual([view.claimed, view.authenticated, view.tokenAccepted], [false, false, true]);
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
    const answer = await server.call("POST", "/api/session/claim", { cookie, body: { password: PASSWORD } });
    assert.equal(answer.status, 200);
    assert.equal((await server.call("GET", "/api/thing", { cookie: cookieOf(answer) })).status, 200);
    const old = await (await server.call("GET", "/api/session", { cookie })).json();
    assert.deepEqual([old.authenticated, old.tokenAccepted], [false, false]);
  });

  it("ends after an hour", async () => {
    const server = await startServer();
    const cookie = cookieOf(await server.call("POST", "/api/session", { body: { token: TOKEN } }));
    await server.box.pass(HOUR_MS + 1);
    const answer = await server.call("POST", "/api/session/claim", { cookie, body: { password: PASSWORD } });
    assert.equal(answer.status, 401);
  });

  it("says why a setup link does not work, and logs no token", async () => {
    const server = await startServer();
    const wrong = await server.call("GET", "/setup?token=9999-9999-9999-9999-9999");
    assert.equal(wrong.headers.get("location"), "/setup?problem=wrong-token");
    await claimed(server);
    const late = await server.call("GET", `/setup?token=${TOKEN}`);
    assert.equal(late.headers.get("location"), "/setup?problem=claimed");
    const logged = JSON.stringify(server.records);
    assert.ok(server.records.length > 0);
    for (const secret of [TOKEN, "9999-9999", PASSWORD]) assert.equal(logged.includes(secret), false, secret);
  });
});

describe("login", () => {
  it("gives a session with a strict cookie for the right password only", async () => {
    const server = await startServer();
    await claimed(server);
    const right = await server.call("POST", "/api/session", { body: { password: PASSWORD } });
    assert.deepEqual(await right.json(), { state: "authenticated" });
    const cookie = right.headers.getSetCookie()[0] ?? "";
    for (const part of ["HttpOnly", "SameSite=Strict", "Path=/"]) assert.ok(cookie.includes(part), cookie);
    assert.equal(cookie.includes("Secure"), false);
    const wrong = await server.call("POST", "/api/session", { body: { password: "Wrong-Horse-9" } });
    assert.equal(wrong.status, 401);
    assert.equal((await problemOf(wrong)).code, "session/wrong-password");
    assert.equal(wrong.headers.getSetCookie().length, 0);
  });

  it("marks the cookie Secure under TLS, and never sends HSTS, which would break the plain port", async () => {
    const server = await startServer();
    await claimed(server);
    const request = new Request("https://box.example/api/session", {
      method: "POST",
      headers: { origin: "https://box.example", "content-type": "application/json" },
      body: JSON.stringify({ password: PASSWORD }),
    });
    const answer = await server.app.handle(request, { address: "192.0.2.7" });
    assert.ok(answer.headers.getSetCookie()[0]?.endsWith("; Secure"));
    assert.equal(answer.headers.get("strict-transport-security"), null);
  });

  it("is refused before the claim", async () => {
    const server = await startServer();
    const answer = await server.call("POST", "/api/session", { body: { password: PASSWORD } });
    assert.equal(answer.status, 409);
    assert.equal((await problemOf(answer)).code, "session/not-claimed");
  });

  it("stays shut with an explanation when the credential is damaged, and never falls back to the token", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const damages = ["", "{", "null", '{"schema":"alga.appliance.admin-credential/v1"}', "x".repeat(20_000)];
    for (const damage of damages) {
      server.files.garble(PATHS.adminCredential, damage);
      server.files.garble(PATHS.setupToken, TOKEN);
      const bodies = [{ password: PASSWORD }, { token: TOKEN }];
      for (const body of bodies) {
        const answer = await server.call("POST", "/api/session", { body });
        assert.equal(answer.status, 503);
        assert.equal((await problemOf(answer)).code, "session/credential-unusable");
      }
      const again = await server.call("POST", "/api/session/claim", { body: { token: TOKEN, password: PASSWORD } });
      assert.equal(again.status, 503);
      assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
      const view = await (await server.call("GET", "/api/session")).json();
      assert.equal(view.claimed, true);
      assert.match(view.problem.hint, /host init-token/);
    }
  });
});

describe("sessions", () => {
  it("survive a restart and hold only hashes on disk", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const id = cookie.split("=")[1] ?? "";
    assert.equal(id.length, 43);
    assert.equal((server.files.snapshot().get(PATHS.sessions) ?? id).includes(id), false);
    const again = await server.restart();
    assert.equal((await again.call("GET", "/api/thing", { cookie })).status, 200);
  });

  it("end by logout on the server, not only in the browser", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const other = cookieOf(await server.call("POST", "/api/session", { body: { password: PASSWORD } }));
    const out = await server.call("DELETE", "/api/session", { cookie });
    assert.match(out.headers.getSetCookie()[0] ?? "", /Max-Age=0/);
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
    assert.equal((await (await server.restart()).call("GET", "/api/thing", { cookie })).status, 401);
    assert.equal((await server.call("GET", "/api/thing", { cookie: other })).status, 200);
    assert.equal((await server.call("DELETE", "/api/session")).status, 401);
  });

  it("end when idle for 12 h, after 7 days of use, and with a new credential", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    for (let hour = 0; hour < 24 * 7 - 1; hour += 11) {
      assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 200, `hour ${hour}`);
      await server.box.pass(11 * HOUR_MS);
    }
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
    const fresh = cookieOf(await server.call("POST", "/api/session", { body: { password: PASSWORD } }));
    await server.box.pass(12 * HOUR_MS + 1);
    assert.equal((await server.call("GET", "/api/thing", { cookie: fresh })).status, 401);

    const last = cookieOf(await server.call("POST", "/api/session", { body: { password: PASSWORD } }));
    const credential = JSON.parse(server.files.snapshot().get(PATHS.adminCredential) ?? "");
    server.files.garble(PATHS.adminCredential, JSON.stringify({ ...credential, salt: "00".repeat(16) }));
    assert.equal((await server.call("GET", "/api/thing", { cookie: last })).status, 401);
  });

  it("do not mind a wall clock that jumps within a boot", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    for (const wall of [Date.UTC(2040, 0), Date.UTC(1990, 0)]) {
      server.box.setWall(wall);
      assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 200);
    }
    server.box.boot();
    assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
  });

  it("are bounded, and none comes out of a damaged file or a made-up cookie", async () => {
    const server = await startServer();
    const first = await claimed(server);
    for (let index = 0; index < 70; index += 1) {
      await server.box.pass(1_000);
      await server.app.sessions.create("full", new Request("http://box.example/"));
    }
    await server.box.pass(1_000);
    const file = JSON.parse(server.files.snapshot().get(PATHS.sessions) ?? "{}");
    assert.equal(file.sessions.length, 64);
    assert.equal((await server.call("GET", "/api/thing", { cookie: first })).status, 401);
    const made = ["alga_appliance_session=", `alga_appliance_session=${"A".repeat(43)}`, "x; =; ;;", "a".repeat(9_000)];
    for (const cookie of made) assert.equal((await server.call("GET", "/api/thing", { cookie })).status, 401);
    server.files.garble(PATHS.sessions, "[]");
    assert.equal((await server.call("GET", "/api/session")).status, 200);
  });

  it("are found beside a cookie of the same name from another application of the host", async () => {
    const server = await startServer();
    const cookie = await claimed(server);
    const both = `theme=dark; alga_appliance_session=${"B".repeat(43)}; ${cookie}`;
    assert.equal((await server.call("GET", "/api/thing", { cookie: both })).status, 200);
  });
});

describe("claims", () => {
  const claimsOf = async (server: Awaited<ReturnType<typeof startServer>>, cookie: string) =>
    ((await (await server.call("GET", "/api/claims", { cookie })).json()) as { claims: Record<string, unknown>[] })
      .claims;

  it("are remembered with time, address and whether the line was encrypted; nothing of the token or the password", async () => {
    const server = await startServer();
    const cookie = await claim(server);
    const [first, ...more] = await claimsOf(server, cookie);
    assert.deepEqual(first, { at: "2026-11-21T00:00:00.000Z", peer: "192.0.2.7", secure: false, outcome: "claimed" });
    assert.deepEqual(more, []);
    const stored = server.files.snapshot().get(PATHS.claims) ?? "";
    assert.equal(stored.includes(TOKEN) || stored.includes(PASSWORD), false);
    assert.equal((await server.call("GET", "/api/claims")).status, 401);
  });

  it("that come later are refused and told, by each of the three ways, and do not make the disk write at will", async () => {
    const server = await startServer();
    const cookie = await claim(server);
    const body = { token: TOKEN, password: PASSWORD };
    const tries = [
      () => server.call("POST", "/api/session/claim", { body, peer: "203.0.113.9" }),
      () => server.call("POST", "/api/session", { body: { token: TOKEN }, peer: "203.0.113.9" }),
      () => server.call("GET", `/setup?token=${TOKEN}`, { peer: "203.0.113.9" }),
    ];
    for (const again of tries) {
      await again();
      await again();
      await server.box.pass(11_000);
    }
    const refused = (await claimsOf(server, cookie)).filter(({ outcome }) => outcome === "refused");
    assert.equal(refused.length, 3);
    assert.ok(refused.every(({ peer }) => peer === "203.0.113.9"));
  });

  it("stay bounded, and the claim itself stays among them over a restart", async () => {
    const server = await startServer();
    await claim(server);
    for (let count = 0; count < 40; count += 1) {
      await server.call("GET", `/setup?token=${TOKEN}`, { peer: `203.0.113.${count}` });
      await server.box.pass(11_000);
    }
    const again = await server.restart();
    const cookie = cookieOf(await again.call("POST", "/api/session", { body: { password: PASSWORD } }));
    const known = await claimsOf(again, cookie);
    assert.equal(known.length, 20);
    assert.equal(known[0]?.outcome, "claimed");
    assert.equal(known.at(-1)?.peer, "203.0.113.39");
  });

  it("succeed on a full disk's edge too: what cannot be noted keeps nobody out", async () => {
    const server = await startServer(
      {},
      {
        wrap: (files) => ({
          ...files,
          write: (path, content, options) =>
            path === PATHS.claims
              ? Promise.reject(new ApplianceError("file/disk-full", "Cannot write"))
              : files.write(path, content, options),
        }),
      },
    );
    const cookie = await claim(server);
    assert.equal((await claimsOf(server, cookie)).length, 1);
  });
});

describe("the cookie over TLS", () => {
  const over = (server: Awaited<ReturnType<typeof startServer>>, cookie: string, scheme: "http" | "https") =>
    server.app.handle(new Request(`${scheme}://box.example/api/thing`, { headers: { cookie } }), {
      address: "192.0.2.7",
    });

  it("has a name of its own: neither page takes the other's", async () => {
    const server = await startServer();
    const plain = await claim(server);
    const request = new Request("https://box.example/api/session", {
      method: "POST",
      headers: { origin: "https://box.example", "content-type": "application/json" },
      body: JSON.stringify({ password: PASSWORD }),
    });
    const [set = ""] = (await server.app.handle(request, { address: "192.0.2.7" })).headers.getSetCookie();
    assert.match(set, /^__Host-alga_appliance_session=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+; Secure$/);
    const secure = set.split(";")[0] ?? "";
    assert.equal((await over(server, secure, "https")).status, 200);
    assert.equal((await over(server, plain, "http")).status, 200);
    assert.equal((await over(server, plain, "https")).status, 401);
    assert.equal((await over(server, secure, "http")).status, 401);
    assert.equal((await over(server, secure.replace("__Host-", ""), "https")).status, 401);
  });
});
