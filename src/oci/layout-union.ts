/** Several layouts read as one: a bundle that leaves out what an older one has, together with the older one. */
import type { Digest } from "../core/digest.ts";
import { streamOf } from "../core/streams.ts";
import type { Layout } from "./layout.ts";
import { missingContent } from "./layout-content.ts";
import { refName } from "./layout-index.ts";

/** Makes the union. Of two roots with one name the first layout's counts; content is taken from the first that has it. */
export function unionOf(layouts: readonly Layout[]): Layout {
  const [only] = layouts;
  if (only !== undefined && layouts.length === 1) return only;
  const place = layouts.map((layout) => layout.place).join(" + ");
  const holder = async (digest: Digest, sizeBytes?: number): Promise<Layout | undefined> => {
    for (const layout of layouts) {
      const found = await layout.size(digest);
      if (found !== undefined && (sizeBytes === undefined || found === sizeBytes)) return layout;
    }
    return undefined;
  };
  async function* from(digest: Digest, open: (layout: Layout) => ReadableStream<Uint8Array>) {
    const layout = await holder(digest);
    if (layout === undefined) throw missingContent(digest, place);
    yield* open(layout);
  }
  return {
    place,
    entries: () => [
      ...new Map(
        layouts
          .toReversed()
          .flatMap((layout) => layout.entries())
          .map((entry) => [refName(entry), entry]),
      ).values(),
    ],
    has: async (digest) => (await holder(digest)) !== undefined,
    size: async (digest) => (await holder(digest))?.size(digest),
    bytes: async (wanted, options) => {
      const layout = await holder(wanted.digest, wanted.size);
      if (layout === undefined) throw missingContent(wanted.digest, place);
      return layout.bytes(wanted, options);
    },
    stream: (wanted, options) => streamOf(from(wanted.digest, (layout) => layout.stream(wanted, options))),
    part: (digest, range) => streamOf(from(digest, (layout) => layout.part(digest, range))),
    close: async () => {
      for (const layout of layouts) await layout.close();
    },
  };
}
