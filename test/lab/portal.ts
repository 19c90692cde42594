// A proxy with TLS in front of the application, as an operator has one, with a certificate of the lab's authority. A process of
// its own, because the suite waits for commands and answers nobody meanwhile: bun portal.ts <certificate> <key>

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { join } from "node:path";
import { TLS } from "../../scripts/lab/authority.ts";
import { startDaemon, stopDaemon } from "../../scripts/lab/daemon.ts";
import { NETWORK, RUN } from "../../scripts/lab/places.ts";
import { PORTAL } from "../../scripts/lab/registry.ts";
import { makeCertificate } from "../support/tls.ts";

const APPLICATION_PORT = 3000;

if (import.meta.main) {
  const [certificate = "", key = ""] = process.argv.slice(2);
  createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (incoming, response) => {
    const { method, url: path, headers } = incoming;
    const outgoing = request({ host: NETWORK.box, port: APPLICATION_PORT, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on("error", () => response.writeHead(502).end());
    incoming.pipe(outgoing);
  }).listen(PORTAL.port, NETWORK.host);
}

/** Listens on the bridge with a new certificate; one that listens already is ended. Below 0 days the certificate ended that long ago. */
export async function startPortal(days: number): Promise<void> {
  await stopPortal();
  const authority = { cert: readFileSync(TLS.authority, "utf8"), key: readFileSync(TLS.authorityKey, "utf8") };
  const { name } = PORTAL;
  const pair = makeCertificate({ commonName: name, authority, names: [name], usage: "server", days });
  const files = { cert: join(RUN, "portal.crt"), key: join(RUN, "portal.key") };
  writeFileSync(files.cert, pair.cert);
  writeFileSync(files.key, pair.key, { mode: 0o600 });
  startDaemon("portal", [process.execPath, import.meta.filename, files.cert, files.key]);
}

/** Safe to call again. */
export async function stopPortal(): Promise<void> {
  await stopDaemon("portal", "SIGKILL");
}
