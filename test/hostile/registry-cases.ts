/**
 * The hostile registry, as data: what it does to a client over a real socket, and the code in which that has to end.
 *
 * Each case is one server and one call. The runner (`src/oci/hostile.test.ts`) holds every case to its time and to its
 * memory. The budgets of the client are small here, so that a case that waits is over soon.
 */
import { gzipSync } from "node:zlib";
import { digestOf } from "../../src/core/digest.ts";
import { parseJson } from "../../src/core/json.ts";
import { MEDIA } from "../../src/oci/media-types.ts";
import { readTarGz } from "../../src/oci/tar.ts";
import {
  BLOB,
  bearer,
  blob,
  challenge,
  DESCRIPTOR,
  descriptors,
  document,
  endless,
  type HostileCase,
  manifest,
  nested,
  REPOSITORY,
  readBlob,
  readDigest,
  redirect,
  send,
  TAG,
  tokens,
  utf8,
} from "./registry-answers.ts";
import { AVAILABILITY, TAGS } from "./registry-away-cases.ts";

let bomb: Uint8Array | undefined;
/** 100 MB of zeros in about 100 kB; made once, before the first request, because making it takes a while. */
function layerBomb(): Uint8Array {
  bomb ??= gzipSync(Buffer.alloc(100_000_000));
  return bomb;
}

const REDIRECTS: readonly HostileCase[] = [
  { name: "a redirect to itself", code: "oci/redirect-loop", answer: (r, s, n) => redirect(r.url ?? "/")(r, s, n) },
  {
    name: "redirects to ever new places",
    code: "oci/redirect-loop",
    answer: (r, s, n) => redirect(`/v2/${n}`)(r, s, n),
  },
  {
    name: "a redirect to cloud metadata",
    code: "oci/bad-redirect",
    answer: redirect("http://169.254.169.254/latest/"),
  },
  { name: "a redirect to metadata in hex", code: "oci/bad-redirect", answer: redirect("http://0xa9fea9fe/") },
  { name: "a redirect to a file", code: "oci/bad-redirect", answer: redirect("file:///etc/passwd") },
  {
    name: "a redirect with a login in it",
    code: "oci/bad-redirect",
    answer: redirect("http://user:word@registry.test/"),
  },
  { name: "a redirect to nowhere", code: "oci/bad-redirect", answer: send(302) },
  { name: "a redirect out of TLS", code: "oci/bad-redirect", tls: true, answer: redirect("http://localhost/") },
];

const LOGINS: readonly HostileCase[] = [
  { name: "a realm on another scheme", code: "oci/bad-challenge", answer: bearer("ftp://127.0.0.1/token") },
  {
    name: "a realm without TLS for a registry with TLS",
    code: "oci/bad-challenge",
    tls: true,
    answer: bearer("http://127.0.0.1/token"),
  },
  {
    name: "a realm on another host without TLS",
    code: "oci/bad-challenge",
    answer: bearer("http://tokens.test/token"),
  },
  { name: "a realm at cloud metadata", code: "oci/bad-challenge", answer: bearer("https://169.254.169.254/token") },
  { name: "a realm with a login in it", code: "oci/bad-challenge", answer: bearer("https://user:word@tokens.test/") },
  { name: "a realm that is no URL", code: "oci/bad-challenge", answer: bearer("not a url") },
  { name: "a login that is not known", code: "oci/bad-challenge", answer: challenge("Negotiate") },
  { name: "401 that does not say what it wants", code: "oci/bad-challenge", answer: send(401) },
  {
    name: "a challenge that names its realm twice",
    code: "oci/bad-challenge",
    answer: challenge('Bearer realm="https://a.test/",realm="https://b.test/"'),
  },
  {
    name: "401 for ever with Basic",
    code: "oci/unauthorized",
    withLogin: true,
    requests: 2,
    answer: challenge('Basic realm="x"'),
  },
  {
    name: "401 for ever with tokens",
    code: "oci/unauthorized",
    withLogin: true,
    requests: 3,
    answer: tokens(send(200, {}, '{"token":"abc"}')),
  },
  {
    name: "a token service that answers a web page",
    code: "oci/token-failed",
    answer: tokens(send(200, { "content-type": "text/html" }, "<html>")),
  },
  {
    name: "a token that would add a header",
    code: "oci/token-failed",
    answer: tokens(send(200, {}, '{"token":"a\\r\\nx-evil: 1"}')),
  },
  {
    name: "a token service that redirects",
    code: "oci/token-failed",
    answer: tokens(redirect("https://elsewhere.test/")),
  },
  { name: "a token without end", code: "oci/too-large", answer: tokens(endless({})) },
  {
    name: "access denied",
    code: "oci/forbidden",
    answer: send(403, {}, '{"errors":[{"code":"DENIED","message":"no"}]}'),
  },
];

