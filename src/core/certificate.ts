/**
 * The certificate that the box shows on its page, as it lies in the state folder: one PEM file with the certificate, its chain and
 * its key, so that nobody ever sees one without the other.
 *
 * The operator's own comes before the one that the box made. What is here only reads; the control plane makes and renews.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path/posix";
import { ApplianceError } from "./errors.ts";
import type { StatePaths } from "./paths.ts";
import type { Files } from "./ports.ts";

const MAX_PEM_BYTES = 128 * 1024;
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;
/** Bytes of a fingerprint that a person compares: nobody makes another certificate that begins with the same 80 bits. */
const SHORT_BYTES = 10;

/** A certificate and its key, both PEM; the certificate with its chain, the box's own first. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Where the two files lie. */
export function certificateFiles(paths: Pick<StatePaths, "tls">): { readonly own: string; readonly made: string } {
  return { own: join(paths.tls, "own.pem"), made: join(paths.tls, "made.pem") };
}

/** What a certificate says of itself, for people. */
export interface CertificateFacts {
  /** SHA-256 of the certificate as browsers show it: "AA:BB:...", 32 bytes. */
  readonly fingerprint: string;
  /** Its first ten bytes, for the eye. */
  readonly short: string;
  /** Host names and addresses it is for. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The certificate in force on a box. */
export interface BoxCertificate extends CertificateFacts {
  /** The operator's own, or made by the box. */
  readonly origin: "own" | "made";
  readonly pair: TlsPair;
}

/**
 * Splits the text of a PEM file into certificate and key, and looks whether they belong together.
 *
 * @param what Names the file in a message.
 * @throws {ApplianceError} certificate/invalid with what is wrong: no certificate, no key, an encrypted key, another key.
 */
export function parseTlsPair(text: string, what: string): TlsPair {
  const blocks = [...text.matchAll(PEM_BLOCK)].map(([pem, label = ""]) => ({ pem, label }));
  const certs = blocks.filter(({ label }) => label === "CERTIFICATE").map(({ pem }) => pem);
  const key = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"))?.pem;
  if (certs.length === 0) throw invalid(what, "there is no certificate in it, PEM is wanted");
  if (key === undefined) throw invalid(what, "there is no private key in it, an unencrypted PEM key is wanted");
  if (key.includes("ENCRYPTED")) throw invalid(what, "its key is encrypted, an unencrypted PEM key is wanted");
  let own: string | undefined;
  try {
    const opened = createPrivateKey(key);
    own = certs
      .map((pem) => [pem, new X509Certificate(pem)] as const)
      .find(([, read]) => read.checkPrivateKey(opened))?.[0];
  } catch (cause) {
    throw invalid(what, "its certificate or its key cannot be read", cause);
  }
  if (own === undefined)
    throw invalid(what, "the key is of another certificate, the one that it was made for is wanted");
  // TLS wants the box's own first (RFC 8446, section 4.4.2); authorities send them in any order.
  return { cert: `${[own, ...certs.filter((pem) => pem !== own)].join("\n")}\n`, key: `${key}\n` };
}

/** What the first certificate of a PEM text says. @throws {Error} when it is none; `parseTlsPair` has looked before. */
export function certificateFacts(pem: string): CertificateFacts {
  const read = new X509Certificate(pem);
  return {
    fingerprint: read.fingerprint256,
    short: read.fingerprint256.split(":").slice(0, SHORT_BYTES).join(":"),
    names: namesOf(read.subjectAltName ?? ""),
    notBeforeMs: Date.parse(read.validFrom),
    notAfterMs: Date.parse(read.validTo),
  };
}

/**
 * The certificate that the box shows: the operator's own where there is one that can be used, else the one it made.
 *
 * @returns undefined before the first one was made, or when neither can be used.
 * @throws {ApplianceError} file/unreadable, file/too-large.
 */
export async function readBoxCertificate(
  files: Pick<Files, "read">,
  paths: Pick<StatePaths, "tls">,
): Promise<BoxCertificate | undefined> {
  const { own, made } = certificateFiles(paths);
  return (await readPair(files, own, "own")) ?? (await readPair(files, made, "made"));
}

async function readPair(
  files: Pick<Files, "read">,
  path: string,
  origin: BoxCertificate["origin"],
): Promise<BoxCertificate | undefined> {
  const bytes = await files.read(path, { maxBytes: MAX_PEM_BYTES });
  if (bytes === undefined) return undefined;
  try {
    const pair = parseTlsPair(new TextDecoder().decode(bytes), path);
    return { origin, pair, ...certificateFacts(pair.cert) };
  } catch {
    return undefined;
  }
}

/** "DNS:box, IP Address:192.0.2.7": names that hold a quote or a comma come quoted, and are left out. */
function namesOf(alternatives: string): readonly string[] {
  return alternatives.split(", ").flatMap((one) => {
    const name = /^(?:DNS|IP Address):([A-Za-z0-9.:*_-]+)$/.exec(one)?.[1];
    return name === undefined ? [] : [name.includes(":") ? shortened(name) : name.toLowerCase()];
  });
}

/** An IPv6 address the way it is written elsewhere (RFC 5952). */
function shortened(address: string): string {
  const url = `http://[${address}]/`;
  return URL.canParse(url) ? new URL(url).hostname.slice(1, -1) : address;
}

function invalid(what: string, why: string, cause?: unknown): ApplianceError {
  return new ApplianceError("certificate/invalid", `Cannot use the certificate of "${what}": ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    hint: "Give the PEM certificate with its chain and its unencrypted PEM key: alga-appliance host certificate use --certificate <file> --key <file>",
  });
}
