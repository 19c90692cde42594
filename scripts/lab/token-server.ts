// A token server for docker-registry's token authentication: anybody may pull, the publisher may also push.
// Runs as a process of its own: bun token-server.ts <address> <port> <tls certificate> <tls key> <token certificate> <token key>
// The publisher's password comes in LAB_PUBLISHER_PASSWORD.

import { createPrivateKey, randomUUID, sign, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

export const TOKEN_ISSUER = "alga-lab";
export const PUBLISHER = "publisher";
const TOKEN_SECONDS = 300;

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

if (import.meta.main) {
  const [address = "", port = "", certificate = "", key = "", tokenCertificate = "", tokenKey = ""] =
    process.argv.slice(2);
  const password = process.env.LAB_PUBLISHER_PASSWORD ?? "";
  if (password === "") throw new Error("Cannot start: LAB_PUBLISHER_PASSWORD is not set");
  const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
  const signer = { certificate: readFileSync(tokenCertificate, "utf8"), key: readFileSync(tokenKey, "utf8") };
  createServer(tls, (request, response) => {
    const url = new URL(request.url ?? "/", "https://lab");
    const publisher = isPublisher(request.headers.authorization, password);
    if (url.pathname !== "/token" || (request.headers.authorization !== undefined && !publisher)) {
      return void response.writeHead(url.pathname === "/token" ? 401 : 404).end();
    }
    const access = url.searchParams.getAll("scope").flatMap((scope) => granted(scope, publisher));
    const token = issue(url.searchParams.get("service") ?? "", access, signer);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({ token, access_token: token, expires_in: TOKEN_SECONDS, issued_at: new Date().toISOString() }),
    );
  }).listen(Number(port), address);
}

function isPublisher(header: string | undefined, password: string): boolean {
  const given = Buffer.from(header ?? "");
  const wanted = Buffer.from(`Basic ${Buffer.from(`${PUBLISHER}:${password}`).toString("base64")}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

// "repository:<name>:pull,push", several separated by spaces (distribution specification, token scope).
function granted(scopes: string, publisher: boolean): Access[] {
  return scopes.split(" ").flatMap((scope) => {
    const match = /^(repository):(.+):([a-z,*]+)$/.exec(scope);
    if (match === null) return [];
    const actions = (match[3] ?? "").split(",").filter((action) => action === "pull" || publisher);
    return [{ type: "repository", name: match[2] ?? "", actions }];
  });
}

function issue(service: string, access: readonly Access[], signer: { certificate: string; key: string }): string {
  const now = Math.floor(Date.now() / 1000);
  const der = signer.certificate.replace(/-----[^-]+-----|\s/g, "");
  const claims = {
    iss: TOKEN_ISSUER,
    sub: "",
    aud: service,
    exp: now + TOKEN_SECONDS,
    nbf: now - 10,
    iat: now,
    jti: randomUUID(),
    access,
  };
  const head = [{ typ: "JWT", alg: "ES256", x5c: [der] }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const key = { key: createPrivateKey(signer.key), dsaEncoding: "ieee-p1363" as const };
  return [...head, sign("sha256", Buffer.from(head.join(".")), key).toString("base64url")].join(".");
}
