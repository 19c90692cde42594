// Container images of the lab: an image from scratch of a few files, written as an OCI layout, deterministic and cached
// by its content. The same layout is pushed by skopeo and, as a tar archive, imported by containerd.

import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeBlob, writeIndex } from "./layout.ts";
import { CACHE } from "./places.ts";
import { run } from "./shell.ts";

export interface ImageRecipe {
  /** Name inside the box, for example `localhost/pause:1`; written into the archive. */
  readonly name: string;
  /** Path in the image -> file of this machine. */
  readonly files: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly user?: string;
  /** Empty folders, mode 1777, for programs that want a /tmp. */
  readonly folders?: readonly string[];
}

export interface BuiltImage {
  readonly name: string;
  /** OCI image layout folder. */
  readonly layout: string;
  /** The layout as one tar archive. */
  readonly archive: string;
  /** Digest of the image manifest. */
  readonly digest: string;
}

/** Builds an image unless the same content is in the cache. */
export function buildImage(recipe: ImageRecipe): BuiltImage {
  const folder = join(CACHE, "images", `${recipe.name.replace(/[^a-z0-9.-]+/g, "_")}-${recipeKey(recipe)}`);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`;
    rmSync(unfinished, { recursive: true, force: true });
    writeLayout(recipe, unfinished);
    renameSync(unfinished, folder);
  }
  const index = JSON.parse(readFileSync(join(folder, "layout/index.json"), "utf8"));
  return {
    name: recipe.name,
    layout: join(folder, "layout"),
    archive: join(folder, "image.tar"),
    digest: index.manifests[0].digest,
  };
}

/** The shared libraries that a program of this machine needs (for a compiled executable: the five of glibc). */
export function sharedLibraries(program: string): Record<string, string> {
  const paths = run(["ldd", program]).match(/\/\S+(?= \()/g) ?? [];
  return Object.fromEntries(paths.map((path) => [path, path]));
}

function recipeKey(recipe: ImageRecipe): string {
  const hash = createHash("sha256").update(JSON.stringify(recipe));
  for (const file of Object.values(recipe.files)) hash.update(createHash("sha256").update(readFileSync(file)).digest());
  return hash.digest("hex").slice(0, 16);
}

function writeLayout(recipe: ImageRecipe, folder: string): void {
  const layout = join(folder, "layout");
  const layer = writeLayer(recipe, folder);
  const config = {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Entrypoint: recipe.entrypoint, ...(recipe.user === undefined ? {} : { User: recipe.user }) },
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created: "1970-01-01T00:00:00Z", created_by: "lab" }],
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...writeBlob(layout, JSON.stringify(config)) },
    layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
  };
  writeIndex(layout, manifest, recipe.name);
  run(["tar", "-C", layout, "--sort=name", "--mtime=@0", "-cf", join(folder, "image.tar"), "."]);
}

function writeLayer(recipe: ImageRecipe, folder: string): { digest: string; size: number } {
  const root = join(folder, "root");
  mkdirSync(root, { recursive: true });
  for (const [path, source] of Object.entries(recipe.files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(source, join(root, path));
    chmodSync(join(root, path), 0o755);
  }
  for (const path of recipe.folders ?? []) {
    mkdirSync(join(root, path), { recursive: true });
    chmodSync(join(root, path), 0o1777);
  }
  const flags = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  const tar = join(folder, "layer.tar");
  run(["tar", "-C", root, ...flags, "-cf", tar, "."]);
  rmSync(root, { recursive: true });
  const bytes = readFileSync(tar);
  const digest = createHash("sha256").update(bytes).digest("hex");
  mkdirSync(join(folder, "layout/blobs/sha256"), { recursive: true });
  renameSync(tar, join(folder, "layout/blobs/sha256", digest));
  return { digest: `sha256:${digest}`, size: bytes.length };
}
