/**
 * Gathers what the choice of the control plane rests on: the channel (within a time), the cluster, the node's images, the record
 * and the payload. Whatever cannot be learned is told as such, so that it is never mistaken for "there is none".
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { withDeadline } from "../core/deadline.ts";
import { isApplianceError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import type { StatePaths } from "../core/paths.ts";
import type { Deps } from "../core/ports.ts";
import type { Kube } from "../kube/calls.ts";
import { FIELD_MANAGER } from "../kube/client.ts";
import { type KubeObject, listAt, numberAt, textAt } from "../kube/model.ts";
import { readinessOf } from "../kube/readiness.ts";
import type { RegistryClient } from "../oci/client.ts";
import { controlPlaneImage, type ImageName } from "../release/control-plane.ts";
import { openRegistry, type RegistryAccess } from "../release/registry-access.ts";
import { findRelease, type ReleaseRef } from "../release/resolve.ts";
import { ANY_VERSION } from "../release/version.ts";
import { bakedArchives } from "./baked-images.ts";
import { hasImage } from "./containerd.ts";
import type { ControlPlaneFacts, Health, ImageVersion } from "./control-plane-choice.ts";
import { readRecord } from "./control-plane-record.ts";

/** Where the control plane lives in the cluster. */
export const CONTROL_PLANE = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: "alga-appliance-control-plane",
  name: "appliance-control-plane",
} as const;

/** On the Deployment: version of the release that brought the image. */
export const VERSION_ANNOTATION = "appliance.alga/control-plane-version";

/** Under which the payload's archive holds the control plane. */
const BAKED_IMAGE = "localhost/alga-appliance-control-plane:baked";

const MAX_BUNDLE_BYTES = 64 * 1024;
const bundleSchema = z.looseObject({ image: z.string().optional(), version: z.string().optional() });

type FactsDeps = Pick<Deps, "clock" | "random" | "log" | "files" | "transports">;

/** What the channel names, or why that is not known. */
export type ChannelFacts = ControlPlaneFacts["channel"];

export interface Follows {
  readonly registry: RegistryAccess;
  readonly ref: ReleaseRef;
}

