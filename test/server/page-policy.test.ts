/** The page may hold the one sheet of its first picture, by its digest; nothing else may hold any. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createAssetServer, createAssets } from "../../src/server/assets.ts";
import { securityHeaders } from "../../src/server/headers.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const RULES = ".shell{padding:20px}";
const assets = createAssets([
  { path: "index.html", bytes: bytes(`<!doctype html><style>${RULES}</style><p class="shell">Alga</p>`) },
  { path: "assets/app-0123456789ab.css", bytes: bytes("a{color:red}") },
]);

async function policyOf(path: string): Promise<string> {
  const asset = path === "/" ? assets.page : assets.get(path);
  assert.ok(asset, path);
  const server = createAssetServer();
  const answer = securityHeaders()(({ request }) => server.serve(asset, request));
  const url = new URL(`http://box${path}`);
  type Exchange = Parameters<typeof answer>[0];
  return (await answer({ request: new Request(url), url } as Exchange)).headers.get("content-security-policy") ?? "";
}

test("the page allows its own sheet by digest, and no other inline style", async () => {
  const digest = createHash("sha256").update(RULES).digest("base64");
  assert.match(await policyOf("/"), /^default-src 'none'; /);
  assert.ok((await policyOf("/")).includes(`style-src 'self' 'sha256-${digest}';`));
  assert.doesNotMatch(await policyOf("/"), /unsafe/);
});

test("every other answer allows none", async () => {
  assert.ok((await policyOf("/assets/app-0123456789ab.css")).includes("style-src 'self';"));
});