const BODIES: readonly HostileCase[] = [
  { name: "a manifest without end", code: "oci/too-large", answer: endless({ "content-type": MEDIA.manifest }) },
  {
    name: "a manifest that announces a gigabyte",
    code: "oci/too-large",
    answer: endless({ "content-type": MEDIA.manifest, "content-length": "1000000000" }),
  },
  { name: "a blob without end", code: "oci/long-body", act: readBlob, answer: endless({}) },
  {
    name: "a blob with one byte more",
    code: "oci/long-body",
    act: readBlob,
    answer: (r, s, n) => blob(Buffer.concat([BLOB, utf8("!")]), { "transfer-encoding": "chunked" })(r, s, n),
  },
  {
    name: "a blob that announces another size",
    code: "oci/size-mismatch",
    act: readBlob,
    answer: blob("short", { "content-length": "5" }),
  },
  {
    name: "a blob that ends early, politely",
    code: "oci/short-body",
    act: readBlob,
    answer: blob(BLOB.subarray(0, 5), { "transfer-encoding": "chunked" }),
  },
  {
    name: "a blob with another digest",
    code: "oci/digest-mismatch",
    act: readBlob,
    answer: blob(utf8("THE BYTES THAT WERE PROMISED")),
  },
  {
    name: "a blob that calls itself something else",
    code: "oci/header-digest-mismatch",
    act: readBlob,
    answer: blob(BLOB, { "docker-content-digest": digestOf("else") }),
  },
  {
    name: "a blob that is a web page",
    code: "oci/unexpected-answer",
    act: readBlob,
    answer: send(200, { "content-type": "text/html; charset=utf-8" }, "<html>"),
  },
  {
    name: "a blob that answers another range",
    code: "oci/unexpected-answer",
    act: readBlob,
    answer: (request, response) => {
      if (request.headers.range !== undefined)
        return void response.writeHead(206, { "content-range": `bytes 0-4/${BLOB.length}` }).end("the b");
      response.writeHead(200, { "content-length": String(BLOB.length) });
      response.write(BLOB.subarray(0, 5));
      setTimeout(() => response.destroy(), 20);
    },
  },
  {
    name: "a blob that breaks at every byte",
    code: "net/reset",
    act: readBlob,
    answer: (request, response) => {
      response.writeHead(200, { "content-length": String(BLOB.length) });
      response.write(BLOB.subarray(0, request.headers.range === undefined ? 1 : 2));
      setTimeout(() => response.destroy(), 5);
    },
  },
  {
    name: "a body that falls silent",
    code: "oci/stalled",
    answer: (_request, response) => {
      response.writeHead(200, { "content-type": MEDIA.manifest });
      response.write("{");
    },
  },
  {
    name: "a body that drips",
    code: "internal/timeout",
    answer: (_request, response) => {
      response.writeHead(200, { "content-type": MEDIA.manifest });
      const timer = setInterval(() => response.write(" "), 50);
      response.on("close", () => clearInterval(timer));
    },
  },
  {
    name: "an answer that is compressed unasked (a bomb)",
    code: "oci/encoding",
    answer: manifest(gzipSync(Buffer.alloc(8_000_000)), { "content-encoding": "gzip" }),
  },
  {
    name: "a layer that is a gzip bomb",
    code: "oci/too-large",
    act: async (client) => {
      const bomb = layerBomb();
      return readTarGz(await client.blob(REPOSITORY, { ...DESCRIPTOR, digest: digestOf(bomb), size: bomb.length }));
    },
    answer: (r, s, n) => blob(layerBomb())(r, s, n),
    withinMs: 10_000,
  },
];

