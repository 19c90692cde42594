// Pulling from the lab's registry: Bearer challenge, manifest and blob by digest, every byte hashed before it is used.

import { createHash } from "node:crypto";
import { request } from "node:https";

export interface Pulled {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface OciManifest {
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** One repository of a registry; `authority` is PEM, the well-known ones count when it is absent. */
export class Repository {
  readonly #host: string;
  readonly #name: string;
  readonly #authority: string | undefined;
  #token = "";

  /** @param url `oci://host[:port]/name` */
  constructor(url: string, authority: string | undefined) {
    const [host = "", ...name] = url.replace(/^oci:\/\//, "").split("/");
    this.#host = host;
    this.#name = name.join("/");
    this.#authority = authority;
  }

  /** @throws {Error} when the bytes have another digest than the one asked for, in the words of the real controller's library */
  async manifest(reference: string): Promise<{ manifest: OciManifest; digest: string }> {
    const pulled = await this.#get(`/v2/${this.#name}/manifests/${reference}`, { accept: MANIFEST });
    const digest = digestOf(pulled.bytes);
    if (reference.startsWith("sha256:") && reference !== digest)
      throw new Error(
        `manifest digest: "${digest}" does not match requested digest: "${reference}" for "${this.#name}"`,
      );
    return { manifest: JSON.parse(pulled.bytes.toString("utf8")), digest };
  }

  async blob(digest: string): Promise<Buffer> {
    const pulled = await this.#get(`/v2/${this.#name}/blobs/${digest}`, {});
    const got = digestOf(pulled.bytes);
    if (got !== digest) {
      const [kind = "", wanted] = digest.split(":");
      const read = `after reading ${pulled.bytes.length} bytes`;
      throw new Error(
        `error verifying ${kind} checksum ${read}; got "${got.slice(kind.length + 1)}", want "${wanted}"`,
      );
    }
    return pulled.bytes;
  }

  async #get(path: string, headers: Record<string, string>): Promise<Pulled> {
    const url = `https://${this.#host}${path}`;
    const first = await this.#fetch(url, { ...headers, ...this.#authorization() });
    if (first.status !== 401) return expectOk(first, url);
    this.#token = await this.#authenticate(first.challenge);
    return expectOk(await this.#fetch(url, { ...headers, ...this.#authorization() }), url);
  }

  async #authenticate(challenge: string): Promise<string> {
    const parts = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]));
    const query = new URLSearchParams({
      service: parts.service ?? "",
      scope: parts.scope ?? `repository:${this.#name}:pull`,
    });
    const answer = expectOk(await this.#fetch(`${parts.realm}?${query}`, {}), parts.realm ?? "");
    return JSON.parse(answer.bytes.toString("utf8")).token;
  }

  #authorization(): Record<string, string> {
    return this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` };
  }

  #fetch(url: string, headers: Record<string, string>) {
    return new Promise<Pulled & { status: number; challenge: string }>((resolve, reject) => {
      const outgoing = request(
        url,
        { headers, timeout: 10_000, ...(this.#authority === undefined ? {} : { ca: this.#authority }) },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () =>
            resolve({
              bytes: Buffer.concat(chunks),
              mediaType: incoming.headers["content-type"] ?? "",
              status: incoming.statusCode ?? 0,
              challenge: incoming.headers["www-authenticate"] ?? "",
            }),
          );
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`${url} did not answer within 10 s`)));
      outgoing.on("error", reject);
      outgoing.end();
    });
  }
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function expectOk(answer: Pulled & { status: number }, url: string): Pulled {
  if (answer.status !== 200) throw new Error(`GET ${url}: status ${answer.status}`);
  return answer;
}
