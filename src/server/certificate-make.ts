/**
 * Makes the certificate of a box that has none of its own: ECDSA on P-256 with SHA-256, signed by its own key, for the names
 * and addresses of the box.
 *
 * @see RFC 5280, section 4.1 (fields of a certificate) and 4.2.1 (extensions); RFC 5758, section 3.2 (ecdsa-with-SHA256)
 */
import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from "node:crypto";
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
  Time,
  TimeType,
} from "pkijs";
import type { TlsPair } from "../core/certificate.ts";
import { addressBytes } from "../core/ip.ts";
import type { Random } from "../core/ports.ts";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const KEY_USAGE = "2.5.29.15";
const BASIC_CONSTRAINTS = "2.5.29.19";
const ALTERNATIVE_NAMES = "2.5.29.17";
const EXTENDED_USAGE = "2.5.29.37";
const SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1";
/** Bit 0 of KeyUsage, seven bits unused. */
const DIGITAL_SIGNATURE = { bits: 0x80, unused: 7 } as const;
const DNS_NAME = 2;
const IP_ADDRESS = 7;
const SERIAL_BYTES = 16;

export interface CertificateRecipe {
  /** Shown as its subject. */
  readonly commonName: string;
  /** Host names and IP addresses it is for; at least one. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Makes a new key and its certificate. Takes a few milliseconds; each call gives another pair. */
export function makeCertificate(random: Pick<Random, "bytes">, recipe: CertificateRecipe): TlsPair {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const certificate = new Certificate();
  certificate.version = 2;
  certificate.serialNumber = new asn1js.Integer({ valueHex: serialNumber(random) });
  certificate.subject = nameOf(recipe.commonName);
  certificate.issuer = nameOf(recipe.commonName);
  certificate.notBefore = timeOf(recipe.notBeforeMs);
  certificate.notAfter = timeOf(recipe.notAfterMs);
  certificate.subjectPublicKeyInfo = PublicKeyInfo.fromBER(publicKey.export({ type: "spki", format: "der" }));
  certificate.extensions = extensionsOf(recipe);
  return { cert: signed(certificate, key), key };
}

/** UTCTime has two digits for the year, and ends with 2049: a box whose clock is far ahead writes the longer form. @see RFC 5280, 4.1.2.5 */
function timeOf(ms: number): Time {
  const value = new Date(ms);
  return new Time({ value, type: value.getUTCFullYear() < 2050 ? TimeType.UTCTime : TimeType.GeneralizedTime });
}

/** Positive, as RFC 5280 wants it, and not two alike. */
function serialNumber(random: Pick<Random, "bytes">): Uint8Array {
  const bytes = new Uint8Array(random.bytes(SERIAL_BYTES));
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

function nameOf(commonName: string): RelativeDistinguishedNames {
  const value = new asn1js.Utf8String({ value: commonName });
  return new RelativeDistinguishedNames({
    typesAndValues: [new AttributeTypeAndValue({ type: COMMON_NAME, value })],
  });
}

function extensionsOf({ names }: CertificateRecipe): Extension[] {
  const extension = (extnID: string, value: asn1js.BaseBlock, critical = false): Extension =>
    new Extension({ extnID, critical, extnValue: value.toBER() });
  const usage = new asn1js.BitString({
    valueHex: Uint8Array.of(DIGITAL_SIGNATURE.bits).buffer,
    unusedBits: DIGITAL_SIGNATURE.unused,
  });
  return [
    extension(BASIC_CONSTRAINTS, new BasicConstraints({ cA: false }).toSchema(), true),
    extension(KEY_USAGE, usage, true),
    extension(EXTENDED_USAGE, new ExtKeyUsage({ keyPurposes: [SERVER_AUTHENTICATION] }).toSchema()),
    extension(ALTERNATIVE_NAMES, new GeneralNames({ names: names.map(alternativeName) }).toSchema()),
  ];
}

function alternativeName(name: string): GeneralName {
  const address = addressBytes(name);
  return address === undefined
    ? new GeneralName({ type: DNS_NAME, value: name })
    : new GeneralName({ type: IP_ADDRESS, value: new asn1js.OctetString({ valueHex: address }) });
}

function signed(certificate: Certificate, pem: string): string {
  certificate.signature = new AlgorithmIdentifier({ algorithmId: ECDSA_WITH_SHA256 });
  certificate.signatureAlgorithm = certificate.signature;
  const content = new Uint8Array(certificate.encodeTBS().toBER());
  certificate.signatureValue = new asn1js.BitString({ valueHex: sign("sha256", content, createPrivateKey(pem)) });
  certificate.tbsView = content;
  return new X509Certificate(new Uint8Array(certificate.toSchema(true).toBER())).toString();
}
