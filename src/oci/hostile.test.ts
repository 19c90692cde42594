import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { type HostileCase, readTag } from "../../test/hostile/registry-answers.ts";
import { HOSTILE_CASES } from "../../test/hostile/registry-cases.ts";
import { httpServer, type Running, rawServer } from "../../test/support/sockets.ts";
import { makeCertificates } from "../../test/support/tls.ts";
import { ApplianceError } from "../core/errors.ts";
import { SILENT_LOG } from "../core/log.ts";
import { Secret } from "../core/secret.ts";
import { systemClock } from "../platform/clock.ts";
import { createTransports } from "../platform/fetch.ts";
import { systemRandom } from "../platform/random.ts";
import { createRegistryClient, type RegistryClient } from "./client.ts";

const { ca, server: tls } = makeCertificates();
const WITHIN_MS = 6_000;
const REQUESTS = 12;
/** Growth of this process, the hostile server included. */
const MEMORY_BYTES = 256 * 1024 * 1024;

const running: Running[] = [];
after(async () => {
  for (const server of running) await server.close();
});

function start(hostile: HostileCase): Promise<Running> {
  const secure = hostile.tls === true ? tls : undefined;
  let count = 0;
  const { raw, answer } = hostile;
  if (raw !== undefined) return rawServer((socket) => raw(socket, ++count), secure);
  return httpServer((request, response) => {
    response.on("error", () => {});
    answer?.(request, response, ++count);
  }, secure);
}

function clientFor(hostile: HostileCase, port: number): RegistryClient {
  const trust = hostile.tls === true && hostile.stranger !== true ? { ca, onlyCa: true } : {};
  const fetch = createTransports().open({ ...trust, connectTimeoutMs: 2_000, idleTimeoutMs: 600 });
  const login = { kind: "password", username: "alga", password: new Secret("s3cret") } as const;
  return createRegistryClient(
    { clock: systemClock, random: systemRandom, log: SILENT_LOG, fetch },
    {
      registry: `localhost:${port}`,
      plainHttp: hostile.tls !== true,
      credentials: hostile.withLogin === true ? login : undefined,
      retry: { attempts: 3, baseMs: 5, maxMs: 20 },
      totalMs: 3_000,
      blobTotalMs: 5_000,
      idleMs: 500,
    },
  );
}

describe("a hostile registry", () => {
  it("is met in more than 25 ways", () => {
    assert.ok(HOSTILE_CASES.length > 25);
    assert.equal(new Set(HOSTILE_CASES.map(({ name }) => name)).size, HOSTILE_CASES.length);
  });

  for (const hostile of HOSTILE_CASES) {
    it(`${hostile.name} ends in ${hostile.code}`, async () => {
      const server = await start(hostile);
      running.push(server);
      const client = clientFor(hostile, server.port);
      const [startedMs, startedBytes] = [performance.now(), process.memoryUsage().rss];
      const problem = await (hostile.act ?? readTag)(client).then(
        () => assert.fail("the client was content"),
        (thrown: unknown) => thrown,
      );
      const tookMs = performance.now() - startedMs;
      const grewBytes = process.memoryUsage().rss - startedBytes;
      assert.ok(problem instanceof ApplianceError, String(problem));
      assert.equal(problem.code, hostile.code, problem.message);
      assert.ok(tookMs < (hostile.withinMs ?? WITHIN_MS), `it took ${Math.round(tookMs)} ms`);
      assert.ok(grewBytes < MEMORY_BYTES, `memory grew by ${grewBytes} bytes`);
      assert.ok(client.requests() <= (hostile.requests ?? REQUESTS), `it took ${client.requests()} requests`);
      assert.ok(!JSON.stringify([problem.message, problem.hint, problem.details]).includes("s3cret"));
    });
  }

  it("never sees a login that is meant for another origin", async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await httpServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401, { "www-authenticate": 'Basic realm="give"' });
      response.end();
    });
    const registry = await httpServer((request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="x"' });
        return void response.end();
      }
      response.writeHead(307, { location: `http://127.0.0.1:${elsewhere.port}${request.url}` });
      response.end();
    });
    running.push(elsewhere, registry);
    const client = clientFor({ name: "", code: "oci/unauthorized", withLogin: true }, registry.port);
    await assert.rejects(client.manifest("nine-minds/release", "stable"));
    assert.deepEqual(seen, [undefined]);
  });
});
