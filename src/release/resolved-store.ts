/**
 * What was resolved before, on disk: the documents of a release by digest, and the last good resolve of every ref.
 *
 * A box without network still knows by it what its channel was and how old that is, and a warm resolve needs one round
 * trip. It is a cache: a file that is damaged, unreadable or from another version counts as absent, and a disk that takes
 * nothing costs the memory, not the resolve. Bytes are compared with their
 * digest again when they are read, so a damaged disk cannot become a release.
 */
import { join } from "node:path/posix";
import { z } from "zod";
import { type Digest, digestOf, isDigest } from "../core/digest.ts";
import { isApplianceError } from "../core/errors.ts";
import { isPlainObject, parseJson } from "../core/json.ts";
import type { Deps } from "../core/ports.ts";
import { parseReleaseManifest } from "./model.ts";
import { artifactSchema, missingSchema, type ReleaseRef, type ResolvedRelease } from "./resolved.ts";

/** The two documents of a release as the registry gave them. */
export interface ReleaseBytes {
  readonly manifest: Uint8Array;
  /** The release manifest (JSON). */
  readonly config: Uint8Array;
}

export interface LastQuery {
  readonly registry: string;
  readonly repository: string;
  readonly ref: ReleaseRef;
}

export interface ResolvedStore {
  /** True when nothing was ever kept, so that nothing can be saved by asking for a digest first. */
  isEmpty(): Promise<boolean>;
  /** The bytes of a release by its digest, checked again; undefined when they were never kept or are damaged. */
  bytes(digest: Digest): Promise<ReleaseBytes | undefined>;
  /** Keeps checked bytes. Safe to call again. */
  keep(digest: Digest, bytes: ReleaseBytes): Promise<void>;
  /** What a release referred to when it was resolved whole. */
  artifacts(digest: Digest): Promise<Pick<ResolvedRelease, "artifacts" | "missing"> | undefined>;
  /** Who stood for a release when it was resolved before; undefined when it never was. */
  believed(digest: Digest): Promise<Pick<ResolvedRelease, "verifiedBy" | "accepted" | "goodUntil"> | undefined>;
  /** Notes a resolve as the last good one of its ref. */
  save(resolved: ResolvedRelease): Promise<void>;
  /** The last good resolve of a ref, or of its digest. */
  last(query: LastQuery): Promise<ResolvedRelease | undefined>;
}

const SCHEMA = "alga.appliance.resolved/v1";
const INDEX = "index.json";
/** Refs that are remembered; older ones are dropped with their documents. */
const MAX_ENTRIES = 16;
const MAX_BYTES = 4 * 1024 * 1024;

const digestText = z.custom<Digest>(isDigest);
const entrySchema = z.object({
  /** Registry, repository and ref in one text. */
  key: z.string(),
  digest: digestText,
  registry: z.string(),
  repository: z.string(),
  verifiedBy: z.string(),
  accepted: z.string().optional(),
  goodUntil: z.string().optional(),
  resolvedAt: z.string(),
  artifacts: z.array(artifactSchema),
  missing: z.array(missingSchema),
});
const indexSchema = z.object({ schema: z.literal(SCHEMA), entries: z.array(entrySchema) });
const bytesSchema = z.object({ schema: z.literal(SCHEMA), manifest: z.string(), config: z.string() });

type Entry = z.infer<typeof entrySchema>;

/** Opens the store in a folder, which is made when something is kept. */
export function createResolvedStore(deps: Pick<Deps, "files" | "log">, folder: string): ResolvedStore {
  const read = <T>(name: string, schema: z.ZodType<T>): Promise<T | undefined> =>
    readDocument(deps, { path: join(folder, name), schema });
  const entries = async (): Promise<readonly Entry[]> => (await read(INDEX, indexSchema))?.entries ?? [];
  const bytes = async (digest: Digest): Promise<ReleaseBytes | undefined> => {
    const kept = await read(fileOf(digest), bytesSchema);
    return kept === undefined ? undefined : checkedBytes(digest, kept);
  };
  return {
    isEmpty: async () => (await entries()).length === 0,
    bytes,
    keep: (digest, document) =>
      asFarAsPossible(deps, async () => {
        await deps.files.makeDirectory(folder);
        const text = { schema: SCHEMA, manifest: textOf(document.manifest), config: textOf(document.config) };
        await deps.files.write(join(folder, fileOf(digest)), JSON.stringify(text), { mode: 0o600 });
      }),
    artifacts: async (digest) => (await entries()).find((entry) => entry.digest === digest),
    believed: async (digest) => {
      const found = (await entries()).filter((entry) => entry.digest === digest);
      const signed = found.filter((entry) => entry.verifiedBy !== "none");
      const entry = signed.find(({ goodUntil }) => goodUntil !== undefined) ?? signed[0] ?? found[0];
      return entry === undefined ? undefined : { verifiedBy: entry.verifiedBy, ...toldOf(entry) };
    },
    save: (resolved) =>
      asFarAsPossible(deps, async () => {
        const entry = entryOf(resolved);
        const kept = [entry, ...(await entries()).filter((other) => other.key !== entry.key)].slice(0, MAX_ENTRIES);
        await deps.files.makeDirectory(folder);
        await deps.files.write(join(folder, INDEX), JSON.stringify({ schema: SCHEMA, entries: kept }), { mode: 0o600 });
        await sweep(deps, { folder, kept });
      }),
    last: async (query) => {
      const all = await entries();
      const wanted = keyOf(query);
      const entry = all.find((one) => one.key === wanted) ?? byDigest(all, query.ref);
      const document = entry === undefined ? undefined : await bytes(entry.digest);
      return entry === undefined || document === undefined ? undefined : resolvedOf(entry, { query, document });
    },
  };
}

