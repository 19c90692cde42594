/**
 * The web application's files, from memory: each with its type, ETag and compressed forms.
 *
 * A name with a hash in it (`app.5f2c9a1b.js`) never changes and is cached for a year; everything else is asked again.
 * Compressed forms are made on first demand and kept. Nothing is read from disk, so no path can lead elsewhere.
 */
import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { ApplianceError } from "../core/errors.ts";
import { contentSecurityPolicy } from "./headers.ts";

/** One file as the build embeds it. */
export interface AssetFile {
  /** Path in the address, with or without its first slash: "assets/app-5f2c9a1b.js"; the page is "index.html". */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface Asset {
  readonly path: string;
  /** Content type. */
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Its name changes with its content. */
  readonly immutable: boolean;
  /** Strong validator of the plain form, without quotes. */
  readonly etag: string;
  /** What a page may do, when it needs more than other answers. */
  readonly policy?: string;
}

/** The files of the web application in memory, each with its headers; undefined for a path that names none. */
export interface Assets {
  /** The page of every address of the application. */
  readonly page: Asset;
  get(path: string): Asset | undefined;
}

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
  json: "application/json; charset=utf-8",
  webmanifest: "application/manifest+json",
  txt: "text/plain; charset=utf-8",
  map: "application/json; charset=utf-8",
};
const HASHED_NAME = /[.-][0-9a-z]{8,64}\.[a-z0-9]+$/i;
const SMALLEST_COMPRESSED = 1_024;

/** @throws {ApplianceError} embed/missing when there is no `/index.html`, or a file of a type that is not known. */
export function createAssets(files: readonly AssetFile[]): Assets {
  const assets = new Map(files.map(toAsset).map((asset) => [asset.path, asset]));
  const page = assets.get("/index.html");
  if (page === undefined) {
    throw new ApplianceError("embed/missing", 'Cannot serve the web application: it has no file "/index.html"');
  }
  assets.delete("/index.html");
  return { page, get: (path) => assets.get(path) };
}

function toAsset(file: AssetFile): Asset {
  const type = TYPES[file.path.slice(file.path.lastIndexOf(".") + 1)];
  if (type === undefined) {
    throw new ApplianceError("embed/missing", `Cannot serve file "${file.path}": its ending has no known type`);
  }
  const styles = type.startsWith("text/html") ? inlineStyles(new TextDecoder().decode(file.bytes)) : [];
  return {
    ...(styles.length === 0 ? {} : { policy: contentSecurityPolicy(styles) }),
    path: file.path.startsWith("/") ? file.path : `/${file.path}`,
    bytes: file.bytes,
    type,
    immutable: HASHED_NAME.test(file.path),
    etag: createHash("sha256").update(file.bytes).digest("hex").slice(0, 32),
  };
}

/** Digests of the sheets that stand in a page of this executable, as a content policy names them. @see CSP Level 3, 2.3.1 */
export function inlineStyles(page: string): readonly string[] {
  return [...page.matchAll(/<style>([^<]*)<\/style>/g)].map(
    ([, rules = ""]) => `sha256-${createHash("sha256").update(rules).digest("base64")}`,
  );
}

type Encoding = "br" | "gzip" | "identity";

export interface AssetServer {
  /** Answers with the best form for the request, or 304. */
  serve(asset: Asset, request: Request, options?: { readonly status?: number }): Promise<Response>;
}

/** Makes a server of assets. Each form (br, gzip, plain) is made at its first request and kept: the assets never change. */
export function createAssetServer(): AssetServer {
  const forms = new Map<string, Promise<Uint8Array>>();
  const formOf = (asset: Asset, encoding: Encoding): Promise<Uint8Array> => {
    const key = `${encoding}:${asset.etag}`;
    const made = forms.get(key) ?? compress(asset.bytes, encoding);
    forms.set(key, made);
    return made;
  };
  return {
    serve: async (asset, request, options = {}) => {
      const encoding = encodingFor(asset, request);
      const etag = `"${asset.etag}${encoding === "identity" ? "" : `-${encoding}`}"`;
      const headers: Record<string, string> = { etag, vary: "accept-encoding", "cache-control": cacheRule(asset) };
      if (asset.policy !== undefined) headers["content-security-policy"] = asset.policy;
      if (matches(request.headers.get("if-none-match"), etag)) return new Response(null, { status: 304, headers });
      const bytes = await formOf(asset, encoding);
      headers["content-type"] = asset.type;
      headers["content-length"] = String(bytes.length);
      if (encoding !== "identity") headers["content-encoding"] = encoding;
      return new Response(new Uint8Array(bytes), { status: options.status ?? 200, headers });
    },
  };
}

/** The page names the hashed files, so it must never be old; the rest is asked again with its ETag. */
function cacheRule(asset: Asset): string {
  if (asset.type.startsWith("text/html")) return "no-store";
  return asset.immutable ? "public, max-age=31536000, immutable" : "no-cache";
}

function encodingFor(asset: Asset, request: Request): Encoding {
  if (asset.bytes.length < SMALLEST_COMPRESSED || /^image\/(?!svg)/.test(asset.type)) return "identity";
  const accepted = new Set(
    (request.headers.get("accept-encoding") ?? "")
      .split(",")
      .filter((entry) => !/;\s*q=0(?:\.0*)?\s*$/.test(entry))
      .map((entry) => (entry.split(";", 1)[0] ?? "").trim().toLowerCase()),
  );
  if (accepted.has("br")) return "br";
  return accepted.has("gzip") ? "gzip" : "identity";
}

async function compress(bytes: Uint8Array, encoding: Encoding): Promise<Uint8Array> {
  if (encoding === "br") {
    return await promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } });
  }
  return encoding === "gzip" ? await promisify(gzip)(bytes, { level: 6 }) : bytes;
}

/** @see RFC 9110 section 13.1.2 */
function matches(header: string | null, etag: string): boolean {
  if (header === null) return false;
  return header.split(",").some((entry) => {
    const tag = entry.trim().replace(/^W\//, "");
    return tag === etag || tag === "*";
  });
}
