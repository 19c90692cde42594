// The lab's private certificate authority: one CA, one server certificate for the registry, one key that signs tokens.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeCertificate } from "../../test/support/tls.ts";
import { NETWORK, RUN } from "./places.ts";

const FOLDER = join(RUN, "tls");

export const TLS = {
  authority: join(FOLDER, "ca.crt"),
  authorityKey: join(FOLDER, "ca.key"),
  /** The same certificate in a folder of its own, as skopeo wants it. */
  trust: join(FOLDER, "trust/ca.crt"),
  certificate: join(FOLDER, "server.crt"),
  key: join(FOLDER, "server.key"),
  tokenCertificate: join(FOLDER, "token.crt"),
  tokenKey: join(FOLDER, "token.key"),
} as const;

/** Makes the certificates of this run unless they are there. */
export function ensureAuthority(hostNames: readonly string[]): void {
  if (existsSync(TLS.tokenCertificate)) return;
  mkdirSync(dirname(TLS.trust), { recursive: true });
  const authority = makeCertificate({ commonName: "lab-ca" });
  const names = [...hostNames, NETWORK.host];
  const server = makeCertificate({ commonName: hostNames[0] ?? "lab", authority, names, usage: "server" });
  const token = makeCertificate({ commonName: "lab-token" });
  for (const [file, text] of [
    [TLS.authority, authority.cert],
    [TLS.authorityKey, authority.key],
    [TLS.trust, authority.cert],
    [TLS.certificate, server.cert],
    [TLS.key, server.key],
    [TLS.tokenKey, token.key],
    [TLS.tokenCertificate, token.cert],
  ] as const) {
    // Others read the certificates: the appliance in its pod runs as uid 10001.
    writeFileSync(file, text, { mode: file.endsWith(".key") ? 0o600 : 0o644 });
  }
}