/** Does what the disk allows; what it refuses is logged. Anything but a failing file goes on. */
async function asFarAsPossible(deps: Pick<Deps, "log">, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!isApplianceError(thrown) || !thrown.code.startsWith("file/")) throw thrown;
    deps.log.warn("resolved release not kept", { error: thrown });
  }
}

function keyOf({ registry, repository, ref }: LastQuery): string {
  return `${registry}/${repository} ${Object.entries(ref)[0]?.join(" ") ?? ""}`;
}

function byDigest(entries: readonly Entry[], ref: ReleaseRef): Entry | undefined {
  return "digest" in ref ? entries.find((entry) => entry.digest === ref.digest) : undefined;
}

function entryOf(resolved: ResolvedRelease): Entry {
  const { digest, registry, repository, verifiedBy, resolvedAt } = resolved;
  const lists = { artifacts: [...resolved.artifacts], missing: [...resolved.missing] };
  return { key: keyOf(resolved), digest, registry, repository, verifiedBy, ...toldOf(resolved), resolvedAt, ...lists };
}

/** What is told beside who stands for it, where there is something. */
function toldOf({ accepted, goodUntil }: Pick<Entry, "accepted" | "goodUntil">) {
  return { ...(accepted === undefined ? {} : { accepted }), ...(goodUntil === undefined ? {} : { goodUntil }) };
}

function resolvedOf(
  entry: Entry,
  from: { readonly query: LastQuery; readonly document: ReleaseBytes },
): ResolvedRelease {
  const { key: _key, accepted: _accepted, goodUntil: _goodUntil, ...rest } = entry;
  return {
    ...rest,
    ...toldOf(entry),
    ref: from.query.ref,
    manifest: parseReleaseManifest(from.document.config),
    roundTrips: 0,
  };
}

function fileOf(digest: Digest): string {
  return `${digest.slice("sha256:".length)}.json`;
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** Both documents must still be the ones that their digests name. */
function checkedBytes(digest: Digest, kept: z.infer<typeof bytesSchema>): ReleaseBytes | undefined {
  const manifest = new TextEncoder().encode(kept.manifest);
  const config = new TextEncoder().encode(kept.config);
  if (digestOf(manifest) !== digest) return undefined;
  const document = parseJson(manifest, { what: "kept release" });
  const named = isPlainObject(document) && isPlainObject(document.config) ? document.config.digest : undefined;
  return named === digestOf(config) ? { manifest, config } : undefined;
}

async function readDocument<T>(
  deps: Pick<Deps, "files" | "log">,
  file: { readonly path: string; readonly schema: z.ZodType<T> },
): Promise<T | undefined> {
  try {
    const bytes = await deps.files.read(file.path, { maxBytes: MAX_BYTES });
    if (bytes === undefined) return undefined;
    return file.schema.parse(parseJson(bytes, { what: `file "${file.path}"`, maxBytes: MAX_BYTES }));
  } catch (error) {
    deps.log.warn("kept release is not readable and passed over", { path: file.path, error });
    return undefined;
  }
}

/** Removes documents that no entry names any more. A crash in between leaves a file that the next save removes. */
async function sweep(
  deps: Pick<Deps, "files">,
  at: { readonly folder: string; readonly kept: readonly Entry[] },
): Promise<void> {
  const wanted = new Set([INDEX, ...at.kept.map((entry) => fileOf(entry.digest))]);
  const names = (await deps.files.list(at.folder)).filter((name) => /^[0-9a-f]{64}\.json$/.test(name));
  for (const name of names) if (!wanted.has(name)) await deps.files.remove(join(at.folder, name));
}