export interface FactsOptions {
  readonly paths: StatePaths;
  /** Absent: there is no cluster yet. */
  readonly kube?: Kube;
  /** Images of the node; empty while containerd does not run. */
  readonly images: ReadonlySet<string>;
  /** What the box follows and where, or why the registry is not asked, or what it has answered already. */
  readonly follows: Follows | { readonly problem: string } | { readonly answered: ChannelFacts };
  /** Milliseconds for the registry: a box that starts must not wait for it. */
  readonly askMs: number;
  readonly allowDowngrade?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Gathers the facts. Reads only.
 * @throws {ApplianceError} the kube/ codes while the cluster is there and does not answer.
 */
export async function gatherControlPlaneFacts(deps: FactsDeps, options: FactsOptions): Promise<ControlPlaneFacts> {
  const { paths, images } = options;
  const [record, baked] = await Promise.all([readRecord(deps, paths), bakedImage(deps, paths)]);
  const running = await runningImage(options, record.healthy?.image);
  const isHere = (one: ImageVersion): boolean => hasImage(images, one.image) || one.image === baked?.image;
  const { healthy } = record;
  const asked = await askChannel(deps, options);
  const known = "image" in asked && (isHere(asked) || asked.obtainable);
  return {
    channel: "image" in asked ? { ...asked, obtainable: known } : asked,
    running: running === null ? null : { ...running, obtainable: isHere(running) },
    previous: healthy === null ? null : { image: healthy.image, version: healthy.version, obtainable: isHere(healthy) },
    baked,
    failed: record.failed.map(({ image }) => image),
    ...(options.allowDowngrade === undefined ? {} : { allowDowngrade: options.allowDowngrade }),
  };
}

/**
 * What the channel names, pinned by the digest that the registry gives now. Takes at most `askMs`; never throws but for a signal that
 * fires: a registry may do anything. Reads only.
 */
export async function askChannel(
  deps: FactsDeps,
  options: Pick<FactsOptions, "follows" | "askMs" | "signal">,
): Promise<ChannelFacts> {
  const { follows, askMs } = options;
  if ("problem" in follows) return follows;
  if ("answered" in follows) return follows.answered;
  const { registry: access, ref } = follows;
  const client = openRegistry(deps, access);
  try {
    return await withDeadline(deps.clock, askMs, {
      what: `registry "${access.place.registry}"`,
      parent: options.signal,
      work: async (signal) => {
        const { base } = access.place;
        const found = await findRelease(client, ref, { base, running: ANY_VERSION, trust: access.trust, signal });
        const named = controlPlaneImage(found.manifest, access.place);
        if (named === undefined) return { problem: `release ${found.manifest.version} names no control plane` };
        return { ...(await pinned(client, named, signal)), version: found.manifest.version };
      },
    });
  } catch (thrown) {
    deps.log.info("channel not asked", { error: thrown });
    return { problem: isApplianceError(thrown) ? thrown.message : "the registry gave an answer that cannot be used" };
  }
}

/** By digest, so that the node runs what was asked for here and nothing that the tag means later. */
async function pinned(
  client: RegistryClient,
  named: ImageName,
  signal: AbortSignal,
): Promise<{ readonly image: string; readonly obtainable: boolean }> {
  const { repository, tag, digest } = named;
  const text = digest === undefined ? `${repository}:${tag ?? "latest"}` : `${repository}@${digest}`;
  if (!repository.startsWith(`${client.registry}/`)) return { image: text, obtainable: false };
  try {
    const inside = repository.slice(client.registry.length + 1);
    const found = await client.resolve(inside, digest ?? tag ?? "latest", { signal });
    return { image: `${repository}@${digest ?? found.digest}`, obtainable: true };
  } catch (thrown) {
    if (!isApplianceError(thrown, "oci/not-found", "oci/forbidden", "oci/unauthorized")) throw thrown;
    return { image: text, obtainable: false };
  }
}

async function runningImage(
  options: FactsOptions,
  proven: string | undefined,
): Promise<(ImageVersion & { readonly health: Health }) | null> {
  const { kube, signal } = options;
  const deployment = await kube?.get(CONTROL_PLANE, { signal });
  const [container] = listAt(deployment, "spec", "template", "spec", "containers");
  const image = textAt(container, "image");
  if (kube === undefined || deployment === undefined || image === undefined || !isOurs(deployment)) return null;
  const version = deployment.metadata.annotations?.[VERSION_ANNOTATION] ?? null;
  const health = await healthOf(kube, deployment, { image, isProven: image === proven, signal });
  return { image, version, health };
}

/**
 * Tells whether this product ever applied it. The Deployment of an older kind of box has the same name, and its image knows nothing of
 * our manifest: it is no control plane to stay with, or to compare versions with.
 */
function isOurs({ metadata }: KubeObject): boolean {
  return (metadata.managedFields ?? []).some(
    ({ manager, operation }) => manager === FIELD_MANAGER && operation === "Apply",
  );
}

/** Why a container does not start that says nothing about what is in the image. */
const CANNOT_BE_HAD = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"];

/** Ends of a container, each within moments of its start, after which nobody waits for the rollout's time. */
const MANY_ENDS = 3;

interface Judged {
  readonly image: string;
  /** It was healthy on this box once: what ends it now may be the box. */
  readonly isProven: boolean;
  readonly signal: AbortSignal;
}

/** A failure of the image is a rollout that had its time, or one that ends again and again, and whose image was there. */
async function healthOf(kube: Kube, deployment: KubeObject, { image, isProven, signal }: Judged): Promise<Health> {
  const { state } = readinessOf(deployment);
  if (state === "ready") return "healthy";
  const pods = await kube.list(
    { apiVersion: "v1", kind: "Pod", namespace: CONTROL_PLANE.namespace },
    { labelSelector: `app.kubernetes.io/name=${CONTROL_PLANE.name}`, signal },
  );
  const ours = pods.items.filter((pod) => textAt(listAt(pod, "spec", "containers")[0], "image") === image);
  const statuses = ours.flatMap((pod) => listAt(pod, "status", "containerStatuses"));
  const reasons = statuses.map((one) => textAt(one, "state", "waiting", "reason") ?? "");
  if (reasons.some((reason) => CANNOT_BE_HAD.includes(reason))) return "unknown";
  if (state === "failed") return "unhealthy";
  return !isProven && statuses.some(endsAlways) ? "unhealthy" : "unknown";
}

function endsAlways(status: unknown): boolean {
  const isWaiting = textAt(status, "state", "waiting", "reason") === "CrashLoopBackOff";
  return isWaiting && (numberAt(status, "restartCount") ?? 0) >= MANY_ENDS;
}

/**
 * What the payload says of its control plane; without a usable word of it the name is the usual one and the version unknown. Reads
 * only.
 * @returns null when the payload has no archive.
 */
export async function bakedImage(
  deps: Pick<FactsDeps, "files" | "log">,
  paths: StatePaths,
): Promise<ImageVersion | null> {
  if ((await bakedArchives(deps, paths)).length === 0) return null;
  const path = join(paths.payload, "control-plane/bundle.json");
  try {
    const bytes = await deps.files.read(path, { maxBytes: MAX_BUNDLE_BYTES });
    const { image, version } = bytes === undefined ? {} : bundleSchema.parse(parseJson(bytes, { what: path }));
    return { image: image ?? BAKED_IMAGE, version: version ?? null };
  } catch (error) {
    deps.log.warn("bundle.json of the payload cannot be used", { path, error });
    return { image: BAKED_IMAGE, version: null };
  }
}
