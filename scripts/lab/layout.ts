// OCI image layouts: folders of blobs that skopeo pushes as they are, for images and for artifacts of any media type.

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { TLS } from "./authority.ts";
import { REGISTRY, withNames } from "./registry.ts";
import { run } from "./shell.ts";

export interface Blob {
  readonly mediaType: string;
  readonly bytes: string | Uint8Array;
}

export interface ArtifactRecipe {
  readonly artifactType?: string;
  readonly config: Blob;
  readonly layers: readonly Blob[];
  readonly annotations?: Readonly<Record<string, string>>;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

/** Stores bytes under their digest. */
export function writeBlob(layout: string, bytes: string | Uint8Array): { digest: string; size: number } {
  const content = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  const digest = createHash("sha256").update(content).digest("hex");
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  writeFileSync(join(layout, "blobs/sha256", digest), content);
  return { digest: `sha256:${digest}`, size: content.length };
}

/** Finishes a layout whose only manifest is the given one, and answers its digest. */
export function writeIndex(layout: string, manifest: object, name: string): string {
  const entry = { mediaType: MANIFEST, ...writeBlob(layout, JSON.stringify(manifest)) };
  const annotations = { "org.opencontainers.image.ref.name": name, "io.containerd.image.name": name };
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...entry, annotations }] }),
  );
  writeFileSync(join(layout, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  return entry.digest;
}

/** Pushes a layout to repositories of the lab's registry, each `name:tag`, keeping its digest. */
export function pushLayout(layout: string, targets: readonly string[]): void {
  const flags = ["--preserve-digests", "--authfile", REGISTRY.credentials, "--dest-cert-dir", dirname(TLS.trust)];
  for (const target of targets) {
    run(withNames(["skopeo", "copy", "-q", ...flags, `oci:${layout}`, `docker://${REGISTRY.host}/${target}`]));
  }
}

/** Pushes an artifact under every given `name:tag` and answers its manifest's digest. */
export function pushArtifact(recipe: ArtifactRecipe, targets: readonly string[]): string {
  const layout = mkdtempSync(join(tmpdir(), "alga-lab-artifact-"));
  try {
    const describe = (blob: Blob) => ({ mediaType: blob.mediaType, ...writeBlob(layout, blob.bytes) });
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      ...(recipe.artifactType === undefined ? {} : { artifactType: recipe.artifactType }),
      config: describe(recipe.config),
      layers: recipe.layers.map(describe),
      ...(recipe.annotations === undefined ? {} : { annotations: recipe.annotations }),
    };
    const digest = writeIndex(layout, manifest, "lab");
    pushLayout(layout, targets);
    return digest;
  } finally {
    rmSync(layout, { recursive: true, force: true });
  }
}

/** A copy of a layout whose only manifest has more annotations, and so another digest; the caller removes its folder. */
export function annotatedCopy(
  layout: string,
  annotations: Readonly<Record<string, string>>,
): { readonly layout: string; readonly digest: string } {
  const copy = mkdtempSync(join(tmpdir(), "alga-lab-copy-"));
  cpSync(layout, copy, { recursive: true });
  const [entry] = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests;
  const blob = join(layout, "blobs/sha256", entry.digest.replace("sha256:", ""));
  const manifest = JSON.parse(readFileSync(blob, "utf8"));
  const changed = { ...manifest, annotations: { ...manifest.annotations, ...annotations } };
  return { layout: copy, digest: writeIndex(copy, changed, "lab") };
}
