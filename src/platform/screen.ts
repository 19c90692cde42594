/** A text console of this machine as the kernel holds it. @see vcs(4) */
import { open } from "node:fs/promises";
import type { TextScreen } from "../core/ports.ts";

/** The header names lines and columns in a byte each; a cell is a sign and its colors. */
const HEADER_BYTES = 4;
const MAX_BYTES = HEADER_BYTES + 255 * 255 * 2;

/** Reads the screen of a console by its number; undefined where there is none, or this user may not see it. Never throws. */
export async function readScreen(number: number): Promise<TextScreen | undefined> {
  try {
    const handle = await open(`/dev/vcsa${number}`, "r");
    try {
      const room = new Uint8Array(MAX_BYTES);
      const { bytesRead } = await handle.read(room, 0, room.length, 0);
      const [rows = 0, columns = 0] = room;
      return bytesRead < HEADER_BYTES ? undefined : { rows, columns, cells: room.slice(HEADER_BYTES, bytesRead) };
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}
