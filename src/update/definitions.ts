/**
 * Definitions of custom resources that a release brings: of its Flux, of its configuration bundle and of its charts.
 *
 * Read from the parts that the installed release does not have by the same digest; their bytes are untrusted until the registry client
 * has checked them, and bounded. What was read once is known by its digest, so that a plan that is made again asks for nothing.
 *
 * @see Kubernetes documentation, "Versions in CustomResourceDefinitions", section on storedVersions
 */
import type { Digest } from "../core/digest.ts";
import { readFluxObjects } from "../flux/install.ts";
import { readLongYaml } from "../flux/yaml.ts";
import { isKubeObject, type KubeObject, listAt, textAt } from "../kube/model.ts";
import type { RegistryClient } from "../oci/client.ts";
import { readTarGz } from "../oci/tar.ts";
import { openRegistryOfBox } from "../release/answered-registry.ts";
import type { ResolvedArtifact, ResolvedRelease } from "../release/resolved.ts";
import type { DefinitionChange } from "./model.ts";
import { type Definition, definitionChanges } from "./plan-checks.ts";
import type { UpdateDeps } from "./ports.ts";
import { repositoryOf } from "./step-prepare.ts";

/** Bytes of one part: a chart or a bundle has kilobytes, Flux a tenth of a megabyte. */
const MAX_PART_BYTES = 8 * 1024 * 1024;
/** Parts that are remembered: those of a few releases. */
const MAX_KNOWN = 64;
const DEFINITION = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" } as const;

type DefinitionDeps = Pick<UpdateDeps, "clock" | "random" | "log" | "transports" | "store" | "registry" | "kube">;

export interface Definitions {
  /**
   * Compares what the wanted release brings with what the cluster has.
   * @throws what the registry client and the Kubernetes API throw; oci/bad-archive and flux/bad-artifact for parts that cannot be read.
   */
  changes(
    release: { readonly from: ResolvedRelease | undefined; readonly to: ResolvedRelease },
    signal: AbortSignal,
  ): Promise<readonly DefinitionChange[]>;
}

/** Makes the reader of one process. Nothing is asked before the first call. */
export function createDefinitions(deps: DefinitionDeps): Definitions {
  const known = new Map<Digest, readonly Definition[]>();
  const read = async (registry: RegistryClient, part: ResolvedArtifact, signal: AbortSignal) => {
    const before = known.get(part.digest);
    if (before !== undefined) return before;
    const found = await readPart(deps, registry, { part, signal });
    known.set(part.digest, found);
    for (const old of [...known.keys()].slice(0, -MAX_KNOWN)) known.delete(old);
    return found;
  };
  return {
    changes: async ({ from, to }, signal) => {
      const had = new Set((from?.artifacts ?? []).map(({ digest }) => digest));
      const parts = to.artifacts.filter(({ kind, digest }) => kind !== "image" && !had.has(digest));
      if (parts.length === 0) return [];
      const registry = await openRegistryOfBox(deps);
      const wanted = (await Promise.all(parts.map((part) => read(registry, part, signal)))).flat();
      const present = await Promise.all(wanted.map(({ name }) => deps.kube.get({ ...DEFINITION, name }, { signal })));
      const known = present.flatMap((found) => (found === undefined ? [] : [definitionOf(found)]));
      return definitionChanges(wanted, new Map(known.map((one) => [one.name, one])));
    },
  };
}

async function readPart(
  deps: DefinitionDeps,
  registry: RegistryClient,
  { part, signal }: { readonly part: ResolvedArtifact; readonly signal: AbortSignal },
): Promise<readonly Definition[]> {
  const repository = repositoryOf(part, registry.registry);
  const { manifest } = await registry.manifest(repository, part.digest, { signal });
  const layer = manifest.layers[0];
  if (layer === undefined) return [];
  const bytes = await registry.blob(repository, layer, { maxBytes: MAX_PART_BYTES, signal });
  const objects = part.kind === "flux" ? await readFluxObjects(deps, bytes) : await readFolder(deps, bytes, part);
  return objects.filter(({ kind }) => kind === DEFINITION.kind).map(definitionOf);
}

/** Plain YAML only: the templates of a chart are none, and Helm takes definitions from its folder crds/ alone. */
async function readFolder(
  deps: DefinitionDeps,
  bytes: Uint8Array,
  { kind, name }: ResolvedArtifact,
): Promise<readonly KubeObject[]> {
  const objects: KubeObject[] = [];
  for (const [path, content] of readTarGz(bytes, { what: name })) {
    if (!/\.ya?ml$/.test(path) || (kind === "chart" && !/(?:^|\/)crds\//.test(path))) continue;
    const text = new TextDecoder().decode(content);
    if (!text.includes(DEFINITION.kind)) continue;
    const what = `file "${path}" of the ${name}`;
    objects.push(...(await readLongYaml(deps, text, { what, code: "flux/bad-artifact" })).filter(isKubeObject));
  }
  return objects;
}

function definitionOf(object: KubeObject): Definition {
  const versions = listAt(object, "spec", "versions").flatMap((one) => textAt(one, "name") ?? []);
  const stored = listAt(object, "status", "storedVersions").filter((one) => typeof one === "string");
  return { name: object.metadata.name, versions, stored };
}
