/**
 * A real process that passes root on to other keys, killed by SIGKILL while a registry holds its write: typed again it ends at
 * the same root, and boxes have a whole chain at every moment. Every single write is in src/publishing/trust-crash.test.ts.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, it } from "node:test";
import type { Fetch } from "../../src/core/ports.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { runWords } from "../support/command-line.ts";
import { serveFetch } from "../support/serve-registry.ts";

const SOURCE = resolve(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "alga-ceremony-kill-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const server = createRegistryServer();
/** Told of every write before it is done; while it does not answer, neither does the registry. */
let onWrite = async (_path: string): Promise<void> => {};
const handle: Fetch = async (request) => {
  if (request.method !== "GET" && request.method !== "HEAD") await onWrite(new URL(request.url).pathname);
  return server.fetch(request);
};

const key = (name: string): string => join(folder, `keys/${name}.key`);
const pub = (name: string): string => join(folder, `keys/${name}.pub`);

it("a rotation that is killed at the timestamp, and at root, goes on when it is typed again", async () => {
  const running = await serveFetch(handle);
  after(() => running.close());
  const place = ["--registry", `127.0.0.1:${running.port}`];
  const said = async (...words: readonly string[]) => {
    const done = await runWords([...words, "-o", "json"], { root: join(folder, "desk") });
    assert.equal(done.code, 0, done.stderr);
    return JSON.parse(done.stdout) as Record<string, unknown>;
  };
  for (const name of ["root", "release", "online", "root-2", "online-2"])
    await said("release", "keygen", "--out", join(folder, "keys"), "--name", name, "--open");
  const roles = (root: string, online: string) =>
    ["--root-key", pub(root), "--targets-key", pub("release"), "--online-key", pub(online)] as const;
  const all = ["root", "release", "online", "root-2", "online-2"].flatMap((name) => ["--key", key(name)]);
  const root = join(folder, "root.json");
  buildSampleRelease(server.store, { registry: `127.0.0.1:${running.port}`, version: "1.0.3", pinned: true });
  await said("release", "trust", "init", ...roles("root", "online"), ...all, "--out", root, ...place);
  const stable = ["--version", "1.0.3", "--to", "stable", "--root", root, ...all];
  await said("release", "promote", ...stable, ...place);
  mkdirSync(join(folder, "box/etc/alga-appliance"), { recursive: true });
  copyFileSync(root, join(folder, "box/etc/alga-appliance/root.json"));
  const boxSees = async (): Promise<string> => {
    const done = await runWords(["release", "resolve", "-o", "json", ...place], { root: join(folder, "box") });
    assert.equal(done.code, 0, done.stderr);
    return (JSON.parse(done.stdout) as { digest: string }).digest;
  };
  const digest = await boxSees();
  const out = join(folder, "root-2.json");
  const rotate = ["release", "trust", "rotate", "--root", root, ...roles("root-2", "online-2"), ...all, "--out", out];
  for (const tag of ["timestamp", "2.root"]) {
    const child = spawn(process.execPath, ["src/main.ts", ...rotate, ...place], {
      cwd: SOURCE,
      env: { ...process.env, ALGA_APPLIANCE_ROOT: join(folder, "desk") },
      stdio: "ignore",
    });
    const ended = new Promise<string | null>((done) => child.once("exit", (_code, signal) => done(signal)));
    onWrite = (path) => {
      if (!path.endsWith(`/alga-appliance-trust/manifests/${tag}`)) return Promise.resolve();
      child.kill("SIGKILL");
      // What was asked for by a process that is dead may be done all the same, or not: here it is not.
      return new Promise(() => {});
    };
    assert.equal(await ended, "SIGKILL", `it ended before it wrote ${tag}`);
    onWrite = async () => {};
    assert.equal(await boxSees(), digest, `killed at ${tag}`);
  }
  assert.equal((await said(...rotate, ...place)).version, 2);
  assert.equal(await boxSees(), digest);
  const published = server.store.manifest("nine-minds/alga-appliance-trust", "2.root");
  const layer = JSON.parse(new TextDecoder().decode(published?.bytes)).layers[0].digest;
  assert.deepEqual(readFileSync(out), Buffer.from(server.store.blob("nine-minds/alga-appliance-trust", layer) ?? []));
  assert.equal(server.store.manifest("nine-minds/alga-appliance-trust", "3.root"), undefined);
});
