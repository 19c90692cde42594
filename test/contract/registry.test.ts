/** The registry contract on our own registry: as a function, behind a socket with Basic, and over TLS with tokens. */

import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { makeCertificates } from "../support/tls.ts";
import { registryContract } from "./registry.contract.ts";

const USER = { username: "alga", password: "s3cret" };
const ports = { clock: systemClock, random: systemRandom };

registryContract("in memory", async () => {
  const { fetch } = createRegistryServer();
  return { fetch, registry: "registry.test", plainHttp: true, lacks: [], close: async () => {} };
});

registryContract("in memory, tokens, no referrers API", async () => {
  const { fetch } = createRegistryServer({ ...ports, auth: { kind: "token", users: [USER] }, referrers: false });
  return { fetch, registry: "registry.test", plainHttp: true, lacks: ["referrers"], user: USER, close: async () => {} };
});

registryContract("ours behind a socket, Basic", async () => {
  const { fetch } = createRegistryServer({ ...ports, auth: { kind: "basic", users: [USER] } });
  const server = await serveFetch(fetch);
  return {
    fetch: createTransports().open(),
    registry: `127.0.0.1:${server.port}`,
    plainHttp: true,
    lacks: [],
    user: USER,
    close: server.close,
  };
});

registryContract("ours over TLS by a private CA, tokens", async () => {
  const { ca, server: tls } = makeCertificates();
  const { fetch } = createRegistryServer({ ...ports, auth: { kind: "token", users: [USER] } });
  const server = await serveFetch(fetch, tls);
  return {
    fetch: createTransports().open({ ca, onlyCa: true }),
    registry: `localhost:${server.port}`,
    plainHttp: false,
    lacks: [],
    user: USER,
    close: server.close,
  };
});
