/**
 * Brings images to a node whose payload may be damaged or gone: what can be imported is; an archive that containerd cannot read is put
 * aside; and where no control plane is left, one is made of the executable that runs.
 */
import { dirname, join } from "node:path/posix";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { StepResult } from "../operation/step.ts";
import { bakedArchives, importBakedImages } from "./baked-images.ts";
import type { BootstrapCall } from "./bootstrap-context.ts";
import { importImages } from "./containerd.ts";
import { putFileAside } from "./recover-mend.ts";

/** What containerd says of an archive that is damaged; anything else is no fault of the archive. */
const DAMAGED =
  /unexpected EOF|archive\/tar|invalid (?:tar header|checksum|header)|unrecognized image format|(?:gzip|zstd)[^\n]*(?:invalid|corrupt|magic)|failed to get reader[^\n]*EOF/i;

/** Writes an archive of the control plane out of the running executable. */
export type MakeOwnImage = (
  path: string,
  options: { readonly tag: string; readonly signal: AbortSignal },
) => Promise<{ readonly image: string; readonly version: string }>;

/** Where the archive of our own making lies: in the payload, so that every later boot has it too. */
const OWN_ARCHIVE = "control-plane/images/recovered.tar";
const OWN_TAG = "recovered";

/**
 * Imports what is missing. Safe to call again, and after being killed anywhere.
 * @throws {ApplianceError} exec/failed with containerd's own words where it does not take what is whole; what making an image throws.
 */
export async function bringImages(call: BootstrapCall, makeOwn: MakeOwnImage): Promise<StepResult> {
  const aside: string[] = [];
  for (;;) {
    if (!(await hasControlPlaneArchive(call))) await writeOwnArchive(call, makeOwn);
    try {
      const { detail } = await importBakedImages(call);
      return { state: "done", detail: [detail ?? "", ...aside].filter(Boolean).join("; ") };
    } catch (thrown) {
      const damaged = isApplianceError(thrown, "exec/failed") ? await damagedArchive(call) : undefined;
      if (damaged === undefined) throw thrown;
      const kept = await putFileAside(call, damaged);
      aside.push(`${damaged} is damaged and was renamed to ${kept.aside.slice(kept.aside.lastIndexOf("/") + 1)}`);
    }
  }
}

async function hasControlPlaneArchive({ deps, settings }: BootstrapCall): Promise<boolean> {
  return (await bakedArchives(deps, settings.paths)).some((path) => path.includes("/control-plane/images/"));
}

/** The first archive that containerd says is damaged; undefined when it takes them all, or complains of something else. */
async function damagedArchive({ deps, settings, signal }: BootstrapCall): Promise<string | undefined> {
  const { paths } = settings;
  for (const archive of await bakedArchives(deps, paths)) {
    try {
      await importImages(deps, archive, { paths, signal });
    } catch (thrown) {
      if (!(thrown instanceof ApplianceError)) throw thrown;
      return DAMAGED.test(wordsOf(thrown)) ? archive : undefined;
    }
  }
  return undefined;
}

function wordsOf(thrown: ApplianceError): string {
  return `${thrown.message}\n${JSON.stringify(thrown.details ?? {})}`;
}

/** The archive, and the words beside it that say which version it is: without them it would count as older than anything. */
async function writeOwnArchive(call: BootstrapCall, makeOwn: MakeOwnImage): Promise<void> {
  const { deps, settings, signal } = call;
  const archive = join(settings.paths.payload, OWN_ARCHIVE);
  call.progress("Making an image of the control plane out of this executable");
  await deps.files.makeDirectory(dirname(archive), { mode: 0o755 });
  const unnamed = `${archive}.new`;
  const { image, version } = await makeOwn(unnamed, { tag: OWN_TAG, signal });
  const bundle = { schema: "alga.appliance.control-plane-bundle/v1", image, version };
  await deps.files.write(
    join(settings.paths.payload, "control-plane/bundle.json"),
    `${JSON.stringify(bundle, undefined, 2)}\n`,
    { mode: 0o644 },
  );
  // Last: an archive that is there has its words beside it.
  await deps.files.rename(unnamed, archive);
}
