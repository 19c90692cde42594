/** A wtmp file as glibc and systemd write it: struct utmp on 64 bits, 384 bytes each. @see utmp(5) */

export interface WtmpEntry {
  /** 1: a run level, 2: a boot, 7: a login. */
  readonly kind: number;
  readonly user: string;
  readonly atMs: number;
}

const BYTES = 384;

/** The file's bytes, an entry after the other. */
export function wtmpOf(entries: readonly WtmpEntry[]): Uint8Array {
  const bytes = new Uint8Array(BYTES * entries.length);
  const view = new DataView(bytes.buffer);
  for (const [index, { kind, user, atMs }] of entries.entries()) {
    const text = (offset: number, word: string): void =>
      bytes.set(new TextEncoder().encode(word), BYTES * index + offset);
    view.setInt16(BYTES * index, kind, true);
    text(8, "~");
    text(40, "~~");
    text(44, user);
    view.setUint32(BYTES * index + 340, Math.floor(atMs / 1_000), true);
  }
  return bytes;
}
