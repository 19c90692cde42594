// Pulling from a registry: Bearer challenge or a login, TLS or plain, manifest and blob by digest, every byte hashed before it is used.

import { createHash } from "node:crypto";
import { request as plainRequest } from "node:http";
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

/** How a source's registry is reached, as Flux's fields of the same meaning say it. */
export interface RegistryFields {
  /** PEM; the well-known authorities count when it is absent. */
  readonly authority?: string | undefined;
  /** HTTP without TLS. */
  readonly insecure?: boolean | undefined;
  readonly login?: { readonly username: string; readonly password: string } | undefined;
}

/** One repository of a registry. */
export class Repository {
  readonly #host: string;
  readonly #name: string;
  readonly #fields: RegistryFields;
  #token = "";

  /** @param url `oci://host[:port]/name` */
  constructor(url: string, fields: RegistryFields) {
    const [host = "", ...name] = url.replace(/^oci:\/\//, "").split("/");
    this.#host = host;
    this.#name = name.join("/");
    this.#fields = fields;
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
    const url = `${this.#fields.insecure === true ? "http" : "https"}://${this.#host}${path}`;
    const first = await this.#fetch(url, { ...headers, ...this.#authorization() });
    if (first.status !== 401 || this.#fields.login !== undefined) return expectOk(first, url);
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
    const { login } = this.#fields;
    if (login !== undefined) {
      return { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString("base64")}` };
    }
    return this.#token === "" ? {} : { authorization: `Bearer ${this.#token}` };
  }

  #fetch(url: string, headers: Record<string, string>) {
    const { authority } = this.#fields;
    return new Promise<Pulled & { status: number; challenge: string }>((resolve, reject) => {
      const outgoing = (url.startsWith("http:") ? plainRequest : request)(
        url,
        { headers, timeout: 10_000, ...(authority === undefined ? {} : { ca: authority }) },
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

/** The login for a host in the Secret of a source, as `docker login` writes it. @param text of the key `.dockerconfigjson` */
export function loginIn(text: string | undefined, url: string): RegistryFields["login"] {
  const [host = ""] = url.replace(/^oci:\/\//, "").split("/");
  const entry = (JSON.parse(text ?? "{}") as { auths?: Record<string, { auth?: string }> }).auths?.[host];
  const both = Buffer.from(entry?.auth ?? "", "base64").toString("utf8");
  const colon = both.indexOf(":");
  return colon < 0 ? undefined : { username: both.slice(0, colon), password: both.slice(colon + 1) };
}
