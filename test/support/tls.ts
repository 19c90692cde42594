/**
 * Certificates for tests: a private CA, a server's and a client's certificate, made anew in memory each time, so that no key is
 * ever in the repository. P-256 and SHA-256 throughout.
 *
 * @see RFC 5280, section 4.1 (fields of a certificate) and 4.2.1 (extensions)
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import * as asn1js from "asn1js";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  Extension,
  ExtKeyUsage,
  GeneralName,
  GeneralNames,
  PublicKeyInfo,
  RelativeDistinguishedNames,
} from "pkijs";

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

export interface CertificateRecipe {
  readonly commonName: string;
  /** Who signs; absent: the certificate signs itself and may sign others. */
  readonly authority?: KeyPair;
  /** Host names and IP addresses it is for. */
  readonly names?: readonly string[];
  readonly usage?: "server" | "client";
  /** It may sign others; without an authority it always may. */
  readonly signs?: boolean;
  /** Days from now until it ends, 30 when absent; below 0 it ended that long ago. It begins a day before now or its end. */
  readonly days?: number;
  /** Days from now until it begins, for a certificate of the future. */
  readonly beginsInDays?: number;
}

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const BASIC_CONSTRAINTS = "2.5.29.19";
const ALTERNATIVE_NAMES = "2.5.29.17";
const EXTENDED_USAGE = "2.5.29.37";
const USAGES = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;
const DNS_NAME = 2;
const IP_ADDRESS = 7;
const NAMES = ["localhost", "registry.test", "127.0.0.1", "::1"];

/** Makes a CA and what it signs. Takes a few milliseconds. */
export function makeCertificates(): TestCertificates {
  const authority = makeCertificate({ commonName: "Test CA" });
  return {
    ca: authority.cert,
    server: makeCertificate({ commonName: "server.test", authority, names: NAMES, usage: "server" }),
    client: makeCertificate({ commonName: "client.test", authority, usage: "client" }),
    expired: makeCertificate({ commonName: "expired.test", authority, names: NAMES, usage: "server", days: -1 }),
  };
}

/** One new key and its certificate, both as PEM. */
export function makeCertificate(recipe: CertificateRecipe): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const certificate = new Certificate();
  certificate.version = 2;
  certificate.serialNumber = new asn1js.Integer({ valueHex: serialNumber() });
  certificate.subject = nameOf(recipe.commonName);
  certificate.issuer = recipe.authority === undefined ? nameOf(recipe.commonName) : read(recipe.authority.cert).subject;
  const end = Date.now() + (recipe.days ?? 30) * DAY_MS;
  certificate.notAfter.value = new Date(end);
  const begin = Math.min(Date.now(), end) - DAY_MS;
  certificate.notBefore.value = new Date(
    recipe.beginsInDays === undefined ? begin : Date.now() + recipe.beginsInDays * DAY_MS,
  );
  certificate.subjectPublicKeyInfo = PublicKeyInfo.fromBER(publicKey.export({ type: "spki", format: "der" }));
  certificate.extensions = extensionsOf(recipe);
  return { cert: signed(certificate, recipe.authority?.key ?? key), key };
}

/** Positive, as RFC 5280 wants it, and not two alike from one CA. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

function nameOf(commonName: string): RelativeDistinguishedNames {
  const value = new asn1js.Utf8String({ value: commonName });
  return new RelativeDistinguishedNames({
    typesAndValues: [new AttributeTypeAndValue({ type: COMMON_NAME, value })],
  });
}

function extensionsOf(recipe: CertificateRecipe): Extension[] {
  const extension = (extnID: string, value: { toSchema(): asn1js.BaseBlock }, critical = false): Extension =>
    new Extension({ extnID, critical, extnValue: value.toSchema().toBER() });
  return [
    ...(recipe.authority === undefined || recipe.signs === true
      ? [extension(BASIC_CONSTRAINTS, new BasicConstraints({ cA: true }), true)]
      : []),
    ...(recipe.names === undefined
      ? []
      : [extension(ALTERNATIVE_NAMES, new GeneralNames({ names: recipe.names.map(alternativeName) }))]),
    ...(recipe.usage === undefined
      ? []
      : [extension(EXTENDED_USAGE, new ExtKeyUsage({ keyPurposes: [USAGES[recipe.usage]] }))]),
  ];
}

function alternativeName(name: string): GeneralName {
  const address = addressBytes(name);
  return address === undefined
    ? new GeneralName({ type: DNS_NAME, value: name })
    : new GeneralName({ type: IP_ADDRESS, value: new asn1js.OctetString({ valueHex: address }) });
}

/** The bytes of an IPv4 address or of `::1`, the only IPv6 one that tests name; undefined for a host name. */
function addressBytes(name: string): Uint8Array | undefined {
  if (name === "::1") return new Uint8Array(16).fill(1, 15);
  return /^\d+(\.\d+){3}$/.test(name) ? Uint8Array.from(name.split("."), Number) : undefined;
}

function signed(certificate: Certificate, pem: string): string {
  certificate.signature = new AlgorithmIdentifier({ algorithmId: ECDSA_WITH_SHA256 });
  certificate.signatureAlgorithm = certificate.signature;
  const content = certificate.encodeTBS().toBER();
  certificate.signatureValue = new asn1js.BitString({
    valueHex: sign("sha256", new Uint8Array(content), createPrivateKey(pem)),
  });
  certificate.tbsView = new Uint8Array(content);
  return new X509Certificate(new Uint8Array(certificate.toSchema(true).toBER())).toString();
}

function read(pem: string): Certificate {
  return Certificate.fromBER(new X509Certificate(pem).raw);
}
