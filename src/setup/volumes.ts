/**
 * Whether the volumes that a release asks for fit on the disk, before anything is set up. The sizes stand in the values that the release
 * carries for its components, the way charts spell them: `{size, storageClass}`, or a claim's `{requests: {storage}}`. What a chart
 * adds by itself is not known before Helm has rendered it; the claims that were made are compared by `host storage check`.
 */
import { dirname } from "node:path/posix";
import { ApplianceError } from "../core/errors.ts";
import type { Deps } from "../core/ports.ts";
import { humanBytes } from "../core/quantity.ts";
import { readLongYaml } from "../flux/yaml.ts";
import { componentsOf, type ReleaseManifest } from "../release/model.ts";
import { quantityBytes } from "../storage/capacity.ts";
import { CLASS_NAME, HOST_FOLDER } from "../storage/objects.ts";

/** Deeper than any values go; YAML that is deeper is not looked at. */
const MAX_DEPTH = 20;

/** Sizes in bytes of the volumes of our class that values ask for. Pure. What is switched off asks for none. */
export function wantedVolumes(values: unknown, depth = 0): readonly number[] {
  if (depth > MAX_DEPTH || typeof values !== "object" || values === null) return [];
  if (Array.isArray(values)) return values.flatMap((one) => wantedVolumes(one, depth + 1));
  const map = values as Readonly<Record<string, unknown>>;
  if (map.enabled === false) return [];
  const own = sizeOf(map);
  const below = Object.entries(map).flatMap(([key, value]) =>
    own !== undefined && key === "resources" ? [] : wantedVolumes(value, depth + 1),
  );
  return own === undefined ? below : [own, ...below];
}

/** Of a map that is a volume itself. */
function sizeOf(map: Readonly<Record<string, unknown>>): number | undefined {
  const named = ["storageClass", "storageClassName"].filter((key) => key in map);
  const isOurs = named.every((key) => [CLASS_NAME, "", null].some((own) => own === map[key]));
  if (!isOurs) return undefined;
  if (named.length > 0 && typeof map.size === "string") return quantityBytes(map.size);
  return quantityBytes(claimedOf(map));
}

function claimedOf({ resources }: Readonly<Record<string, unknown>>): string {
  const requests =
    typeof resources === "object" && resources !== null && "requests" in resources ? resources.requests : 0;
  const storage = typeof requests === "object" && requests !== null && "storage" in requests ? requests.storage : 0;
  return typeof storage === "string" ? storage : "";
}

/**
 * The warning of a plan, a whole sentence; undefined where all fits and where it cannot be known. Reads the disk of the state folder:
 * another disk beneath the volumes is not seen from here, and the sentence says so.
 */
export async function volumesWarning(
  deps: Pick<Deps, "files" | "clock">,
  manifest: ReleaseManifest,
  stateFolder: string,
): Promise<string | undefined> {
  try {
    const sizes: number[] = [];
    for (const { valuesKey } of componentsOf(manifest)) {
      const what = `values "${valuesKey}"`;
      const text = manifest.profileValues[valuesKey] ?? "";
      sizes.push(...wantedVolumes(await readLongYaml(deps, text, { what, code: "flux/bad-values" })));
    }
    const wanted = sizes.reduce((sum, size) => sum + size, 0);
    const { freeBytes, totalBytes } = await deps.files.space(stateFolder);
    if (wanted <= freeBytes) return undefined;
    return `The volumes of this release may take ${humanBytes(wanted)} (${sizes.length}), and the disk has ${humanBytes(freeBytes)} free of ${humanBytes(totalBytes)}: it is full before they are. It works until then, and the status warns. A larger disk can be mounted at ${dirname(HOST_FOLDER)} before the setup.`;
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    return undefined;
  }
}
