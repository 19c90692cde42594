/**
 * The publisher's guide, run as it is written: every shell block of docs/publisher-guide.md in its order, by a shell, with the
 * compiled executable on the search path and two registries of ours. Then what the guide promises is looked at.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { createRegistryServer, type RegistryServer } from "../src/oci/registry-server.ts";
import { buildSampleRelease } from "../src/rehearsal/sample-release.ts";
import { ROOT, sha256, sharedExecutable } from "./support/executable.ts";
import { serveFetch } from "./support/serve-registry.ts";
import type { Running } from "./support/sockets.ts";

const GUIDE = readFileSync(join(ROOT, "docs/publisher-guide.md"), "utf8");

/** The shell blocks in their order, each with the heading that it stands under. */
const blocks = GUIDE.split(/^## /m).flatMap((section) => {
  const heading = section.split("\n", 1)[0] ?? "";
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, text = ""]) => ({ heading, text }));
});

const work = mkdtempSync(join(tmpdir(), "publisher-guide-"));
after(() => rmSync(work, { recursive: true, force: true }));
const registry: RegistryServer = createRegistryServer();
const mirror: RegistryServer = createRegistryServer();
let running: readonly Running[] = [];
let environment: Record<string, string> = {};

after(async () => void (await Promise.all(running.map((one) => one.close()))));
before(async () => {
  running = [await serveFetch(registry.fetch), await serveFetch(mirror.fetch)];
  // What is there before a publisher begins: the application's images, a chart of others, Flux's manifests.
  const { fluxDigest } = buildSampleRelease(registry.store, {
    registry: "ghcr.io",
    version: "0.9.0",
    imageTag: "62cdce38",
    // The registry of this test stands for ghcr.io, as a mirror of it.
    additional: "mirrored",
  });
  registry.store.tag("nine-minds/flux-manifests", "v2.9.5", fluxDigest);
  mkdirSync(join(work, "bin"));
  symlinkSync(sharedExecutable(), join(work, "bin/alga-appliance"));
  cpSync(join(ROOT, "examples"), join(work, "examples"), { recursive: true });
  environment = {
    PATH: `${join(work, "bin")}:/usr/bin:/bin`,
    HOME: work,
    ALGA_APPLIANCE_REGISTRY_HOST: `127.0.0.1:${running[0]?.port}`,
    ALGA_APPLIANCE_ROOT: join(work, "root"),
    ALGA_APPLIANCE_KEY_PASSPHRASE: "correct horse battery staple",
    MIRROR: `127.0.0.1:${running[1]?.port}/alga`,
  };
});

/** Runs a script in the folder of the guide; what it says is the result. */
async function shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const options = {
    cwd: work,
    env: { ...environment, PWD: work, ...env },
    timeout: 100_000,
    maxBuffer: 16 * 1024 * 1024,
  };
  const { stdout, stderr } = await promisify(execFile)("bash", ["--norc", "-euo", "pipefail", "-c", script], options);
  return `${stdout}${stderr}`;
}

const manifestOf = (server: RegistryServer, reference: string): string | undefined => {
  const [name = "", tag = ""] = reference.split(":");
  return server.store.manifest(name, tag)?.digest;
};

