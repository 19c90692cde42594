/**
 * `release publish` of one large image against a cold and a warm registry, beside crane and skopeo with the same bytes, and of
 * charts beside `helm push`, which takes one at a time.
 *
 * Peers do not read back what they have sent; so ours is measured with and without it. The bytes are those of the socket, both
 * ways, counted by a proxy that stands before the registry for everybody.
 *
 * `bun bench/publish.ts [megabytes] [runs] [executable]` measures this alone.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pushArtifact } from "../src/oci/artifact.ts";
import { createLayout, writeStore } from "../src/oci/layout-writer.ts";
import { MEDIA } from "../src/oci/media-types.ts";
import { createMemoryStore } from "../src/oci/store.ts";
import { systemFiles as files } from "../src/platform/files.ts";
import { dockerRegistryMissing, startDockerRegistry } from "../test/support/docker-registry.ts";
import { sharedExecutable } from "../test/support/executable.ts";
import { runTool, toolPath, toolsMissing } from "../test/support/real-tools.ts";
import { type Running, run } from "../test/support/sockets.ts";
import { median, printTable, type Row, row, without } from "./measure.ts";

const LAYERS = 5;
/** Helm refuses a file of more than 5 MiB in a chart. */
const [CHARTS, CHART_MEGABYTES] = [10, 2];

export interface PublishBench {
  readonly megabytes: number;
  readonly runs: number;
  /** Absent: built from the sources. */
  readonly executable?: string;
}

/** Publishes `megabytes` in five layers and a set of charts, `runs` times with each tool. */
export async function publishTimes({ megabytes, runs, executable }: PublishBench): Promise<Row[]> {
  const what = `release publish, ${megabytes} MB`;
  const missing = dockerRegistryMissing() ?? toolsMissing("crane", "skopeo", "helm");
  if (missing !== undefined) return [without(what, missing)];
  const folder = mkdtempSync(join(tmpdir(), "alga-publish-"));
  try {
    const program = executable ?? sharedExecutable();
    await writeImage(join(folder, "layout"), megabytes);
    const charts = await writeCharts(join(folder, "charts"));
    const image = await measured(toolsOf(program, join(folder, "layout"), folder), runs);
    const set = await measured(chartTools(program, charts, folder), runs);
    return [...rowsOf(what, image), ...chartRows(set)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measured(tools: Readonly<Record<string, Words>>, runs: number): Promise<Readonly<Record<string, Seen>>> {
  const seen = Object.fromEntries(Object.keys(tools).map((name) => [name, newSeen()]));
  for (let index = 0; index < runs; index += 1) {
    for (const [name, words] of Object.entries(tools)) await measure(words, seen[name] ?? newSeen());
  }
  return seen;
}

interface Seen {
  readonly coldMs: number[];
  readonly warmMs: number[];
  readonly coldMb: number[];
  readonly warmKb: number[];
}

function newSeen(): Seen {
  return { coldMs: [], warmMs: [], coldMb: [], warmKb: [] };
}

type Words = (registry: string) => readonly string[];

const publishWords =
  (program: string, layout: string, box: string): Words =>
  (registry) => [
    ...["env", `ALGA_APPLIANCE_ROOT=${box}`, program, "release", "publish", layout],
    ...["--registry", registry, "--repository", "bench", "--quiet"],
  ];

function toolsOf(program: string, layout: string, box: string): Readonly<Record<string, Words>> {
  const ours = publishWords(program, layout, box);
  return {
    ours,
    sizes: (registry) => [...ours(registry), "--verify", "sizes"],
    crane: (registry) => [toolPath("crane"), "push", layout, `${registry}/bench/image:1.0.0`, "--insecure"],
    skopeo: (registry) => [
      ...[toolPath("skopeo"), "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"],
      ...[`oci:${layout}:image:1.0.0`, `docker://${registry}/bench/image:1.0.0`],
    ],
  };
}

async function writeImage(folder: string, megabytes: number): Promise<void> {
  const store = createMemoryStore();
  const layers = Array.from({ length: LAYERS }, () => ({
    mediaType: MEDIA.layerTar,
    bytes: new Uint8Array(randomBytes(Math.round((megabytes * 1e6) / LAYERS))),
  }));
  const config = {
    mediaType: MEDIA.config,
    bytes: new TextEncoder().encode('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'),
  };
  pushArtifact(store, "image", { tag: "1.0.0", config, layers });
  const layout = await createLayout({ files }, folder);
  await writeStore(store, layout);
  await layout.finish();
}

/** Charts of random content, packed by helm itself, and the same bytes as a layout. */
async function writeCharts(folder: string): Promise<{ readonly layout: string; readonly packed: readonly string[] }> {
  const store = createMemoryStore();
  const packed: string[] = [];
  for (let index = 0; index < CHARTS; index += 1) {
    const name = `chart-${index}`;
    const chart = { apiVersion: "v2", name, version: "1.0.0", type: "application" };
    mkdirSync(join(folder, name, "files"), { recursive: true });
    writeFileSync(join(folder, name, "Chart.yaml"), JSON.stringify(chart));
    writeFileSync(join(folder, name, "files/content"), randomBytes(CHART_MEGABYTES * 1e6));
    await runTool("helm", ["package", join(folder, name), "--destination", folder]);
    const path = join(folder, `${name}-1.0.0.tgz`);
    packed.push(path);
    pushArtifact(store, `charts/${name}`, {
      tag: "1.0.0",
      config: {
        mediaType: "application/vnd.cncf.helm.config.v1+json",
        bytes: new TextEncoder().encode(JSON.stringify(chart)),
      },
      layers: [
        { mediaType: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", bytes: new Uint8Array(readFileSync(path)) },
      ],
    });
  }
  const layout = await createLayout({ files }, join(folder, "layout"));
  await writeStore(store, layout);
  await layout.finish();
  return { layout: join(folder, "layout"), packed };
}

function chartTools(
  program: string,
  { layout, packed }: { readonly layout: string; readonly packed: readonly string[] },
  box: string,
): Readonly<Record<string, Words>> {
  const pushes = (registry: string): string =>
    packed.map((path) => `${toolPath("helm")} push ${path} oci://${registry}/bench/charts --plain-http`).join(" && ");
  return { ours: publishWords(program, layout, box), helm: (registry) => ["sh", "-c", `${pushes(registry)} >&2`] };
}

/** Once into an empty registry, once into the same again. */
async function measure(words: Words, seen: Seen): Promise<void> {
  const registry = await startDockerRegistry({ auth: { kind: "none" } });
  const line = await countingProxy(registry.port);
  try {
    const place = `127.0.0.1:${line.port}`;
    seen.coldMs.push(await timed(words(place)));
    seen.coldMb.push(line.takeBytes() / 1e6);
    seen.warmMs.push(await timed(words(place)));
    seen.warmKb.push(line.takeBytes() / 1e3);
  } finally {
    await line.close();
    await registry.stop();
  }
}

function timed([program = "", ...words]: readonly string[]): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(performance.now() - started) : reject(new Error(`${program} ended with ${code}: ${said}`)),
    );
  });
}

