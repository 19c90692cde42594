/**
 * Writing an OCI image layout as a tar file in one pass, from wherever its content comes.
 *
 * Sizes are known from descriptors, so the size of the file is known before its first byte and the disk is asked for the
 * room. The same content gives the same bytes: sorted, without times and owners. Content is checked while it passes; the
 * file gets its name only when it is whole and on disk. What was written before something failed stays beside it under a
 * hidden name, and the next run goes on behind the last byte that is right.
 */
import { basename, dirname } from "node:path/posix";
import { abortReason } from "../core/deadline.ts";
import { createDigester } from "../core/digest.ts";
import { ApplianceError, isApplianceError } from "../core/errors.ts";
import type { Deps, OpenedFile, ResumedFile } from "../core/ports.ts";
import { streamOf } from "../core/streams.ts";
import type { BlobStart } from "./blob.ts";
import { longBody, shortBody } from "./body.ts";
import { checkedChunks, type Wanted, wrongContent } from "./layout-content.ts";
import { formatLayoutIndex, type LayoutEntry, layoutMarker } from "./layout-index.ts";
import { type BegunContent, contentsOf, restOf, type TarRest, type TarSegment } from "./layout-tar-rest.ts";
import { claimPartial, confirmPartial, formerName } from "./partial-file.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar.ts";

export interface TarLayout {
  /** The roots; their bytes are among the contents. */
  readonly entries: readonly LayoutEntry[];
  /** Everything that is put into the file, each digest once. */
  readonly contents: readonly Wanted[];
  /** Gives a content from its first byte, or behind `start`; one after the other. The stream need not be checked. */
  readonly open: (
    wanted: Wanted,
    options: { readonly signal: AbortSignal; readonly start?: BlobStart | undefined },
  ) => ReadableStream<Uint8Array>;
}

export interface WriteTarOptions {
  readonly signal: AbortSignal;
  /** Told after each piece. */
  readonly onProgress?: (progress: { readonly writtenBytes: number; readonly totalBytes: number }) => void;
}

type TarDeps = Pick<Deps, "files" | "machine">;

const FILE_MODE = 0o644;

/** Bytes of the file that `writeLayoutTar` will write. */
export function layoutTarBytes(layout: Pick<TarLayout, "entries" | "contents">): number {
  const sizes = [
    layoutMarker().length,
    formatLayoutIndex(layout.entries).length,
    ...layout.contents.map((one) => one.size),
  ];
  return sizes.reduce((total, size) => total + 512 + size + tarPadding(size).length, TAR_END.length);
}

/**
 * Writes the file, or goes on with what an earlier run has left. A file that had the name before stays until the new one is
 * whole. One process at a time.
 *
 * @returns its size in bytes, and how many of them were there before.
 * @throws {ApplianceError} operation/busy while another process writes it; file/disk-full with the bytes that are lacking,
 *   before anything is written when the room is too small; file/unwritable; oci/digest-mismatch, oci/short-body,
 *   oci/long-body for content that is wrong; the reason of the signal; and what the streams throw.
 */
export async function writeLayoutTar(
  deps: TarDeps,
  path: string,
  layout: TarLayout & WriteTarOptions,
): Promise<{ readonly sizeBytes: number; readonly keptBytes: number }> {
  const totalBytes = layoutTarBytes(layout);
  const segments = segmentsOf(layout);
  const partial = await claimPartial(deps, path);
  const { rest, former } = await lookAtRest(deps, { path, partial, segments, signal: layout.signal });
  try {
    await needRoom(deps, { path, partial, neededBytes: totalBytes - rest.keepBytes, keepBytes: rest.keepBytes });
    const file = await deps.files.resume(path, { partial, keepBytes: rest.keepBytes, mode: FILE_MODE });
    const writing: Writing = { file, path, layout, totalBytes, former, writtenBytes: rest.keepBytes };
    try {
      await confirmPartial(deps, path);
      await writeRest(writing, segments, rest);
      await file.commit();
    } catch (thrown) {
      throw await explained(deps, writing, thrown);
    } finally {
      await file.leave();
    }
  } finally {
    await former?.file.close();
  }
  await deps.files.remove(formerName(path));
  return { sizeBytes: totalBytes, keptBytes: rest.keepBytes };
}

