/** A QR code as lines of a console. Light modules are lit, dark ones are not: readers want dark on light. Pure. */
import { encode } from "uqr";
import type { Charset } from "../cli/screen-text.ts";

export interface QrOptions {
  readonly charset: Charset;
  /** Modules around the code. The standard wants four; readers want two or one, and the console has 25 lines. */
  readonly quiet: number;
}

/** Lines of the code with two modules in a character's height, or (ASCII) one module in two characters. */
export function qrLines(text: string, { charset, quiet }: QrOptions): readonly string[] {
  const { data } = encode(text, { border: quiet, ecc: "L" });
  const isDark = (row: number, column: number): boolean => data[row]?.[column] ?? false;
  const width = data[0]?.length ?? 0;
  const line = (draw: (column: number) => string): string =>
    Array.from({ length: width }, (_one, column) => draw(column)).join("");
  if (charset === "ascii") return data.map((_row, row) => line((column) => (isDark(row, column) ? "  " : "##")));
  return Array.from({ length: Math.ceil(data.length / 2) }, (_one, half) =>
    line((column) => halfBlock(isDark(2 * half, column), isDark(2 * half + 1, column) || 2 * half + 1 >= data.length)),
  );
}

function halfBlock(isTopDark: boolean, isBottomDark: boolean): string {
  if (isTopDark) return isBottomDark ? " " : "\u2584";
  return isBottomDark ? "\u2580" : "\u2588";
}
