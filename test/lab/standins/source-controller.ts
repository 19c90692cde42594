// The source-controller stand-in: OCIRepository (v1) only. Pulls the artifact by digest or tag, checks every digest, serves
// the layer under the address that the real controller uses, and sets `status.artifact` and Ready as documented.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type ClusterObject, type Condition, patchStatus, readKey } from "./cluster.ts";
import { runController, serveProbes } from "./controller.ts";
import { answer, log, messageOf } from "./plumbing.ts";
import { digestOf, loginIn, Repository } from "./registry.ts";

const STORAGE = "/data";
const CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip";

interface SourceSpec {
  readonly url: string;
  readonly ref?: { readonly digest?: string; readonly tag?: string };
  readonly certSecretRef?: { readonly name: string };
  readonly secretRef?: { readonly name: string };
  readonly insecure?: boolean;
  readonly layerSelector?: { readonly mediaType?: string; readonly operation?: string };
}

export async function runSourceController(): Promise<void> {
  serveProbes([8080, 9440]);
  createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0] ?? "/";
    if (path === "/") return answer(response, 200, "ok", "text/plain");
    try {
      const bytes = readFileSync(join(STORAGE, path.replaceAll("..", "")));
      response.writeHead(200, { "content-type": "application/gzip", "content-length": bytes.length }).end(bytes);
    } catch {
      answer(response, 404, "not found", "text/plain");
    }
  }).listen(9090, () => log("source-controller (stand-in) serves artifacts on 9090"));
  await runController({
    collection: "/apis/source.toolkit.fluxcd.io/v1/ocirepositories",
    reconcile,
    due: async (object) => !ready(object) || artifactIsGone(object),
  });
}

async function reconcile(object: ClusterObject, path: string): Promise<void> {
  try {
    const artifact = await pull(object);
    const message = `stored artifact for digest '${artifact.revision}'`;
    const conditions: Condition[] = [
      { type: "Ready", status: "True", reason: "Succeeded", message },
      { type: "ArtifactInStorage", status: "True", reason: "Succeeded", message },
    ];
    await patchStatus(path, object, { artifact, conditions, observedGeneration: object.metadata.generation });
    log(`${path}: ${message}`);
  } catch (problem) {
    const message = `failed to pull artifact from '${(object.spec as SourceSpec).url}': ${messageOf(problem)}`;
    const conditions: Condition[] = [
      { type: "Ready", status: "False", reason: "OCIArtifactPullFailed", message },
      { type: "FetchFailed", status: "True", reason: "OCIArtifactPullFailed", message },
    ];
    await patchStatus(path, object, { conditions, observedGeneration: object.metadata.generation });
    log(`${path}: ${message}`);
  }
}

async function pull(object: ClusterObject) {
  const spec = object.spec as SourceSpec;
  const { name, namespace } = object.metadata;
  const authority = spec.certSecretRef && (await readKey("Secret", namespace, spec.certSecretRef.name, "ca.crt"));
  const secret = spec.secretRef && (await readKey("Secret", namespace, spec.secretRef.name, ".dockerconfigjson"));
  const login = secret === undefined ? undefined : loginIn(secret, spec.url);
  const repository = new Repository(spec.url, { authority, insecure: spec.insecure, login });
  const { manifest, digest } = await repository.manifest(spec.ref?.digest ?? spec.ref?.tag ?? "latest");
  const wanted = spec.layerSelector?.mediaType ?? CONTENT;
  const layer = manifest.layers.find((one) => one.mediaType === wanted) ?? manifest.layers[0];
  if (layer === undefined) throw new Error("the artifact has no layer");
  const bytes = await repository.blob(layer.digest);
  gunzipSync(bytes);
  const place = `ocirepository/${namespace}/${name}`;
  const file = `${digest.replace(":", "_")}.tar.gz`;
  store(join(STORAGE, place), file, bytes);
  return {
    digest: digestOf(bytes),
    lastUpdateTime: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    metadata: manifest.annotations ?? {},
    path: `${place}/${file}`,
    revision: spec.ref?.digest === undefined && spec.ref?.tag !== undefined ? `${spec.ref.tag}@${digest}` : digest,
    size: bytes.length,
    url: `http://source-controller.flux-system.svc.cluster.local./${place}/${file}`,
  };
}

function store(folder: string, file: string, bytes: Buffer): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), bytes);
  for (const old of readdirSync(folder)) if (old !== file) rmSync(join(folder, old));
}

function ready(object: ClusterObject): boolean {
  return object.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false;
}

// The store is an emptyDir: a new pod has lost what the status still names, and pulls again, as the real one does.
function artifactIsGone(object: ClusterObject): boolean {
  const path = (object.status?.artifact as { path?: string } | undefined)?.path;
  try {
    return path === undefined || readFileSync(join(STORAGE, path)).length === 0;
  } catch {
    return true;
  }
}
