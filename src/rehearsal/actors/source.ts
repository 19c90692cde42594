/**
 * Flux's source-controller: pulls what an OCIRepository pins, checks it, and offers the tree to the others.
 *
 * The trees are kept in memory by digest; after a restart they are pulled again, as the real one does with an empty disk.
 */
import { ApplianceError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { toInstant } from "../../core/time.ts";
import type { FileTree } from "../../flux/tree.ts";
import { conditionOf, type KubeObject, numberAt, textAt } from "../../kube/model.ts";
import type { RegistryClient } from "../../oci/client.ts";
import type { Credentials } from "../../oci/credentials.ts";
import { parseReference, type Reference } from "../../oci/reference.ts";
import { readTarGz } from "../../oci/tar.ts";
import { PARTS_HOST } from "../../release/parts-registry.ts";
import {
  type Actor,
  type ActorContext,
  fluxConditions,
  isRunning,
  listOf,
  OCI_REPOSITORY,
  tellStatus,
} from "./actor.ts";

const PULL_MS = 1_500;

/** Path in the bundle -> text. */
export type Tree = FileTree;

/** Trees by the digest of their artifact's layer. */
export interface Trees {
  get(digest: string): Tree | undefined;
  set(digest: string, tree: Tree): void;
}

/**
 * Plays source-controller: puts each pulled tree into `trees` by the digest of its layer. Bytes come through the registry
 * client, which bounds and hashes them.
 */
export function sourceActor(trees: Trees): Actor {
  return {
    name: "source-controller",
    act: async (context) => {
      if (!(await isRunning(context, "source-controller"))) return;
      for (const source of await listOf(context, OCI_REPOSITORY)) await pullSource(context, source, trees);
    },
  };
}

async function pullSource(context: ActorContext, source: KubeObject, trees: Trees): Promise<void> {
  const generation = source.metadata.generation ?? 1;
  const known = textAt(source, "status", "artifact", "digest");
  const settled =
    conditionOf(source, "Ready")?.status === "True" && numberAt(source, "status", "observedGeneration") === generation;
  if (settled && known !== undefined && trees.get(known) !== undefined) return;
  if (!context.passed(`source ${source.metadata.uid} ${generation}`, PULL_MS)) {
    return await tellStatus(context, source, { conditions: fluxConditions({ reconciling: "building artifact" }) });
  }
  try {
    const artifact = await pullArtifact(context, source, trees);
    await tellStatus(context, source, {
      conditions: fluxConditions({ ready: `stored artifact for digest '${artifact.revision}'`, reason: "Succeeded" }),
      fields: { artifact },
    });
  } catch (thrown) {
    if (!(thrown instanceof ApplianceError)) throw thrown;
    context.forget(`source ${source.metadata.uid} ${generation}`);
    const reason = thrown.code === "oci/unauthorized" ? "AuthenticationFailed" : "OCIArtifactPullFailed";
    await tellStatus(context, source, {
      conditions: fluxConditions({ failed: `failed to pull artifact: ${thrown.message}`, reason }),
    });
  }
}

function sourceReference(source: KubeObject): Reference {
  const digest = textAt(source, "spec", "ref", "digest");
  const tag = textAt(source, "spec", "ref", "tag") ?? "latest";
  return parseReference(`${textAt(source, "spec", "url") ?? ""}${digest === undefined ? `:${tag}` : `@${digest}`}`);
}

/** The registry that a source names: the embedded one, or what the control plane serves. */
async function registryOf(context: ActorContext, source: KubeObject, { registry }: Reference): Promise<RegistryClient> {
  if (registry === PARTS_HOST && context.ownRegistry !== undefined)
    return context.ownRegistry(await loginOf(context, source));
  if (!context.faults().registryDown) return context.registry;
  throw new ApplianceError("net/unreachable", `dial tcp ${registry}: connect: connection refused`);
}

/** What the Secret of a source says, as Docker's configuration does. */
async function loginOf(context: ActorContext, source: KubeObject): Promise<Credentials | undefined> {
  const name = textAt(source, "spec", "secretRef", "name");
  if (name === undefined) return undefined;
  const namespace = source.metadata.namespace ?? "";
  const secret = await context.kube.get({ apiVersion: "v1", kind: "Secret", namespace, name });
  const text = Buffer.from(textAt(secret, "data", ".dockerconfigjson") ?? "", "base64").toString("utf8");
  const auth = Buffer.from(/"auth":"([^"]+)"/.exec(text)?.[1] ?? "", "base64").toString("utf8");
  const colon = auth.indexOf(":");
  if (colon < 0) return undefined;
  return { kind: "password", username: auth.slice(0, colon), password: new Secret(auth.slice(colon + 1)) };
}

async function pullArtifact(
  context: ActorContext,
  source: KubeObject,
  trees: Trees,
): Promise<Record<string, unknown> & { revision: string }> {
  const reference = sourceReference(source);
  const registry = await registryOf(context, source, reference);
  const wanted = reference.digest ?? reference.tag ?? "latest";
  const { descriptor, manifest } = await registry.manifest(reference.repository, wanted);
  const selected = textAt(source, "spec", "layerSelector", "mediaType");
  const layer = manifest.layers.find((one) => one.mediaType === selected) ?? manifest.layers[0];
  if (layer === undefined) throw new ApplianceError("oci/bad-manifest", "the artifact has no layer");
  if (trees.get(layer.digest) === undefined)
    trees.set(layer.digest, textTree(await registry.blob(reference.repository, layer)));
  const revision = `${reference.tag ?? "latest"}@${descriptor.digest}`;
  return {
    digest: layer.digest,
    revision,
    size: layer.size,
    path: `ocirepository/${reference.repository}/${layer.digest}.tar.gz`,
    url: `http://source-controller.flux-system.svc.cluster.local./${layer.digest}.tar.gz`,
    lastUpdateTime: toInstant(context.clock.now()),
  };
}

function textTree(layer: Uint8Array): Tree {
  return new Map([...readTarGz(layer)].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)]));
}
