/**
 * What a box has (`alga.appliance.have/v1`), so that a bundle for it may leave that out.
 *
 * It claims only what is whole: content of the box's store, which gets its name only checked and on disk, and images that a
 * node lists, which containerd does only after it has unpacked them. Layers of a node's images are not claimed one by one:
 * containerd may have thrown their blobs away after unpacking. The list is no secret and is trusted for nothing: a wrong one
 * makes a bundle that `release load` refuses by naming what is missing.
 */
import { z } from "zod";
import { type Digest, isDigest } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import { canonicalJson, parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/client.ts";
import { listAt, textAt } from "../kube/model.ts";
import { isWhole, openLayout } from "../oci/layout.ts";
import { readCatalog } from "../oci/layout-catalog.ts";

export const HAVE_SCHEMA = "alga.appliance.have/v1";

const digest = z.custom<Digest>(isDigest, "sha256: and 64 lower-case hex digits are wanted");

const haveSchema = z.object({
  schema: z.literal(HAVE_SCHEMA),
  /** Content of the store: manifests, configs and layers. */
  content: z.array(digest).max(100_000),
  /** Manifests or indexes of images that every node holds whole, for its platform. */
  images: z.array(digest).max(10_000),
  /** "linux/amd64": platform of the nodes; absent when there are no images. */
  platform: z.string().max(64).optional(),
});

export type HaveList = z.infer<typeof haveSchema>;

const MAX_HAVE_BYTES = 16 * 1024 * 1024;

/** One line of JSON: the same content always gives the same. */
export function formatHaveList(list: HaveList): string {
  return canonicalJson({ ...list, content: [...list.content].sort(), images: [...list.images].sort() });
}

/**
 * Reads a list from a file.
 *
 * @throws {ApplianceError} config/invalid when there is no such file or it has another form.
 */
export async function readHaveList(deps: Pick<Deps, "files">, path: string): Promise<HaveList> {
  const bytes = await deps.files.read(path, { maxBytes: MAX_HAVE_BYTES });
  const refuse = (is: string, cause?: unknown): ApplianceError =>
    new ApplianceError("config/invalid", `Cannot use have-list "${path}": ${is}`, {
      cause,
      hint: "Make it on the box: alga-appliance release have",
    });
  if (bytes === undefined) throw refuse("there is no such file");
  try {
    const parsed = haveSchema.safeParse(parseJson(bytes, { what: `have-list "${path}"`, maxBytes: MAX_HAVE_BYTES }));
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw refuse(`${issue?.path.map(String).join(".") || "the document"}: ${issue?.message ?? "another form"}`);
  } catch (cause) {
    if (isApplianceError(cause, "config/invalid")) throw cause;
    throw refuse("it is no JSON", cause);
  }
}

/**
 * Lists the content of a store; empty when there is no store. Every byte is read: what a disk has lost is not claimed.
 *
 * @throws {ApplianceError} oci/bad-layout, the reason of the signal; oci/digest-mismatch for a manifest.
 */
export async function storeContents(
  deps: Pick<Deps, "files">,
  folder: string,
  signal: AbortSignal,
): Promise<readonly Digest[]> {
  if ((await deps.files.stat(folder)) === undefined) return [];
  const store = await openLayout(deps, folder);
  const { repositories } = await readCatalog(store);
  const all = [...repositories.values()].flatMap((one) => [...one.manifests.values(), ...one.blobs.values()]);
  const whole: Digest[] = [];
  for (const one of new Map(all.map((descriptor) => [descriptor.digest, descriptor])).values()) {
    if (await isWhole(store, one, signal)) whole.push(one.digest);
  }
  return whole;
}

/**
 * Lists the images that every node holds. A kubelet reports the 50 largest; the others are simply not claimed.
 *
 * @see Kubernetes API, NodeStatus, "images"; kubelet configuration, "nodeStatusMaxImages"
 */
export async function nodeImages(kube: Kube, signal: AbortSignal): Promise<Pick<HaveList, "images" | "platform">> {
  const { items } = await kube.list({ apiVersion: "v1", kind: "Node" }, { signal });
  const platforms = new Set(
    items.map((node) => {
      const info = (name: string): string => textAt(node, "status", "nodeInfo", name) ?? "unknown";
      return `${info("operatingSystem")}/${info("architecture")}`;
    }),
  );
  const [platform] = platforms;
  if (platform === undefined || platforms.size > 1) return { images: [] };
  const held = items.map((node) => new Set(listAt(node, "status", "images").flatMap(digestsOf)));
  const [first = new Set<Digest>(), ...others] = held;
  return { images: [...first].filter((one) => others.every((other) => other.has(one))), platform };
}

/** Names of an image: "host/name:tag" and "host/name@sha256:...". */
function digestsOf(image: unknown): readonly Digest[] {
  return listAt(image, "names").flatMap((name) => {
    const found = typeof name === "string" ? name.split("@")[1] : undefined;
    return isDigest(found) ? [found] : [];
  });
}
