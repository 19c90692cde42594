/** The step "storage": a default StorageClass is found, or the appliance's is installed and proven; what k3s brought is moved over. */
import type { StepResult } from "../operation/step.ts";
import { pulledName } from "../release/additional-images.ts";
import { STORAGE_IMAGES } from "../release/appliance-images.ts";
import { pollMsOf } from "../status/waiting.ts";
import { installStorage, type StorageOutcome } from "../storage/install.ts";
import type { StorageImages } from "../storage/objects.ts";
import { releaseOf, type StepCall } from "./context.ts";

/** The host moves the storage within a boot; longer than that nobody works on it. */
const BUSY_MS = 10 * 60_000;

/**
 * Runs until the cluster can give volumes. Safe to call again, and beside a bootstrap or `host storage install` on the host; goes on
 * too when somebody else makes a StorageClass the default meanwhile.
 */
export async function storageStep(call: StepCall): Promise<StepResult> {
  const { context, progress, signal } = call;
  const { deps, settings } = context;
  const images = async (): Promise<StorageImages> => settings.storageImages ?? (await imagesOf(call));
  const pollMs = pollMsOf(settings);
  const options = { holder: "pod", images, prove: true, busyMs: BUSY_MS, pollMs, progress, signal };
  return { state: "done", detail: detailOf(await installStorage(deps, options)) };
}

function detailOf({ storageClass, kind, proof, warnings }: StorageOutcome): string {
  const how = kind === "foreign" ? ["used as it is"] : proof === null ? [] : ["proven by a volume of its own"];
  return [storageClass ?? "no StorageClass", ...how, ...warnings].join(", ");
}

/** A box of a mirror pulls them from there, when the release knows them. */
async function imagesOf(call: StepCall): Promise<StorageImages> {
  const { manifest } = await releaseOf(call);
  const release = { manifest, place: call.context.deps.registry.place };
  return {
    provisioner: pulledName(STORAGE_IMAGES.provisioner, release),
    helper: pulledName(STORAGE_IMAGES.helper, release),
  };
}
