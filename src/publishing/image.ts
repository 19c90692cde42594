/**
 * The control-plane image, built without a daemon: the executable, and what it needs to start, for each platform.
 *
 * Two layers on top of nothing (or of a base image): the runtime with the accounts, which changes with glibc, and the
 * executable, which changes with each release; so an update sends only the second. Nothing of this machine gets in: the
 * same executables, libraries and time give the same digests everywhere one version of this program runs.
 *
 * @see OCI image-spec v1.1.1, config.md, manifest.md, image-index.md, annotations.md
 */
import { createHash } from "node:crypto";
import { type Digest, digestOf } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import { canonicalJson } from "../core/json.ts";
import { type ArtifactPart, pushArtifact, pushIndex } from "../oci/artifact.ts";
import { MEDIA } from "../oci/media-types.ts";
import type { RegistryStore } from "../oci/store.ts";
import { type Architecture, readElf } from "./image-elf.ts";
import { type BuildFacts, readBuildFacts } from "./image-facts.ts";
import { type LayerEntry, packLayer } from "./image-layer.ts";
import { collectRuntime, type Runtime, type RuntimeSource } from "./image-runtime.ts";
import { instantOfSeconds } from "./source-date.ts";

/** Repository of the image below the base of a registry. */
export const CONTROL_PLANE_REPOSITORY = "alga-appliance-control-plane";
/** Where the executable stands in the image, and what the container runs. */
const EXECUTABLE_PATH = "/usr/local/bin/alga-appliance";

/** One platform of the image. Bytes are read when its turn comes, and let go of afterwards. */
export interface PlatformInput {
  readonly architecture: Architecture;
  /** For messages: `executable "/x/alga-appliance"`. */
  readonly what: string;
  readonly executable: () => Promise<Uint8Array>;
  readonly runtime: () => Promise<RuntimeSource>;
}

export interface ImageInput {
  readonly platforms: readonly PlatformInput[];
  /** Version of the release; also the tag. Absent: that of the executables. */
  readonly version?: string;
  /** Time of everything in the image, seconds since 1970: SOURCE_DATE_EPOCH, else 0. */
  readonly createdSeconds: number;
  /** Where the sources are, for the label; absent: no label. */
  readonly sourceUrl?: string;
}

/** A regular file of ours in the image. */
export interface ImageFile {
  /** Absolute path in the image. */
  readonly path: string;
  readonly kind: "executable" | "library" | "configuration";
  readonly sizeBytes: number;
  readonly digest: Digest;
  /** Hex; SPDX identifies files by it. */
  readonly sha1: string;
}

export interface BuiltPlatform {
  readonly architecture: Architecture;
  /** Of the platform's manifest. */
  readonly digest: Digest;
  readonly facts: BuildFacts;
  readonly runtime: Runtime;
  /** Sorted by path; with the libraries of a base image, which are not ours but are what it runs on. */
  readonly files: readonly ImageFile[];
  /** Compressed, without config and manifest. */
  readonly layers: readonly { readonly digest: Digest; readonly sizeBytes: number; readonly holds: string }[];
}