const MANIFESTS: readonly HostileCase[] = [
  {
    name: "a manifest with another digest",
    code: "oci/digest-mismatch",
    act: readDigest,
    answer: manifest(document()),
  },
  {
    name: "a manifest that calls itself something else",
    code: "oci/header-digest-mismatch",
    answer: manifest(document(), { "docker-content-digest": digestOf("else") }),
  },
  {
    name: "a HEAD that answers another digest than asked for",
    code: "oci/header-digest-mismatch",
    act: (client) => client.resolve(REPOSITORY, digestOf("asked for")),
    answer: send(200, {
      "content-type": MEDIA.manifest,
      "content-length": "5",
      "docker-content-digest": digestOf("else"),
    }),
  },
  {
    name: "a tag that moves between two reads",
    code: "oci/tag-moved",
    act: async (client) => {
      const first = await client.manifest(REPOSITORY, TAG);
      return client.manifest(REPOSITORY, TAG, { expect: first.descriptor.digest });
    },
    answer: (r, s, n) => manifest(document({ annotations: { read: String(n) } }))(r, s, n),
  },
  {
    name: "a manifest with 10,000 layers",
    code: "oci/too-many-layers",
    answer: manifest(document({ layers: descriptors(10_000) })),
  },
  {
    name: "an index with 5,000 entries",
    code: "oci/too-large",
    answer: send(
      200,
      { "content-type": MEDIA.index },
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.index, manifests: descriptors(5_000) }),
    ),
  },
  { name: "indexes in indexes", code: "oci/bad-manifest", answer: nested },
  { name: "a manifest that is an index too", code: "oci/bad-manifest", answer: manifest(document({ manifests: [] })) },
  {
    name: "a manifest without a config",
    code: "oci/bad-manifest",
    answer: manifest('{"schemaVersion":2,"layers":[]}'),
  },
  {
    name: "a layer with a negative size",
    code: "oci/bad-manifest",
    answer: manifest(document({ layers: [{ ...DESCRIPTOR, size: -1 }] })),
  },
  {
    name: "a layer with a digest of another algorithm",
    code: "oci/bad-digest",
    answer: manifest(document({ layers: [{ ...DESCRIPTOR, digest: `sha512:${"a".repeat(128)}` }] })),
  },
  {
    name: "a media type that is no manifest",
    code: "oci/media-type",
    answer: send(200, { "content-type": "application/json" }, document({ mediaType: "application/json" })),
  },
  {
    name: "a media type that disagrees with the document",
    code: "oci/media-type",
    answer: send(200, { "content-type": MEDIA.index }, document()),
  },
  {
    name: "a web page with 200",
    code: "oci/unexpected-answer",
    answer: send(200, { "content-type": "text/html" }, "<html>Sign in to the hotel network</html>"),
  },
  { name: "a manifest that is no JSON", code: "json/syntax", answer: manifest("{nope") },
  {
    name: "a manifest that is not UTF-8",
    code: "json/not-utf8",
    answer: manifest(new Uint8Array([0x7b, 0xff, 0xfe, 0x7d])),
  },
  { name: "a manifest nested 100,000 deep", code: "json/too-deep", answer: manifest(`{"a":${"[".repeat(100_000)}`) },
  {
    name: "a manifest with a key twice",
    code: "json/duplicate-key",
    answer: manifest('{"schemaVersion":2,"schemaVersion":1}'),
  },
  { name: "a manifest with a prototype key", code: "json/unsafe-key", answer: manifest('{"__proto__":{"config":1}}') },
  {
    name: "a config that is no JSON",
    code: "json/syntax",
    act: async (client) => parseJson(await client.blob(REPOSITORY, DESCRIPTOR), { what: "config" }),
    answer: blob(BLOB),
  },
];

export const HOSTILE_CASES: readonly HostileCase[] = [
  ...REDIRECTS,
  ...LOGINS,
  ...BODIES,
  ...MANIFESTS,
  ...AVAILABILITY,
  ...TAGS,
];
