/** The step "images": every image of the release is on the node before anything is touched. */
import { digestOfValue } from "../core/digest.ts";
import type { StepResult } from "../operation/step.ts";
import { stepError } from "../operation/step.ts";
import type { ResolvedRelease } from "../release/resolved.ts";
import { pollMsOf } from "../status/waiting.ts";
import { note, readNotes, type UpdateCall } from "./context.ts";
import { atPace, type UpdateSettings } from "./ports.ts";
import { closePrefetch, fetchedImages, openPrefetch, type Pulled, pulledImages, unscheduled } from "./prefetch.ts";

/** Milliseconds that the kubelet may be told "not there" or "denied": it asks again by itself. */
const DEFINITE_MS = 60_000;
/** The same where the registry has said so to us too. */
const CERTAIN_MS = 10_000;
/** The same for a line that is down. */
const LINE_MS = 15 * 60_000;
const DEFINITE = /not found|notfound|manifest unknown|name unknown|denied|unauthorized|forbidden|invalid/i;

/** Pulls the images and takes the pod away, whatever happens. */
export async function fetchImages(call: UpdateCall, release: ResolvedRelease): Promise<StepResult> {
  const images = imagesOf(release);
  if (images.length === 0) return { state: "skipped", detail: "The release names no images" };
  const { kube, log } = call.context.deps;
  // Another set of images is another pod.
  const key = digestOfValue({ release: release.digest, images });
  try {
    await waitForImages(call, { key, images, release });
    await noteFetched(call, key);
    return { state: "done", detail: `${images.length} images are on the node` };
  } finally {
    await closePrefetch(kube, key).catch((error: unknown) => log.warn("prefetch pod not removed", { error }));
  }
}

/** What the kubelet tells of images that came and of those that were there. Its events are for people: where they cannot be read, nothing is noted. */
async function noteFetched({ context, signal }: UpdateCall, key: Wanted["key"]): Promise<void> {
  const { kube, log } = context.deps;
  try {
    const { came, present } = await fetchedImages(kube, key, signal);
    const before = (await readNotes(context)).fetched ?? { parts: 0, images: null, present: 0 };
    const images = came === undefined ? before.images : (before.images ?? 0) + came;
    await note(context, { fetched: { ...before, images, present } });
  } catch (error) {
    signal.throwIfAborted();
    log.info("what the kubelet fetched is not known", { error });
  }
}

/** As the workloads name them. The control plane's own image is not part of what Flux installs. */
function imagesOf(release: ResolvedRelease): readonly string[] {
  const named = [...release.artifacts.filter(({ kind }) => kind === "image"), ...release.missing];
  const wanted = named.filter(({ name }) => name !== "control-plane image");
  return [...new Set(wanted.map(({ reference }) => reference))].sort();
}

interface Wanted {
  readonly key: ReturnType<typeof digestOfValue>;
  readonly images: readonly string[];
  readonly release: ResolvedRelease;
}

async function waitForImages(call: UpdateCall, wanted: Wanted): Promise<void> {
  const { deps, settings } = call.context;
  let isOver = createPatience(settings);
  for (;;) {
    const pod = await openPrefetch(deps.kube, { release: wanted.key, images: wanted.images, signal: call.signal });
    const pulled = pulledImages(pod, wanted.images);
    for (const one of pulled) assertPinned(one, wanted.release);
    const there = pulled.filter(({ state }) => state === "there").length;
    if (there === pulled.length) return;
    const trouble = troubleOf(pulled, { noNode: unscheduled(pod), missing: wanted.release.missing });
    if (trouble === undefined) isOver = createPatience(settings);
    else if (isOver(deps.clock.monotonic(), trouble)) throw unavailable(trouble);
    const why = trouble === undefined ? "" : `: ${trouble.text}`;
    call.progress(`${there} of ${pulled.length} images are on the node${why}`);
    await deps.clock.sleep(pollMsOf(settings), call.signal);
  }
}

/** Tells whether a trouble has lasted too long for its kind, from the first time it is asked. */
function createPatience(settings: UpdateSettings): (nowMs: number, trouble: Trouble) => boolean {
  let sinceMs: number | undefined;
  return (nowMs, { definite, certain }) => {
    sinceMs ??= nowMs;
    const lastsMs = certain ? CERTAIN_MS : definite ? DEFINITE_MS : LINE_MS;
    return nowMs - sinceMs >= atPace(settings, lastsMs);
  };
}

interface Trouble {
  readonly image: string;
  readonly text: string;
  /** The kubelet says that it is not there, or denied. */
  readonly definite: boolean;
  /** Nobody has it: the registry did not show it to us either. */
  readonly certain: boolean;
}

function troubleOf(
  pulled: readonly Pulled[],
  seen: { readonly noNode: string | undefined; readonly missing: ResolvedRelease["missing"] },
): Trouble | undefined {
  if (seen.noNode !== undefined) {
    return { image: pulled[0]?.image ?? "", text: seen.noNode, definite: false, certain: false };
  }
  const refused = pulled.find(({ state }) => state === "refused");
  if (refused === undefined) return undefined;
  const { image, text } = refused;
  const definite = DEFINITE.test(text);
  return { image, text, definite, certain: definite && seen.missing.some(({ reference }) => reference === image) };
}

/** What a tag gave the node must be what the release meant when it was resolved. */
function assertPinned({ image, imageId }: Pulled, release: ResolvedRelease): void {
  const known = release.artifacts.find(({ reference }) => reference === image);
  const got = /@(sha256:[0-9a-f]{64})$/.exec(imageId)?.[1];
  if (known === undefined || got === undefined || got === known.digest) return;
  throw stepError({
    code: "oci/tag-moved",
    message: `Cannot use image "${image}": the node has ${got}, the release was resolved with ${known.digest}`,
    hint: "Look at the plan again: somebody has moved a tag",
    retrySafe: false,
    fields: [],
    evidence: [{ ref: image, text: imageId }],
  });
}

function unavailable({ image, text, definite }: Trouble): Error {
  return stepError({
    code: "update/image-unavailable",
    message: `Cannot update: image "${image}" does not come to the node (${text.slice(0, 300)})`,
    hint: definite
      ? "Choose another version of the release, and tell its publisher; nothing was changed"
      : "Open the way to the registry, then start the update again; nothing was changed",
    retrySafe: false,
    fields: [],
    evidence: [{ ref: image, text }],
  });
}
