/** Looking through the charts of a source tree for images that it does not list, before anything is built. */
import { join } from "node:path/posix";
import { isApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { type Layout, openLayout } from "../oci/layout.ts";
import { MEDIA } from "../oci/media-types.ts";
import { parseDocument } from "../oci/model.ts";
import { CHART_LAYER_TYPE } from "./chart.ts";
import { type ChartFiles, loadChartArchive, loadChartFolder } from "./chart-files.ts";
import { VENDOR_FOLDER } from "./lock.ts";
import { type ReleaseLock, readLock } from "./lock-file.ts";
import { type ReleaseSource, readSource } from "./source.ts";
import { treeAndValues } from "./source-content.ts";
import { type ImageReview, reviewImages } from "./unlisted-images.ts";

interface Tree {
  readonly folder: string;
  readonly source: ReleaseSource;
  readonly lock: ReleaseLock | undefined;
}

/** A packed chart of many values and files is far below this. */
const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;

/**
 * Looks through the charts of a tree that was locked. What cannot be read is told in `unread`: the build will refuse it.
 *
 * @param given.embeddedTree The tree that the executable carries, for values that the source does not give.
 * @throws {ApplianceError} build/bad-source for a wrong release.yaml or lock.
 */
export async function reviewSource(
  deps: Pick<Deps, "files">,
  given: { readonly folder: string; readonly embeddedTree: Readonly<Record<string, string>> },
): Promise<ImageReview> {
  const { folder } = given;
  const source = await readSource(deps, folder);
  const tree = { folder, source, lock: await readLock(deps, folder) };
  const unread: string[] = [];
  const orUnread = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (thrown) {
      if (!isApplianceError(thrown)) throw thrown;
      unread.push(`${what}: ${thrown.message}`);
      return undefined;
    }
  };
  const charts = new Map<string, ChartFiles>();
  for (const name of Object.keys(source.charts)) {
    const files = await orUnread(`chart ${name}`, () => chartFiles(deps, tree, name));
    if (files !== undefined) charts.set(name, files);
  }
  const content = await orUnread("values", () => treeAndValues(deps, { ...given, source }));
  const review = reviewImages({ source, charts, values: content?.values ?? {} });
  return { ...review, unread: [...review.unread, ...unread].sort() };
}

/** Undefined for a chart that was not fetched: a dry run fetches none. */
async function chartFiles(deps: Pick<Deps, "files">, tree: Tree, name: string): Promise<ChartFiles | undefined> {
  const chart = tree.source.charts[name];
  if (chart !== undefined && "path" in chart) {
    const path = join(tree.folder, chart.path);
    if ((await deps.files.stat(path))?.kind === "directory") {
      return (await loadChartFolder(deps, path, chart.path)).files;
    }
    const bytes = await deps.files.read(path, { maxBytes: MAX_ARCHIVE_BYTES });
    return loadChartArchive(bytes ?? new Uint8Array(), chart.path).files;
  }
  const vendor = join(tree.folder, VENDOR_FOLDER);
  if ((await deps.files.stat(vendor)) === undefined) return undefined;
  return vendoredChart(await openLayout(deps, vendor), tree, name);
}

async function vendoredChart(vendor: Layout, { lock }: Tree, name: string): Promise<ChartFiles | undefined> {
  const pin = lock?.pins[`chart ${name}`];
  const size = pin === undefined ? undefined : await vendor.size(pin.digest);
  if (pin === undefined || size === undefined) return undefined;
  const bytes = await vendor.bytes({ digest: pin.digest, size });
  const document = parseDocument(bytes, { contentType: MEDIA.manifest, what: pin.reference });
  const layers = document.kind === "manifest" ? document.manifest.layers : [];
  const layer = layers.find((one) => one.mediaType === CHART_LAYER_TYPE);
  if (layer === undefined) return undefined;
  return loadChartArchive(await vendor.bytes(layer, { maxBytes: MAX_ARCHIVE_BYTES }), `chart ${name}`).files;
}
