/**
 * From a message of `node:http` to a web `Request`, or a refusal.
 *
 * Everything here is untrusted: the target may be `//` or a whole URL, Host may hold spaces or stand twice, and escapes may
 * be broken. What could confuse a later reader is answered with 400 before a `URL` is ever made of it.
 */
import type { IncomingMessage } from "node:http";
import { ApplianceError } from "../core/errors.ts";

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const NAME_AND_PORT = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
/** Printable ASCII of a path and query (RFC 3986 section 3), more than it allows; no quote, no back slash, no fragment. */
const TARGET = /^\/(?!\/)[!$-;=?-[\]_a-z|~]*$/;

type RequestOptions = RequestInit & { readonly duplex?: "half" };

/**
 * Makes the `Request`.
 *
 * @param options.signal Fires when the other side goes away or the server is closed.
 * @param options.secure Over TLS: its URL says https.
 * @throws {ApplianceError} http/bad-request for a target or Host that cannot be used, http/method for a method unknown.
 * @see RFC 9112 section 3.2 (forms of the target, exactly one Host)
 */
export function toRequest(
  message: IncomingMessage,
  { signal, secure }: { readonly signal: AbortSignal; readonly secure: boolean },
): Request {
  const method = message.method ?? "";
  if (!METHODS.has(method)) {
    throw new ApplianceError("http/method", "Cannot use this method: one of GET, HEAD, POST, PUT, DELETE is wanted");
  }
  const url = `${secure ? "https" : "http"}://${hostOf(message)}${targetOf(message)}`;
  const init: RequestOptions = { method, headers: headersOf(message), signal };
  if (method === "GET" || method === "HEAD") return new Request(url, init);
  return new Request(url, { ...init, body: bodyOf(message), duplex: "half" } as RequestOptions);
}

/** Address of the other side without the IPv4-in-IPv6 prefix; "unix" for a Unix socket. */
export function peerAddress(message: IncomingMessage): string {
  const address = message.socket?.remoteAddress ?? "";
  return address === "" ? "unix" : address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function targetOf(message: IncomingMessage): string {
  const target = message.url ?? "";
  if (!TARGET.test(target)) throw badRequest("its target is no path that starts with one slash");
  const path = target.split("?", 1)[0] ?? "";
  try {
    if (decodeURIComponent(path).includes("\0")) throw badRequest("its target holds a NUL");
  } catch (thrown) {
    if (thrown instanceof ApplianceError) throw thrown;
    throw badRequest("its target has broken percent escapes", thrown);
  }
  return target;
}

function hostOf(message: IncomingMessage): string {
  const hosts = valuesOf(message, "host");
  if (hosts.length !== 1) throw badRequest("exactly one Host is wanted");
  const host = hosts[0] ?? "";
  const port = /:(\d+)$/.exec(host)?.[1];
  if (!NAME_AND_PORT.test(host) || Number(port ?? 0) > 65_535) throw badRequest("its Host is no name and port");
  return host;
}

function valuesOf(message: IncomingMessage, name: string): string[] {
  const raw = message.rawHeaders;
  return raw.filter((_text, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
}

function headersOf(message: IncomingMessage): Headers {
  const headers = new Headers();
  const raw = message.rawHeaders;
  try {
    for (let index = 0; index + 1 < raw.length; index += 2) headers.append(raw[index] ?? "", raw[index + 1] ?? "");
  } catch (cause) {
    throw badRequest("a header has a form that cannot be used", cause);
  }
  return headers;
}

/** The body as a stream that reads from the socket only as fast as it is read itself. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  let open = true;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const end = (act: () => void): void => {
        if (open) act();
        open = false;
      };
      const broken = (): void => end(() => controller.error(cutOff()));
      message.on("data", (chunk: Uint8Array) => {
        if (!open) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) message.pause();
      });
      message.on("end", () => end(() => controller.close()));
      message.on("aborted", broken);
      message.on("error", broken);
      message.on("close", broken);
    },
    pull: () => void message.resume(),
    cancel: () => {
      open = false;
    },
  });
}

function cutOff(): ApplianceError {
  return new ApplianceError("http/bad-request", "Cannot read the request: its body ended before its end");
}

function badRequest(why: string, cause?: unknown): ApplianceError {
  return new ApplianceError("http/bad-request", `Cannot read the request: ${why}`, { cause });
}
