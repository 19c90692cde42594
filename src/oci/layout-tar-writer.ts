/**
 * Writing an OCI image layout as a tar file in one pass, from wherever its content comes.
 *
 * Sizes are known from descriptors, so the size of the file is known before its first byte and the disk is asked for the
 * room. The same content gives the same bytes: sorted, without times and owners. Content is checked while it passes; the
 * file gets its name only when it is whole and on disk.
 */
import { basename, dirname, join } from "node:path/posix";
import { abortReason } from "../core/deadline.ts";
import { createDigester } from "../core/digest.ts";
import { ApplianceError } from "../core/errors.ts";
import type { Deps, StagedFile } from "../core/ports.ts";
import { longBody, shortBody } from "./body.ts";
import { type Wanted, wrongContent } from "./layout-content.ts";
import { formatLayoutIndex, type LayoutEntry, layoutMarker } from "./layout-index.ts";
import { TAR_END, tarHeader, tarPadding } from "./tar.ts";

export interface TarLayout {
  /** The roots; their bytes are among the contents. */
  readonly entries: readonly LayoutEntry[];
  /** Everything that is put into the file, each digest once. */
  readonly contents: readonly Wanted[];
  /** Asked once for each content, one after the other. The stream need not be checked. */
  readonly open: (wanted: Wanted, signal: AbortSignal) => ReadableStream<Uint8Array>;
}

export interface WriteTarOptions {
  readonly signal: AbortSignal;
  /** Told after each piece. */
  readonly onProgress?: (progress: { readonly writtenBytes: number; readonly totalBytes: number }) => void;
}

const FILE_MODE = 0o644;
/** A writer that lives touches its file more often than this, whatever the network does meanwhile. */
const LEFT_OVER_MS = 60 * 60_000;

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
 * Writes the file. Whatever fails, nothing of it is left; a file that had the name before stays until the new one is whole.
 *
 * @returns its size in bytes.
 * @throws {ApplianceError} file/disk-full, before anything is written when the room is too small; file/unwritable;
 *   oci/digest-mismatch, oci/short-body, oci/long-body for content that is wrong; the reason of the signal; and what the
 *   streams throw.
 */
export async function writeLayoutTar(
  deps: Pick<Deps, "files" | "clock">,
  path: string,
  layout: TarLayout & WriteTarOptions,
): Promise<{ readonly sizeBytes: number }> {
  await removeLeftovers(deps, path);
  const totalBytes = layoutTarBytes(layout);
  await needRoom(deps, path, totalBytes);
  const staged = await deps.files.stage(path, { mode: FILE_MODE });
  try {
    const write = counted(staged, { totalBytes, onProgress: layout.onProgress });
    await writeSmall(write, "oci-layout", layoutMarker());
    await writeSmall(write, "index.json", formatLayoutIndex(layout.entries));
    for (const wanted of sorted(layout.contents)) await writeContent(write, { wanted, path, layout });
    await write(TAR_END);
    await staged.commit();
  } finally {
    await staged.discard();
  }
  return { sizeBytes: totalBytes };
}

/** What a process left that died: the hidden names of `Files.stage`, old enough that nobody writes them any more. */
async function removeLeftovers({ files, clock }: Pick<Deps, "files" | "clock">, path: string): Promise<void> {
  const start = `.${basename(path)}.`;
  for (const name of await files.list(dirname(path))) {
    if (!name.startsWith(start) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(start.length))) continue;
    const found = await files.stat(join(dirname(path), name), { links: "show" });
    const isOld = found?.kind === "file" && clock.now() - found.modifiedMs > LEFT_OVER_MS;
    if (isOld) await files.remove(join(dirname(path), name));
  }
}

async function needRoom({ files }: Pick<Deps, "files">, path: string, neededBytes: number): Promise<void> {
  const { freeBytes } = await files.space(dirname(path));
  if (freeBytes >= neededBytes) return;
  throw new ApplianceError(
    "file/disk-full",
    `Cannot write file "${path}": it needs ${neededBytes} bytes, the disk has ${freeBytes} free`,
    { hint: `Free space, or name another disk: df -h ${dirname(path)}`, details: { path, neededBytes, freeBytes } },
  );
}

type Write = (bytes: Uint8Array) => Promise<void>;

function counted(
  staged: StagedFile,
  total: { readonly totalBytes: number; readonly onProgress: WriteTarOptions["onProgress"] },
): Write {
  let writtenBytes = 0;
  return async (bytes) => {
    await staged.write(bytes);
    writtenBytes += bytes.length;
    total.onProgress?.({ writtenBytes, totalBytes: total.totalBytes });
  };
}

async function writeSmall(write: Write, path: string, bytes: Uint8Array): Promise<void> {
  await write(Buffer.concat([tarHeader({ path, sizeBytes: bytes.length }), bytes, tarPadding(bytes.length)]));
}

function sorted(contents: readonly Wanted[]): readonly Wanted[] {
  return [...contents].sort((a, b) => (a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0));
}

async function writeContent(
  write: Write,
  content: { readonly wanted: Wanted; readonly path: string; readonly layout: TarLayout & WriteTarOptions },
): Promise<void> {
  const { wanted, path, layout } = content;
  if (layout.signal.aborted) throw abortReason(layout.signal);
  await write(tarHeader({ path: `blobs/sha256/${wanted.digest.slice("sha256:".length)}`, sizeBytes: wanted.size }));
  const digester = createDigester();
  let sizeBytes = 0;
  for await (const chunk of layout.open(wanted, layout.signal)) {
    sizeBytes += chunk.length;
    if (sizeBytes > wanted.size) throw longBody(`"${wanted.digest}"`, wanted.size);
    digester.update(chunk);
    await write(chunk);
  }
  if (sizeBytes < wanted.size) throw shortBody(`"${wanted.digest}"`, { sizeBytes, wanted: wanted.size });
  const digest = digester.digest();
  if (digest !== wanted.digest) throw wrongContent(wanted.digest, { what: path, digest });
  await write(tarPadding(wanted.size));
}
