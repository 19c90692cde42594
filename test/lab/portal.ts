// A proxy with TLS in front of the application, as an operator has one: its certificate can be changed while it serves.

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { TLS } from "../../scripts/lab/authority.ts";
import { NETWORK } from "../../scripts/lab/places.ts";
import { PORTAL } from "../../scripts/lab/registry.ts";
import { makeCertificate } from "../support/tls.ts";

const APPLICATION_PORT = 3000;

export interface Portal {
  /** Shows a new certificate from now on, signed by the lab's authority; below 0 days it ended that long ago. */
  present(certificate: { readonly days: number }): void;
  close(): Promise<void>;
}

/** Listens on the bridge, where the box and this machine reach it. */
export async function startPortal(): Promise<Portal> {
  const server = createServer(pairFor(30), (incoming, response) => {
    const { method, url: path, headers } = incoming;
    const outgoing = request({ host: NETWORK.box, port: APPLICATION_PORT, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.writeHead(502).end());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(PORTAL.port, NETWORK.host, resolve);
  });
  return {
    present: ({ days }) => {
      server.setSecureContext(pairFor(days));
      // A connection that is kept would go on with the certificate that it began with.
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function pairFor(days: number): { readonly cert: string; readonly key: string } {
  const authority = { cert: readFileSync(TLS.authority, "utf8"), key: readFileSync(TLS.authorityKey, "utf8") };
  return makeCertificate({ commonName: PORTAL.name, authority, names: [PORTAL.name], usage: "server", days });
}
