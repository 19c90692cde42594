/** What a hostile registry answers, and what is asked of it: the pieces that the cases are made of. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { digestOf } from "../../src/core/digest.ts";
import type { ErrorCode } from "../../src/core/errors.ts";
import type { RegistryClient } from "../../src/oci/client.ts";
import { MEDIA } from "../../src/oci/media-types.ts";
import type { Descriptor } from "../../src/oci/model.ts";

export interface HostileCase {
  readonly name: string;
  readonly code: ErrorCode;
  /** What the server does with a request; `count` is 1 for the first. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse, count: number) => void;
  /** Instead: what it does with the bare connection. */
  readonly raw?: (socket: Socket, count: number) => void;
  /** Speaks TLS; the client trusts the CA unless `stranger`. */
  readonly tls?: boolean;
  readonly stranger?: boolean;
  readonly withLogin?: boolean;
  /** Default: reads the manifest of the tag. */
  readonly act?: (client: RegistryClient) => Promise<unknown>;
  /** Milliseconds; default 6 s. */
  readonly withinMs?: number;
  /** Round trips at most; default 12. */
  readonly requests?: number;
}

export const REPOSITORY = "nine-minds/release";
export const TAG = "stable";
export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
export const BLOB = utf8("the bytes that were promised");
export const BLOB_DIGEST = digestOf(BLOB);
export const DESCRIPTOR: Descriptor = { mediaType: "application/octet-stream", digest: BLOB_DIGEST, size: BLOB.length };

export const readTag = (client: RegistryClient): Promise<unknown> => client.manifest(REPOSITORY, TAG);
export const readBlob = (client: RegistryClient): Promise<unknown> => client.blob(REPOSITORY, DESCRIPTOR);
export const readDigest = (client: RegistryClient): Promise<unknown> =>
  client.manifest(REPOSITORY, digestOf("asked for"));
export const listTags = (client: RegistryClient): Promise<unknown> => client.tags(REPOSITORY);

export type Answer = NonNullable<HostileCase["answer"]>;

export const send =
  (status: number, headers: Record<string, string> = {}, body: Uint8Array | string = ""): Answer =>
  (_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
export const manifest = (text: string | Uint8Array, headers: Record<string, string> = {}): Answer =>
  send(200, { "content-type": MEDIA.manifest, ...headers }, text);
export const blob = (body: Uint8Array | string, headers: Record<string, string> = {}): Answer =>
  send(200, { "content-type": "application/octet-stream", ...headers }, body);
export const redirect = (location: string): Answer => send(307, { location });
export const challenge = (header: string): Answer => send(401, { "www-authenticate": header });
export const bearer = (realm: string): Answer => challenge(`Bearer realm="${realm}",service="x"`);

/** Writes for as long as the other side takes it. */
export function endless(headers: Record<string, string>): Answer {
  return (_request, response) => {
    response.writeHead(200, headers);
    const chunk = Buffer.alloc(64 * 1024, "a");
    const write = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", write);
    write();
  };
}

/** A registry that asks for a token and gives a strange one. */
export const tokens =
  (token: Answer): Answer =>
  (request, response, count) => {
    const realm = `http://${request.headers.host}/token`;
    (request.url?.startsWith("/token") === true ? token : bearer(realm))(request, response, count);
  };

export const document = (more: object = {}): string =>
  JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.manifest, config: DESCRIPTOR, layers: [], ...more });
export const descriptors = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({ ...DESCRIPTOR, digest: digestOf(String(index)) }));

/** An index that leads to an index that leads to an index. */
export const nested: Answer = (request, response, count) => {
  const level = (depth: number): string =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.index,
      manifests: [
        {
          mediaType: MEDIA.index,
          digest: digestOf(depth === 0 ? "end" : level(depth - 1)),
          size: depth === 0 ? 3 : level(depth - 1).length,
        },
      ],
    });
  const reference = request.url?.split("/").at(-1);
  const found = [0, 1, 2, 3, 4].map(level).find((text) => digestOf(text) === reference) ?? level(4);
  send(200, { "content-type": MEDIA.index }, found)(request, response, count);
};
