/** A release of 300 MB as one file: bundling, checking and loading, beside skopeo, sha256sum and tar with the same bytes. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pushArtifact } from "../src/oci/artifact.ts";
import { createLayout, writeStore } from "../src/oci/layout-writer.ts";
import { MEDIA } from "../src/oci/media-types.ts";
import { createMemoryStore, type RegistryStore } from "../src/oci/store.ts";
import { systemFiles as files } from "../src/platform/files.ts";
import { buildSampleRelease } from "../src/rehearsal/sample-release.ts";
import { freePort } from "../test/support/sockets.ts";
import { median, type Row, row, startToFirstAnswer, stop, without } from "./measure.ts";

/** Of each image. */
const LAYERS = 5;
const NAME = "bundle from a registry to a tar";
const SKOPEO = "/usr/bin/skopeo";

/** Measures. @param options.megabytes Of the whole release, shared evenly by its images. */
export async function bundleTimes(
  executable: string,
  { runs, megabytes }: { readonly runs: number; readonly megabytes: number },
): Promise<Row[]> {
  if (!existsSync(SKOPEO)) return [without(NAME, "skopeo is not installed")];
  const folder = mkdtempSync(join(tmpdir(), "alga-bench-bundle-"));
  const port = await freePort();
  try {
    const images = await publish(join(folder, "published"), { registry: `127.0.0.1:${port}`, megabytes });
    const words = ["release", "serve", join(folder, "published"), "--port", String(port)];
    const { child } = await startToFirstAnswer([executable, ...words], `http://127.0.0.1:${port}/v2/`);
    try {
      return await compare({ executable, folder, registry: `127.0.0.1:${port}`, images, runs, megabytes });
    } finally {
      await stop(child);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A sample release whose images are of random bytes, so that nothing gets smaller on its way. Returns their repositories. */
async function publish(
  folder: string,
  wanted: { readonly registry: string; readonly megabytes: number },
): Promise<readonly string[]> {
  const store = createMemoryStore();
  buildSampleRelease(store, { registry: wanted.registry, base: "", version: "1.0.3", channels: ["stable"] });
  const images = store.repositories().filter((name) => isImage(store, name));
  const layerBytes = Math.ceil((wanted.megabytes * 1e6) / images.length / LAYERS);
  for (const repository of images) {
    const layers = Array.from({ length: LAYERS }, () => ({
      mediaType: MEDIA.layerTar,
      bytes: new Uint8Array(randomBytes(layerBytes)),
    }));
    const config = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } };
    const bytes = new TextEncoder().encode(JSON.stringify(config));
    pushArtifact(store, repository, { tag: "1.0.3", config: { mediaType: MEDIA.config, bytes }, layers });
  }
  const layout = await createLayout({ files }, folder);
  await writeStore(store, layout);
  await layout.finish();
  return images;
}

function isImage(store: RegistryStore, repository: string): boolean {
  const bytes = store.manifest(repository, "1.0.3")?.bytes;
  return bytes !== undefined && new TextDecoder().decode(bytes).includes(MEDIA.config);
}

interface Bench {
  readonly executable: string;
  readonly folder: string;
  readonly registry: string;
  readonly images: readonly string[];
  readonly runs: number;
  readonly megabytes: number;
}

async function compare(bench: Bench): Promise<Row[]> {
  const { executable, folder, registry, images, runs, megabytes } = bench;
  const media = join(folder, "media.tar");
  const ours = (...words: readonly string[]) =>
    measured([executable, ...words], { ALGA_APPLIANCE_ROOT: join(folder, "box") });
  const clean = (...names: readonly string[]): void => {
    for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
  };
  const copies = images
    .map(
      (name) =>
        `${SKOPEO} --insecure-policy copy -q --src-tls-verify=false docker://${registry}/nine-minds/${name}:1.0.3 oci:layout:${name}`,
    )
    .join(" && ");
  const seen = { bundle: [], skopeo: [], check: [], sum: [], load: [], tar: [] } as Record<string, Measured[]>;
  const note = (name: string, one: Measured): void => void seen[name]?.push(one);
  for (let index = 0; index < runs; index += 1) {
    clean("media.tar", "layout", "peer.tar", "box", "unpacked");
    note("bundle", await ours("release", "bundle", "--registry", registry, "--out", media));
    note(
      "skopeo",
      await measured(["sh", "-c", `cd ${folder} && ${copies} && tar -cf peer.tar layout && sync -d peer.tar`]),
    );
    note("check", await ours("release", "check", media));
    note("sum", await measured(["sha256sum", media]));
    note("load", await ours("release", "load", media));
    mkdirSync(join(folder, "unpacked"));
    note(
      "tar",
      await measured(["sh", "-c", `tar -xf ${media} -C ${folder}/unpacked && sync ${folder}/unpacked/blobs/sha256/*`]),
    );
  }
  const time = (what: string, [own, peer]: readonly [string, string], about: string): Row => {
    const ms = (name: string): number => median((seen[name] ?? []).map((one) => one.ms));
    return row(what, ms(own), ms(peer), { unit: "ms", note: about, digits: 0 });
  };
  const memory = (what: string, [own, peer]: readonly [string, string], about: string): Row => {
    const peak = (name: string): number => median((seen[name] ?? []).map((one) => one.peakMegabytes));
    return row(what, peak(own), peak(peer), { unit: "MB", note: about });
  };
  return [
    time(`${NAME}, ${megabytes} MB`, ["bundle", "skopeo"], "skopeo copy of the images, then tar"),
    memory("bundle, peak memory", ["bundle", "skopeo"], "largest process of the same"),
    time("check of the bundle", ["check", "sum"], "sha256sum of the file"),
    memory("check, peak memory", ["check", "sum"], "sha256sum of the file"),
    time("load into the store, synced", ["load", "tar"], "tar -x and sync of its files"),
    memory("load, peak memory", ["load", "tar"], "largest process of the same"),
  ];
}

interface Measured {
  readonly ms: number;
  /** Largest of the process and its children, by VmHWM. */
  readonly peakMegabytes: number;
}

/** Runs a program to its end. @throws {Error} with what it said when it fails. */
function measured(command: readonly string[], env: Record<string, string> = {}): Promise<Measured> {
  const [program = "", ...words] = command;
  const started = performance.now();
  const child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  let peak = 0;
  const look = setInterval(() => {
    peak = Math.max(peak, ...family(child.pid ?? 0).map(highWater));
  }, 10);
  return new Promise((resolve, reject) => {
    child.once("close", (code) => {
      clearInterval(look);
      if (code === 0) resolve({ ms: performance.now() - started, peakMegabytes: peak });
      else reject(new Error(`${program} ended with ${code}: ${said}`));
    });
  });
}

function family(pid: number): readonly number[] {
  const children = readOr(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/).filter(Boolean).map(Number);
  return [pid, ...children.flatMap(family)];
}

function highWater(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readOr(`/proc/${pid}/status`))?.[1] ?? 0) / 1_000;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

if (import.meta.main) {
  const { sharedExecutable } = await import("../test/support/executable.ts");
  const { printTable } = await import("./measure.ts");
  printTable(await bundleTimes(process.argv[2] ?? sharedExecutable(), { runs: 3, megabytes: 300 }));
}
