/** The registry contract on a registry program that is not ours: anonymous, with Basic, and with tokens over TLS by a private CA. */
import { createTransports } from "../../src/platform/fetch.ts";
import { type DockerRegistry, type DockerRegistryOptions, tokenService, USER } from "../support/docker-registry.ts";
import { serveFetch } from "../support/serve-registry.ts";
import { makeCertificates } from "../support/tls.ts";
import { type Gap, registryContract } from "./registry.contract.ts";

const SERVICE = "registry.test";
const ISSUER = "alga token service";

export interface RealRegistry {
  readonly name: string;
  readonly start: (options: DockerRegistryOptions) => Promise<DockerRegistry>;
  /** Parts of the contract that this program does not keep. */
  readonly lacks: readonly Gap[];
  /** Why it cannot run here. */
  readonly skip: string | undefined;
}

/** Declares the contract's tests in the three ways in which such a registry lets people in. */
export function realRegistryContract({ name, start, lacks, skip }: RealRegistry): void {
  registryContract(
    `${name}, anonymous`,
    async () => {
      const server = await start({ auth: { kind: "none" } });
      const registry = `127.0.0.1:${server.port}`;
      return { fetch: createTransports().open(), registry, plainHttp: true, lacks, close: server.stop };
    },
    skip,
  );

  registryContract(
    `${name}, Basic`,
    async () => {
      const server = await start({ auth: { kind: "basic" } });
      const registry = `127.0.0.1:${server.port}`;
      const fetch = createTransports().open();
      return { fetch, registry, plainHttp: true, lacks, user: USER, close: server.stop };
    },
    skip,
  );

  registryContract(
    `${name} over TLS by a private CA, tokens`,
    async () => {
      const { ca, server: tls } = makeCertificates();
      const tokens = await serveFetch(tokenService({ issuer: ISSUER, service: SERVICE, signer: tls }), tls);
      const realm = `https://localhost:${tokens.port}/token`;
      const auth = { kind: "token", realm, service: SERVICE, issuer: ISSUER, cert: ca } as const;
      const server = await start({ auth, tls });
      return {
        fetch: createTransports().open({ ca, onlyCa: true }),
        registry: `localhost:${server.port}`,
        plainHttp: false,
        lacks,
        user: USER,
        close: async () => {
          await server.stop();
          await tokens.close();
        },
      };
    },
    skip,
  );
}
