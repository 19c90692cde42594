/**
 * Certificates for tests: a private CA, a server's and a client's certificate, made by the `openssl` command.
 *
 * Everything is made in a temporary folder at run time, so no key is ever in the repository.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface TestCertificates {
  /** PEM of the CA. */
  readonly ca: string;
  /** For localhost, registry.test, 127.0.0.1 and ::1. */
  readonly server: KeyPair;
  readonly client: KeyPair;
  /** Signed by the same CA, valid for one day that is long over. */
  readonly expired: KeyPair;
}

const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const NAMES = "subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1,IP:::1\n";

/** Makes a CA and what it signs. Takes about 100 ms. */
export function makeCertificates(): TestCertificates {
  const folder = mkdtempSync(join(tmpdir(), "alga-tls-"));
  const run = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  };
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  const sign = (name: string, extensions: string, validity: readonly string[]): KeyPair => {
    writeFileSync(join(folder, `${name}.ext`), extensions);
    run("req", ...CURVE, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}.test`);
    const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", `${name}.ext`];
    run("x509", "-req", "-in", `${name}.csr`, ...signing, "-out", `${name}.pem`, ...validity);
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
  };
  try {
    run("req", "-x509", ...CURVE, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Test CA");
    return {
      ca: read("ca.pem"),
      server: sign("server", NAMES, ["-days", "30"]),
      client: sign("client", "extendedKeyUsage=clientAuth\n", ["-days", "30"]),
      expired: sign("expired", NAMES, ["-days", "-1"]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
