/** A release as a layout on disk, as `release build` leaves it, for tests and benchmarks of publishing. */
import type { LayoutWriter } from "../../src/oci/layout.ts";
import { createLayout } from "../../src/oci/layout-writer.ts";
import { createMemoryStore } from "../../src/oci/store.ts";
import { systemFiles as files } from "../../src/platform/files.ts";
import { buildSampleRelease, type SampleOptions } from "../../src/rehearsal/sample-release.ts";

const BASE = "nine-minds/";

/** Writes a release with all that it refers to, images too; repositories are relative to the base "nine-minds". */
export async function writeReleaseLayout(folder: string, options: SampleOptions): Promise<LayoutWriter> {
  const store = createMemoryStore();
  buildSampleRelease(store, options);
  const layout = await createLayout({ files }, folder);
  for (const name of store.repositories()) {
    const repository = name.slice(BASE.length);
    for (const { bytes } of store.blobs(name)) await layout.putBlob(bytes);
    for (const { bytes, mediaType } of store.manifests(name))
      await layout.putManifest({ repository, mediaType, bytes });
    for (const tag of store.tags(name) ?? []) {
      const stored = store.manifest(name, tag);
      if (stored !== undefined) await layout.putManifest({ repository, tag, ...stored });
    }
  }
  await layout.finish();
  return layout;
}
