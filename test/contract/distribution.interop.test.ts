/** The registry contract on distribution 3: anonymous, with Basic, and with tokens over TLS by a private CA. */
import { createTransports } from "../../src/platform/fetch.ts";
import { tokenService, USER } from "../support/docker-registry.ts";
import { startDistribution3, toolsMissing } from "../support/real-tools.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { makeCertificates } from "../support/tls.ts";
import { type Gap, registryContract } from "./registry.contract.ts";

const skip = toolsMissing("distribution");
/** Its referrers API is not there (version 3.1 answers 404), so the fallback tag is met here too. */
const LACKS: readonly Gap[] = ["referrers"];
const SERVICE = "registry.test";
const ISSUER = "alga token service";

registryContract(
  "distribution 3, anonymous",
  async () => {
    const server = await startDistribution3({ auth: { kind: "none" } });
    const registry = `127.0.0.1:${server.port}`;
    return { fetch: createTransports().open(), registry, plainHttp: true, lacks: LACKS, close: server.stop };
  },
  skip,
);

registryContract(
  "distribution 3, Basic",
  async () => {
    const server = await startDistribution3({ auth: { kind: "basic" } });
    const registry = `127.0.0.1:${server.port}`;
    const fetch = createTransports().open();
    return { fetch, registry, plainHttp: true, lacks: LACKS, user: USER, close: server.stop };
  },
  skip,
);

registryContract(
  "distribution 3 over TLS by a private CA, tokens",
  async () => {
    const { ca, server: tls } = makeCertificates();
    const tokens = await serveFetch(tokenService({ issuer: ISSUER, service: SERVICE, signer: tls }), tls);
    const realm = `https://localhost:${tokens.port}/token`;
    const auth = { kind: "token", realm, service: SERVICE, issuer: ISSUER, cert: ca } as const;
    const server = await startDistribution3({ auth, tls });
    return {
      fetch: createTransports().open({ ca, onlyCa: true }),
      registry: `localhost:${server.port}`,
      plainHttp: false,
      lacks: LACKS,
      user: USER,
      close: async () => {
        await server.stop();
        await tokens.close();
      },
    };
  },
  skip,
);