/** What must be true after the last block under a heading. */
const PROMISES: Readonly<Record<string, () => void>> = {
  Lock: () => assert.match(readFileSync(join(work, "my-release/release.lock.yaml"), "utf8"), /image algaCore/),
  Build: () => assert.ok(readdirSync(join(work, "release-layout")).includes("oci-layout")),
  Publish: () => {
    assert.ok(manifestOf(registry, "nine-minds/alga-appliance-release:1.0.3") !== undefined);
    assert.equal(manifestOf(registry, "nine-minds/alga-appliance-release:stable"), undefined);
  },
  Promote: () => {
    const [stable, version] = ["stable", "1.0.3"].map((tag) =>
      manifestOf(registry, `nine-minds/alga-appliance-release:${tag}`),
    );
    assert.equal(stable, version);
  },
  "The next release": () => {
    const [nightly, stable] = ["nightly", "stable"].map((tag) =>
      manifestOf(registry, `nine-minds/alga-appliance-release:${tag}`),
    );
    assert.notEqual(nightly, stable);
    assert.equal(nightly, manifestOf(registry, "nine-minds/alga-appliance-release:1.0.4"));
  },
  "Channels that can be believed": () => {
    assert.equal(JSON.parse(readFileSync(join(work, "root.json"), "utf8")).signed._type, "root");
    const tags = registry.store.tags("nine-minds/alga-appliance-trust") ?? [];
    assert.ok(tags.includes("timestamp") && tags.some((tag) => tag.startsWith("2.targets-")));
  },
  "In a pipeline": () => {
    const [nightly, version] = ["nightly", "1.0.5"].map((tag) =>
      manifestOf(registry, `nine-minds/alga-appliance-release:${tag}`),
    );
    assert.ok(nightly !== undefined);
    assert.equal(nightly, version);
  },
  Mirror: () => {
    const [there, here] = [mirror, registry].map((server, index) =>
      manifestOf(server, `${index === 0 ? "alga" : "nine-minds"}/alga-appliance-release:stable`),
    );
    assert.equal(there, here);
  },
  Bundle: () => assert.ok(readFileSync(join(work, "media.tar")).length > 1_000),
};

describe("the publisher's guide", () => {
  it("has blocks to run", () => {
    assert.ok(blocks.length >= 8);
  });

  for (const [index, { heading, text }] of blocks.entries()) {
    const isLast = blocks[index + 1]?.heading !== heading;
    it(`${heading}: ${text.split("\n", 1)[0]}`, { timeout: 120_000 }, async () => {
      const said = await shell(text);
      assert.doesNotMatch(said, /internal\/defect|ERROR/);
      if (isLast) PROMISES[heading]?.();
    });
  }

  it("keeps its promise of the same bytes: another folder, day, umask and language", { timeout: 120_000 }, async () => {
    cpSync(join(work, "my-release"), join(work, "elsewhere/deep"), { recursive: true });
    for (const entry of readdirSync(join(work, "elsewhere"), { recursive: true, withFileTypes: true })) {
      utimesSync(join(entry.parentPath, entry.name), 1_000_000_000, 1_000_000_000);
    }
    const build = "alga-appliance release build elsewhere/deep --out again --runtime-libs / --key keys/release.key";
    await shell(
      "alga-appliance release build my-release --out release-layout --force --runtime-libs / --key keys/release.key",
    );
    await shell(`umask 077; ${build}`, { LC_ALL: "de_DE.UTF-8", TZ: "Asia/Kolkata" });
    const files = (folder: string): readonly string[] =>
      readdirSync(join(work, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .map((path) => `${path.slice(join(work, folder).length)} ${sha256(path)}`)
        .sort();
    assert.deepEqual(files("again"), files("release-layout"));
  });

  it("builds without any network, and asks none", { timeout: 120_000 }, async () => {
    const before = running.map((one) => one.connections());
    const away = { ALGA_APPLIANCE_REGISTRY_HOST: "127.0.0.1:1", HTTPS_PROXY: "http://127.0.0.1:1" };
    await shell("alga-appliance release build my-release --dry-run --runtime-libs /", away);
    assert.deepEqual(
      running.map((one) => one.connections()),
      before,
    );
  });

  it("refuses to build over something, and builds over it when told to", { timeout: 120_000 }, async () => {
    const build = "alga-appliance release build my-release --out release-layout --runtime-libs /";
    await assert.rejects(shell(build), /Cannot write the release to "release-layout": it holds/);
    await assert.rejects(
      shell(`${build.replace("release-layout", "my-release")} --force`),
      /a layout or an empty folder is wanted/,
    );
  });
});
