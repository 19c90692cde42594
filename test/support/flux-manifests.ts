/** Flux' own manifests, out of the module that the lab has in its Go module cache; nothing is fetched. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { isKubeObject, type KubeObject } from "../../src/kube/model.ts";

const FILES = ["source-controller.yaml", "kustomize-controller.yaml", "helm-controller.yaml", "rbac.yaml"];

/** All objects of the newest Flux 2.9 in the module cache, or what is missing. */
export function fluxManifests(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly objects: readonly KubeObject[] } | { readonly missing: string } {
  const cache = environment.GOMODCACHE ?? join(environment.GOPATH ?? join(homedir(), "go"), "pkg/mod");
  const owner = join(cache, "github.com/controlplaneio-fluxcd");
  const modules = existsSync(owner) ? readdirSync(owner).filter((name) => name.startsWith("flux-operator@")) : [];
  const folders = modules.flatMap((name) => releasesOf(join(owner, name, "config/data/flux"))).sort();
  const folder = folders.at(-1);
  if (folder === undefined)
    return { missing: "no flux-operator module in the Go module cache (npm run lab fetches it)" };
  return { objects: FILES.flatMap((name) => objectsOf(join(folder, name))) };
}

function releasesOf(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith("v2.9."))
    .map((name) => join(folder, name));
}

function objectsOf(file: string): readonly KubeObject[] {
  const documents = parseAllDocuments(readFileSync(file, "utf8"));
  return documents.map((document): unknown => document.toJS()).filter(isKubeObject);
}
