/**
 * The step of a bootstrap that gives volumes their place: the folder on the host, and in the cluster the move away from k3s' own
 * provisioner. Installs the appliance's where its images are on the node; else setup does, which knows where they come from.
 *
 * A box must come up to its page whatever its storage is like, so nothing here ever stops a bootstrap: it is told and logged.
 */
import { deadline } from "../core/deadline.ts";
import { ApplianceError } from "../core/errors.ts";
import type { StepResult } from "../operation/step.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { installStorage, type StorageOutcome } from "../storage/install.ts";
import type { StorageImages } from "../storage/objects.ts";
import { type BootstrapCall, openCluster } from "./bootstrap-context.ts";
import { hasImage, listImages } from "./containerd.ts";
import { putFolderRight } from "./storage-folder.ts";

/** Long enough for a holder that a power cut ended; a setup that is at work in the pod has the storage in good hands. */
const BUSY_MS = 45_000;
const POLL_MS = 2_000;
/** Shorter than the step may take: what takes longer is left for later too. */
const LONGEST_MS = 4 * 60_000;

/** Runs at every boot. Safe to call again, and beside a setup in the pod. */
export async function prepareStorage(call: BootstrapCall): Promise<StepResult> {
  const { deps } = call;
  const limit = deadline(deps.clock, LONGEST_MS, { what: "the storage", parent: call.signal });
  try {
    return { state: "done", detail: await prepared({ ...call, signal: limit.signal }) };
  } catch (thrown) {
    if (call.signal.aborted || !(thrown instanceof ApplianceError)) throw thrown;
    deps.log.error("storage is not in order", { error: thrown });
    const next = thrown.hint === undefined ? "" : ` (${thrown.hint})`;
    return { state: "skipped", detail: `Not in order, and left for later: ${thrown.message}${next}` };
  } finally {
    limit.cancel();
  }
}

async function prepared(call: BootstrapCall): Promise<string> {
  const { deps, settings, progress, signal } = call;
  const folder = await putFolderRight(call, settings.paths.root);
  const kube = await openCluster(call);
  // At a boot it does not run yet: it keeps the names that setup gave it, which may be a mirror's.
  const images = async (there: StorageImages | undefined) => there ?? (await imagesOnNode(call));
  const options = { holder: "host", images, prove: false, busyMs: BUSY_MS, pollMs: POLL_MS, progress, signal };
  return detailOf(folder, await installStorage({ ...deps, kube }, options));
}

function detailOf(folder: readonly string[], { kind, done, storageClass }: StorageOutcome): string {
  const all = [...folder, ...done];
  if (all.length > 0) return `Put right: ${all.join(", ")}`;
  return kind === "left" ? "The folder is there; setup installs the rest" : `All as it should be: ${storageClass}`;
}

async function imagesOnNode({ deps, settings, signal }: BootstrapCall): Promise<StorageImages | undefined> {
  const images = await listImages(deps, settings.paths, signal);
  return Object.values(STORAGE_IMAGES).every((image) => hasImage(images, image)) ? STORAGE_IMAGES : undefined;
}
