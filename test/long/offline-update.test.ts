/** An update without a network: the next bundle is loaded into the store of the box, and the way back asks nobody else. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { bundleSample } from "../rehearsal/bundles.ts";
import { openOfflineBox } from "../rehearsal/offline-box.ts";
import { runWords, startWords } from "../support/command-line.ts";

const root = mkdtempSync(join(tmpdir(), "alga-offline-update-"));
after(() => rmSync(root, { recursive: true, force: true }));

describe("an update without a network", () => {
  it("runs from the store of the box when the next bundle is loaded, and goes back without it", {
    timeout: 120_000,
  }, async () => {
    const folder = join(root, "update");
    mkdirSync(folder);
    await bundleSample("1.0.3", { root, file: "first.tar" });
    await bundleSample("1.0.4", { root, file: "second.tar" });
    assert.equal((await runWords(["release", "load", join(root, "first.tar")], { root: folder })).code, 0);
    const served = await startWords(["release", "serve", "--port", "0", "-o", "json"], { root: folder });
    const registry = String(served.first.registry);
    const box = await openOfflineBox(folder, registry);
    const run = async (...words: string[]): Promise<{ state: string; said: string }> => {
      const place = ["--kubeconfig", box.kubeconfig, "--registry", registry, "-o", "json"];
      const signal = AbortSignal.timeout(60_000);
      const { stdout, stderr, failure } = await runWords([...words, ...place], {
        root: folder,
        deps: box.deps,
        signal,
      });
      return { state: JSON.parse(stdout).operation?.state, said: `${stdout}${stderr}${failure ?? ""}` };
    };
    try {
      const set = await run("setup", "run", "--answers", box.answers);
      assert.equal(set.state, "done", set.said);
      assert.equal((await runWords(["release", "load", join(root, "second.tar")], { root: folder })).code, 0);
      const updated = await run("update", "run", "--yes");
      assert.equal(updated.state, "done", updated.said);
      const images = await box.images();
      assert.deepEqual(
        images.filter((image) => !image.startsWith(`${registry}/nine-minds/`)),
        [],
      );
      assert.ok(
        images.some((image) => image.includes("1.0.4")),
        images.join(" "),
      );
      const back = await run("update", "rollback", "--yes");
      assert.equal(back.state, "done", back.said);
      const before = await box.images();
      assert.ok(
        before.some((image) => image.includes("1.0.3")),
        before.join(" "),
      );
    } finally {
      await box.close();
      await served.stop();
    }
  });
});
