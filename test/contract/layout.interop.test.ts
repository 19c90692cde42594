/** Our layouts before the real skopeo, and its layouts before us. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { openLayout } from "../../src/oci/layout.ts";
import { createLayout, writeStore } from "../../src/oci/layout-writer.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { systemFiles as files } from "../../src/platform/files.ts";
import { buildSampleRelease } from "../../src/rehearsal/sample-release.ts";
import { describeWithTools, runTool } from "../support/real-tools.ts";

const skopeo = (...words: readonly string[]): Promise<string> => runTool("skopeo", ["--insecure-policy", ...words]);

describeWithTools(["skopeo"], "OCI layouts", () => {
  it("are read by skopeo, and we read the ones that it writes", { timeout: 60_000 }, cycle);
});

async function cycle(): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), "layout-"));
  try {
    const store = createMemoryStore();
    buildSampleRelease(store, { registry: "registry.test", version: "1.0.3", channels: ["stable"] });
    const ours = await createLayout({ files }, join(place, "ours"));
    await writeStore(store, ours);
    await ours.finish();
    const theirs = join(place, "theirs");
    const tagged = ours.entries().filter(({ tag }) => tag !== undefined);
    assert.ok(tagged.length > 5, `${tagged.length} tags`);
    for (const { repository, tag, descriptor } of tagged) {
      const name = `${repository}:${tag}`;
      const raw = await skopeo("inspect", "--raw", `oci:${ours.place}:${name}`);
      assert.deepEqual(new TextEncoder().encode(raw), await ours.bytes(descriptor), name);
      await skopeo("copy", "--quiet", "--all", `oci:${ours.place}:${name}`, `oci:${theirs}:${name}`);
    }
    const read = await openLayout({ files }, theirs);
    assert.deepEqual(
      read
        .entries()
        .map(({ repository, tag, descriptor }) => `${repository}:${tag} ${descriptor.digest}`)
        .sort(),
      tagged.map(({ repository, tag, descriptor }) => `${repository}:${tag} ${descriptor.digest}`).sort(),
    );
    for (const { descriptor } of read.entries()) await read.bytes(descriptor);
  } finally {
    rmSync(place, { recursive: true });
  }
}
