/** `serve` on a box whose trusted keys cannot be read: the page comes up, and says so where a release is chosen. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cookieOf, PASSWORD, TOKEN } from "../../test/server/harness.ts";
import { runWords, startWords } from "../../test/support/command-line.ts";
import { serveFetch } from "../../test/support/serve-registry.ts";
import { isApplianceError } from "../core/errors.ts";
import { createRegistryServer } from "../oci/registry-server.ts";
import { buildSampleRelease } from "../rehearsal/sample-release.ts";

const root = mkdtempSync(join(tmpdir(), "alga-serve-trust-"));
after(() => rmSync(root, { recursive: true, force: true }));
const keys = join(root, "etc/alga-appliance/trusted-keys");
const state = join(root, "var/lib/alga-appliance");

test("a garbage key lets the page come up, offers no channel and names the file; without it the channel is there", async () => {
  const { fetch: handle, store } = createRegistryServer();
  const registry = await serveFetch(handle);
  after(() => registry.close());
  const host = `127.0.0.1:${registry.port}`;
  buildSampleRelease(store, { registry: host, version: "1.0.3", channels: ["stable"] });
  for (const folder of [keys, state]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(keys, "publisher.pem"), "garbage");
  writeFileSync(join(state, "setup-token"), TOKEN);
  const words = ["serve", "--listen", "127.0.0.1", "--port", "0", "--registry", host, "-o", "json"];
  const served = await startWords(words, { root });
  const url = String(served.first.url);
  assert.equal((await fetch(`${url}/setup`)).status, 200);
  const claim = await fetch(`${url}/api/session/claim`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ token: TOKEN, password: PASSWORD }),
  });
  assert.equal(claim.status, 200);
  const answer = await fetch(`${url}/api/setup/config`, { headers: { cookie: cookieOf(claim) } });
  const { channels, channelsProblem } = (await answer.json()) as Record<string, { code?: string; message?: string }>;
  assert.deepEqual(channels, []);
  assert.equal(channelsProblem?.code, "trust/bad-key");
  assert.match(channelsProblem?.message ?? "", /trusted-keys\/publisher\.pem/);
  const resolve = ["release", "resolve", "--registry", host];
  const refused = await runWords(resolve, { root });
  assert.notEqual(refused.code, 0);
  assert.ok(isApplianceError(refused.failure, "trust/bad-key"));
  assert.match(refused.stderr, /trusted-keys\/publisher\.pem[\s\S]*publisher's public key, or remove it/);
  rmSync(join(keys, "publisher.pem"));
  assert.equal((await runWords(resolve, { root })).code, 0);
  assert.equal((await served.stop()).code, 0);
});
