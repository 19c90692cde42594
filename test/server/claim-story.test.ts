/**
 * A claim that needs no blind trust, from the first start to the second claim, by the commands as they are typed: what the screen shows
 * is what is served, the token is worthless afterwards, and who came later stands in the history and on the screen.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect } from "node:tls";
import { statePaths } from "../../src/core/paths.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { runWords, startWords } from "../support/command-line.ts";
import { PASSWORD, TOKEN } from "./harness.ts";

const root = mkdtempSync(join(tmpdir(), "alga-claim-"));
after(() => rmSync(root, { recursive: true, force: true }));

function served(port: number): Promise<{ readonly fingerprint: string; readonly pem: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      const { fingerprint256, raw } = socket.getPeerCertificate();
      const base64 = raw.toString("base64").replace(/.{64}/g, "$&\n");
      resolve({
        fingerprint: fingerprint256,
        pem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
      });
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

test("the box is claimed over the line that its screen vouches for, once", { timeout: 120_000 }, async () => {
  const paths = statePaths(root);
  mkdirSync(paths.state, { recursive: true });
  writeFileSync(paths.setupToken, TOKEN);
  const words = ["serve", "--listen", "127.0.0.1", "--port", "0", "--tls-port", "0", "-o", "json"];
  const box = await startWords(words, { root });
  const { url, tlsPort } = box.first as { url: string; tlsPort: number };
  const shown = await served(tlsPort);
  const told = JSON.parse((await runWords(["host", "certificate", "-o", "json"], { root })).stdout) as {
    readonly fingerprint: string;
    readonly short: string;
  };
  assert.equal(told.fingerprint, shown.fingerprint);
  assert.ok(shown.fingerprint.startsWith(told.short));

  const fetch = createTransports().open({ ca: shown.pem, onlyCa: true });
  const post = (origin: string, path: string, body: object): Promise<Response> =>
    fetch(
      new Request(`${origin}${path}`, {
        method: "POST",
        headers: { origin, "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
  const secure = `https://127.0.0.1:${tlsPort}`;
  const claim = { token: TOKEN, password: PASSWORD };
  assert.equal((await post(secure, "/api/session/claim", claim)).status, 200);
  for (const [origin, path, body] of [
    [secure, "/api/session/claim", claim],
    [url, "/api/session/claim", { token: TOKEN, password: `${PASSWORD}2` }],
    [url, "/api/session", { token: TOKEN }],
  ] as const) {
    const refused = await post(origin, path, body);
    assert.ok(
      refused.status >= 400 && refused.headers.getSetCookie().length === 0,
      `${path} answers ${refused.status}`,
    );
  }
  const link = await fetch(new Request(`${url}/setup?token=${TOKEN}`, { redirect: "manual" }));
  assert.deepEqual(link.headers.getSetCookie(), []);

  const history = JSON.parse((await runWords(["setup", "history", "-o", "json"], { root })).stdout) as {
    readonly claims: readonly { readonly outcome: string; readonly secure: boolean }[];
  };
  assert.deepEqual(
    history.claims.map(({ outcome, secure: line }) => [outcome, line]),
    [
      ["claimed", true],
      ["refused", true],
    ],
  );
  const ports = { ALGA_APPLIANCE_PORT: new URL(url).port, ALGA_APPLIANCE_TLS_PORT: String(tlsPort) };
  const banner = await runWords(["console", "banner"], { root, env: ports });
  const screen = banner.stdout.replaceAll(/\s+/g, " ");
  assert.match(screen, /Refused: somebody tried to claim this box again/);
  assert.ok(screen.includes(`SHA-256 begins with ${told.short}`), screen);
  assert.ok(!`${banner.stdout}${banner.stderr}`.includes(TOKEN));
  assert.equal((await box.stop()).code, 0);
});
