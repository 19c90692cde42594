/** The control-plane image and a whole release: time and bytes of the build, beside umoci and crane with the same files. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createRegistryServer } from "../src/oci/registry-server.ts";
import { buildSampleRelease } from "../src/rehearsal/sample-release.ts";
import { toolPath, toolsMissing } from "../test/support/real-tools.ts";
import { serveFetch } from "../test/support/serve-registry.ts";
import { median, type Row, row, without } from "./measure.ts";

const EXAMPLE = join(import.meta.dirname, "../examples/release");

/** Measures whole processes, one after the other, in turns with their peers. */
export async function imageTimes(executable: string, runs: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "alga-bench-image-"));
  try {
    const tar = await rootOf(executable, folder);
    const ours: number[] = [];
    const [umoci, crane]: [number[], number[]] = [[], []];
    for (let index = 0; index < runs; index += 1) {
      ours.push(await seconds([executable, "release", "image", "--runtime-libs", "/", "--out", join(folder, "ours")]));
      if (toolsMissing("umoci") === undefined) umoci.push(await withUmoci(folder));
      if (toolsMissing("crane") === undefined) crane.push(await withCrane(tar, folder));
    }
    const bytes = folderBytes(join(folder, "ours")) / 1e6;
    return [
      beside("image of the executable, built", [median(ours), median(umoci)], {
        unit: "s",
        peer: "umoci insert of the same files",
      }),
      beside("image of the executable, built", [median(ours), median(crane)], {
        unit: "s",
        peer: "crane append of the same tar",
      }),
      beside("image of the executable, bytes", [bytes, folderBytes(join(folder, "umoci")) / 1e6], {
        unit: "MB",
        peer: "umoci's layout",
      }),
      await releaseTime(executable, { folder, image: median(ours), runs }),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function beside(
  what: string,
  [ours, peer]: readonly [number, number],
  about: { readonly unit: string; readonly peer: string },
): Row {
  if (Number.isNaN(peer) || peer === 0) return without(`${what} (${about.peer})`, "the tool is not installed");
  return row(what, ours, peer, { unit: about.unit, note: about.peer, digits: 2 });
}

/** The files of the image as a folder and as one tar, for the peers. Returns the tar. */
async function rootOf(executable: string, folder: string): Promise<string> {
  const root = join(folder, "root");
  const libraries = spawnSync("ldd", [executable], { encoding: "utf8" }).stdout.match(/\/\S+(?= \()/g) ?? [];
  const files = [["/usr/local/bin/alga-appliance", executable], ...libraries.map((path) => [path, path])];
  for (const [path = "", source = ""] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(source, join(root, path));
    chmodSync(join(root, path), 0o755);
  }
  const tar = join(folder, "root.tar");
  await seconds(["tar", "-C", root, "-cf", tar, "."]);
  return tar;
}

async function withUmoci(folder: string): Promise<number> {
  const layout = join(folder, "umoci");
  rmSync(layout, { recursive: true, force: true });
  const image = `${layout}:1`;
  const steps = [
    ["init", "--layout", layout],
    ["new", "--image", image],
    ["insert", "--image", image, join(folder, "root"), "/"],
    [
      "config",
      "--image",
      image,
      "--config.user",
      "10001:10001",
      "--config.entrypoint",
      "/usr/local/bin/alga-appliance",
    ],
  ];
  let total = 0;
  for (const words of steps) total += await seconds([toolPath("umoci"), ...words]);
  return total;
}

function withCrane(tar: string, folder: string): Promise<number> {
  const words = ["append", "--oci-empty-base", "-f", tar, "-t", "example.com/image:1", "-o", join(folder, "crane.tar")];
  return seconds([toolPath("crane"), ...words]);
}

/** The example tree with everything that it pins in a registry of this process: locked once, then built offline. */
async function releaseTime(
  executable: string,
  given: { readonly folder: string; readonly image: number; readonly runs: number },
): Promise<Row> {
  const { fetch, store } = createRegistryServer();
  const served = await serveFetch(fetch);
  try {
    const registry = `127.0.0.1:${served.port}`;
    const { fluxDigest } = buildSampleRelease(store, {
      registry,
      version: "0.9.0",
      imageTag: "62cdce38",
      additional: "pinned",
    });
    store.tag("nine-minds/flux-manifests", "v2.9.5", fluxDigest);
    const tree = join(given.folder, "tree");
    cpSync(EXAMPLE, tree, { recursive: true });
    const source = join(tree, "release.yaml");
    writeFileSync(source, readFileSync(source, "utf8").replaceAll(/ghcr\.io|docker\.io/g, registry));
    await seconds([executable, "release", "lock", tree]);
    const times: number[] = [];
    const out = join(given.folder, "release");
    for (let index = 0; index < given.runs; index += 1) {
      rmSync(out, { recursive: true, force: true });
      times.push(await seconds([executable, "release", "build", tree, "--out", out, "--runtime-libs", "/"]));
    }
    const note = `its image alone; ${(folderBytes(out) / 1e6).toFixed(1)} MB in all`;
    return row("release of six charts and an image, built", median(times), given.image, { unit: "s", note, digits: 2 });
  } finally {
    await served.close();
  }
}

/** Seconds of a whole process. @throws {Error} with what it said when it fails. */
function seconds([program = "", ...words]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve((performance.now() - started) / 1_000);
      else reject(new Error(`${program} ${words.join(" ")} ended with ${code}: ${said}`));
    });
  });
}

function folderBytes(folder: string): number {
  if (!existsSync(folder)) return Number.NaN;
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + statSync(join(entry.parentPath, entry.name)).size, 0);
}