async function countingProxy(port: number): Promise<Running & { readonly takeBytes: () => number }> {
  let bytes = 0;
  const count = (chunk: Buffer): void => {
    bytes += chunk.length;
  };
  const server = createServer((client: Socket) => {
    const target = connect(port, "127.0.0.1");
    client.on("data", count).on("error", () => target.destroy());
    target.on("data", count).on("error", () => client.destroy());
    client.pipe(target).pipe(client);
  });
  const running = await run(server);
  const takeBytes = (): number => {
    const taken = bytes;
    bytes = 0;
    return taken;
  };
  return { ...running, takeBytes };
}

function rowsOf(what: string, { ours, sizes, crane, skopeo }: Readonly<Record<string, Seen>>): Row[] {
  const of = (seen: Seen | undefined, key: keyof Seen): number => median(seen?.[key] ?? []);
  const ms = (unit: string, note: string) => ({ unit, note, digits: 0 });
  const pair = (
    name: string,
    key: keyof Seen,
    more: { unit: string; note: string; peer: Seen | undefined; by?: Seen | undefined },
  ): Row => row(`${what}, ${name}`, of(more.by ?? ours, key), of(more.peer, key), ms(more.unit, more.note));
  return [
    pair("cold, read back", "coldMs", { unit: "ms", note: "crane push (reads nothing back)", peer: crane }),
    pair("cold, --verify sizes", "coldMs", { unit: "ms", note: "crane push", peer: crane, by: sizes }),
    pair("cold, --verify sizes", "coldMs", { unit: "ms", note: "skopeo copy", peer: skopeo, by: sizes }),
    pair("warm", "warmMs", { unit: "ms", note: "crane push", peer: crane }),
    pair("warm", "warmMs", { unit: "ms", note: "skopeo copy", peer: skopeo }),
    pair("cold, read back, wire", "coldMb", { unit: "MB", note: "crane push", peer: crane }),
    pair("cold, --verify sizes, wire", "coldMb", { unit: "MB", note: "crane push", peer: crane, by: sizes }),
    pair("warm, wire", "warmKb", { unit: "kB", note: "crane push", peer: crane }),
  ];
}

function chartRows({ ours, helm }: Readonly<Record<string, Seen>>): Row[] {
  const what = `release publish, ${CHARTS} charts of ${CHART_MEGABYTES} MB`;
  const of = (seen: Seen | undefined, key: keyof Seen): number => median(seen?.[key] ?? []);
  const note = `helm push, ${CHARTS} times, reads nothing back`;
  const pair = (name: string, key: keyof Seen, unit: string): Row =>
    row(`${what}, ${name}`, of(ours, key), of(helm, key), { unit, note, digits: 0 });
  return [
    pair("cold, read back", "coldMs", "ms"),
    pair("warm", "warmMs", "ms"),
    pair("cold, wire", "coldMb", "MB"),
    pair("warm, wire", "warmKb", "kB"),
  ];
}

if (import.meta.main) {
  const [megabytes = "500", runs = "3", executable] = process.argv.slice(2);
  const given = executable === undefined ? {} : { executable };
  printTable(await publishTimes({ megabytes: Number(megabytes), runs: Number(runs), ...given }));
}
