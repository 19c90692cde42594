/**
 * gzip without compression: bytes that stay the same under every version of every compressor.
 *
 * A chart keeps its digest as long as its files are the same. Compressors change their output from release to release, so
 * what must be published once and never move is stored; charts and bundles are small.
 *
 * @see RFC 1952 (gzip), section 2.3; RFC 1951 (deflate), section 3.2.4, "Non-compressed blocks"
 */
import { crc32 } from "node:zlib";

/** Bytes of one stored block at most: its length has 16 bits. */
const BLOCK = 0xff_ff;
/** Magic, deflate, no flags, no time, no extra flags, and 255 for "unknown" as operating system. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);

/** Wraps bytes as a gzip file of stored blocks. The same bytes always give the same file. */
export function gzipStored(bytes: Uint8Array): Uint8Array {
  const count = Math.max(1, Math.ceil(bytes.length / BLOCK));
  const blocks = Array.from({ length: count }, (_none, index) => {
    const content = bytes.subarray(index * BLOCK, (index + 1) * BLOCK);
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, index === count - 1 ? 1 : 0);
    head.setUint16(1, content.length, true);
    head.setUint16(3, ~content.length & 0xff_ff, true);
    return [new Uint8Array(head.buffer), content];
  });
  const end = new DataView(new ArrayBuffer(8));
  end.setUint32(0, crc32(bytes), true);
  end.setUint32(4, bytes.length % 2 ** 32, true);
  return new Uint8Array(Buffer.concat([HEADER, ...blocks.flat(), new Uint8Array(end.buffer)]));
}
