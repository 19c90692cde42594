/**
 * What an unfinished tar holds already of the one that is to be written.
 *
 * A tar of a layout is always the same bytes for the same content, so a file that was left is a beginning of it, as far as
 * every byte of it is right: contents are hashed again, because a machine that lost power may have kept anything. Of a file
 * that was to become another tar (the channel has moved, metadata was renewed), contents are found by their names and checked
 * when they are used.
 */
import { abortReason } from "../core/deadline.ts";
import { createDigester, type Digest, type Digester, isDigest } from "../core/digest.ts";
import type { OpenedFile } from "../core/ports.ts";
import type { Wanted } from "./layout-content.ts";
import { readTarHeader } from "./tar-reader.ts";

/** A piece of the tar: bytes that are known, then content, then its padding. */
export interface TarSegment {
  readonly head: Uint8Array;
  /** Absent: the head is all of it. */
  readonly wanted: Wanted | undefined;
  readonly tail: Uint8Array;
}

/** How much of a file may stay. */
export interface TarRest {
  /** Of all segments, the number of those that are whole. */
  readonly segments: number;
  /** Bytes of the file that stay: the whole segments, and the beginning of the next one. */
  readonly keepBytes: number;
  /** What those bytes hold of the next one's content. */
  readonly begun: BegunContent | undefined;
}

/** The beginning of a content. The digesters have taken it: one for the writer, one for whoever reads the rest. */
export interface BegunContent {
  readonly bytes: number;
  readonly digesters: readonly [Digester, Digester];
}

const PIECE_BYTES = 1024 * 1024;
const BLOCK = 512;
const BLOBS = "blobs/sha256/";

/** Compares a file with the segments, in order, up to the first byte that is wrong or not there. Throws what reading throws. */
export async function restOf(file: OpenedFile, segments: readonly TarSegment[], signal: AbortSignal): Promise<TarRest> {
  let at = 0;
  for (const [index, { head, wanted, tail }] of segments.entries()) {
    const cut = { segments: index, keepBytes: at, begun: undefined };
    if (!(await holds(file, at, head))) return cut;
    const from = at + head.length;
    if (wanted !== undefined) {
      const begun = await hashed(file, { from, bytes: wanted.size }, signal);
      const [digester] = begun.digesters;
      if (begun.bytes < wanted.size) return { segments: index, keepBytes: from + begun.bytes, begun };
      if (digester.digest() !== wanted.digest) return cut;
      if (!(await holds(file, from + wanted.size, tail)))
        return { segments: index, keepBytes: from + wanted.size, begun };
    }
    at = from + (wanted?.size ?? 0) + tail.length;
  }
  return { segments: segments.length, keepBytes: at, begun: undefined };
}

async function holds(file: OpenedFile, at: number, bytes: Uint8Array): Promise<boolean> {
  return Buffer.compare(await file.readAt(at, bytes.length), bytes) === 0;
}

async function hashed(
  file: OpenedFile,
  part: { readonly from: number; readonly bytes: number },
  signal: AbortSignal,
): Promise<BegunContent> {
  const digesters = [createDigester(), createDigester()] as const;
  let bytes = 0;
  while (bytes < part.bytes) {
    if (signal.aborted) throw abortReason(signal);
    const piece = await file.readAt(part.from + bytes, Math.min(PIECE_BYTES, part.bytes - bytes));
    if (piece.length === 0) break;
    for (const digester of digesters) digester.update(piece);
    bytes += piece.length;
  }
  return { bytes, digesters };
}

/** Where contents lie in a file that is the beginning of some tar of a layout. Their bytes are not checked. */
export async function contentsOf(
  file: OpenedFile,
): Promise<ReadonlyMap<Digest, { readonly offset: number; readonly sizeBytes: number }>> {
  const found = new Map<Digest, { readonly offset: number; readonly sizeBytes: number }>();
  for (let at = 0; ; ) {
    const header = await headerAt(file, at);
    if (header === undefined) return found;
    const place = { offset: at + BLOCK, sizeBytes: header.sizeBytes };
    const digest = `sha256:${header.path.slice(BLOBS.length)}`;
    const isWhole = place.offset + place.sizeBytes <= file.sizeBytes;
    if (header.path.startsWith(BLOBS) && isDigest(digest) && isWhole) found.set(digest, place);
    at = place.offset + Math.ceil(place.sizeBytes / BLOCK) * BLOCK;
  }
}

async function headerAt(file: OpenedFile, at: number) {
  const block = await file.readAt(at, BLOCK);
  if (block.length < BLOCK) return undefined;
  try {
    return readTarHeader(block, "the unfinished file");
  } catch {
    return undefined;
  }
}
