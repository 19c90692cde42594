/** The page over TLS on real sockets: the certificate that the console shows is the one that is served, and changes without a restart. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { connect } from "node:tls";
import { type CertificateFacts, certificateFiles, readBoxCertificate } from "../../src/core/certificate.ts";
import { createLog, type LogRecord } from "../../src/core/log.ts";
import { statePaths } from "../../src/core/paths.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemFiles as files } from "../../src/platform/files.ts";
import { listen } from "../../src/platform/http-server.ts";
import { openSecurePage, type SecurePage } from "../../src/server/secure-listener.ts";
import { createFakeBox } from "../crash/fake-box.ts";
import { eventually } from "../support/eventually.ts";
import { makeCertificate } from "../support/tls.ts";
import { PASSWORD, startServer, TOKEN } from "./harness.ts";

const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function open(port = 0) {
  const root = mkdtempSync(join(tmpdir(), "alga-tls-"));
  const paths = statePaths(root);
  const box = createFakeBox();
  const records: LogRecord[] = [];
  const heard: { page?: SecurePage } = {};
  const state = { addresses: ["192.0.2.7"] };
  const server = await startServer({ securePort: () => heard.page?.port() ?? null });
  const deps = {
    files,
    clock: box.clock,
    random: { ...box.random, bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) },
    machine: { ...box.machineOf(box.spawn()), hostName: async () => "box-7" },
    network: {
      nameServers: async () => [],
      resolve: async () => [],
      addresses: async () => state.addresses,
      isListening: async () => false,
      certificate: () => Promise.reject(new Error("nobody asks")),
    },
    log: createLog({ now: box.clock.now, level: "debug", write: (record) => records.push(record) }),
  };
  const page = await openSecurePage(deps, { listen, paths, host: "127.0.0.1", port, handle: server.app.handle });
  heard.page = page;
  endings.push(() => rmSync(root, { recursive: true, force: true }));
  endings.push(() => page.close(0));
  return { page, paths, box, server, records, state };
}

/** Fingerprint of the certificate that a port shows; undefined while nobody answers with one. */
function shownBy(port: number | null): Promise<string | undefined> {
  return new Promise((resolve) => {
    if (port === null) return resolve(undefined);
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once("error", () => resolve(undefined));
  });
}

async function certificateOf(
  paths: ReturnType<typeof statePaths>,
): Promise<CertificateFacts & { readonly cert: string }> {
  const found = await readBoxCertificate(files, paths);
  assert.ok(found);
  return { ...found, cert: found.pair.cert };
}