/** Known bytes and contents, in the order of the file. */
function segmentsOf(layout: TarLayout): readonly TarSegment[] {
  const small = (path: string, bytes: Uint8Array): TarSegment => ({
    head: Buffer.concat([tarHeader({ path, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)]),
    wanted: undefined,
    tail: new Uint8Array(),
  });
  return [
    small("oci-layout", layoutMarker()),
    small("index.json", formatLayoutIndex(layout.entries)),
    ...sorted(layout.contents).map((wanted) => ({
      head: tarHeader({ path: `blobs/sha256/${wanted.digest.slice("sha256:".length)}`, sizeBytes: wanted.size }),
      wanted,
      tail: tarPadding(wanted.size),
    })),
    { head: TAR_END, wanted: undefined, tail: new Uint8Array() },
  ];
}

function sorted(contents: readonly Wanted[]): readonly Wanted[] {
  return [...contents].sort((a, b) => (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0));
}

/** An unfinished file of another tar, whose contents may be in this one too. */
interface Former {
  readonly file: OpenedFile;
  readonly places: Awaited<ReturnType<typeof contentsOf>>;
}

const NOTHING: TarRest = { segments: 0, keepBytes: 0, begun: undefined };

/** What was left: the beginning of this very file, or of another one, which is put aside and read from. */
async function lookAtRest(
  { files }: Pick<Deps, "files">,
  left: {
    readonly path: string;
    readonly partial: string;
    readonly segments: readonly TarSegment[];
    readonly signal: AbortSignal;
  },
): Promise<{ readonly rest: TarRest; readonly former: Former | undefined }> {
  const file = await files.openRead(left.partial, { links: "refuse" });
  let rest = NOTHING;
  try {
    if (file !== undefined) rest = await restOf(file, left.segments, left.signal);
  } finally {
    await file?.close();
  }
  const former = formerName(left.path);
  // Its marker and index are the first two; without them it was to become another tar.
  if (file !== undefined && rest.segments < 2) {
    const isMore = file.sizeBytes > ((await files.stat(former))?.sizeBytes ?? 0);
    if (isMore) await files.rename(left.partial, former);
    rest = NOTHING;
  }
  const aside = await files.openRead(former, { links: "refuse" });
  return { rest, former: aside && { file: aside, places: await contentsOf(aside) } };
}

async function needRoom(
  { files }: Pick<Deps, "files">,
  wanted: { readonly path: string; readonly partial: string; readonly neededBytes: number; readonly keepBytes: number },
): Promise<void> {
  const { path, partial, neededBytes, keepBytes } = wanted;
  const spareBytes = Math.max(0, ((await files.stat(partial))?.sizeBytes ?? 0) - keepBytes);
  const freeBytes = (await files.space(dirname(path))).freeBytes + spareBytes;
  if (freeBytes >= neededBytes) return;
  throw new ApplianceError(
    "file/disk-full",
    `Cannot write file "${path}": it needs ${neededBytes} bytes, the disk has ${freeBytes} free`,
    {
      hint: `Free ${neededBytes - freeBytes} bytes, or name another disk: df -h ${dirname(path)}`,
      details: { path, neededBytes, freeBytes, lackingBytes: neededBytes - freeBytes },
    },
  );
}

interface Writing {
  readonly file: ResumedFile;
  readonly path: string;
  readonly layout: TarLayout & WriteTarOptions;
  readonly totalBytes: number;
  readonly former: Former | undefined;
  writtenBytes: number;
}

async function write(writing: Writing, bytes: Uint8Array): Promise<void> {
  const { file, layout, totalBytes } = writing;
  if (bytes.length === 0) return;
  await file.write(bytes);
  writing.writtenBytes += bytes.length;
  layout.onProgress?.({ writtenBytes: writing.writtenBytes, totalBytes });
}

async function writeRest(writing: Writing, segments: readonly TarSegment[], rest: TarRest): Promise<void> {
  let { begun } = rest;
  for (const { head, wanted, tail } of segments.slice(rest.segments)) {
    if (writing.layout.signal.aborted) throw abortReason(writing.layout.signal);
    if (begun === undefined) await write(writing, head);
    if (wanted !== undefined) await writeContent(writing, wanted, begun);
    await write(writing, tail);
    begun = undefined;
  }
}

/** Behind what is there, or out of the file that was put aside; when that was wrong, from its source and its first byte on. */
async function writeContent(writing: Writing, wanted: Wanted, begun: BegunContent | undefined): Promise<void> {
  const { layout, former, path, file } = writing;
  const { signal } = layout;
  // All of it is there and was compared.
  if (begun?.bytes === wanted.size) return;
  const startBytes = writing.writtenBytes - (begun?.bytes ?? 0);
  const place = former?.places.get(wanted.digest);
  const kept =
    begun !== undefined
      ? layout.open(wanted, { signal, start: { bytes: begun.bytes, digester: begun.digesters[1] } })
      : former !== undefined && place?.sizeBytes === wanted.size
        ? streamOf(
            checkedChunks({ ...place, file: former.file, close: async () => {} }, wanted, { what: path, signal }),
          )
        : undefined;
  try {
    if (kept !== undefined) return await writeChecked(writing, { wanted, stream: kept, begun });
  } catch (thrown) {
    if (!isApplianceError(thrown, "oci/digest-mismatch", "oci/truncated")) throw thrown;
    await file.cut(startBytes);
    writing.writtenBytes = startBytes;
  }
  await writeChecked(writing, { wanted, stream: layout.open(wanted, { signal }), begun: undefined });
}

async function writeChecked(
  writing: Writing,
  content: {
    readonly wanted: Wanted;
    readonly stream: ReadableStream<Uint8Array>;
    readonly begun: BegunContent | undefined;
  },
): Promise<void> {
  const { wanted, stream, begun } = content;
  const digester = begun?.digesters[0] ?? createDigester();
  let sizeBytes = begun?.bytes ?? 0;
  for await (const chunk of stream) {
    sizeBytes += chunk.length;
    if (sizeBytes > wanted.size) throw longBody(`"${wanted.digest}"`, wanted.size);
    digester.update(chunk);
    await write(writing, chunk);
  }
  if (sizeBytes < wanted.size) throw shortBody(`"${wanted.digest}"`, { sizeBytes, wanted: wanted.size });
  const digest = digester.digest();
  if (digest !== wanted.digest) throw wrongContent(wanted.digest, { what: writing.path, digest });
}

/** A disk that fills midway is told with what is lacking; everything else as it is. */
async function explained({ files }: Pick<Deps, "files">, writing: Writing, thrown: unknown): Promise<unknown> {
  if (!isApplianceError(thrown, "file/disk-full")) return thrown;
  const { path, totalBytes, writtenBytes } = writing;
  const { freeBytes } = await files.space(dirname(path));
  const lackingBytes = Math.max(1, totalBytes - writtenBytes - freeBytes);
  return new ApplianceError(
    "file/disk-full",
    `Cannot write file "${path}": the disk is full after ${writtenBytes} of ${totalBytes} bytes, ${lackingBytes} more are wanted`,
    {
      cause: thrown,
      hint: `Free ${lackingBytes} bytes and run it again, it goes on; or remove .${basename(path)}.*.partial`,
      details: { path, neededBytes: totalBytes - writtenBytes, freeBytes, lackingBytes },
    },
  );
}
