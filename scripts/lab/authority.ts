// The lab's private certificate authority: one CA, one server certificate for the registry, one key that signs tokens.

import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { NETWORK, RUN } from "./places.ts";
import { run } from "./shell.ts";

const FOLDER = join(RUN, "tls");

export const TLS = {
  authority: join(FOLDER, "ca.crt"),
  /** The same certificate in a folder of its own, as skopeo wants it. */
  trust: join(FOLDER, "trust/ca.crt"),
  certificate: join(FOLDER, "server.crt"),
  key: join(FOLDER, "server.key"),
  tokenCertificate: join(FOLDER, "token.crt"),
  tokenKey: join(FOLDER, "token.key"),
} as const;

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes the certificates of this run unless they are there. */
export function ensureAuthority(hostName: string): void {
  if (existsSync(TLS.tokenCertificate)) return;
  mkdirSync(dirname(TLS.trust), { recursive: true });
  const authorityKey = join(FOLDER, "ca.key");
  const request = join(FOLDER, "server.csr");
  const extensions = join(FOLDER, "server.ext");
  run([
    "openssl",
    "req",
    "-x509",
    ...CURVE,
    "-days",
    "30",
    "-subj",
    "/CN=lab-ca",
    "-keyout",
    authorityKey,
    "-out",
    TLS.authority,
  ]);
  run(["openssl", "req", ...CURVE, "-subj", `/CN=${hostName}`, "-keyout", TLS.key, "-out", request]);
  writeFileSync(extensions, `subjectAltName=DNS:${hostName},IP:${NETWORK.host}\nextendedKeyUsage=serverAuth\n`);
  const signed = [
    "-CA",
    TLS.authority,
    "-CAkey",
    authorityKey,
    "-CAcreateserial",
    "-days",
    "30",
    "-extfile",
    extensions,
  ];
  run(["openssl", "x509", "-req", "-in", request, ...signed, "-out", TLS.certificate]);
  copyFileSync(TLS.authority, TLS.trust);
  const token = ["-days", "30", "-subj", "/CN=lab-token", "-keyout", TLS.tokenKey, "-out", TLS.tokenCertificate];
  run(["openssl", "req", "-x509", ...CURVE, ...token]);
}