export interface BuiltImage {
  /** Of the index over the platforms. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly tag: string;
  readonly platforms: readonly BuiltPlatform[];
}

const OWNER = 10_001;
const STATE = "/var/lib/alga-appliance";

/**
 * Builds the image into a store, under its version as tag. Safe to call again: the same input gives the same digests.
 *
 * @throws {ApplianceError} image/not-ours when an executable is none of ours, or the platforms are of different builds.
 * @throws {ApplianceError} image/... as `collectRuntime`, and what reading the executables and sources throws.
 */
export async function buildControlPlaneImage(store: RegistryStore, input: ImageInput): Promise<BuiltImage> {
  const platforms: BuiltPlatform[] = [];
  const sorted = [...input.platforms].sort((a, b) => (a.architecture < b.architecture ? -1 : 1));
  for (const platform of sorted) platforms.push(await buildPlatform(store, platform, input));
  assertOneBuild(platforms);
  const [first] = platforms;
  if (first === undefined) throw new Error("Cannot build an image for no platform: a defect of the caller");
  const tag = input.version ?? first.facts.version;
  const digest = pushIndex(store, CONTROL_PLANE_REPOSITORY, {
    tag,
    entries: platforms.map((one) => ({
      digest: one.digest,
      platform: { os: "linux", architecture: one.architecture },
    })),
    annotations: labels(input, first),
  });
  const sizeBytes = store.manifest(CONTROL_PLANE_REPOSITORY, digest)?.bytes.length ?? 0;
  return { digest, sizeBytes, tag, platforms };
}

async function buildPlatform(store: RegistryStore, platform: PlatformInput, input: ImageInput): Promise<BuiltPlatform> {
  const { architecture, what } = platform;
  const executable = await platform.executable();
  const facts = readBuildFacts(executable, { what, architecture });
  const runtime = await collectRuntime(readElf(executable, what), await platform.runtime(), { architecture });
  const content = contentOf(executable, runtime);
  const layers = await layersOf(content, runtime, input.createdSeconds);
  const known = { facts, runtime };
  const digest = pushArtifact(store, CONTROL_PLANE_REPOSITORY, {
    config: configOf(layers, { architecture, input, ...known }),
    layers: layers.map(({ mediaType, bytes }) => ({ mediaType, bytes })),
    annotations: labels(input, known),
  });
  const named = layers.map(({ bytes, holds }) => ({ digest: digestOf(bytes), sizeBytes: bytes.length, holds }));
  return { architecture, digest, ...known, files: filesOf(content, runtime), layers: named };
}

interface Content {
  readonly executable: LayerEntry;
  readonly libraries: readonly LayerEntry[];
  readonly system: readonly LayerEntry[];
}

function contentOf(executable: Uint8Array, runtime: Runtime): Content {
  const ours = runtime.source.base === undefined ? runtime.files : [];
  return {
    executable: { path: relative(EXECUTABLE_PATH), bytes: executable, mode: 0o755 },
    libraries: ours.map(({ path, bytes }) => ({ path: relative(path), bytes, mode: 0o755 })),
    system: [
      text("etc/passwd", [
        "root:x:0:0:root:/:/sbin/nologin",
        `alga-appliance:x:${OWNER}:${OWNER}:Alga Appliance:${STATE}:/sbin/nologin`,
      ]),
      text("etc/group", ["root:x:0:", `alga-appliance:x:${OWNER}:`]),
      text("etc/nsswitch.conf", ["passwd: files", "group: files", "hosts: files dns"]),
      { path: "etc/alga-appliance/" },
      { path: `${relative(STATE)}/`, mode: 0o750, owner: OWNER },
      { path: "tmp/", mode: 0o1777 },
      { path: "usr/local/bin/" },
    ],
  };
}

const relative = (path: string): string => path.slice(1);

function text(path: string, lines: readonly string[]): LayerEntry {
  return { path, bytes: new TextEncoder().encode(`${lines.join("\n")}\n`) };
}

interface BuiltLayer {
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly diffId: Digest;
  /** For the history of the image. */
  readonly holds: string;
}

async function layersOf(content: Content, runtime: Runtime, modifiedSeconds: number): Promise<readonly BuiltLayer[]> {
  const { base } = runtime.source;
  const below = (base?.layers ?? []).map((layer) => ({ ...layer, holds: `base image ${base?.name ?? base?.digest}` }));
  const system = withFolders([...content.libraries, ...content.system]);
  const first = await packLayer(system, { modifiedSeconds });
  const second = await packLayer([content.executable], { modifiedSeconds });
  const holds = base === undefined ? `glibc ${runtime.glibc}, accounts and folders` : "accounts and folders";
  return [
    ...below,
    { mediaType: MEDIA.layerGzip, ...first, holds },
    { mediaType: MEDIA.layerGzip, ...second, holds: EXECUTABLE_PATH },
  ];
}

/** The folders above each entry, which unpackers would else make with modes of their own. */
function withFolders(entries: readonly LayerEntry[]): readonly LayerEntry[] {
  const given = new Set(entries.map((entry) => entry.path));
  const parents = entries.flatMap(({ path }) => {
    const parts = path.replace(/\/$/, "").split("/").slice(0, -1);
    return parts.map((_, index) => `${parts.slice(0, index + 1).join("/")}/`);
  });
  const missing = [...new Set(parents)].filter((path) => !given.has(path));
  return [...entries, ...missing.map((path) => ({ path }))];
}

interface Described {
  readonly facts: BuildFacts;
  readonly runtime: Runtime;
}

function configOf(
  layers: readonly BuiltLayer[],
  about: Described & { readonly architecture: Architecture; readonly input: ImageInput },
): ArtifactPart {
  const { architecture, input, runtime } = about;
  const created = instantOfSeconds(input.createdSeconds);
  const ours = [`PATH=/usr/local/bin`, `HOME=${STATE}`];
  const inherited = (runtime.source.base?.environment ?? []).filter((one) => !/^(?:PATH|HOME)=/.test(one));
  const config = {
    architecture,
    os: "linux",
    created,
    config: {
      User: `${OWNER}:${OWNER}`,
      ExposedPorts: { "8080/tcp": {} },
      Env: [...ours, ...inherited],
      Entrypoint: [EXECUTABLE_PATH],
      Cmd: ["serve"],
      WorkingDir: "/",
      StopSignal: "SIGTERM",
      Labels: labels(input, about),
    },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: layers.map(({ holds }) => ({ created, created_by: "alga-appliance release image", comment: holds })),
  };
  return { mediaType: MEDIA.config, bytes: new TextEncoder().encode(canonicalJson(config)) };
}

/** @see OCI image-spec v1.1.1, annotations.md, "Pre-Defined Annotation Keys" */
function labels(input: ImageInput, { facts, runtime }: Described): Readonly<Record<string, string>> {
  const { base } = runtime.source;
  const key = (name: string): string => `org.opencontainers.image.${name}`;
  return {
    [key("title")]: "Alga Appliance control plane",
    [key("description")]: "Sets up, runs, watches and updates an on-premises Alga appliance",
    [key("vendor")]: "Nine Minds",
    [key("version")]: input.version ?? facts.version,
    [key("revision")]: facts.revision,
    [key("created")]: instantOfSeconds(input.createdSeconds),
    ...(input.sourceUrl === undefined ? {} : { [key("source")]: input.sourceUrl }),
    ...(base?.name === undefined ? {} : { [key("base.name")]: base.name }),
    ...(base === undefined ? {} : { [key("base.digest")]: base.digest }),
  };
}

function filesOf(content: Content, runtime: Runtime): readonly ImageFile[] {
  const file = (path: string, kind: ImageFile["kind"], bytes: Uint8Array): ImageFile => ({
    path,
    kind,
    sizeBytes: bytes.length,
    digest: digestOf(bytes),
    sha1: createHash("sha1").update(bytes).digest("hex"),
  });
  const { executable, system } = content;
  const files = [
    file(EXECUTABLE_PATH, "executable", executable.bytes ?? new Uint8Array()),
    ...runtime.files.map(({ path, bytes }) => file(path, "library", bytes)),
    ...system.flatMap(({ path, bytes }) => (bytes === undefined ? [] : [file(`/${path}`, "configuration", bytes)])),
  ];
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** An index over two builds would be two programs under one name. */
function assertOneBuild(platforms: readonly BuiltPlatform[]): void {
  const builds = [...new Set(platforms.map(({ facts }) => `${facts.version} ${facts.revision} ${facts.lock}`))];
  if (builds.length <= 1) return;
  const of = platforms.map(({ architecture, facts }) => `${architecture} of ${facts.version} (${facts.revision})`);
  throw new ApplianceError(
    "image/not-ours",
    `Cannot build image of two builds: the executables are ${of.join(", ")}, one build is wanted`,
    { hint: "Build all targets from one commit: npm run build" },
  );
}
