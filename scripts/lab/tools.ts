// The Go tools of the lab, each built from its own pinned module under test/lab/tools into the cache.
//
//   bun scripts/lab/tools.ts                    builds all of them and prints `name path` a line
//   bun scripts/lab/tools.ts kube-apiserver     builds that one only (and what is asked beside it)
//   bun scripts/lab/tools.ts kube-apiserver etcd   also finds Debian's etcd, installing the package
//   bun scripts/lab/tools.ts interop            the registry and signing tools that check what we publish, and Debian's too
//
// The cache entry is named after go.mod, go.sum and the flags, so a second call builds nothing. Safe to call again.

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensurePackages, PACKAGES } from "./packages.ts";
import { CACHE, keyOf, LAB_SOURCES } from "./places.ts";
import { hasProgram, run, say, tryRun } from "./shell.ts";

interface ToolModule {
  readonly packages: Readonly<Record<string, string>>;
  readonly ldflags?: string;
  /** Sources of our own beside go.mod; a change of theirs is a new cache entry too. */
  readonly sources?: readonly string[];
}

const KUBERNETES = "k8s.io/kubernetes/cmd";
const CONTAINERD = "github.com/containerd/containerd/v2";

/** Module folder under test/lab/tools -> the commands taken from it. */
const MODULES: Readonly<Record<string, ToolModule>> = {
  kubernetes: {
    packages: {
      "kube-apiserver": `${KUBERNETES}/kube-apiserver`,
      "kube-controller-manager": `${KUBERNETES}/kube-controller-manager`,
      "kube-scheduler": `${KUBERNETES}/kube-scheduler`,
      kubelet: `${KUBERNETES}/kubelet`,
      "kube-proxy": `${KUBERNETES}/kube-proxy`,
      kubectl: `${KUBERNETES}/kubectl`,
    },
    ldflags: "-X k8s.io/component-base/version.gitVersion=v1.36.3",
  },
  containerd: {
    packages: {
      containerd: `${CONTAINERD}/cmd/containerd`,
      "containerd-shim-runc-v2": `${CONTAINERD}/cmd/containerd-shim-runc-v2`,
      ctr: `${CONTAINERD}/cmd/ctr`,
    },
    ldflags: `-X ${CONTAINERD}/version.Version=v2.4.2`,
  },
  coredns: { packages: { coredns: "github.com/coredns/coredns" } },
  "kustomize-controller": {
    packages: { "kustomize-controller": "github.com/fluxcd/kustomize-controller" },
  },
  helm: { packages: { helm: "helm.sh/helm/v4/cmd/helm" } },
  "local-path-provisioner": {
    packages: { "local-path-provisioner": "github.com/rancher/local-path-provisioner" },
  },
  pause: { packages: { pause: "." }, sources: ["main.go"] },
  registries: { packages: { registries: "." }, sources: ["main.go"] },
  terminal: { packages: { terminal: "." }, sources: ["main.go"] },
  crane: { packages: { crane: "github.com/google/go-containerregistry/cmd/crane" } },
  distribution: { packages: { distribution: "github.com/distribution/distribution/v3/cmd/registry" } },
  cosign: { packages: { cosign: "github.com/sigstore/cosign/v3/cmd/cosign" } },
  promlint: { packages: { promlint: "." }, sources: ["main.go"] },
};

/** What reads our publications and metrics in the contract tests and no box needs; `helm` is in both. */
const INTEROP: readonly string[] = ["helm", "crane", "distribution", "cosign", "promlint", "registries"];

/** Every tool of the box, in the order they are built. */
export const TOOL_NAMES: readonly string[] = Object.values(MODULES)
  .flatMap((module) => Object.keys(module.packages))
  .filter((name) => name === "helm" || name === "registries" || !INTEROP.includes(name));

/**
 * Builds the named tools that are not in the cache yet and answers where each lies. `etcd` names Debian's server.
 * @throws {Error} when Go is absent, a name is unknown, or a build fails
 */
export function ensureTools(names: readonly string[] = TOOL_NAMES): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, name === "etcd" ? ensureEtcd() : ensureTool(name)]));
}

/** The path a tool has, or will have, in the cache. */
export function toolPath(name: string): string {
  const [folder, module] = moduleOf(name);
  const sources = join(LAB_SOURCES, "tools", folder);
  const key = keyOf(
    ["go.mod", "go.sum", ...(module.sources ?? [])].map((name) => join(sources, name)),
    module.ldflags,
  );
  return join(CACHE, "tools", `${folder}-${key}`, name);
}

function ensureTool(name: string): string {
  const path = toolPath(name);
  if (existsSync(path)) return path;
  if (!hasProgram("go"))
    throw new Error(`Cannot build "${name}": no go command is on the search path, Go 1.26 is wanted`);
  const [folder, module] = moduleOf(name);
  const started = Date.now();
  say(`building ${name}`);
  mkdirSync(join(path, ".."), { recursive: true });
  const unfinished = `${path}.${process.pid}`;
  const flags = ["-trimpath", "-mod=readonly", "-ldflags", `-s -w ${module.ldflags ?? ""}`];
  run(["go", "build", ...flags, "-o", unfinished, module.packages[name] ?? ""], {
    cwd: join(LAB_SOURCES, "tools", folder),
    env: { CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
    timeoutMs: 3_600_000,
  });
  renameSync(unfinished, path);
  rmSync(unfinished, { force: true });
  say(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s`);
  return path;
}

function ensureEtcd(): string {
  ensurePackages(PACKAGES.controlPlane);
  return "/usr/bin/etcd";
}

function moduleOf(name: string): readonly [string, ToolModule] {
  const found = Object.entries(MODULES).find(([, module]) => name in module.packages);
  const known = [...new Set([...TOOL_NAMES, ...INTEROP])].join(", ");
  if (found === undefined) throw new Error(`Cannot build tool "${name}": it is none of ${known}, etcd`);
  return found;
}

/** Flux's own manifests travel in a module that needs a newer Go to build, so it is only downloaded, never required. */
const FLUX_MANIFESTS = {
  module: "github.com/controlplaneio-fluxcd/flux-operator",
  version: "v0.59.0",
  sum: "h1:jByuiWYtjSJxucGHuz68tV0DeVFz5CYrKQYfxAwE7lE=",
  folder: "config/data/flux/v2.9.5",
} as const;

/**
 * Downloads the manifests of Flux 2.9.5 and answers their folder.
 * @throws {Error} when the module's bytes have another checksum than the pinned one
 */
export function fluxManifests(): string {
  const { module, version, sum, folder } = FLUX_MANIFESTS;
  const facts = JSON.parse(
    tryRun(["go", "mod", "download", "-json", `${module}@${version}`], { cwd: LAB_SOURCES }).stdout,
  );
  if (facts.Sum !== sum)
    throw new Error(`Cannot use module "${module}": its checksum is ${facts.Sum}, ${sum} is wanted`);
  return join(run(["go", "env", "GOMODCACHE"]).trim(), `${module}@${version}`, folder);
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  if (asked.includes("interop")) ensurePackages(PACKAGES.interop);
  const names = asked.flatMap((name) => (name === "interop" ? INTEROP : [name]));
  for (const [name, path] of Object.entries(ensureTools(names.length === 0 ? TOOL_NAMES : names))) {
    process.stdout.write(`${name} ${path}\n`);
  }
}
