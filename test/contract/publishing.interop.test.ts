/**
 * Publishing and mirroring with the command line in docker-registry 2.8 and distribution 3, read back by crane and skopeo;
 * signatures of the real cosign still verify in the mirror; and a release that crane has copied, read by us.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { it } from "node:test";
import { promisify } from "node:util";
import { SILENT_LOG } from "../../src/core/log.ts";
import { createRegistryClient } from "../../src/oci/client.ts";
import { createRegistryServer } from "../../src/oci/registry-server.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { createTransports } from "../../src/platform/fetch.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { releaseClosure } from "../../src/publishing/closure.ts";
import { startDockerRegistry } from "../support/docker-registry.ts";
import { describeWithTools, runTool, startDistribution3 } from "../support/real-tools.ts";
import { writeReleaseLayout } from "../support/release-layout.ts";
import { serveFetch } from "../support/serve-registry.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const RELEASES = "alga-appliance-release";
/** As a tag, and as a referrer; neither registry has the API for those, so the fallback tag is met on both sides. */
const FORMS = ["--new-bundle-format=false", "--new-bundle-format=true"] as const;

interface Answer {
  readonly outcome?: string;
  readonly content?: { readonly sentBytes: number; readonly skippedBytes: number };
  readonly tags?: readonly { readonly repository: string; readonly tag: string; readonly digest: string }[];
}

/** Runs a verb of the product in its own process. */
async function verb(words: readonly string[], box: string): Promise<Answer> {
  const env = { PATH: process.env.PATH, ALGA_APPLIANCE_ROOT: box };
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, ["src/main.ts", "release", ...words, "-o", "json"], {
    cwd: ROOT,
    env,
  });
  return JSON.parse(stdout);
}

const crane = async (...words: readonly string[]): Promise<string> =>
  (await runTool("crane", [...words, "--insecure"])).trim();

describeWithTools(["crane", "cosign", "skopeo", "docker-registry", "distribution"], "publishing and mirroring", () => {
  it("is read by crane and skopeo, and what crane has copied is read by us", { timeout: 180_000 }, cycle);
});

async function cycle(): Promise<void> {
  const old = await startDockerRegistry({ auth: { kind: "none" } });
  const young = await startDistribution3({ auth: { kind: "none" } });
  const ours = createRegistryServer();
  const served = await serveFetch(ours.fetch);
  const box = mkdtempSync(join(tmpdir(), "publishing-"));
  try {
    const [from, to] = [`127.0.0.1:${old.port}`, `127.0.0.1:${young.port}`];
    await writeReleaseLayout(join(box, "layout"), { registry: from, version: "1.0.4", imageBytes: 5_000_000 });
    const words = ["publish", join(box, "layout"), "--registry", from];
    const would = await verb([...words, "--dry-run"], box);
    assert.equal(would.outcome, "would-publish");
    const first = await verb([...words, "--channel", "nightly", "--by", "ann"], box);
    assert.deepEqual([first.outcome, first.content?.sentBytes], ["published", would.content?.sentBytes]);
    for (const { repository, tag, digest } of first.tags ?? []) {
      assert.equal(await crane("digest", `${from}/${repository}:${tag}`), digest);
    }
    const again = await verb(words, box);
    assert.deepEqual([again.outcome, again.content?.sentBytes], ["already", 0]);

    const cosign = (...words: readonly string[]): Promise<string> =>
      runTool("cosign", words, { cwd: box, env: { COSIGN_PASSWORD: "", COSIGN_YES: "true" } });
    await cosign("generate-key-pair");
    const signed = `${from}/nine-minds/${RELEASES}@${await crane("digest", `${from}/nine-minds/${RELEASES}:1.0.4`)}`;
    const image = `${from}/nine-minds/alga-psa-ee@${await crane("digest", `${from}/nine-minds/alga-psa-ee:1.0.4`)}`;
    for (const reference of [signed, image]) {
      for (const form of FORMS) {
        const offline = ["--use-signing-config=false", "--tlog-upload=false"];
        await cosign("sign", ...offline, form, "--key", "cosign.key", reference);
      }
    }

    const copy = ["copy", "nightly", `${to}/mirror`, "--registry", from];
    assert.equal((await verb(copy, box)).outcome, "copied");
    assert.equal((await verb(copy, box)).outcome, "already");
    const digest = await crane("digest", `${from}/nine-minds/${RELEASES}:nightly`);
    assert.equal(await crane("digest", `${to}/mirror/${RELEASES}:nightly`), digest);
    for (const reference of [signed, image]) {
      const mirrored = reference.replace(`${from}/nine-minds`, `${to}/mirror`);
      for (const form of FORMS) {
        await cosign("verify", "--insecure-ignore-tlog", form, "--key", "cosign.pub", mirrored);
      }
    }
    await crane("validate", "--remote", `${to}/mirror/alga-psa-ee:1.0.4`);
    const raw = await runTool("skopeo", [
      "inspect",
      "--raw",
      "--tls-verify=false",
      `docker://${to}/mirror/${RELEASES}:1.0.4`,
    ]);
    assert.match(raw, /application\/vnd\.alga\.appliance\.release\.v1/);

    const registry = `127.0.0.1:${served.port}`;
    for (const { repository, tag } of first.tags ?? []) {
      await crane("copy", `${from}/${repository}:${tag}`, `${registry}/${repository}:${tag}`);
    }
    const deps = { clock: systemClock, random: systemRandom, log: SILENT_LOG, fetch: createTransports().open() };
    const client = createRegistryClient(deps, { registry });
    const closure = await releaseClosure(client, { version: "1.0.4" }, { running: "1.0.0" });
    assert.deepEqual([closure.missing, closure.release.digest], [[], digest]);
  } finally {
    rmSync(box, { recursive: true });
    await served.close();
    await young.stop();
    await old.stop();
  }
}