describe("the page over TLS", () => {
  it("shows the certificate that the console reads, and a client that trusts it alone can claim the box there", async () => {
    const { page, paths } = await open();
    const certificate = await certificateOf(paths);
    assert.equal(await shownBy(page.port()), certificate.fingerprint);
    const fetch = createTransports().open({ ca: certificate.cert, onlyCa: true });
    const origin = `https://127.0.0.1:${page.port()}`;
    const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(new Request(`${origin}${path}`, { headers: { origin, "content-type": "application/json" }, ...init }));
    const before = (await (await ask("/api/session")).json()) as Record<string, unknown>;
    assert.deepEqual([before.secure, before.secureUrl], [true, null]);
    const body = JSON.stringify({ token: TOKEN, password: PASSWORD });
    const claimed = await ask("/api/session/claim", { method: "POST", body });
    assert.equal(claimed.status, 200);
    assert.match(claimed.headers.getSetCookie()[0] ?? "", /^__Host-alga_appliance_session=.*; Secure$/);
  });

  it("is told on the plain page, under the name by which the caller came", async () => {
    const { page, server } = await open();
    const answer = (await (await server.call("GET", "/api/session")).json()) as Record<string, unknown>;
    assert.deepEqual([answer.secure, answer.secureUrl], [false, `https://box.example:${page.port()}/setup`]);
  });

  it("changes to the operator's own certificate on the same port, and back, without a restart", async () => {
    const { page, paths, box } = await open();
    const port = page.port();
    const made = await certificateOf(paths);
    const own = makeCertificate({ commonName: "own", names: ["box.example"] });
    await files.write(certificateFiles(paths).own, `${own.cert}${own.key}`);
    await box.pass(10_000);
    const isAnother = async (): Promise<boolean> =>
      ((await shownBy(page.port())) ?? made.fingerprint) !== made.fingerprint;
    await eventually("the operator's certificate is shown", isAnother);
    assert.equal(page.port(), port);
    await files.remove(certificateFiles(paths).own);
    await box.pass(10_000);
    await eventually("its own is shown again", async () => (await shownBy(page.port())) === made.fingerprint);
  });

  it("serves the operator's chain, so that who knows the root alone trusts it", async () => {
    const { page, paths, box } = await open();
    const root = makeCertificate({ commonName: "root" });
    const between = makeCertificate({ commonName: "between", authority: root, signs: true });
    const own = makeCertificate({ commonName: "box", authority: between, names: ["127.0.0.1"], usage: "server" });
    // As some authorities send it: the key first, the chain in the wrong order.
    await files.write(certificateFiles(paths).own, `${own.key}${between.cert}${own.cert}`);
    const fetch = createTransports().open({ ca: root.cert, onlyCa: true });
    const status = (): Promise<number> =>
      fetch(new Request(`https://127.0.0.1:${page.port()}/healthz`)).then(
        (answer) => answer.status,
        () => 0,
      );
    assert.equal(await status(), 0);
    await box.pass(10_000);
    await eventually("the chain is served", async () => (await status()) === 200);
  });

  it("makes and serves another certificate when the clock is set right and when an address comes", async () => {
    const { page, box, state } = await open();
    const dates = (): Promise<{ readonly from: number; readonly to: number; readonly names: string } | undefined> =>
      new Promise((resolve) => {
        const socket = connect({ host: "127.0.0.1", port: page.port() ?? 0, rejectUnauthorized: false }, () => {
          const { valid_from, valid_to, subjectaltname = "" } = socket.getPeerCertificate();
          resolve({ from: Date.parse(valid_from), to: Date.parse(valid_to), names: subjectaltname });
          socket.destroy();
        });
        socket.once("error", () => resolve(undefined));
      });
    const isValid = async (nowMs: number): Promise<boolean> => {
      const seen = await dates();
      return seen !== undefined && seen.from <= nowMs && nowMs < seen.to;
    };
    // The box began with a clock that knew nothing, then with one of the future, then came a time server.
    for (const wallMs of [Date.UTC(1970, 0, 1), Date.UTC(2049, 0, 1), Date.UTC(2026, 10, 21)]) {
      assert.equal(await isValid(wallMs), false);
      box.setWall(wallMs);
      await eventually(`a certificate of ${wallMs} is shown`, async () => {
        await box.pass(10_000);
        return isValid(wallMs);
      });
    }
    state.addresses = ["198.51.100.9"];
    await eventually("the address is in it", async () => {
      await box.pass(10_000);
      return (await dates())?.names.includes("198.51.100.9") === true;
    });
  });

  it("is not there while its port is taken, says so once, and comes when the port is free", async () => {
    const other = await listen({ port: 0, handle: async () => new Response("other") });
    const { page, box, records, server } = await open(other.port);
    assert.equal(page.port(), null);
    const answer = (await (await server.call("GET", "/api/session")).json()) as Record<string, unknown>;
    assert.equal(answer.secureUrl, null);
    for (let look = 0; look < 3; look += 1) await box.pass(10_000);
    assert.equal(records.filter(({ level }) => level === "warn").length, 1);
    await other.close(0);
    await box.pass(10_000);
    await eventually("the page is there", () => page.port() === other.port);
  });
});
