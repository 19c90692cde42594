/** What `release lock` fetched into `vendor/`, brought into a build: the same bytes under the same digests. */
import { join } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { textAt } from "../kube/model.ts";
import { type Layout, openLayout } from "../oci/layout.ts";
import { MEDIA } from "../oci/media-types.ts";
import { type ManifestDocument, parseDocument } from "../oci/model.ts";
import type { RegistryStore } from "../oci/store.ts";
import { chartTag } from "./chart.ts";
import { VENDOR_FOLDER, vendorRepository } from "./lock.ts";
import type { Pin } from "./lock-file.ts";

/** A chart or Flux's manifests, with values and files, is far below this. */
const MAX_BLOB_BYTES = 64 * 1024 * 1024;

export interface Vendored {
  /** "chart temporal", "flux". */
  readonly name: string;
  readonly pin: Pin;
  readonly version: string;
}

/**
 * Copies a locked artifact into the store of a build, under the name and version that the release gives it.
 *
 * @param folder Of the source tree.
 * @throws {ApplianceError} build/missing-input when it was not fetched; oci/digest-mismatch when its bytes are others; build/bad-chart
 *   when it is the chart of another name or version.
 */
export async function pushVendored(
  deps: Pick<Deps, "files">,
  store: RegistryStore,
  at: { readonly folder: string; readonly wanted: Vendored },
): Promise<void> {
  const { name, pin, version } = at.wanted;
  const layout = await openVendor(deps, join(at.folder, VENDOR_FOLDER), at.wanted);
  const size = await layout.size(pin.digest);
  if (size === undefined) throw notFetched(at.wanted);
  const bytes = await layout.bytes({ digest: pin.digest, size });
  const document = parseDocument(bytes, { contentType: MEDIA.manifest, what: pin.reference });
  if (document.kind === "index") throw notFetched(at.wanted);
  const repository = vendorRepository(name);
  for (const part of [document.manifest.config, ...document.manifest.layers]) {
    store.putBlob(repository, await layout.bytes(part, { maxBytes: MAX_BLOB_BYTES }));
  }
  if (name.startsWith("chart ")) assertChart(store, document.manifest, at.wanted);
  store.putManifest(repository, chartTag(version), bytes, document.manifest.mediaType);
}

async function openVendor(deps: Pick<Deps, "files">, folder: string, wanted: Vendored): Promise<Layout> {
  if ((await deps.files.stat(folder)) === undefined) throw notFetched(wanted);
  return await openLayout(deps, folder);
}

/** The registry decides what lies under a tag; the chart itself says what it is. */
function assertChart(store: RegistryStore, manifest: ManifestDocument, { name, version }: Vendored): void {
  const repository = vendorRepository(name);
  const config = parseJson(store.blob(repository, manifest.config.digest) ?? new Uint8Array(), {
    what: `config of ${name}`,
  });
  const [is, has] = [textAt(config, "name"), textAt(config, "version")];
  if (`chart ${is}` === name && has === version) return;
  throw new ApplianceError(
    "build/bad-chart",
    `Cannot use ${name} "${version}": what was fetched is chart ${is ?? "without a name"} of version ${has ?? "none"}`,
    { hint: "Mend the reference or the version in release.yaml, then lock again" },
  );
}

function notFetched({ name, pin }: Vendored): ApplianceError {
  return new ApplianceError(
    "build/missing-input",
    `Cannot build with ${name} "${pin.reference}": it is not in ${VENDOR_FOLDER}/, what the lock pins is wanted`,
    { hint: "alga-appliance release lock <dir> fetches it" },
  );
}
